"""Goal: whenever `create` or `restore` is killed, nothing that was good before is lost.

kill -9 at random moments, spread over how long the command takes when it is left alone.  After
each: every backup that the store lists restores and is whole, none that was listed has gone, the
target is the old content or the new with integrity_check ok, and the next run succeeds.

usage: test_kill.py STORE COUNT [SEED]
"""
import glob
import os
import random
import sqlite3
import subprocess
import sys
import time

import testlib


class Loop:
    def __init__(self, store, rng):
        self.dir = testlib.Scratch()
        self.store, self.rng = store.fresh(), rng
        self.state = self.dir / "state"
        self.source = self.dir / "app.db"
        self.listed = set()
        self.killed = {"create": 0, "live": 0, "swap": 0, "new": 0}
        self.finished = dict(self.killed)

    def run(self, *args):
        return testlib.ok(self.store, *args, state=self.state)

    def list(self):
        return testlib.backups(self.store, "app", state=self.state)

    def kill_during(self, kind, args, duration):
        """Start, wait a random time, kill -9.  Did it end by itself before?"""
        process = testlib.start(self.store, *args, state=self.state)
        try:
            process.wait(timeout=self.rng.uniform(0, duration * 1.1))
            self.finished[kind] += 1
            err = process.stderr.read()
            assert process.returncode == 0, "%s failed unkilled: %s" % (kind, err)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            self.killed[kind] += 1
        process.stdout.close()
        process.stderr.close()

    def restores(self, backup):
        """Into a new file, whole, and with the content recorded at the first time."""
        target = self.dir / "check.db"
        self.run("download", "app", backup["id"], "-o", target)
        testlib.check_database(target)
        for name in glob.glob(target + "*"):  # the check may leave a -wal and a -shm
            os.unlink(name)

    def check_listed(self, everything):
        now = self.list()
        ids = {b["id"] for b in now}
        assert self.listed <= ids, "no longer listed: %s" % (self.listed - ids)
        new = [b for b in now if b["id"] not in self.listed]
        for backup in now if everything else new:
            self.restores(backup)
        self.listed = ids

    def leftovers(self):
        names = [n for n in os.listdir(self.dir.path) if n.startswith(".")]
        assert not names, "left beside the target after the next run: %s" % names

    def change_source(self, value):
        db = sqlite3.connect(self.source, timeout=30)
        db.execute("UPDATE filler SET body = randomblob(700) WHERE id % 50 = ?",
                   (value % 50,))
        db.execute("PRAGMA user_version = %d" % value)
        db.commit()
        db.close()

    def version(self):
        testlib.check_database(self.source)
        db = sqlite3.connect(self.source, timeout=30)
        try:
            return db.execute("PRAGMA user_version").fetchone()[0], \
                testlib.content_hash(self.source)
        finally:
            db.close()

    def duration(self, args):
        began = time.monotonic()
        self.run(*args)
        return time.monotonic() - began

    def create_rounds(self, count):
        duration = self.duration(("create", self.source))
        for i in range(count):
            self.change_source(i + 1)
            self.kill_during("create", ("create", self.source), duration)
            self.check_listed(everything=i % 25 == 0)
        self.run("create", self.source)
        self.check_listed(everything=True)

    def restore_rounds(self, kind, count):
        flags = {"live": ["--yes", "--no-undo"], "swap": ["--yes", "--swap", "--no-undo"],
                 "new": ["--yes"]}[kind]
        self.change_source(1_000_000)
        self.run("create", self.source)
        backup = self.list()[0]
        new = self.version()
        args = ["restore", self.source, backup["id"], *flags]
        duration = None
        for i in range(count):
            if kind == "new":
                for name in ("app.db", "app.db-wal", "app.db-shm"):
                    if os.path.exists(self.dir / name):
                        os.unlink(self.dir / name)
                old = None
            else:
                self.change_source(i + 1)
                old = self.version()
            if duration is None:
                duration = self.duration(args)
                continue
            self.kill_during(kind, args, duration)
            if old is None and not os.path.exists(self.source):
                continue
            now = self.version()
            assert now in (old, new), "neither old nor new: %s" % (now,)
        self.run(*args)
        assert self.version() == new
        self.leftovers()
        self.check_listed(everything=False)


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    count = int(sys.argv[2])
    seed = int(sys.argv[3]) if len(sys.argv) == 4 else random.SystemRandom().getrandbits(32)
    print("seed %d" % seed, flush=True)
    scratch = testlib.Scratch()
    loop = None
    try:
        loop = Loop(testlib.store(sys.argv[1], scratch), random.Random(seed))
        testlib.make_database(loop.source, 4096, "wal", 8_000_000)
        loop.create_rounds(count // 2)
        loop.restore_rounds("live", count // 4)
        loop.restore_rounds("swap", count // 8)
        loop.restore_rounds("new", count - count // 2 - count // 4 - count // 8)
        print("killed %s, finished by themselves %s, %d backups listed and restored" %
              (loop.killed, loop.finished, len(loop.listed)))
    finally:
        if loop is not None:
            loop.dir.close()
        scratch.close()


if __name__ == "__main__":
    main()
