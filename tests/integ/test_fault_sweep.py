"""Goal: whatever the network and the server do to any one request, or to all from one on, a command
ends in success or in a clear error with the exit status that this fault has, in time; every listed
backup restores, and what is left behind the next prune removes.

usage: test_fault_sweep.py [all]       without `all`: each fault once, at a request that is
                                       the same in every run

HOLDFAST_TEST_FAULTS names some faults, if not all are to strike; HOLDFAST_TEST_SEED is a number
that chooses other requests and other bytes.
"""
import base64
import collections
import concurrent.futures
import dataclasses
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

ALL = False
SEED = int(os.environ.get("HOLDFAST_TEST_SEED", "5"))
ONLY = os.environ.get("HOLDFAST_TEST_FAULTS", "").split()
DEADLINE = 60
FOR_EVER = 1 << 30
COMMANDS = ("create", "create-parts", "list", "download", "restore", "prune", "verify")
OF_THEN = ("list", "download", "verify")  # --as-of

# What a command may end with when the fault has struck once, and when it strikes every request from
# one on, of which each is tried twice then.  0 is in most, because some requests only clean up.
# 13, a damaged backup, is nowhere: all that is stored is well.
HARMLESS = ({0}, {0})
TRIED_AGAIN = ({0}, {0, 1})
STATUS = {
    "slow": HARMLESS, "drip": HARMLESS, "white-space": HARMLESS, "blank-token": HARMLESS,
    "stall-request": HARMLESS, "stall-answer": HARMLESS,  # which strike once only
    "skewed-date": HARMLESS, "no-continue": HARMLESS, "expectation-failed": HARMLESS,
    "skewed": ({0}, {0, 12}),
    "denied": ({0, 12}, {0, 12}), "expired-token": ({0, 12}, {0, 12}),
    "no-such-bucket": ({0, 10}, {0, 10}),
    "redirect": ({0, 2}, {0, 2}), "redirect-loop": ({0, 2}, {0, 2}),
    # Where locks and encryption are asked for, 501 may be about these, and so about a setting.
    "not-implemented": ({0, 1, 2}, {0, 1, 2}),
    "other-region": ({0, 2}, {0, 2}), "malformed-region": ({0, 2}, {0, 2}),
    **{kind: ({0, 1}, {0, 1}) for kind in (
        "html", "html-untyped", "no-http", "truncated-listing",
        "endless-listing", "control-key", "truncated-xml", "gzip", "short-length", "long-length",
        "chunked", "duplicate")},
    # On its way, and so not what is stored; only who reads twice can tell.
    "flipped-byte": ({0, 1, 13}, {0, 1, 13}),
}
# A place in the request or the answer: the first byte, anywhere, the last one.
PLACED = ("cut-request", "reset-in-request", "cut-answer", "reset-answer")
ANYWHERE = ("stall-request", "stall-answer")


def expected(fault):
    return STATUS.get(fault.kind, TRIED_AGAIN)[fault.last > fault.at]


# On every second server: objects that are locked, and that the server encrypts with a key of ours,
# in a bucket where the requester pays; the server looks whether each request says so.
SPECIAL = {"HOLDFAST_SSE_CUSTOMER_KEY": base64.b64encode(bytes(range(32))).decode(),
           "HOLDFAST_STORAGE_CLASS": "STANDARD_IA", "HOLDFAST_TAGS": "team=data base",
           "HOLDFAST_REQUESTER_PAYS": "yes", "HOLDFAST_OBJECT_LOCK": "compliance",
           "HOLDFAST_OBJECT_LOCK_DAYS": "30"}
QUIRKS = dataclasses.replace(PROVIDERS["aws"], requester_pays=True, versioning="on",
                             object_lock=True)


class Place:
    """A server, a database with three backups, and what is remembered of it: to be gone back to."""

    def __init__(self, is_special=False):
        self.scratch = testlib.Scratch()
        self.server = Server(QUIRKS if is_special else PROVIDERS["aws"])
        self.server.__enter__()
        self.store = testlib.Store("strict", "s3://bucket/p?endpoint=%s&region=%s" % (
            self.server.endpoint, self.server.quirks.region),
            {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET,
             **(SPECIAL if is_special else {})})
        self.path, self.out = self.scratch / "app.db", self.scratch / "out.db"
        self.state = self.scratch / "state"
        testlib.make_database(self.path, 4096, "delete", 6 << 20)
        self.hashes = {}
        for _ in range(3):
            self.change()
            made = testlib.last_json(self.run("create", self.path, "--json").out)
            self.hashes[made["id"]] = self.newest = testlib.content_hash(self.path)
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
        return {
            "create": ("create", self.path),
            "create-parts": ("create", self.path, "--full", "--part-size", "5MiB",
                             "--compression", "1"),
            "list": ("list", "app"),
            "download": ("download", "app", "latest", "-o", self.out, "--force"),
            "restore": ("restore", self.path, "latest", "--yes"),
            "prune": ("prune", "app", "--keep-last", "2", "--prune-grace", "0s",
                      "--max-unused", "0"),
            "verify": ("verify", "app", "--read"),
        }[name]

    def requests_of(self, name):
        self.back()
        self.run(*self.command(name))
        return self.server.count

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
        keys, uploads = set(self.server.bucket.keys()), self.server.bucket.uploads
        newest = max(key for key in keys if "/manifest/" in key)
        document = json.loads(self.server.bucket.objects[newest].data)
        needed = {"p/app/packs/%s.zst" % pack["id"] for pack in document["packs"]
                  if "replaced_at" not in pack}
        needed |= {"p/app/manifest/%010d.json" % generation  # old ones stay for some days
                   for generation in range(1, document["generation"] + 1)}
        if keys != needed or uploads:
            raise AssertionError("left behind, or lost: %s, %s" % (keys ^ needed, uploads))

    def strike(self, name, fault):
        self.back()
        self.server.reset([fault])
        options = ["--stall-timeout", "2s"] + (["--attempts", "2"] if fault.last else [])
        began = time.monotonic()
        result = self.run(*self.command(name), *options, check=False)
        took = time.monotonic() - began
        if not self.server.struck:  # how many ranges are asked for depends on the threads
            fault = Fault("slow", fault.at)
        self.check_result(name, fault, result, took)
        if self.server.bucket.snapshot() != self.kept:
            self.check()
        return result.code

    def check_result(self, name, fault, result, took):
        said = result.out + result.err
        if result.code not in expected(fault) or "AddressSanitizer" in said or took > DEADLINE:
            raise AssertionError("not %s, in %.1f s: %r" % (expected(fault), took, result))
        if result.code != 0 and ("error" not in result.err or len(result.err) < 20):
            raise AssertionError("no clear error: %r" % result)
        there = testlib.content_hash(self.path)
        if there != self.newest if name == "restore" and result.code == 0 else \
                there not in (self.now, self.newest if name == "restore" else self.now):
            raise AssertionError("the database is another")
        if name == "download" and result.code == 0 and \
                testlib.content_hash(self.out) != self.newest:
            raise AssertionError("what was downloaded is another")


