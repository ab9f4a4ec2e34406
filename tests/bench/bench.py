#!/usr/bin/python3
"""Time a full backup and its download, beside what people use today; called by tests/bench/run.

Each tool does the whole job: a consistent copy of a live SQLite database in the store, and from
there a database file again.  restic and the script need `sqlite3 .backup` for the first half.
`zstd -1 -T0` of the file alone, and `zstd -d` back, are the yardstick: a bound that no tool which
compresses can be expected to beat.

Each row is the median of the rounds by wall time, every round with an empty store; the database is
in the page cache.  CPU is of all processes, peak memory of the largest one.  Requests are counted
in the server's own log.

Then the next backup, after a share of the rows has changed: at random, as applications do, so that
the share of the pages is larger.  `cat` of the file is the yardstick there.

Litestream is measured where there is a program of it (--litestream): one run that sends a snapshot,
which is what the others do each hour.  It is made for something else, a process beside the
application that sends each transaction as it comes.
"""
import argparse
import dataclasses
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
MIB = 1 << 20
SHARES = [0, 0.1, 1, 10]  # per cent of the rows
LIMIT = 1.3  # holdfast create to a directory, in times of zstd alone


@dataclasses.dataclass
class Sample:
    wall: float
    cpu: float
    rss: int       # bytes, of the largest process
    stored: int    # bytes in the store afterwards
    requests: str  # "2 PUT" and the like; empty for a directory


class DirStore:
    """A local directory."""

    name = "directory"

    def __init__(self, path):
        self.path = path
        self.holdfast = "file://" + path
        self.restic = path
        self.litestream = "file://" + path
        self.upload = "cp {file} %s/" % path
        self.download = "cp %s/{name} {file}" % path
        self.env = {}

    def clear(self):
        shutil.rmtree(self.path, ignore_errors=True)
        os.makedirs(self.path)

    def stored(self):
        return sum(os.path.getsize(os.path.join(where, name))
                   for where, _, names in os.walk(self.path) for name in names)

    def mark(self):
        return 0

    def requests(self, _):
        return ""


class RgwStore:
    """A bucket of a Ceph RGW on this machine, whose access log is at hand."""

    name = "RGW"
    AWS = "/usr/bin/aws"
    LOGGED = re.compile(r' beast: .* "([A-Z]+) /')

    def __init__(self, servers):
        with open(os.path.join(servers, "rgw.env"), encoding="utf-8") as file:
            env = dict(line.strip().split("=", 1) for line in file)
        self.log = os.path.join(servers, "rgw", "client.rgw.log")
        self.bucket = env["HOLDFAST_TEST_S3_BUCKET"]
        self.endpoint = endpoint = env["HOLDFAST_TEST_S3_ENDPOINT"]
        region = env["HOLDFAST_TEST_S3_REGION"]
        self.holdfast = "s3://%s/hf?endpoint=%s" % (self.bucket, endpoint)
        self.restic = "s3:%s/%s/restic" % (endpoint, self.bucket)
        self.litestream = "s3://%s/litestream?endpoint=%s&forcePathStyle=true&region=%s" % (
            self.bucket, endpoint, region)
        s3_cp = "%s --endpoint-url %s s3 cp --quiet " % (self.AWS, endpoint)
        self.upload = s3_cp + "{file} s3://%s/script/" % self.bucket
        self.download = s3_cp + "s3://%s/script/{name} {file}" % self.bucket
        self.env = {"AWS_ACCESS_KEY_ID": env["HOLDFAST_TEST_S3_ACCESS_KEY_ID"],
                    "AWS_SECRET_ACCESS_KEY": env["HOLDFAST_TEST_S3_SECRET_ACCESS_KEY"],
                    "AWS_DEFAULT_REGION": region, "AWS_REGION": region}

    def aws(self, *args):
        return subprocess.run([self.AWS, "--endpoint-url", self.endpoint, "s3", *args],
                              env={**os.environ, **self.env}, check=True, text=True,
                              stdout=subprocess.PIPE).stdout

    def clear(self):
        self.aws("rm", "--quiet", "--recursive", "s3://" + self.bucket)

    def stored(self):
        listing = self.aws("ls", "--recursive", "--summarize", "s3://" + self.bucket)
        return int(re.search(r"Total Size: (\d+)", listing)[1])

    def mark(self):
        return os.path.getsize(self.log)

    def requests(self, mark):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            file.seek(mark)
            methods = self.LOGGED.findall(file.read())
        return ", ".join("%d %s" % (methods.count(m), m) for m in sorted(set(methods)))


@dataclasses.dataclass
class Tool:
    """backup and download are shell commands; prepare comes before a backup and is not timed."""

    name: str
    backup: str
    download: str
    prepare: str = "true"
    source: str = "app.db"  # what it backs up


