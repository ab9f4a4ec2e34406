"""Goal: transfers through bad networks end well, or end in time; they keep few connections, and
leave nothing half done."""
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
SIZE = 24 * MB  # of the pack: five parts


class Transfers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = testlib.Scratch()
        cls.addClassCleanup(cls.scratch.close)
        cls.path = cls.scratch / "app.db"
        db = sqlite3.connect(cls.path)
        with db:
            db.execute("CREATE TABLE noise(body BLOB)")
            for _ in range(SIZE // MB):
                db.execute("INSERT INTO noise VALUES(randomblob(%d))" % MB)
        db.close()
        cls.server = Server(PROVIDERS["aws"])
        cls.server.__enter__()
        cls.addClassCleanup(cls.server.__exit__)

    def setUp(self):
        self.server.reset()
        self.out = self.scratch / (self.id() + ".db")
        self.count = 0

    def network(self, **how):
        network = Network(("127.0.0.1", int(self.server.endpoint.rpartition(":")[2])), **how)
        network.__enter__()
        self.addCleanup(network.__exit__)
        return network

    def holdfast(self, network, *args):
        """Each run as the first one on its machine: nothing is remembered."""
        self.count += 1
        url = "s3://bucket/%s?endpoint=%s&region=us-east-1" % (
            self.id(), (network or self.server).endpoint)
        store = testlib.Store("net", url, {"AWS_ACCESS_KEY_ID": KEY_ID,
                                           "AWS_SECRET_ACCESS_KEY": SECRET})
        return testlib.run(store, *args, state=self.scratch / ("%s.%d" % (self.id(), self.count)))

    def create(self, network, *args):
        return self.holdfast(network, "create", self.path, "--full", "--force", *args)

    def succeed(self, result):
        self.assertEqual(result.code, 0, result)
        return result

    def packs(self):
        return [key for key in self.server.bucket.objects
                if key.startswith(self.id()) and "/packs/" in key]

    def test_a_download_that_is_cut_again_and_again_finishes(self):
        self.succeed(self.create(None))
        for command in (("download", "app", "latest", "-o", self.out),
                        ("restore", "app", "latest", "-o", self.out + ".2")):
            network = self.network(cut_down=2 * MB)
            # More cuts than attempts: what counts is what came since the last one.
            self.succeed(self.holdfast(network, *command, "--attempts", "3"))
            self.assertGreaterEqual(network.cuts, 10)
            # A range of 8 MiB never comes without a cut: it goes on where it broke.  What lies
            # in buffers when a connection falls comes twice.
            self.assertLess(network.bytes["down"], 2 * SIZE)
        for path in (self.out, self.out + ".2"):
            self.assertEqual(testlib.content_hash(path), testlib.content_hash(self.path))

    def test_a_download_without_progress_ends_by_its_deadline(self):
        self.succeed(self.create(None))
        network = self.network(starve="/packs/")
        began = time.monotonic()
        result = self.holdfast(network, "download", "app", "latest", "-o", self.out,
                               "--attempts", "100", "--deadline", "1s")
        took = time.monotonic() - began
        self.assertEqual(result.code, 1, result)
        self.assertRegex(result.err, r"after \d+ attempts")
        self.assertGreater(network.starved, 2)
        self.assertLess(took, 4)
        self.assertFalse(os.path.exists(self.out))

    def test_an_upload_that_fails_gives_up_what_it_began(self):
        network = self.network(starve="partNumber=3")
        result = self.create(network, "--attempts", "3")
        self.assertEqual(result.code, 1, result)
        self.assertIn("part 3", result.err)
        self.assertEqual(network.starved, 3)
        self.assertEqual(self.server.bucket.uploads, {})
        self.assertEqual(self.packs(), [])

    def test_parts_are_sent_by_as_many_connections_as_it_is_told(self):
        for concurrency in (1, 3):
            network = self.network()
            made = json.loads(self.succeed(self.create(
                network, "--json", "--upload-concurrency", str(concurrency))).out)
            self.assertEqual(made["retries"], 0)
            self.assertLess(made["sent_bytes"] - made["stored_bytes"], 64 << 10)
            # One of the main thread's, from before and after; it does not send parts.
            self.assertLessEqual(network.connections, 1 + concurrency)

    def test_ranges_are_fetched_by_as_many_connections_as_it_is_told(self):
        self.succeed(self.create(None))
        for concurrency in (1, 3):
            network = self.network()
            self.succeed(self.holdfast(network, "download", "app", "latest", "-o",
                                       self.out + str(concurrency), "--download-concurrency",
                                       str(concurrency)))
            self.assertLessEqual(network.connections, concurrency)


if __name__ == "__main__":
    unittest.main(verbosity=2)