class PlaceOfThen(Place):
    """Somebody has deleted everything since, as far as a versioned bucket lets him."""

    def __init__(self):
        super().__init__(True)
        self.then = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 1))
        time.sleep(2.1)  # a server's times are whole seconds
        for key in self.server.bucket.keys():
            self.server.bucket.delete(key)
        self.kept = self.server.bucket.snapshot()

    def command(self, name):
        return (*super().command(name), "--as-of", self.then)

    def check(self):
        raise AssertionError("the bucket was written to")


class Sweep(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.rng, cls.places = random.Random(SEED), [
            Place(i % 2 == 1) for i in range(max(2, os.cpu_count() or 1))]
        for place in cls.places:
            cls.addClassCleanup(place.close)

    def cases(self, kind, name):
        """Once at each request, and from some on for ever."""
        requests = self.requests[name]
        places = [0, self.rng.random(), 1.0] if kind in PLACED else \
            [self.rng.random()] if kind in ANYWHERE else [0.5]
        for at in range(1, requests + 1):
            for byte in places:
                yield name, Fault(kind, at, byte=byte)
        if kind not in ANYWHERE:
            for at in sorted({1, self.rng.randint(1, requests)}):
                yield name, Fault(kind, at, FOR_EVER, places[-1])

    def chosen(self):
        by_kind = {kind: [case for name in self.requests for case in self.cases(kind, name)]
                   for kind in ONLY or KINDS}
        if ALL:
            return [case for cases in by_kind.values() for case in cases]
        return [self.rng.choice(cases) for cases in by_kind.values()]

    def one(self, case):
        place = self.places.pop()
        try:
            return case, place.strike(*case)
        except AssertionError as error:
            self.failures.append("%s, %s: %s" % (*case, error))
            print("FAILED %s" % self.failures[-1], flush=True)
            return case, None
        finally:
            self.places.append(place)

    def test_every_fault(self):
        self.requests = {name: self.places[0].requests_of(name) for name in COMMANDS}
        self.sweep(is_complete=True)

    def test_every_fault_of_what_was_there_then(self):
        places = [PlaceOfThen() for _ in self.places]
        for place in places:
            self.addCleanup(place.close)
        self.places = places
        self.requests = {name: places[0].requests_of(name) for name in OF_THEN}
        self.sweep(is_complete=False)

    def sweep(self, is_complete):
        """is_complete: every status that a fault may have is to be seen, when all are tried."""
        self.failures, seen = [], collections.defaultdict(collections.Counter)
        self.assertLessEqual(set(STATUS), set(KINDS))
        cases = self.chosen()
        with concurrent.futures.ThreadPoolExecutor(len(self.places)) as pool:
            for (_, fault), code in pool.map(self.one, cases):
                seen[fault.kind][code] += 1
        if ALL and is_complete:
            self.show(seen)
        print("%s; %d runs, %d succeeded (seed %d)" % (
            ", ".join("%s: %d requests" % item for item in self.requests.items()), len(cases),
            sum(codes[0] for codes in seen.values()), SEED), flush=True)
        self.assertEqual(self.failures, [])

    def show(self, seen):
        """Of every status that a fault may have, one was seen: else the table says too much."""
        for kind, codes in seen.items():
            print("%-20s %s" % (kind, ", ".join("%s: %d" % item for item in codes.items())))
            once, for_ever = STATUS.get(kind, TRIED_AGAIN)
            if not (once | for_ever) <= set(codes):
                self.failures.append("%s: never %s" % (kind, (once | for_ever) - set(codes)))

    def test_a_server_whose_clock_is_an_hour_ahead(self):
        place = self.places[0]
        place.back()
        place.server.skew = 3630
        try:
            result = place.run("create", place.path)
            self.assertIn("clock is 1 h 0 min behind", result.err)
            self.assertEqual(sum(status == 403 for *_, status in place.server.requests), 1)
        finally:
            place.server.skew = 0


if __name__ == "__main__":
    ALL = "all" in sys.argv[1:]
    sys.argv = [argument for argument in sys.argv if argument != "all"]
    unittest.main(verbosity=2)
