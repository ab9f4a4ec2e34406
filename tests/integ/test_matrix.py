"""Goal: on every store, for every kind of database, what is backed up is what comes back.

Two other processes write all the while.  A backup taken under them must be whole (integrity_check,
and a sum that every transaction keeps); one taken when they have stopped must have exactly the
content that `sqlite3 .backup` copies.

usage: test_matrix.py STORE small|300m|1g      STORE: dir, rgw, swift or env
"""
import itertools
import os
import sqlite3
import subprocess
import unittest

import testlib

PAGE_SIZES = (512, 1024, 2048, 4096, 8192, 16384, 32768, 65536)

class Matrix(unittest.TestCase):
    def setUp(self):
        self.dir = testlib.Scratch()
        self.addCleanup(self.dir.close)
        self.store = testlib.STORE.fresh()
        self.state = self.dir / "state"

    def run_ok(self, *args):
        return testlib.ok(self.store, *args, state=self.state)

    def newest(self, name="app"):
        return testlib.backups(self.store, name, state=self.state)[0]

    def download(self, backup_id, name):
        target = self.dir / name
        self.run_ok("download", "app", backup_id, "-o", target)
        return target

    def round_trip(self, page_size, journal, size):
        source = self.dir / "app.db"
        testlib.make_database(source, page_size, journal, size)
        with testlib.Writers(source) as writers:
            self.run_ok("create", source)
            under_writers = self.newest()
            self.assertEqual(under_writers["num_tables"], 4)
            testlib.check_database(self.download(under_writers["id"], "a.sqlite3"))
            # Live, into the database that both writers have open and go on writing to.
            self.run_ok("restore", source, under_writers["id"], "--yes")
            commits, _ = writers.stop()
        self.assertGreater(commits, 0)
        testlib.check_database(source)

        self.run_ok("create", source, "--label", "quiet")
        quiet = self.newest()
        testlib.sqlite_backup(source, self.dir / "oracle.db")
        copy = self.download(quiet["id"], "b.sqlite3")
        self.assertEqual(testlib.content_hash(copy), testlib.content_hash(self.dir / "oracle.db"))
        self.assertEqual(quiet["size"], os.path.getsize(copy))
        testlib.check_database(copy)

        # Over damage: rows gone and a table dropped; then back to a new file as well.
        db = sqlite3.connect(source, timeout=30)
        db.execute("DROP TABLE savings")
        db.execute("DELETE FROM checking")
        db.commit()
        db.close()
        self.run_ok("restore", source, quiet["id"], "--yes")
        self.assertEqual(testlib.content_hash(source),
                         testlib.content_hash(self.dir / "oracle.db"))
        self.run_ok("restore", source, quiet["id"], "--output", self.dir / "new.db")
        self.assertEqual(testlib.content_hash(self.dir / "new.db"),
                         testlib.content_hash(self.dir / "oracle.db"))


class Small(Matrix):
    def test_every_page_size_and_journal(self):
        for page_size, journal in itertools.product(PAGE_SIZES, ("wal", "delete")):
            with self.subTest(page_size=page_size, journal=journal):
                self.round_trip(page_size, journal, 300_000)
            self.doCleanups()
            self.setUp()

    def test_no_tables_at_all(self):
        source = self.dir / "app.db"
        db = sqlite3.connect(source)
        db.execute("CREATE TABLE t(x)")
        db.execute("DROP TABLE t")
        db.execute("VACUUM")
        db.close()
        self.assertEqual(os.path.getsize(source), 4096)  # a database of one page
        self.run_ok("create", source)
        backup = self.newest()
        self.assertEqual((backup["num_tables"], backup["size"]), (0, 4096))
        copy = self.download(backup["id"], "copy.db")
        self.assertEqual(testlib.content_hash(copy), testlib.content_hash(source))

    def test_one_page_with_a_table(self):
        source = self.dir / "app.db"
        db = sqlite3.connect(source)
        db.execute("PRAGMA page_size=65536")
        db.execute("PRAGMA user_version=77")
        db.execute("VACUUM")
        db.close()
        self.run_ok("create", source)
        db = sqlite3.connect(self.download("latest", "copy.db"))
        self.assertEqual(db.execute("PRAGMA user_version").fetchone(), (77,))
        self.assertEqual(db.execute("PRAGMA page_count").fetchone(), (1,))
        db.close()


class Large300m(Matrix):
    def test_300_mb(self):
        self.round_trip(4096, "wal", 300_000_000)


class PastLockByte(Matrix):
    def test_rollback_journal_past_1_gib(self):
        self.round_trip(4096, "delete", 1_090_000_000)


if __name__ == "__main__":
    sizes = {"small": Small, "300m": Large300m, "1g": PastLockByte}
    testlib.main(__doc__, lambda store, size: sizes[size])
