"""Goal: an hour costs two requests and a quiet one none; what is kept, pruned and verified is what
the commands say, from the outside.

usage: test_incremental.py STORE
"""
import json
import os
import re
import sqlite3
import time
import unittest
import uuid

import testlib

SETTLE = 3.2  # seconds until a database's time stamps are trusted


def change(path, seed):
    db = sqlite3.connect(path)
    with db:
        db.execute("UPDATE filler SET body = randomblob(600) WHERE id % 97 = ?", (seed % 97,))
    db.close()


class Incremental(unittest.TestCase):
    def setUp(self):
        self.scratch = testlib.Scratch()
        self.store = testlib.STORE.fresh()
        self.state = self.scratch / "state"
        self.path = self.scratch / "app.db"
        testlib.make_database(self.path, 4096, "wal", 6 << 20)

    def tearDown(self):
        self.scratch.close()

    def create(self, *args, state=None, code=0):
        result = testlib.run(self.store, "create", self.path, "--json", *args,
                             state=state or self.state)
        self.assertEqual(result.code, code, result)
        return testlib.last_json(result.out) if code == 0 else result

    def requests(self, action):
        """How often each method was used, by the server's own log; None for a directory."""
        if testlib.STORE.name != "rgw":
            action()
            return None
        log = os.path.join(os.environ["HOLDFAST_TEST_SERVERS"], "rgw", "client.rgw.log")
        mark = os.path.getsize(log)
        action()
        time.sleep(1)
        with open(log, encoding="utf-8", errors="replace") as file:
            file.seek(mark)
            methods = re.findall(r' beast: .* "([A-Z]+) /', file.read())
        return {method: methods.count(method) for method in set(methods)}

    def test_an_hour_is_two_requests_and_a_quiet_one_none(self):
        full = self.create()
        self.assertEqual((full["kind"], full["unchanged"]), ("full", False))
        change(self.path, 1)
        made = []
        self.assertIn(self.requests(lambda: made.append(self.create())), (None, {"PUT": 2}))
        self.assertEqual((made[0]["kind"], made[0]["unchanged"]), ("incremental", False))
        self.assertLess(made[0]["stored_bytes"], full["stored_bytes"] / 10)
        self.assertIn(self.requests(lambda: made.append(self.create())), (None, {}))
        self.assertEqual((made[1]["id"], made[1]["unchanged"]), (made[0]["id"], True))
        time.sleep(SETTLE)
        self.create()  # reads once more, now that the time stamps are old enough
        began = time.monotonic()
        self.assertTrue(self.create()["unchanged"])
        print("unchanged: %.0f ms, with the start of the program" % (
            (time.monotonic() - began) * 1000))
        self.assertFalse(self.create("--force")["unchanged"])
        self.assertFalse(self.create("--label", "by hand")["unchanged"])
        self.assertEqual(self.create("--full")["kind"], "full")

    def test_nothing_has_to_be_remembered(self):
        self.create()
        for i in range(3):
            change(self.path, i)
            made = self.create(state=self.scratch / ("host-%d" % i))
            self.assertEqual(made["kind"], "incremental")
            testlib.ok(self.store, "download", "app", "latest", "-o", self.scratch / str(i))
            self.assertEqual(testlib.content_hash(self.scratch / str(i)),
                             testlib.content_hash(self.path))

    def test_prunes_what_the_policy_does_not_keep(self):
        hashes = {}
        for i in range(7):
            change(self.path, i)
            made = self.create()["id"]
            hashes[made] = testlib.content_hash(self.path)
        order = list(hashes)
        testlib.ok(self.store, "pin", "app", order[1])
        policy = ("app", "--keep-last", "2", "--prune-grace", "0s",
                  "--max-unused", "100", "--json")
        dry = json.loads(testlib.ok(self.store, "prune", *policy, "--dry-run").out)
        kept = [b["id"] for b in dry["backups"] if b["keep"]]
        self.assertEqual(sorted(kept), sorted([order[1], order[5], order[6]]))
        self.assertEqual(len(testlib.backups(self.store, "app")), 7)
        wet = json.loads(testlib.ok(self.store, "prune", *policy).out)
        self.assertEqual([b["keep"] for b in wet["backups"]], [b["keep"] for b in dry["backups"]])
        self.assertEqual(wet["deleted"], dry["deleted"])
        listed = testlib.backups(self.store, "app")
        self.assertEqual(sorted(b["id"] for b in listed), sorted(kept))
        for backup in listed:
            copy = self.scratch / backup["id"]
            testlib.ok(self.store, "download", "app", backup["id"], "-o", copy)
            self.assertEqual(testlib.content_hash(copy), hashes[backup["id"]])
        again = json.loads(testlib.ok(self.store, "prune", *policy).out)
        self.assertEqual((again["expired"], again["deleted"]["packs"]), (0, 0))
        testlib.ok(self.store, "unpin", "app", order[1])
        last = json.loads(testlib.ok(self.store, "prune", *policy).out)
        self.assertEqual(last["expired"], 1)
        change(self.path, 50)  # and the policy rides on a backup
        self.create("--prune", "--keep-last", "1")
        self.assertEqual(len(testlib.backups(self.store, "app")), 1)

    def test_verify_tells_what_restores(self):
        for i in range(3):
            change(self.path, i)
            self.create()
        for flags in ([], ["--read"], ["--sample", "5%"], ["--restore"]):
            lines = testlib.ok(self.store, "verify", "app", "--json", *flags).out.splitlines()
            self.assertEqual(json.loads(lines[-1])["damaged_count"], 0)
            self.assertEqual(json.loads(lines[-1])["verified"], 3)
        self.assertIsNotNone(testlib.backups(self.store, "app")[0]["verified_at"])
        self.assertEqual(testlib.run(self.store, "verify", "app", "--sample", "none").code, 2)


