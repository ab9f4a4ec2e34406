"""Goal: backing a database up changes nothing of it and holds nobody up.

Of the source's files a backup opens each once, by SQLite, and writes to none of them, except:
in WAL mode SQLite marks its place in the -shm (shared memory, no bytes of the database); where no
program has the database open it makes -wal (empty) and -shm, as any reader must, and removes both
when it closes; and as root it gives both to the database's owner.

usage: test_source.py quick|1g
"""
import os
import re
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
import unittest

import testlib

SUFFIXES = ("", "-wal", "-shm", "-journal")
# Every system call that can change a file or its name, and those that say what was opened.
TRACED = ("openat,open,creat,write,writev,pwrite64,pwritev,pwritev2,ftruncate,truncate,fallocate,"
          "unlink,unlinkat,rename,renameat,renameat2,link,linkat,fsync,fdatasync,sync_file_range,"
          "copy_file_range,sendfile,splice,chmod,fchmod,fchmodat,chown,fchown,fchownat,utimensat,"
          "mmap,setxattr,fsetxattr,ioctl")
MEMORY_KIB_MAX = 64 << 10


def digest(path):
    """By another process: closing a file of the database here would drop this one's locks."""
    return subprocess.run(["sha256sum", path], check=True, capture_output=True).stdout


class Source(unittest.TestCase):
    def setUp(self):
        self.dir = testlib.Scratch()
        self.addCleanup(self.dir.close)
        self.path = os.path.realpath(self.dir.path) + "/app.db"
        self.store = testlib.store("dir", self.dir).fresh()

    def create(self, **options):
        return testlib.ok(self.store, "create", self.path, state=self.dir / "state", **options)

    def state(self):
        """Everything there is to know of the source's files."""
        found = {}
        for suffix in SUFFIXES:
            if os.path.exists(self.path + suffix):
                st = os.stat(self.path + suffix)
                found[suffix] = (st.st_ino, st.st_mode, st.st_uid)
                if suffix != "-shm":  # which is SQLite's scratch memory
                    found[suffix] += (st.st_size, st.st_mtime_ns, digest(self.path + suffix))
        return found

    def pragmas(self):
        db = sqlite3.connect(self.path)
        try:
            names = ("journal_mode", "page_size", "auto_vacuum", "encoding", "user_version",
                     "application_id", "schema_version", "data_version", "freelist_count")
            return ([db.execute("PRAGMA " + name).fetchall() for name in names],
                    db.execute("SELECT * FROM sqlite_schema").fetchall())
        finally:
            db.close()

    def test_leaves_the_files_of_an_idle_database_as_they_were(self):
        for journal in ("wal", "delete", "truncate", "persist"):
            with self.subTest(journal=journal):
                testlib.make_database(self.path, 4096, journal, 3_000_000)
                before, pragmas = self.state(), self.pragmas()
                self.create()
                self.assertEqual(self.state(), before)
                self.assertEqual(self.pragmas(), pragmas)
            self.doCleanups()
            self.setUp()

    def test_leaves_database_and_log_alone_while_an_application_is_connected(self):
        testlib.make_database(self.path, 4096, "wal", 3_000_000)
        app = sqlite3.connect(self.path, isolation_level=None)
        app.execute("PRAGMA wal_autocheckpoint=0")
        app.execute("UPDATE checking SET balance = balance + 1")
        before = self.state()
        self.assertGreater(os.path.getsize(self.path + "-wal"), 0)
        self.create()
        self.assertEqual(self.state(), before)
        app.close()

    def test_does_not_checkpoint_a_log_that_a_crash_has_left(self):
        testlib.make_database(self.path, 4096, "wal", 1_000_000)
        app = sqlite3.connect(self.path, isolation_level=None)
        app.execute("PRAGMA wal_autocheckpoint=0")
        app.execute("UPDATE checking SET balance = balance + 1")
        app.execute("UPDATE savings SET balance = balance - 1")
        crashed = self.dir / "crashed"
        os.mkdir(crashed)
        shutil.copy(self.path, crashed)  # as they are at the moment of the crash
        shutil.copy(self.path + "-wal", crashed)
        app.close()
        self.path = os.path.realpath(crashed) + "/app.db"
        before = self.state()
        self.create()
        after = self.state()
        self.assertEqual({s: after[s] for s in ("", "-wal")}, before)
        self.create()
        testlib.ok(self.store, "download", "app", "latest", "-o", self.dir / "copy.db")
        testlib.check_database(self.dir / "copy.db")
        db = sqlite3.connect(self.dir / "copy.db")  # the log's transactions are in it
        self.assertEqual(db.execute("SELECT DISTINCT balance FROM checking").fetchall(), [(501,)])
        db.close()

    def traced(self):
        """What a backup does to the source's files: list of (call, suffix, whole line)."""
        trace = self.dir / "trace"
        subprocess.run(["strace", "-f", "-y", "-qq", "-e", "trace=" + TRACED, "-o", trace,
                        testlib.HOLDFAST, "create", self.path, "--store", self.store.url],
                       env=testlib.environment(
                           self.store, HOLDFAST_STATE_DIR=self.dir / "state",
                           ASAN_OPTIONS="detect_leaks=0"),  # it cannot, under ptrace
                       check=True, stdout=subprocess.DEVNULL, timeout=300)
        calls = []
        for line in open(trace, errors="replace"):
            match = re.match(r"\d+ +(\w+)\(", line)
            names = re.findall(re.escape(self.path) + r"(-wal|-shm|-journal)?(?=[\"> (])", line)
            if match and names:
                calls.append((match[1], names[0], line.rstrip()))
        return calls

    def assert_harmless(self, calls, alone):
        """alone: no other program has the database open."""
        allowed = {("openat", ""), ("openat", "-wal"), ("openat", "-shm"), ("mmap", "-shm"),
                   ("fchown", "-wal"), ("fchown", "-shm")}
        if alone:
            allowed |= {("ftruncate", "-shm"), ("pwrite64", "-shm"), ("fallocate", "-shm"),
                        ("unlink", "-wal"), ("unlink", "-shm")}
        for call, suffix, line in calls:
            self.assertIn((call, suffix), allowed, line)
        for suffix in SUFFIXES:  # a second descriptor's close would drop SQLite's locks
            opened = [line for call, s, line in calls if (call, s) == ("openat", suffix)]
            self.assertLessEqual(len(opened), 1, opened)
        for _, suffix, line in calls:
            if suffix == "":
                self.assertNotIn("O_CREAT", line)
        self.assertEqual([c for c, s, _ in calls if s == ""], ["openat"])

    @unittest.skipUnless(shutil.which("strace"), "strace is not installed")
    def test_system_calls(self):
        for journal in ("wal", "delete"):
            for alone in (True, False):
                with self.subTest(journal=journal, alone=alone):
                    testlib.make_database(self.path, 4096, journal, 3_000_000)
                    if alone:
                        calls = self.traced()
                    else:
                        with testlib.Writers(self.path):
                            calls = self.traced()
                    self.assert_harmless(calls, alone)
                    if journal == "delete":
                        self.assertEqual([s for _, s, _ in calls], [""])
                self.doCleanups()
                self.setUp()


