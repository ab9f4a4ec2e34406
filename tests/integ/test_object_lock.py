"""Goal: whoever gets hold of the agent's key destroys nothing: of a bucket with Object Lock every
backup comes back as it was, whatever that key deletes and overwrites.  And with keys that may do
less than everything, what can work does, and the rest says what is missing.

usage: test_object_lock.py STORE
"""
import datetime
import json
import os
import sqlite3
import time
import unittest
import uuid

import botocore.exceptions
import botocore.session

import testlib

DAYS = 30
LOCK = ("--object-lock", "compliance", "--object-lock-days", str(DAYS))


def now():
    """As --as-of takes it.  Servers remember whole seconds: what comes after is of a later one."""
    at = datetime.datetime.now(datetime.timezone.utc)
    time.sleep(1.05)
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def change(path, seed, count=40):
    db = sqlite3.connect(path)
    with db:
        db.execute("UPDATE filler SET body = randomblob(600) WHERE id BETWEEN ? AND ?",
                   (seed * 50, seed * 50 + count))
    db.close()


class Bucket:
    """A bucket of its own, by a client of somebody else's, with the agent's key."""

    def __init__(self, settings, lock=False, versioning=False):
        self.name = "lock-" + uuid.uuid4().hex[:12]
        self.s3 = botocore.session.get_session().create_client(
            "s3", endpoint_url=settings["ENDPOINT"], region_name=settings["REGION"],
            aws_access_key_id=settings["ACCESS_KEY_ID"],
            aws_secret_access_key=settings["SECRET_ACCESS_KEY"])
        self.s3.create_bucket(Bucket=self.name, ObjectLockEnabledForBucket=lock)
        if versioning:
            self.s3.put_bucket_versioning(Bucket=self.name,
                                          VersioningConfiguration={"Status": "Enabled"})
        self.store = testlib.s3_store("rgw", dict(settings, BUCKET=self.name))

    def keys(self):
        return [item["Key"] for item in
                self.s3.list_objects_v2(Bucket=self.name).get("Contents", [])]

    def versions(self):
        return [(item["Key"], item["VersionId"]) for item in
                self.s3.list_object_versions(Bucket=self.name).get("Versions", [])]

    def locked_until(self, key):
        retention = self.s3.get_object_retention(Bucket=self.name, Key=key)["Retention"]
        return retention["Mode"], retention["RetainUntilDate"].timestamp()

    def deny(self, *actions):
        self.s3.put_bucket_policy(Bucket=self.name, Policy=json.dumps({
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Deny", "Principal": {"AWS": ["*"]}, "Action": actions,
                           "Resource": ["arn:aws:s3:::" + self.name,
                                        "arn:aws:s3:::%s/*" % self.name]}]}))


class ObjectLock(unittest.TestCase):
    def setUp(self):
        self.scratch = testlib.Scratch()
        self.settings = testlib.settings(testlib.STORE.name)
        self.path = self.scratch / "app.db"
        self.hashes = {}

    def tearDown(self):
        self.scratch.close()

    def bucket(self, **how):
        bucket = Bucket(self.settings, **how)
        self.store = bucket.store
        return bucket

    def run_(self, *args, **options):
        return testlib.run(self.store, *args, state=self.scratch / "state", **options)

    def ok(self, *args, **options):
        result = self.run_(*args, **options)
        self.assertEqual(result.code, 0, result)
        return result

    def create(self, *args):
        made = json.loads(self.ok("create", self.path, "--json", *args).out)
        self.hashes[made["id"]] = testlib.content_hash(self.path)
        return made

    def history(self, count, *args):
        testlib.make_database(self.path, size=8 << 20)
        for i in range(count):
            if i > 0:
                change(self.path, i)
            self.create(*args)

    def check_restores(self, at):
        listed = json.loads(self.ok("list", "app", "--json", "--as-of", at).out)["backups"]
        self.assertEqual({backup["id"] for backup in listed}, set(self.hashes))
        for id_, expected in self.hashes.items():
            copy = self.scratch / id_
            self.ok("restore", "app", id_, "--as-of", at, "--output", copy)
            self.assertEqual(testlib.content_hash(copy), expected)
            os.unlink(copy)

    def test_an_attacker_with_the_agents_key_destroys_nothing(self):
        bucket = self.bucket(lock=True)
        # Of the first, which is larger than a part, the parts are sent with checksums, too.
        self.history(3, "--part-size", "5MiB", *LOCK)
        for key in bucket.keys():
            mode, until = bucket.locked_until(key)
            self.assertEqual(mode, "COMPLIANCE")
            self.assertGreaterEqual(until, time.time() + DAYS * 86400)
        at = now()
        intact = bucket.versions()

        for key in bucket.keys():  # hide everything, and put rubbish on top of half of it
            bucket.s3.delete_object(Bucket=bucket.name, Key=key)
            if key.endswith(".json"):
                bucket.s3.put_object(Bucket=bucket.name, Key=key, Body=b"{}")
        for key, version in intact:  # and for good
            with self.assertRaises(botocore.exceptions.ClientError) as refused:
                bucket.s3.delete_object(Bucket=bucket.name, Key=key, VersionId=version,
                                        BypassGovernanceRetention=True)
            self.assertIn("AccessDenied", str(refused.exception))
        self.assertEqual(self.run_("list", "app").code, 13)

        self.check_restores(at)
        copy = self.scratch / "copy.db"
        self.ok("download", "app", "latest", "--as-of", at, "-o", copy)
        newest = list(self.hashes)[-1]
        self.assertEqual(testlib.content_hash(copy), self.hashes[newest])
        pages = json.loads(self.ok("diff", "app", *list(self.hashes)[:2], "--pages", "--json",
                                   "--as-of", at).out)
        self.assertGreater(pages["pages"]["changed"], 0)

    def test_a_restore_of_then_keeps_what_is_there_now(self):
        bucket = self.bucket(versioning=True)
        self.history(2)
        first, second = self.hashes
        at = now()
        for key in bucket.keys():
            bucket.s3.delete_object(Bucket=bucket.name, Key=key)
        self.ok("restore", self.path, first, "--as-of", at, "--yes")
        self.assertEqual(testlib.content_hash(self.path), self.hashes[first])
        self.ok("restore", self.path, "--undo", "--yes")  # what was there went into a new history
        self.assertEqual(testlib.content_hash(self.path), self.hashes[second])
        result = self.run_("restore", self.path, "latest", "--as-of", "2020-01-01", "--yes")
        self.assertEqual(result.code, 10, result)

    def test_a_bucket_that_cannot_do_it_says_so(self):
        testlib.make_database(self.path)
        self.bucket()
        result = self.run_("create", self.path, *LOCK)
        self.assertEqual(result.code, 2, result)
        self.assertIn("made with Object Lock", result.err)
        self.ok("create", self.path)
        result = self.run_("list", "app", "--as-of", "1m ago")
        self.assertEqual(result.code, 1, result)
        self.assertIn("keeps no versions", result.err)
        result = testlib.run(testlib.dir_store(self.scratch / "store"), "list", "app", "--as-of",
                             "now")
        self.assertIn("keeps no versions", result.err)
        result = testlib.run(testlib.dir_store(self.scratch / "store"), "create", self.path, *LOCK)
        self.assertEqual(result.code, 2, result)
        self.assertIn("a directory locks nothing", result.err)


if __name__ == "__main__":
    testlib.main(__doc__, lambda store: ObjectLock)
