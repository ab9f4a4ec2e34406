"""Goal: what is said of how objects are stored reaches the server, as somebody else's client sees
it, and a whole life of backups works with a key that the server forgets.

usage: test_storage.py STORE
"""
import base64
import json
import os
import sqlite3
import unittest

import botocore.exceptions
import botocore.session

import testlib

KEY = base64.b64encode(os.urandom(32)).decode()
OTHER = base64.b64encode(os.urandom(32)).decode()


class Storage(unittest.TestCase):
    def setUp(self):
        self.scratch = testlib.Scratch()
        self.addCleanup(self.scratch.close)
        settings = testlib.settings(testlib.STORE.name)
        self.store = testlib.STORE
        self.bucket = settings["BUCKET"]
        self.s3 = botocore.session.get_session().create_client(
            "s3", endpoint_url=settings["ENDPOINT"], region_name=settings["REGION"],
            aws_access_key_id=settings["ACCESS_KEY_ID"],
            aws_secret_access_key=settings["SECRET_ACCESS_KEY"])
        self.name = "storage-" + os.urandom(4).hex()
        self.path = self.scratch / (self.name + ".db")
        testlib.make_database(self.path, size=8 << 20)

    def run_(self, *args, key=None, **options):
        env = {"HOLDFAST_SSE_CUSTOMER_KEY": key} if key else {}
        return testlib.run(self.store, *args, state=self.scratch / "state", env=env, **options)

    def ok(self, *args, **options):
        result = self.run_(*args, **options)
        self.assertEqual(result.code, 0, result)
        return result

    def objects(self):
        """Keys of packs, and of manifests."""
        keys = [item["Key"] for item in
                self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])
                if "/%s/" % self.name in "/" + item["Key"]]
        return [[k for k in keys if k.endswith(end)] for end in (".zst", ".json")]

    def change(self):
        db = sqlite3.connect(self.path)
        with db:
            db.execute("UPDATE filler SET body = randomblob(600) WHERE id < 40")
        db.close()

    def test_tags_and_class_are_what_was_said(self):
        options = ("--storage-class", "STANDARD_IA", "--tags", "team=data base, app=a/b=c")
        self.ok("create", self.path, *options)  # in parts
        self.change()
        self.ok("create", self.path, *options)
        packs, manifests = self.objects()
        self.assertEqual((len(packs), len(manifests)), (2, 2))
        tagged = []
        for key in packs + manifests:
            head = self.s3.head_object(Bucket=self.bucket, Key=key)
            self.assertEqual(head.get("StorageClass", "STANDARD"),
                             "STANDARD_IA" if key in packs else "STANDARD", key)
            if "-" in head["ETag"]:
                continue  # Ceph 16 loses the tags that an upload in parts was begun with
            tags = self.s3.get_object_tagging(Bucket=self.bucket, Key=key)["TagSet"]
            self.assertEqual({t["Key"]: t["Value"] for t in tags},
                             {"team": "data base", "app": "a/b=c"}, key)
            tagged.append(key)
        self.assertEqual(len(tagged), 3)
        self.ok("verify", self.name, "--read")

    def test_a_class_that_the_server_has_not_is_said(self):
        result = self.run_("create", self.path, "--storage-class", "ONEZONE_IA")
        self.assertNotEqual(result.code, 0)
        self.assertIn("ONEZONE_IA", result.err)
        self.assertEqual(self.objects(), [[], []])

    def test_a_life_with_a_customers_key(self):
        created = self.ok("create", self.path, "--part-size", "5MiB", "--log", "trace", key=KEY)
        self.change()
        again = json.loads(self.ok("create", self.path, "--json", key=KEY).out)
        self.assertEqual(again["kind"], "incremental")
        wanted = testlib.content_hash(self.path)
        packs, manifests = self.objects()
        for key in packs + manifests:  # by somebody else: with this key, and not without
            with self.assertRaises(botocore.exceptions.ClientError):
                self.s3.get_object(Bucket=self.bucket, Key=key)
            got = self.s3.get_object(Bucket=self.bucket, Key=key, SSECustomerAlgorithm="AES256",
                                     SSECustomerKey=base64.b64decode(KEY))
            self.assertEqual(got["SSECustomerAlgorithm"], "AES256")
            self.assertGreater(len(got["Body"].read()), 0)
        self.ok("list", self.name, key=KEY)
        self.ok("verify", self.name, "--read", key=KEY)
        self.ok("verify", self.name, "--restore", key=KEY)
        copy = self.scratch / "copy.db"
        self.ok("download", self.name, "latest", "-o", copy, key=KEY)
        self.assertEqual(testlib.content_hash(copy), wanted)
        self.change()
        self.ok("restore", self.path, "latest", "--yes", key=KEY)
        self.assertEqual(testlib.content_hash(self.path), wanted)
        self.ok("prune", self.name, "--keep-last", "1", "--prune-grace", "0s", key=KEY)
        self.ok("verify", self.name, "--read", key=KEY)
        for wrong in (None, OTHER):
            result = self.run_("list", self.name, key=wrong)
            self.assertNotEqual(result.code, 0)
            self.assertIn("sse_customer_key", result.err)
            result = self.run_("doctor", self.path, key=wrong)
            self.assertEqual(result.code, 3, result)
            self.assertRegex(result.out, "failure +backups .*\n +hint: .*sse_customer_key")
        self.assertRegex(self.ok("doctor", self.path, key=KEY).out, r"ok +backups .*: \d")
        for text in (created.out, created.err):
            self.assertNotIn(KEY, text)

    def test_what_the_server_encrypts_is_asked_for(self):
        # This RGW has no key of its own to encrypt with: the point is that it was asked to.
        result = self.run_("create", self.path, "--sse", "aws:kms", "--sse-kms-key-id", "nothere")
        self.assertNotEqual(result.code, 0, "the server cannot have done that")
        self.assertEqual(self.objects(), [[], []])

    def test_doctor_tells_of_classes_that_do_not_pay(self):
        result = self.run_("doctor", self.path, "--storage-class", "STANDARD_IA")
        self.assertIn("paid for 30 days", result.out)
        result = self.run_("doctor", self.path, "--storage-class", "ONEZONE_IA")
        self.assertRegex(result.out, "failure +storage class .*\n +hint: .*ONEZONE_IA")
        result = self.run_("doctor", self.path)
        self.assertNotIn("paid for", result.out)


def choose(_store):
    return Storage


if __name__ == "__main__":
    testlib.main(__doc__, choose)