class Committer(threading.Thread):
    """Commits as fast as it can, never waiting inside SQLite, and notes how long each took."""

    def __init__(self, path):
        super().__init__()
        self.path, self.stopping, self.refused, self.took = path, False, 0, []

    def run(self):
        db = sqlite3.connect(self.path, isolation_level=None, timeout=0)
        db.execute("PRAGMA synchronous=OFF")  # so that a disk's delay is not taken for a lock's
        n = 0
        while not self.stopping:
            began = time.monotonic()
            while True:
                try:
                    db.execute("INSERT INTO journal(at, note) VALUES(?, 'tick')", (n,))
                    break
                except sqlite3.OperationalError as e:
                    assert "locked" in str(e), e
                    self.refused += 1
                    time.sleep(0.0005)
            self.took.append(time.monotonic() - began)
            n += 1
            time.sleep(0.001)
        db.close()


def is_sanitized(program):
    with open(program, "rb") as f:
        return re.search(rb"__[at]san_init", f.read()) is not None


class Blocking(Source):
    SIZE = 300_000_000

    def assert_small(self):
        """No child so far, the program among them, took more memory than is promised."""
        if not is_sanitized(testlib.HOLDFAST):
            kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
            print("at most %.1f MiB" % (kib / 1024))
            self.assertLessEqual(kib, MEMORY_KIB_MAX)

    def commits_during(self, work):
        committer = Committer(self.path)
        committer.start()
        try:
            time.sleep(0.5)
            work()
        finally:
            committer.stopping = True
            committer.join()
        took = sorted(committer.took)
        print("%d commits, median %.2f ms, 99%% %.2f ms, longest %.1f ms, refused %d" % (
            len(took), statistics.median(took) * 1e3, took[len(took) * 99 // 100] * 1e3,
            took[-1] * 1e3, committer.refused))
        return committer

    def test_wal_writer_is_never_refused(self):
        testlib.make_database(self.path, 4096, "wal", self.SIZE)
        self.commits_during(lambda: time.sleep(2))
        committer = self.commits_during(self.create)
        self.assert_small()
        self.assertEqual(committer.refused, 0)
        self.assertGreater(len(committer.took), 100)

    def test_rollback_writer_is_held_up_only_for_a_local_read(self):
        testlib.make_database(self.path, 4096, "delete", self.SIZE)
        """Beside another way to get one consistent copy in the same minute: how long a lock lasts
        on a busy machine says little by itself."""
        vacuum = self.commits_during(lambda: subprocess.run(
            ["sqlite3", "-cmd", ".timeout 60000", self.path,
             "VACUUM INTO '%s'" % (self.dir / "vacuumed.db")], check=True))
        committer = self.commits_during(self.create)
        self.assert_small()
        ratio = max(committer.took) / max(vacuum.took)
        print("longest wait %.2f s a GB, %.2f of VACUUM INTO's" % (
            max(committer.took) / self.SIZE * 1e9, ratio))
        # Sanitizers slow our hashing down several times, and the sqlite3 program not at all.
        self.assertLess(ratio, 2 if is_sanitized(testlib.HOLDFAST) else 0.75)
        testlib.ok(self.store, "download", "app", "latest", "-o", self.dir / "copy.db")
        testlib.check_database(self.dir / "copy.db")


class Blocking1g(Blocking):
    SIZE = 1_090_000_000


def main():
    cases = {"quick": (Source, Blocking), "1g": (Blocking1g,)}
    if len(sys.argv) != 2 or sys.argv[1] not in cases:
        sys.exit(__doc__)
    suite = unittest.TestSuite()
    for case in cases[sys.argv[1]]:
        names = [n for n in vars(case) if n.startswith("test_")] or [
            n for n in vars(Blocking) if n.startswith("test_")]
        suite.addTests(case(name) for name in names)
    sys.exit(not unittest.TextTestRunner(verbosity=2).run(suite).wasSuccessful())


if __name__ == "__main__":
    main()
