"""Goal: whatever is wrong with the store or with the way to it, one clear line says so with what to
do, the exit code tells scripts, and nothing is lost.

usage: test_bad_store.py STORE

For dir: damage and full disks; for rgw and swift: keys, clocks, regions, networks.
"""
import glob
import json
import os
import socket
import subprocess
import unittest
from urllib.parse import parse_qs, urlsplit

import testlib


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = testlib.Scratch()
        self.addCleanup(self.dir.close)
        self.store = testlib.STORE.fresh()
        self.state = self.dir / "state"
        self.source = self.dir / "app.db"
        testlib.make_database(self.source, 4096, "wal", 300_000)

    def run_in(self, store, *args, **options):
        return testlib.run(store, *args, state=self.state, **options)

    def fails(self, result, code, *words):
        """With this exit code, one line of error that has the words, and a hint."""
        self.assertEqual(result.code, code, result)
        errors = [l for l in result.err.splitlines() if "error:" in l]
        self.assertEqual(len(errors), 1, result)
        for word in words:
            self.assertIn(word, result.err)
        self.assertIn("hint:", result.err, result)
        self.assertNotIn(testlib.SECRET_MARK, result.err)

    def variant(self, env=None, **query):
        """The same store with other parameters in its URL."""
        url = self.store.url
        for key, value in query.items():
            old = parse_qs(urlsplit(url).query).get(key, [None])[0]
            url = url.replace("%s=%s" % (key, old), "%s=%s" % (key, value))
        return testlib.Store(self.store.name, url, {**self.store.env, **(env or {})})


