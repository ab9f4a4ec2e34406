"""Goal: an upload through a network that breaks again and again gets through, and sends little
twice.

usage: test_cut_upload.py MB EVERY_MB PART_SIZE [RATIO]

A database of MB incompressible megabytes goes through a proxy that resets the connection that
carries the last byte of each EVERY_MB megabytes, counted over all connections.  What went up is at
most RATIO (1.1) times what came to be stored.  No part can be smaller than 5 MiB, and a cut costs
what has gone of one: EVERY_MB of a few parts cannot keep the ratio, which arithmetic settles.
"""
import os
import sqlite3
import socket
import struct
import sys
import threading
import time
import unittest

import testlib

sys.path.insert(0, os.path.join(testlib.HERE, "..", "harness"))
from s3_server.quirks import PROVIDERS  # noqa: E402
from s3_server.server import KEY_ID, SECRET, Server  # noqa: E402

MB = 1_000_000
TOTAL = EVERY = 0
PART_SIZE, RATIO = "", 1.1


class CuttingProxy:
    """Passes bytes on to a server, and resets connections."""

    def __init__(self, target, every):
        self.target, self.every = target, every
        self.lock, self.sent, self.cuts = threading.Lock(), 0, 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.endpoint = "http://127.0.0.1:%d" % self.listener.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(self.target)
            for source, sink, up in ((client, server, True), (server, client, False)):
                threading.Thread(target=self.pump, args=(source, sink, up), daemon=True).start()

    def is_cut(self, count):
        """Count bytes on their way up: do they make up a whole number of EVERY?"""
        with self.lock:
            before, self.sent = self.sent // self.every, self.sent + count
            is_cut = self.sent // self.every > before
            self.cuts += is_cut
            return is_cut

    def pump(self, source, sink, up):
        try:
            while data := source.recv(65536):
                if up and self.is_cut(len(data)):
                    self.reset(source, sink)
                    return
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    @staticmethod
    def reset(*ends):
        """With RST.  A thread that waits for bytes keeps a socket open: it is woken first."""
        for end in ends:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            end.shutdown(socket.SHUT_RD)
            end.close()


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
        with db:
            db.execute("CREATE TABLE noise(id INTEGER PRIMARY KEY, body BLOB)")
            for _ in range(TOTAL):
                db.execute("INSERT INTO noise(body) VALUES(randomblob(%d))" % MB)
        db.close()

    def test_little_is_sent_twice(self):
        path, out = self.scratch / "app.db", self.scratch / "out.db"
        state = self.scratch / "state"
        self.make_database(path)
        target = ("127.0.0.1", int(self.server.endpoint.rpartition(":")[2]))
        began = time.monotonic()
        with CuttingProxy(target, EVERY * MB) as proxy:
            result = testlib.run(self.store(proxy.endpoint), "create", path, "--part-size",
                                 PART_SIZE, state=state, timeout=1200)
        took = time.monotonic() - began
        stored = sum(len(item.data) for item in self.server.bucket.objects.values())
        print("\n%d MB, a cut every %d MB, parts of %s: %d cuts, %.1f MB sent for %.1f MB, ratio "
              "%.3f, %.1f s, exit %d" % (TOTAL, EVERY, PART_SIZE, proxy.cuts, proxy.sent / MB,
                                         stored / MB, proxy.sent / max(stored, 1), took,
                                         result.code), flush=True)
        self.assertEqual(result.code, 0, result)
        self.assertGreater(stored, TOTAL * MB)
        self.assertGreaterEqual(proxy.cuts, TOTAL // EVERY)
        self.assertLessEqual(proxy.sent, RATIO * stored)
        self.assertEqual(self.server.bucket.uploads, {})
        testlib.ok(self.store(self.server.endpoint), "download", "app", "latest", "-o", out,
                   state=state)
        self.assertEqual(testlib.content_hash(out), testlib.content_hash(path))


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    TOTAL, EVERY, PART_SIZE = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    RATIO = float(sys.argv[4]) if len(sys.argv) == 5 else RATIO
    del sys.argv[1:]
    unittest.main(verbosity=2)
