"""Goal: what cannot be backed up is said in one line, with what to do and the right exit code, and
nothing is made or changed.

usage: test_bad_source.py
"""
import os
import shutil
import sqlite3
import subprocess
import sys
import unittest

import testlib

NOBODY = 65534


class BadSource(unittest.TestCase):
    def setUp(self):
        self.dir = testlib.Scratch()
        self.addCleanup(self.dir.close)
        os.chmod(self.dir.path, 0o755)
        self.path = self.dir / "app.db"
        self.store = testlib.store("dir", self.dir)

    def assert_refused(self, code, message, hint, user=None):
        before = set(os.listdir(self.dir.path)) | {"state", "store"}
        options = {} if user is None else {"user": user, "group": user, "extra_groups": []}
        result = testlib.run(self.store, "create", self.path, state=self.dir / "state", **options)
        lines = [line for line in result.err.splitlines() if line]
        self.assertEqual(result.code, code, result)
        errors = [line for line in lines if "error:" in line]
        hints = [line for line in lines if line.startswith("hint:")]
        self.assertEqual((len(errors), len(hints)), (1, 1), result)
        self.assertIn(message, errors[0])
        self.assertIn(hint, hints[0])
        self.assertLessEqual(set(os.listdir(self.dir.path)), before)

    def write(self, content):
        with open(self.path, "wb") as f:
            f.write(content)

    def test_missing(self):
        self.assert_refused(10, "app.db", "never created")

    def test_directory(self):
        os.mkdir(self.path)
        self.assert_refused(14, "is a directory", "database file")

    def test_being_created(self):
        self.write(b"")
        self.assert_refused(14, "is empty (0 bytes)", "has not written to it yet")

    def test_not_a_database(self):
        self.write(b"Dear diary, " * 1000)
        self.assert_refused(13, "is not a SQLite database, or it is encrypted", "SQLCipher")

    def test_encrypted(self):
        self.write(os.urandom(40960))
        self.assert_refused(13, "is not a SQLite database, or it is encrypted", "SQLCipher")

    def test_truncated(self):
        testlib.make_database(self.path, 4096, "delete", 200_000)
        os.truncate(self.path, 60_000)
        self.assert_refused(13, "is damaged", "integrity_check")

    def test_exclusive_application(self):
        for journal in ("wal", "delete"):
            testlib.make_database(self.path, 4096, journal)
            app = sqlite3.connect(self.path, isolation_level=None)
            app.execute("PRAGMA locking_mode=EXCLUSIVE")
            app.execute("BEGIN EXCLUSIVE")
            app.execute("INSERT INTO journal(note) VALUES('mine')")
            app.execute("COMMIT")
            self.assert_refused(11, "stayed locked", "locking_mode=EXCLUSIVE")
            app.close()
            os.unlink(self.path)

    @unittest.skipUnless(os.geteuid() == 0, "needs root to become somebody else")
    def test_unreadable(self):
        testlib.make_database(self.path)
        os.chmod(self.path, 0o600)
        self.assert_refused(12, "Permission denied", "application's user", user=NOBODY)

    @unittest.skipUnless(os.geteuid() == 0, "needs root to become somebody else")
    def test_wal_database_in_a_directory_that_cannot_be_written(self):
        testlib.make_database(self.path, 4096, "wal")
        os.chmod(self.path, 0o644)
        self.assert_refused(12, "is in WAL mode, and its -shm", "directory writable", user=NOBODY)

    @unittest.skipUnless(os.geteuid() == 0, "needs root to become somebody else")
    def test_reads_such_a_database_while_its_application_runs(self):
        testlib.make_database(self.path, 4096, "wal", 100_000)
        app = subprocess.Popen(["sqlite3", self.path], stdin=subprocess.PIPE, text=True)
        app.stdin.write("INSERT INTO journal(note) VALUES('kept in the log');\n")
        app.stdin.flush()
        testlib.wait_for(lambda: os.path.exists(self.path + "-wal") and
                         os.path.getsize(self.path + "-wal") > 0)
        for suffix in ("", "-wal", "-shm"):
            os.chmod(self.path + suffix, 0o644)
        os.mkdir(self.dir / "store")
        os.chown(self.dir / "store", NOBODY, NOBODY)
        try:
            testlib.ok(self.store, "create", self.path, state=self.dir / "state",
                       user=NOBODY, group=NOBODY, extra_groups=[])
        finally:
            app.communicate("")
        testlib.ok(self.store, "download", "app", "latest", "-o", self.dir / "copy.db")
        db = sqlite3.connect(self.dir / "copy.db")
        self.assertEqual(db.execute("SELECT note FROM journal").fetchall(), [("kept in the log",)])
        db.close()


def main():
    if len(sys.argv) != 1:
        sys.exit(__doc__)
    if os.geteuid() == 0:  # for those tests that run the program as somebody else
        scratch = testlib.Scratch()
        os.chmod(scratch.path, 0o755)
        testlib.HOLDFAST = shutil.copy(testlib.HOLDFAST, scratch.path)
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(BadSource)
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    if os.geteuid() == 0:
        scratch.close()
    sys.exit(not result.wasSuccessful())


if __name__ == "__main__":
    main()
