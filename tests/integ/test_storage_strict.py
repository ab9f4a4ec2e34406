"""Goal: encryption, class, tags and payer are asked for where they belong and nowhere else, in a
whole life of backups; a server that does not know them is told of, also if it only is silent.

usage: test_storage_strict.py      on our own server, which refuses these headers where they do not
                                   belong, and remembers what it made of them
"""
import base64
import dataclasses
import os
import sys
import unittest

import testlib

sys.path.insert(0, os.path.join(testlib.HERE, "..", "harness"))
from s3_server.quirks import Quirks  # noqa: E402
from s3_server.server import KEY_ID, SECRET, Server  # noqa: E402

KEY = base64.b64encode(bytes(range(32))).decode()


class Strict(unittest.TestCase):
    def setUp(self):
        self.scratch = testlib.Scratch()
        self.addCleanup(self.scratch.close)
        self.path = self.scratch / "app.db"
        testlib.make_database(self.path, size=8 << 20)

    def server(self, **quirks):
        server = Server(dataclasses.replace(Quirks(), **quirks))
        server.__enter__()
        self.addCleanup(server.__exit__)
        self.store = testlib.Store("strict", "s3://bucket/p?endpoint=%s" % server.endpoint,
                                   {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET})
        return server

    def run_(self, *args, **settings):
        return testlib.run(self.store, *args, state=self.scratch / "state", env={
            "HOLDFAST_" + name.upper(): value for name, value in settings.items()})

    def life(self, server, **settings):
        """All commands; how its objects are stored, the packs first."""
        copy = self.scratch / ("copy-%d.db" % server.address[1])
        for command in (("create", self.path, "--part-size", "5MiB", "--compression", "1"),
                        ("create", self.path, "--force"), ("list", "app"),
                        ("download", "app", "latest", "-o", copy, "--force"),
                        ("verify", "app", "--read"), ("restore", self.path, "latest", "--yes"),
                        ("doctor", self.path),
                        ("prune", "app", "--keep-last", "1", "--prune-grace", "0s")):
            result = self.run_(*command, **settings)
            self.assertEqual(result.code, 0, result)
        self.assertEqual(testlib.content_hash(copy), testlib.content_hash(self.path))
        self.assertIn("complete_upload", {operation for _, operation, _, _ in server.requests})
        found = {key: item.storage for key, item in server.bucket.objects.items()}
        packs = [found[key] for key in found if key.endswith(".zst")]
        others = [found[key] for key in found if not key.endswith(".zst")]
        self.assertTrue(packs and others)
        return packs, others

    def test_the_servers_key(self):
        for settings in ({"sse": "AES256"}, {"sse": "aws:kms"},
                         {"sse": "aws:kms", "sse_kms_key_id": "alias/backup"}):
            packs, others = self.life(self.server(), **settings)
            for item in packs + others:
                self.assertEqual((item.sse, item.kms_key),
                                 (settings["sse"], settings.get("sse_kms_key_id", "")))

    def test_the_customers_key(self):
        packs, others = self.life(self.server(), sse_customer_key=KEY)
        self.assertEqual(len({item.customer_md5 for item in packs + others}), 1)
        self.assertNotEqual(packs[0].customer_md5, "")

    def test_class_and_tags(self):
        packs, others = self.life(self.server(), storage_class="ONEZONE_IA",
                                  tags="team=data base, app=a/b=c")
        self.assertEqual({item.storage_class for item in packs}, {"ONEZONE_IA"})
        self.assertEqual({item.storage_class for item in others}, {"STANDARD"})
        self.assertEqual({item.tags for item in packs + others},
                         {(("team", "data base"), ("app", "a/b=c"))})

    def test_the_requester_pays(self):
        server = self.server(requester_pays=True)
        result = self.run_("create", self.path)
        self.assertEqual(result.code, 12, result)
        self.assertEqual(server.bucket.objects, {})
        self.life(server, requester_pays="yes")

    def test_a_server_that_does_not_know_it_is_told_of(self):
        asked = {"sse": "AES256", "sse_customer_key": KEY, "tags": "a=b",
                 "storage_class": "ONEZONE_IA"}
        for quirks, name in (({"sse": "refused"}, "sse"), ({"sse": "ignored"}, "sse"),
                             ({"sse_customer": "refused"}, "sse_customer_key"),
                             ({"sse_customer": "ignored"}, "sse_customer_key"),
                             ({"tagging": "refused"}, "tags"),
                             ({"classes": ("STANDARD",)}, "storage_class")):
            server = self.server(**quirks)
            for size in ("5MiB", "64MiB"):  # in parts, and at once
                result = self.run_("create", self.path, "--part-size", size, "--compression", "1",
                                   **{name: asked[name]})
                self.assertIn(result.code, (1, 2), (quirks, result))
                self.assertRegex(result.err, "hint: .*\\b%s\\b" % name)
                self.assertFalse([key for key in server.bucket.objects if "/manifest/" in key])
            result = self.run_("doctor", self.path, **{name: asked[name]})
            self.assertEqual(result.code, 3, (quirks, result))
            self.assertIn(name, result.out)


if __name__ == "__main__":
    unittest.main(verbosity=2)