class Files(Incremental):
    """And what only a directory lets a test do: put its hand on the objects."""

    def test_a_damaged_backup_is_named_and_not_built_upon(self):
        first = self.create()["id"]
        change(self.path, 1)
        second = self.create()["id"]
        root = self.store.url[len("file://"):]
        path = os.path.join(root, "app", "packs", second + ".zst")
        with open(path, "r+b") as file:
            file.seek(20)
            byte = file.read(1)
            file.seek(20)
            file.write(bytes([byte[0] ^ 1]))
        testlib.ok(self.store, "verify", "app")  # sizes are as they were
        result = testlib.run(self.store, "verify", "app", "--read")
        self.assertEqual(result.code, 13, result)
        self.assertRegex(result.out, r"(?m)^damaged  %s" % second[:8])
        self.assertRegex(result.out, r"(?m)^ok       %s" % first[:8])
        states = {b["id"]: b["state"] for b in testlib.backups(self.store, "app")}
        self.assertEqual(states, {first: "done", second: "damaged"})
        change(self.path, 2)
        self.assertEqual(self.create(state=self.scratch / "fresh")["kind"], "incremental")
        testlib.ok(self.store, "download", "app", "latest", "-o", self.scratch / "copy")
        self.assertEqual(testlib.content_hash(self.scratch / "copy"),
                         testlib.content_hash(self.path))

    def test_a_lost_manifest_is_made_again(self):
        hashes = {}
        for i in range(4):
            change(self.path, i)
            made = self.create(*(["--label", "third"] if i == 2 else []))["id"]
            hashes[made] = testlib.content_hash(self.path)
        before = testlib.backups(self.store, "app")
        folder = os.path.join(self.store.url[len("file://"):], "app", "manifest")
        self.assertIn("nothing was done", testlib.ok(self.store, "repair", "app").out)
        with open(os.path.join(folder, "0000000004.json"), "w", encoding="utf-8") as file:
            file.write("{")
        self.assertEqual(testlib.run(self.store, "list", "app").code, 13)
        testlib.ok(self.store, "repair", "app", "--dry-run")
        self.assertEqual(testlib.run(self.store, "list", "app").code, 13)
        testlib.ok(self.store, "repair", "app")
        self.assertEqual(testlib.backups(self.store, "app"), before)
        for name in os.listdir(folder):
            os.unlink(os.path.join(folder, name))
        testlib.ok(self.store, "repair", "app")
        self.assertEqual(testlib.backups(self.store, "app"), before)
        for id_, content in hashes.items():
            testlib.ok(self.store, "download", "app", id_, "-o", self.scratch / id_)
            self.assertEqual(testlib.content_hash(self.scratch / id_), content)

    def test_ten_thousand_backups_are_listed_at_once(self):
        self.create()
        folder = os.path.join(self.store.url[len("file://"):], "app", "manifest")
        with open(os.path.join(folder, "0000000001.json"), encoding="utf-8") as file:
            document = json.load(file)
        (backup,), (pack,) = document["backups"], document["packs"]
        for i in range(1, 10000):
            id_ = str(uuid.UUID(int=i, version=4))
            document["backups"].append(dict(backup, id=id_, packs=[0, 1, i // 2 + 1, i - i // 2]))
            document["packs"].append(dict(pack, id=id_))
        document["generation"] = 2
        with open(os.path.join(folder, "0000000002.json"), "w", encoding="utf-8") as file:
            json.dump(document, file)
        best = 99
        for _ in range(3):
            began = time.monotonic()
            listed = testlib.backups(self.store, "app")
            best = min(best, time.monotonic() - began)
        self.assertEqual(len(listed), 10000)
        print("10,000 backups: listed in %.2f s" % best)


if __name__ == "__main__":
    testlib.main(__doc__, lambda store: Files if store == "dir" else Incremental)
