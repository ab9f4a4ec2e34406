"""Goal: whatever the network and the server do to any one request, a command ends in success or
in a clear error, in time; every listed backup restores, and what is left behind the next prune
removes.

usage: test_fault_sweep.py [RUNS]       RUNS: of each command, drawn at random; all without it
"""
import concurrent.futures
import json
import os
import random
import shutil
import sys
import time
import unittest

import testlib

sys.path.insert(0, os.path.join(testlib.HERE, "..", "harness"))
from s3_server.faults import KINDS, Fault  # noqa: E402
from s3_server.quirks import PROVIDERS  # noqa: E402
from s3_server.server import KEY_ID, SECRET, Server  # noqa: E402

RUNS = None
SEED = int(os.environ.get("HOLDFAST_TEST_SEED", "0")) or random.SystemRandom().getrandbits(32)
DEADLINE = 60
# The exit statuses of what a store may answer (base/err.c).
FAILED = {1, 2, 10, 11, 12, 13, 14}


class Place:
    """A server, a database with two backups, and what is remembered of it: to be gone back to."""

    def __init__(self, provider="aws"):
        self.scratch = testlib.Scratch()
        self.server = Server(PROVIDERS[provider])
        self.server.__enter__()
        self.store = testlib.Store("strict", "s3://bucket/p?endpoint=%s&region=%s" % (
            self.server.endpoint, self.server.quirks.region),
            {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET})
        self.path = self.scratch / "app.db"
        self.state = self.scratch / "state"
        testlib.make_database(self.path, 4096, "delete", 6 << 20)
        self.hashes = {}
        for _ in range(3):
            self.change()
            made = testlib.last_json(self.run("create", self.path, "--json").out)
            self.hashes[made["id"]] = testlib.content_hash(self.path)
        self.change()
        self.now = testlib.content_hash(self.path)
        shutil.copytree(self.state, self.scratch / "state.kept")
        shutil.copyfile(self.path, self.scratch / "app.kept")
        self.kept = self.server.bucket.snapshot()

    def close(self):
        self.server.__exit__()
        self.scratch.close()

    def change(self):
        db = testlib.sqlite3.connect(self.path)
        with db:
            db.execute("UPDATE filler SET body = randomblob(600)"
                       " WHERE id % 90 = abs(random()) % 90")
        db.close()

    def run(self, *args, check=True, **options):
        result = testlib.run(self.store, *args, state=self.state, timeout=DEADLINE, **options)
        if check and result.code != 0:
            raise AssertionError("%s: %r" % (" ".join(args), result))
        return result

    def back(self):
        self.server.reset()
        self.server.bucket.restore(self.kept)
        shutil.rmtree(self.state)
        shutil.copytree(self.scratch / "state.kept", self.state)
        shutil.copyfile(self.scratch / "app.kept", self.path)

    def command(self, name):
        out = self.scratch / "out.db"
        return {
            "create": ("create", self.path),
            "create-parts": ("create", self.path, "--full", "--part-size", "5MiB",
                             "--compression", "1"),
            "list": ("list", "app"),
            "download": ("download", "app", "latest", "-o", out, "--force"),
            "restore": ("restore", self.path, "latest", "--yes"),
            "prune": ("prune", "app", "--keep-last", "2", "--prune-grace", "0s",
                      "--max-unused", "0"),
            "verify": ("verify", "app", "--read"),
        }[name]

    def check(self):
        """What is listed restores, and prune leaves nothing but what is needed."""
        self.server.reset()
        listed = json.loads(self.run("list", "app", "--json").out)["backups"]
        if not listed:
            raise AssertionError("nothing is listed")
        for backup in listed:
            out = self.scratch / "check.db"
            self.run("download", "app", backup["id"], "-o", out, "--force")
            if testlib.content_hash(out) != self.hashes.get(backup["id"], self.now):
                raise AssertionError("backup %s is another" % backup["id"])
        self.run("prune", "app", "--keep-last", "9", "--prune-grace", "0s", "--max-unused", "100")
        keys, uploads = self.server.bucket.keys(), self.server.bucket.uploads
        newest = max(key for key in keys if "/manifest/" in key)
        document = json.loads(self.server.bucket.objects[newest].data)
        needed = {"p/app/packs/%s.zst" % pack["id"] for pack in document["packs"]
                  if "replaced_at" not in pack}
        left = {key for key in keys if "/manifest/" not in key} - needed
        if left or uploads:
            raise AssertionError("left behind: %s, %s" % (left, uploads))

    def strike(self, name, faults):
        self.back()
        self.server.reset(faults)
        began = time.monotonic()
        result = self.run(*self.command(name), check=False)
        took = time.monotonic() - began
        struck = self.server.struck
        if result.code not in FAILED | {0}:
            raise AssertionError("%r" % result)
        if result.code != 0 and ("error" not in result.err or len(result.err) < 20):
            raise AssertionError("no clear error: %r" % result)
        if "AddressSanitizer" in result.err or took > DEADLINE:
            raise AssertionError("%r" % result)
        self.check()
        return result.code, struck


class Sweep(unittest.TestCase):
    def one(self, places, name, fault):
        place = places.pop()
        try:
            return place.strike(name, [fault])
        except AssertionError as error:
            self.failures.append("%s, %s: %s" % (name, fault, error))
            return 1, 1
        finally:
            places.append(place)

    def test_every_fault_at_every_request(self):
        rng, self.failures = random.Random(SEED), []
        places = [Place() for _ in range(os.cpu_count() or 1)]
        for place in places:
            self.addCleanup(place.close)
        total = succeeded = 0
        with concurrent.futures.ThreadPoolExecutor(len(places)) as pool:
            for name in ("create", "create-parts", "list", "download", "restore", "prune",
                         "verify"):
                places[0].back()
                places[0].run(*places[0].command(name))
                requests = places[0].server.count
                self.assertGreater(requests, 1, name)
                cases = [Fault(kind, at) for kind in KINDS for at in range(1, requests + 1)]
                if RUNS is not None:
                    cases = rng.sample(cases, min(RUNS, len(cases)))
                results = list(pool.map(lambda fault, name=name: self.one(places, name, fault),
                                        cases))
                self.assertTrue(all(struck for _, struck in results), name)
                good = sum(code == 0 for code, _ in results)
                print("%s: %d requests, %d runs, %d of them succeeded all the same"
                      % (name, requests, len(results), good), flush=True)
                total, succeeded = total + len(results), succeeded + good
        print("%d runs, %d succeeded (seed %d)" % (total, succeeded, SEED), flush=True)
        self.assertEqual(self.failures, [])
        self.assertGreater(succeeded, total // 3)
        self.assertLess(succeeded, total)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        RUNS = int(sys.argv.pop())
    unittest.main(verbosity=2)