# Litestream writes tables of its own into the database.
LITESTREAM_COPY = "rm -rf .litestream.db-litestream litestream.db*; cp app.db litestream.db"


def litestream_tools(store, litestream):
    """One run that sends the whole database."""
    restore = "%s restore -o back.db '%s'" % (litestream, store.litestream)
    once = "%s replicate -once -force-snapshot litestream.db '%s' > litestream.log" % (
        litestream, store.litestream)
    return [Tool("litestream, snapshot", once, restore, LITESTREAM_COPY, "litestream.db")]


def tools(store, holdfast, litestream):
    snapshot = "sqlite3 -cmd '.timeout 10000' app.db '.backup copy.db'"
    return [
        Tool("holdfast",
             "%s create app.db --store '%s'" % (holdfast, store.holdfast),
             "%s download app latest -o back.db --store '%s'" % (holdfast, store.holdfast)),
        Tool(".backup, zstd -1 -T0, " + ("cp" if store.name == "directory" else "aws s3 cp"),
             "%s && zstd -q -1 -T0 --rm copy.db -o app.zst && %s" % (
                 snapshot, store.upload.format(file="app.zst")),
             "%s && zstd -q -d back.zst -o back.db" % (
                 store.download.format(name="app.zst", file="back.zst"))),
        Tool(".backup, restic",
             snapshot + " && restic -q backup copy.db",
             "restic -q restore latest --target restored && mv restored/copy.db back.db",
             "restic -q init"),
    ] + (litestream_tools(store, litestream) if litestream else [])


ZSTD = Tool("zstd alone", "zstd -q -1 -T0 app.db -o app.zst",
            "zstd -q -d app.zst -o back.db")


def print_table(lines):
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        print("  ".join(cell.ljust(width) if i < 3 or i == 8 else cell.rjust(width)
                        for i, (cell, width) in enumerate(zip(line, widths))).rstrip())