class Remote(Case):
    def test_wrong_secret(self):
        store = self.variant({"AWS_SECRET_ACCESS_KEY": testlib.SECRET_MARK})
        self.fails(self.run_in(store, "create", self.source), 12, "SignatureDoesNotMatch")

    def test_unknown_key_id(self):
        store = self.variant({"AWS_ACCESS_KEY_ID": "AKIDNOBODY"})
        self.fails(self.run_in(store, "create", self.source), 12)

    def test_no_keys_at_all(self):
        store = testlib.Store("x", self.store.url, {})
        self.fails(self.run_in(store, "create", self.source), 2, "access_key_id")

    def test_half_a_pair(self):
        store = testlib.Store("x", self.store.url, {"AWS_SECRET_ACCESS_KEY": testlib.SECRET_MARK})
        self.fails(self.run_in(store, "create", self.source), 2, "AWS_ACCESS_KEY_ID")

    def test_bucket_that_does_not_exist(self):
        bucket = urlsplit(self.store.url).netloc
        store = testlib.Store("x", self.store.url.replace(bucket, "no-such-bucket", 1),
                              self.store.env)
        self.fails(self.run_in(store, "create", self.source), 10, "no-such-bucket")

    def test_unreachable_host(self):
        with socket.socket() as s:  # a port that nobody listens on
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        store = self.variant(endpoint="http://127.0.0.1:%d" % port)
        self.fails(self.run_in(store, "create", self.source, "--attempts", "2"), 1,
                   "127.0.0.1", str(port))

    def test_host_name_that_does_not_resolve(self):
        store = self.variant(endpoint="http://no-such-host.invalid:9000")
        self.fails(self.run_in(store, "create", self.source, "--attempts", "2"), 1,
                   "no-such-host.invalid")

    def test_tls_spoken_to_a_server_without_it(self):
        endpoint = parse_qs(urlsplit(self.store.url).query)["endpoint"][0]
        store = self.variant(endpoint=endpoint.replace("http:", "https:"))
        self.fails(self.run_in(store, "create", self.source, "--attempts", "2"), 1)

    def test_certificate_of_an_unknown_authority(self):
        key, cert = self.dir / "key.pem", self.dir / "cert.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                        "-keyout", key, "-out", cert], check=True, capture_output=True)
        with testlib.tls_proxy(testlib.host_port(self.store), key, cert) as port:
            store = self.variant(endpoint="https://localhost:%d" % port)
            self.fails(self.run_in(store, "create", self.source, "--attempts", "2"), 1,
                       "certificate", "ca_file")
            # The same server, once its authority is known; and refused by another name.
            result = self.run_in(store, "create", self.source, "--ca-file", cert)
            self.assertEqual(result.code, 0, result)
            wrong = self.variant(endpoint="https://127.0.0.1:%d" % port)
            self.fails(self.run_in(wrong, "create", self.source, "--ca-file", cert,
                                   "--attempts", "2"), 1, "127.0.0.1")

    def test_clock_wrong_by_an_hour(self):
        for shift in ("+1h", "-1h"):
            result = self.run_in(self.store, "create", self.source, env={
                "LD_PRELOAD": testlib.faketime(), "FAKETIME": shift,
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0"})
            self.assertEqual(result.code, 0, result)  # corrected from the server's own clock,
            self.assertIn("clock", result.err)        # and said
        self.assertEqual(len(testlib.backups(self.store, "app")), 2)

    def test_wrong_region(self):
        result = self.run_in(self.variant(region="eu-nowhere-1"), "create", self.source)
        self.assertEqual(result.code, 0, result)  # RGW ignores it; Swift names the right one


class Local(Case):
    """Damage in the store, and disks that are full."""

    def setUp(self):
        super().setUp()
        self.root = urlsplit(self.store.url).path
        testlib.ok(self.store, "create", self.source, state=self.state)
        self.backup = testlib.backups(self.store, "app")[0]
        self.pack = glob.glob(self.root + "/app/packs/*.zst")[0]
        self.manifest = glob.glob(self.root + "/app/manifest/*.json")[0]
        self.before = testlib.content_hash(self.source)

    def restore_fails(self, *words):
        out = self.dir / "out.db"
        self.fails(self.run_in(self.store, "download", "app", "latest", "-o", out), 13, *words)
        self.assertFalse(os.path.exists(out))
        self.fails(self.run_in(self.store, "restore", self.source, "latest", "--yes"), 13, *words)
        self.assertEqual(testlib.content_hash(self.source), self.before)
        names = [n for n in os.listdir(self.dir.path) if n.startswith(".")]
        self.assertEqual(names, [])

    def test_truncated_pack(self):
        os.chmod(self.pack, 0o600)
        os.truncate(self.pack, os.path.getsize(self.pack) // 2)
        self.restore_fails(os.path.basename(self.pack)[:8])

    def test_missing_pack(self):
        os.unlink(self.pack)
        out = self.dir / "out.db"
        result = self.run_in(self.store, "download", "app", "latest", "-o", out)
        self.assertIn(result.code, (10, 13), result)
        self.assertFalse(os.path.exists(out))

    def test_a_flipped_bit_anywhere_in_a_pack(self):
        """Each kind of place, and a hundred places at random."""
        whole = open(self.pack, "rb").read()
        good = self.dir / "good.db"
        testlib.ok(self.store, "download", "app", "latest", "-o", good)
        hashes, page_map = testlib.index_ranges(self.manifest)
        checksummed = {*range(*hashes), *range(*page_map)}
        places = testlib.sample_places(len(whole), (hashes, page_map), 100)
        detected = 0
        for place in places:
            broken = bytearray(whole)
            broken[place] ^= 1 << (place % 8)
            open(self.pack, "wb").write(broken)
            out = self.dir / "out.db"
            result = self.run_in(self.store, "download", "app", "latest", "-o", out)
            if result.code == 0:
                # Few bits mean nothing: the info block and the seek table, which a restore does
                # not read, and now and then one of a zstd frame.  What came is right all the same.
                self.assertEqual(open(out, "rb").read(), open(good, "rb").read())
                self.assertNotIn(place, checksummed, "byte %d" % place)
                os.unlink(out)
            else:
                self.assertEqual(result.code, 13, result)
                self.assertFalse(os.path.exists(out))
                detected += 1
        self.assertGreater(detected, 90)
        open(self.pack, "wb").write(whole)
        testlib.ok(self.store, "download", "app", "latest", "-o", self.dir / "again.db")

    def test_garbage_manifest(self):
        open(self.manifest, "wb").write(b"\x00not json at all")
        # One that remembers the manifest builds upon what it remembers.
        for args in (("list", "app"), ("create", self.source, "--force"),
                     ("download", "app", "latest")):
            self.fails(self.run_in(self.store, *args), 13, os.path.basename(self.manifest))

    def test_manifest_of_a_newer_format(self):
        document = json.load(open(self.manifest))
        document["format"] = 99
        json.dump(document, open(self.manifest, "w"))
        for args in (("list", "app"), ("create", self.source, "--force")):
            self.fails(self.run_in(self.store, *args), 1, "99")

    def test_full_disk(self):
        small = self.dir / "small"
        os.mkdir(small)
        mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", small]
        if subprocess.run(mount, stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest("may not mount here; the unit tests fill disks, too")
        try:
            out = os.path.join(small, "out.db")
            self.fails(self.run_in(self.store, "download", "app", "latest", "-o", out), 1, "space")
            self.assertEqual(os.listdir(small), [])
            self.fails(self.run_in(self.store, "restore", self.source, "latest", "--output", out),
                       1, "space")
            self.assertEqual(os.listdir(small), [])
            target = os.path.join(small, "live.db")
            testlib.make_database(target, 4096, "wal", 0)
            before = testlib.content_hash(target)
            self.fails(self.run_in(self.store, "restore", target, "latest", "--yes", "--name",
                                   "app", "--no-undo"), 1, "space")
            self.assertEqual(testlib.content_hash(target), before)
            full = testlib.Store("dir", "file://" + os.path.join(small, "store"), {})
            self.fails(self.run_in(full, "create", self.source), 1, "space")
            self.assertEqual([n for _, _, names in os.walk(os.path.join(small, "store"))
                              for n in names], [])
        finally:
            subprocess.run(["umount", small], check=True)

    def test_output_that_exists(self):
        out = self.dir / "out.db"
        open(out, "w").write("mine")
        self.fails(self.run_in(self.store, "download", "app", "latest", "-o", out), 14, "exists")
        self.assertEqual(open(out).read(), "mine")


if __name__ == "__main__":
    testlib.main(__doc__, lambda store: Local if store == "dir" else Remote)
