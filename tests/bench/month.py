#!/usr/bin/python3
"""What is stored after a month of hourly backups, beside restic with the same policy.

A database of which rows change and come by the hour, more by day than by night, is backed up every
hour of 30 days: by restic to a directory, with the time as an option; by Holdfast to the tests' S3
server, both under another clock (libfaketime).  Each day what the policy does not keep is removed:
24 hours, 7 days, 4 weeks, 12 months.  Sizes are those of everything in the store, what waits out
its grace included.  In the end the newest and the oldest backup of each must be the databases of
their hours.
"""
import argparse
import datetime
import glob
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "harness"))
from s3_server.quirks import PROVIDERS  # noqa: E402
from s3_server.server import KEY_ID, SECRET, Server  # noqa: E402

MIB = 1 << 20
BEGIN = datetime.datetime(2031, 1, 6)  # later than any file's time stamp
KEEP = {"hourly": 24, "daily": 7, "weekly": 4, "monthly": 12}
FAKETIME = next(iter(glob.glob("/usr/lib/*/faketime/libfaketime.so.1")), "libfaketime.so.1")


class Month:
    def __init__(self, directory, holdfast, server):
        self.dir, self.holdfast, self.server = directory, holdfast, server
        self.now = BEGIN
        self.random = random.Random(1)
        self.seconds = {"holdfast": 0.0, "restic": 0.0}
        self.env = {**os.environ, "TZ": "UTC", "RESTIC_PASSWORD": "bench",
                    "RESTIC_REPOSITORY": self.path("restic"), "XDG_CACHE_HOME": directory,
                    "HOLDFAST_STATE_DIR": self.path("state"), "HOLDFAST_STORE":
                    "s3://bucket/bench?endpoint=%s&region=%s" % (server.endpoint,
                                                                 server.quirks.region),
                    "AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET}

    def path(self, name):
        return os.path.join(self.dir, name)

    def call(self, tool, *command, **more):
        began = time.monotonic()
        done = subprocess.run(command, cwd=self.dir, env={**self.env, **more}, check=True,
                              stdout=subprocess.PIPE, text=True)
        self.seconds[tool] += time.monotonic() - began
        return done.stdout

    def run_holdfast(self, *args):
        """The server lives in the same time: when something is old enough to go, it has a say."""
        now = self.now.replace(tzinfo=datetime.timezone.utc)
        self.server.skew = now.timestamp() - time.time()
        out = self.call("holdfast", self.holdfast, *args, LD_PRELOAD=FAKETIME, NO_FAKE_STAT="1",
                        FAKETIME=self.now.strftime("@%Y-%m-%d %H:%M:%S"))
        for item in self.server.bucket.objects.values():
            if item.modified.year < BEGIN.year:
                item.modified = now
        return out

    def stored(self):
        """Bytes in the store of each."""
        return {"holdfast": sum(len(o.data) for o in self.server.bucket.objects.values()),
                "restic": sum(os.path.getsize(os.path.join(where, name)) for where, _, names
                              in os.walk(self.path("restic")) for name in names)}

    def churn(self):
        """A few hundredths of a per cent of the messages by night, some tenths by day."""
        db = sqlite3.connect(self.path("app.db"))
        count = db.execute("SELECT max(id) FROM message").fetchone()[0]
        part = 4000 if self.now.hour < 8 else 400
        with db:
            db.executemany("UPDATE message SET author = ? WHERE id = ?",
                           [("%x" % self.random.getrandbits(64), self.random.randint(1, count))
                            for _ in range(count // part)])
            db.executemany("INSERT INTO message(thread, sent_at, author, body) VALUES(1,?,'a',?)",
                           [(str(self.now), self.random.randbytes(100).hex())
                            for _ in range(count // part)])
        db.close()

    def back_up(self):
        self.run_holdfast("create", "app.db", "--prune")
        self.call("restic", "sqlite3", "app.db", ".backup copy.db")
        self.call("restic", "restic", "-q", "backup", "--time",
                  self.now.strftime("%Y-%m-%d %H:%M:%S"), "copy.db")

    def prune(self):
        self.run_holdfast("prune", "app")
        self.call("restic", "restic", "-q", "forget", "--prune",
                  *["--keep-%s=%d" % item for item in KEEP.items()])

    def check(self, hashes):
        """The newest and the oldest backup of both, against what the database was then."""
        listed = json.loads(self.run_holdfast("list", "app", "--json"))["backups"]
        snapshots = json.loads(self.call("restic", "restic", "snapshots", "--json"))
        for backup, snapshot in ((listed[0], snapshots[-1]), (listed[-1], snapshots[0])):
            self.run_holdfast("download", "app", backup["id"], "-o", "back.db")
            self.call("restic", "restic", "-q", "restore", snapshot["id"], "--target", "restored")
            for when, copy in ((backup["created_at"], "back.db"),
                               (snapshot["time"], "restored/copy.db")):
                if self.content(copy) != hashes[when[:13]]:
                    sys.exit("month: the backup of %s is another database" % when)
            os.unlink(self.path("back.db"))
            shutil.rmtree(self.path("restored"))
        return len(listed), len(snapshots)

    def content(self, name):
        return subprocess.run(["sqlite3", self.path(name), ".sha3sum --schema"], check=True,
                              stdout=subprocess.PIPE).stdout

    def run(self, days):
        hashes, most = {}, {"holdfast": 0, "restic": 0}
        self.call("restic", "restic", "-q", "init")
        for hour in range(days * 24):
            self.now = BEGIN + datetime.timedelta(hours=hour)
            self.churn()
            hashes[self.now.strftime("%Y-%m-%dT%H")] = self.content("app.db")
            self.back_up()
            if hour % 24 == 23:
                self.prune()
                most = {tool: max(most[tool], size) for tool, size in self.stored().items()}
        kept = dict(zip(("holdfast", "restic"), self.check(hashes)))
        subprocess.run(["zstd", "-q", "-1", "app.db", "-o", "app.zst"], cwd=self.dir, check=True)
        full = os.path.getsize(self.path("app.zst"))
        print("%d days, database of %.1f MiB in the end, %.1f MiB as zstd -1\n" % (
            days, os.path.getsize(self.path("app.db")) / MIB, full / MIB))
        print("%-9s %8s %11s %9s %11s %8s" % ("tool", "backups", "stored MiB", "x zstd", "at most",
                                              "wall s"))
        for tool, size in self.stored().items():
            print("%-9s %8d %11.1f %9.2f %11.1f %8.0f" % (
                tool, kept[tool], size / MIB, size / full, most[tool] / MIB, self.seconds[tool]))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--holdfast", required=True, help="the program, from a release build")
    parser.add_argument("--size", type=int, default=32, help="of the database, MiB (32)")
    parser.add_argument("--days", type=int, default=30, help="(30)")
    parser.add_argument("--scratch", help="where to work (default: a new directory in TMPDIR)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="holdfast-month-", dir=args.scratch) as directory, \
            Server(PROVIDERS["aws"]) as server:
        month = Month(directory, os.path.abspath(args.holdfast), server)
        subprocess.run([sys.executable, os.path.join(HERE, "make_database.py"),
                        month.path("app.db"), str(args.size)], check=True)
        month.run(args.days)


if __name__ == "__main__":
    main()
