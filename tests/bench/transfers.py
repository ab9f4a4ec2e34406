#!/usr/bin/python3
"""Compare several transfers at a time with one: a full backup, and its download, over a network on
which each request takes 50 ms longer and a connection carries so many MiB a second at most.

usage: transfers.py --holdfast FILE [--size MiB] [--delay SECONDS] [--rate MiB] [--check]

The server is the tests' own, in Python and in this process: the ratios mean something, the seconds
little.  Peak memory is that of the program.  With --check it fails where four at a time are not at
least LIMIT times as fast as one, or where the program takes more than 64 MiB.
"""
import argparse
import os
import sqlite3
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "harness"), os.path.join(HERE, "..", "integ")]
from network import Network  # noqa: E402
from s3_server.quirks import PROVIDERS  # noqa: E402
from s3_server.server import KEY_ID, SECRET, Server  # noqa: E402

MIB = 1 << 20
RSS_MAX = 64 * MIB
LIMIT = 2.0
COUNTS = (1, 2, 4, 8, 16)
LAUNCHER = """
import os, resource, sys
status = os.spawnv(os.P_WAIT, sys.argv[1], sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)
"""


def run(args, env):
    """Wall seconds, peak bytes."""
    began = time.monotonic()
    # A process begins with the peak of the one that started it, and this one holds the store.
    result = subprocess.run([sys.executable, "-SEc", LAUNCHER, *args], env=env, text=True,
                            stdout=subprocess.PIPE, check=False)
    if result.returncode != 0:
        sys.exit("transfers: exit %d from: %s" % (result.returncode, args))
    return time.monotonic() - began, int(result.stdout.split()[-1]) * 1024


def make_database(path, size):
    """Incompressible: what is measured is the network."""
    db = sqlite3.connect(path)
    db.execute("PRAGMA synchronous=OFF")
    with db:
        db.execute("CREATE TABLE noise(body BLOB)")
        for _ in range(size):
            db.execute("INSERT INTO noise VALUES(randomblob(%d))" % (MIB - 2048))
    db.close()


def measure(args, directory, count):
    with Server(PROVIDERS["aws"]) as server:
        target = ("127.0.0.1", int(server.endpoint.rpartition(":")[2]))
        out = os.path.join(directory, "back.db")
        env = {"HOLDFAST_STATE_DIR": os.path.join(directory, "state%d" % count), "HOME": directory,
               "TMPDIR": directory, "AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET}
        with Network(target, delay=args.delay, rate=args.rate * MIB) as network:
            store = ["--store", "s3://bucket/p?endpoint=%s&region=us-east-1" % network.endpoint]
            up = run([args.holdfast, "create", os.path.join(directory, "app.db"),
                      "--upload-concurrency", str(count), *store], env)
            down = run([args.holdfast, "download", "app", "latest", "-o", out,
                        "--download-concurrency", str(count), *store], env)
        os.unlink(out)
        return count, up, down


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--holdfast", required=True, help="the program, from a release build")
    parser.add_argument("--size", type=int, default=128, help="of the database, MiB (128)")
    parser.add_argument("--delay", type=float, default=0.05, help="of a request, seconds (0.05)")
    parser.add_argument("--rate", type=int, default=10, help="of a connection, MiB/s (10)")
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    args.holdfast = os.path.abspath(args.holdfast)
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as directory:
        make_database(os.path.join(directory, "app.db"), args.size)
        rows = [measure(args, directory, count) for count in COUNTS]
    print("%d MiB, %g ms a request, %d MiB/s a connection\n" % (args.size, args.delay * 1000,
                                                                args.rate))
    print("at a time  backup s  x one  peak MiB  download s  x one  peak MiB")
    first, failed = rows[0], False
    for count, up, down in rows:
        ratios = first[1][0] / up[0], first[2][0] / down[0]
        print("%9d  %8.2f  %5.2f  %8.1f  %10.2f  %5.2f  %8.1f" % (
            count, up[0], ratios[0], up[1] / MIB, down[0], ratios[1], down[1] / MIB))
        failed |= max(up[1], down[1]) > RSS_MAX or (count == 4 and min(ratios) < LIMIT)
    if args.check and failed:
        sys.exit("transfers: slower or larger than it may be")


if __name__ == "__main__":
    main()