class Bench:
    def __init__(self, directory, holdfast, rounds):
        self.dir, self.holdfast, self.rounds = directory, holdfast, rounds
        self.rows = {}
        self.env = {**os.environ, "HOLDFAST_STATE_DIR": os.path.join(directory, "state"),
                    "RESTIC_PASSWORD": "bench", "TMPDIR": directory, "XDG_CACHE_HOME": directory}
        self.env.pop("AWS_CA_BUNDLE", None)  # RGW is spoken to without TLS

    def path(self, name):
        return os.path.join(self.dir, name)

    def shell(self, command, env):
        """Run it; wall seconds, CPU seconds, peak bytes."""
        began = time.monotonic()
        process = subprocess.Popen(["bash", "-euo", "pipefail", "-c", command], cwd=self.dir,
                                   env=env, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            sys.exit("bench: exit %d from: %s" % (process.returncode, command))
        return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024

    def remove(self, *names):
        for name in names:
            if os.path.isdir(self.path(name)):
                shutil.rmtree(self.path(name))
            elif os.path.exists(self.path(name)):
                os.unlink(self.path(name))

    def timed(self, command, env, store):
        if store is None:
            return Sample(*self.shell(command, env), os.path.getsize(self.path("app.zst")), "")
        mark = store.mark()
        times = self.shell(command, env)
        requests = store.requests(mark)
        return Sample(*times, store.stored(), requests)

    def check_copy(self, tool):
        """What came back is the database: a fast tool that loses data would win every race."""
        sums = [subprocess.run(["sqlite3", self.path(name), ".sha3sum --schema"], check=True,
                               stdout=subprocess.PIPE).stdout for name in (tool.source, "back.db")]
        if sums[0] != sums[1]:
            sys.exit("bench: %s gave back another database" % tool.name)

    def measure(self, tool, store):
        env = {**self.env, **(store.env if store else {})}
        if store:
            env["RESTIC_REPOSITORY"] = store.restic
        samples = {"backup": [], "download": []}
        for i in range(self.rounds):
            self.remove("state", "copy.db", "app.zst", "back.zst", "back.db", "restored", "restic")
            if store:
                store.clear()
            self.shell(tool.prepare, env)
            self.shell("cat app.db > /dev/null", env)
            samples["backup"].append(self.timed(tool.backup, env, store))
            samples["download"].append(self.timed(tool.download, env, store))
            if i == 0 and store:
                self.check_copy(tool)
        for operation, list_of in samples.items():
            list_of.sort(key=lambda s: s.wall)
            self.rows[operation, store.name if store else "-", tool.name] = \
                list_of[len(list_of) // 2]

    def change(self, source, share, number):
        """Update so many per cent of the messages; @return the share of the pages that differ."""
        shutil.copyfile(self.path(source), self.path("before.db"))
        if share > 0:
            every = round(100 / share)
            subprocess.run(["sqlite3", self.path(source),
                            "UPDATE message SET author = author || 'x' WHERE id %% %d = %d;"
                            "PRAGMA wal_checkpoint(TRUNCATE)" % (every, number % every)],
                           check=True, stdout=subprocess.DEVNULL)
        changed = total = 0
        with open(self.path("before.db"), "rb") as a, open(self.path(source), "rb") as b:
            while page := b.read(4096):
                total += 1
                changed += page != a.read(4096)
        self.remove("before.db")
        return 100 * changed / total

    def next_backups(self, tool, store):
        """Rows: what was changed, and what the backup after it took."""
        env = {**self.env, **store.env, "RESTIC_REPOSITORY": store.restic}
        self.remove("state", "copy.db", "app.zst", "restic")
        store.clear()
        self.shell(tool.prepare, env)
        self.shell(tool.backup, env)
        rows = []
        for number, share in enumerate(SHARES):
            pages = self.change(tool.source, share, number)
            self.remove("copy.db", "app.zst")
            time.sleep(3.5)  # so that time stamps tell that nothing has changed since
            if share == 0:
                self.shell(tool.backup, env)
                self.remove("copy.db", "app.zst")
            cat, _, _ = self.shell("cat %s > /dev/null" % tool.source, env)
            before = store.stored()
            sample = self.timed(tool.backup, env, store)
            rows.append(("%g %% of rows, %.1f %% of pages" % (share, pages), store.name, tool.name,
                         "%.2f" % sample.wall, "%.1f" % (sample.wall / cat), "%.2f" % sample.cpu,
                         "%.0f" % (sample.rss / MIB), "%.2f" % ((sample.stored - before) / MIB),
                         sample.requests))
        return rows

    def table(self):
        lines = [("operation", "store", "tool", "wall s", "x zstd", "CPU s", "peak MiB",
                  "stored MiB", "requests")]
        for operation in ("backup", "download"):
            yardstick = self.rows[operation, "-", ZSTD.name].wall
            for (op, store, tool), s in self.rows.items():
                if op == operation:
                    lines.append((op, store, tool, "%.2f" % s.wall, "%.2f" % (s.wall / yardstick),
                                  "%.2f" % s.cpu, "%.0f" % (s.rss / MIB), "%.1f" % (s.stored / MIB),
                                  s.requests))
        print_table(lines)

    def ratio(self):
        return (self.rows["backup", "directory", "holdfast"].wall /
                self.rows["backup", "-", ZSTD.name].wall)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--holdfast", required=True, help="the program, from a release build")
    parser.add_argument("--size", type=int, default=1024, help="of the database, MiB (1024)")
    parser.add_argument("--rounds", type=int, default=3, help="of which the median counts (3)")
    parser.add_argument("--scratch", help="where to work (default: a new directory in TMPDIR)")
    parser.add_argument("--rgw", metavar="DIR",
                        help="RGW too, as tests/harness/servers/start DIR rgw left it")
    parser.add_argument("--litestream", metavar="PROGRAM", default=shutil.which("litestream"),
                        help="Litestream 0.5 (default: the one in PATH)")
    parser.add_argument("--check", action="store_true",
                        help="fail if holdfast to a directory takes over %.1f x zstd" % LIMIT)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-", dir=args.scratch) as directory:
        bench = Bench(directory, os.path.abspath(args.holdfast), args.rounds)
        subprocess.run([sys.executable, os.path.join(HERE, "make_database.py"),
                        bench.path("app.db"), str(args.size)], check=True)
        bench.measure(ZSTD, None)
        litestream = args.litestream and os.path.abspath(args.litestream)
        stores = [DirStore(bench.path("store"))] + ([RgwStore(args.rgw)] if args.rgw else [])
        for store in stores:
            for tool in tools(store, bench.holdfast, litestream):
                bench.measure(tool, store)
        print("database of %d MiB, %d processors, median of %d\n" % (
            os.path.getsize(bench.path("app.db")) // MIB, os.cpu_count(), args.rounds))
        bench.table()
        rows = [("changed", "store", "tool", "wall s", "x cat", "CPU s", "peak MiB", "added MiB",
                 "requests")]
        for store in stores:
            for tool in tools(store, bench.holdfast, litestream):
                rows += bench.next_backups(tool, store)
        print()
        print_table(rows)
        print("\nholdfast create to a directory: %.2f x zstd -1 -T0 alone (at most %.1f)" % (
            bench.ratio(), LIMIT))
        if args.check and bench.ratio() > LIMIT:
            sys.exit(1)


if __name__ == "__main__":
    main()
