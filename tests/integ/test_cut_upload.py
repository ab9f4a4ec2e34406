"""Goal: an upload through a network that breaks again and again gets through, and sends little
twice.

usage: test_cut_upload.py MB EVERY_MB PART_SIZE [RATIO [FILE_MB]]

A database of MB incompressible megabytes, and zeros up to FILE_MB, goes through a proxy that resets
the connection that carries the last byte of each EVERY_MB megabytes, counted over all connections.
What went up is at most RATIO (1.1) times what came to be stored.  PART_SIZE can be "default".  No
part can be smaller than 5 MiB, and a cut costs what has gone of one: EVERY_MB of a few parts cannot
keep the ratio, which arithmetic settles.
"""
import json
import os
import sqlite3
import sys
import time
import unittest

import testlib
from network import Network

sys.path.insert(0, os.path.join(testlib.HERE, "..", "harness"))
from s3_server.quirks import PROVIDERS  # noqa: E402
from s3_server.server import KEY_ID, SECRET, Server  # noqa: E402

MB = 1_000_000
TOTAL = EVERY = FILE = 0
PART_SIZE, RATIO = "", 1.1


class Cut(unittest.TestCase):
    def setUp(self):
        self.scratch = testlib.Scratch()
        self.addCleanup(self.scratch.close)
        self.server = Server(PROVIDERS["aws"])
        self.server.__enter__()
        self.addCleanup(self.server.__exit__)

    def store(self, endpoint):
        return testlib.Store("cut", "s3://bucket/p?endpoint=%s&region=us-east-1" % endpoint,
                             {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET})

    def make_database(self, path):
        db = sqlite3.connect(path)
        db.execute("PRAGMA synchronous=OFF")
        with db:
            db.execute("CREATE TABLE noise(id INTEGER PRIMARY KEY, body BLOB)")
            for _ in range(TOTAL):
                db.execute("INSERT INTO noise(body) VALUES(randomblob(%d))" % MB)
            for _ in range((FILE - TOTAL) // 10):
                db.execute("INSERT INTO noise(body) VALUES(zeroblob(%d))" % (10 * MB))
        db.close()

    def test_little_is_sent_twice(self):
        path, out = self.scratch / "app.db", self.scratch / "out.db"
        state = self.scratch / "state"
        self.make_database(path)
        target = ("127.0.0.1", int(self.server.endpoint.rpartition(":")[2]))
        part_size = [] if PART_SIZE == "default" else ["--part-size", PART_SIZE]
        began = time.monotonic()
        with Network(target, cut_up=EVERY * MB) as proxy:
            result = testlib.run(self.store(proxy.endpoint), "create", path, "--json", *part_size,
                                 state=state, timeout=1200)
        took = time.monotonic() - began
        stored = sum(len(item.data) for item in self.server.bucket.objects.values())
        sent = proxy.bytes["up"]
        print("\nfile of %d MB, %d MB of noise, a cut every %d MB, parts of %s: %d cuts, %.1f MB "
              "sent for %.1f MB, ratio %.3f, %.1f s, exit %d" % (
                  os.path.getsize(path) / MB, TOTAL, EVERY, PART_SIZE, proxy.cuts, sent / MB,
                  stored / MB, sent / max(stored, 1), took, result.code), flush=True)
        self.assertEqual(result.code, 0, result)
        self.assertGreater(stored, TOTAL * MB)
        self.assertGreaterEqual(proxy.cuts, TOTAL // EVERY)
        self.assertLessEqual(sent, RATIO * stored)
        self.assertEqual(self.server.bucket.uploads, {})
        self.check_what_it_says(json.loads(result.out), proxy, stored)
        testlib.ok(self.store(self.server.endpoint), "download", "app", "latest", "-o", out,
                   state=state, timeout=1200)
        self.assertEqual(testlib.content_hash(out), testlib.content_hash(path))

    def check_what_it_says(self, document, proxy, stored):
        """Bytes sent in vain are among those it says it sent; of the network's own, headers are
        not, and what lay in buffers when a connection broke was sent but did not pass."""
        self.assertGreaterEqual(document["retries"], 1)
        self.assertGreater(document["sent_bytes"], stored)
        self.assertAlmostEqual(document["sent_bytes"], proxy.bytes["up"], delta=6 * MB * proxy.cuts)
        self.assertGreater(document["sent_bytes"], 0.995 * proxy.bytes["up"])


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5, 6):
        sys.exit(__doc__)
    TOTAL, EVERY, PART_SIZE = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    RATIO = float(sys.argv[4]) if len(sys.argv) > 4 else RATIO
    FILE = int(sys.argv[5]) if len(sys.argv) > 5 else TOTAL
    del sys.argv[1:]
    unittest.main(verbosity=2)
