"""Goal: two `create` on one database at once, each with its own state directory, lose nothing.

usage: test_two_writers.py STORE ROUNDS
"""
import sys

import testlib


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    scratch = testlib.Scratch()
    try:
        store = testlib.store(sys.argv[1], scratch).fresh()
        source = scratch / "app.db"
        testlib.make_database(source, 4096, "wal", 200_000)
        made = set()
        for i in range(int(sys.argv[2])):
            both = [testlib.start(store, "create", source, "--json", "--label", "%d%s" % (i, who),
                                  state=scratch / who) for who in "ab"]
            for process in both:
                out, err = process.communicate(timeout=120)
                assert process.returncode == 0, "round %d: %s" % (i, err)
                made.add(testlib.last_json(out)["id"])
        listed = testlib.backups(store, "app", state=scratch / "a")
        assert len(made) == 2 * int(sys.argv[2])
        assert made == {b["id"] for b in listed}, "lost: %s" % (made - {b["id"] for b in listed})
        assert len({b["label"] for b in listed}) == len(made)
        for backup in listed[::10]:
            testlib.ok(store, "download", "app", backup["id"], "-o", scratch / backup["id"])
            testlib.check_database(scratch / backup["id"])
        print("%d backups made two at a time, all listed" % len(made))
    finally:
        scratch.close()


if __name__ == "__main__":
    main()
