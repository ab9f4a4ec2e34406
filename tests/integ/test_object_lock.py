"""Goal: whoever gets hold of the agent's key destroys nothing: of a bucket with Object Lock every
backup comes back as it was, whatever that key deletes and overwrites.  And with keys that may do
less than everything, what can work does, and the rest says what is missing.

usage: test_object_lock.py STORE STORE_WITHOUT_LOCKS
"""
import datetime
import json
import os
import re
import signal
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

    def is_locked(self, key):
        try:
            return self.locked_until(key) is not None
        except botocore.exceptions.ClientError:
            return False

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

    def history(self, count, *args, size=1 << 20):
        testlib.make_database(self.path, size=size)
        for i in range(count):
            if i > 0:
                change(self.path, i)
            self.create(*args)

    def requests(self, *args):
        """How many this took."""
        said = self.ok(*args, "--log", "debug").err
        return len(re.findall(r" (?:PUT|GET|HEAD|POST|DELETE) http", said))

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
        self.history(2, "--part-size", "5MiB", *LOCK, size=8 << 20)
        for key in bucket.keys():
            mode, until = bucket.locked_until(key)
            self.assertEqual(mode, "COMPLIANCE")
            self.assertGreaterEqual(until, time.time() + DAYS * 86400)
        # The usual backup costs no more than one without locks.
        counts = []
        for seed, lock in ((3, ()), (4, LOCK)):
            change(self.path, seed)
            counts.append(self.requests("create", self.path, *lock))
            newest = testlib.backups(self.store, "app")[0]["id"]
            self.hashes[newest] = testlib.content_hash(self.path)
        # But what the one in between wrote is locked now, for the last one needs it.
        # It costs a request, and one to find out whether the server knows locks at all.
        self.assertEqual(counts[0] + 2, counts[1])
        change(self.path, 5)
        self.assertEqual(self.requests("create", self.path, *LOCK), counts[0])
        newest = testlib.backups(self.store, "app")[0]["id"]
        self.hashes[newest] = testlib.content_hash(self.path)
        at = now()
        intact = [(key, version) for key, version in bucket.versions() if bucket.is_locked(key)]
        self.assertEqual(len(intact), len(bucket.keys()) - 1)  # all but one old manifest

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
        self.assertEqual(testlib.content_hash(copy), self.hashes[newest])
        result = self.ok("verify", "app", "--read", "--as-of", at, "--json")
        self.assertEqual(testlib.last_json(result.out)["damaged_count"], 0)
        self.assertEqual(result.err, "")  # nothing was to be written down
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

    def test_prune_hides_what_is_locked_and_says_so(self):
        bucket = self.bucket(lock=True)
        self.history(3, "--full", *LOCK)
        at = now()
        result = self.ok("prune", "app", "--keep-last", "1", "--prune-grace", "0s", "--json", *LOCK)
        report = json.loads(result.out)
        self.assertEqual((report["deleted"]["packs"], report["denied"]), (2, 0), report)
        self.assertEqual(report["locked"]["objects"], 2)
        self.assertEqual(report["locked"]["bytes"], report["deleted"]["bytes"])
        self.assertEqual(result.err, "")
        self.assertEqual(len(testlib.backups(self.store, "app")), 1)
        self.check_restores(at)
        # The doctor agrees with the lock, and knows how it compares with the policy.
        for keep, expected in (("30", "ok"), ("31", "warning")):
            checks = self.doctor("--keep-daily", keep, "--keep-monthly", "0", *LOCK)
            self.assertEqual(checks["versions"]["result"], "ok")
            self.assertEqual(checks["object lock"]["result"], expected, checks)
        self.assertIn("31", checks["object lock"]["hint"])
        self.assertIn("not used", self.doctor()["object lock"]["message"])

    def test_the_agent_says_what_locks_do_not_cover(self):
        self.bucket(lock=True)
        testlib.make_database(self.path)
        for keep, is_said in (("30", False), ("31", True)):
            agent = testlib.start(self.store, "agent", self.path, "--keep-daily", keep, *LOCK,
                                  state=self.scratch / "state")
            self.addCleanup(testlib.end, agent)
            testlib.wait_for(lambda: self.run_("list", "app").code == 0)
            agent.send_signal(signal.SIGTERM)
            _, err = agent.communicate(timeout=60)
            self.assertEqual("kept for up to 31 days and locked for 30" in err, is_said, err)

    def doctor(self, *args, code=0):
        result = self.run_("doctor", self.path, "--json", *args)
        self.assertEqual(result.code, code, result)
        return {check["check"]: check for check in json.loads(result.out)["checks"]}

    def test_a_key_that_may_only_put_and_get(self):
        bucket = self.bucket()
        self.history(2)
        bucket.deny("s3:DeleteObject", "s3:ListBucket", "s3:ListBucketMultipartUploads")
        change(self.path, 5)
        self.create("--prune", "--keep-last", "1")  # which knows what it made last
        for command in (("list", "app"), ("create", self.path, "--force"), ("prune", "app")):
            result = self.run_(*command)
            self.assertEqual(result.code, 12, result)
            self.assertIn("s3:ListBucket", result.err)
        bucket.deny("s3:DeleteObject", "s3:ListBucketMultipartUploads")
        self.create("--prune", "--keep-last", "2", "--prune-grace", "0s", "--full")
        ids = list(self.hashes)[-2:]
        result = self.ok("prune", "app", "--keep-last", "1", "--prune-grace", "0s")
        self.assertEqual(result.err.count("may not delete"), 1, result)
        result = self.ok("verify", "app", ids[-1], "--read")
        self.assertEqual([b["id"] for b in testlib.backups(self.store, "app")], ids[-1:])

    def test_a_bucket_that_cannot_do_it_says_so(self):
        testlib.make_database(self.path)
        self.bucket()
        result = self.run_("create", self.path, *LOCK)
        self.assertEqual(result.code, 2, result)
        self.assertIn("made with Object Lock", result.err)
        checks = self.doctor(*LOCK, code=3)
        self.assertEqual(checks["object lock"]["result"], "failure")
        self.assertIn("made with Object Lock", checks["object lock"]["hint"])
        checks = self.doctor()
        self.assertIn("no versions", checks["versions"]["message"])
        self.assertEqual(checks["object lock"]["result"], "ok")
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


class OtherServer(ObjectLock):
    """And one that takes locks for something else."""

    def test_a_server_that_knows_no_locks_loses_nothing_by_them(self):
        self.store = testlib.s3_store("other", testlib.settings(OTHER)).fresh()
        self.history(1)
        result = self.run_("create", self.path, "--name", "locked", *LOCK)
        self.assertEqual(result.code, 2, result)
        self.assertIn("knows nothing of locks", result.err)
        checks = self.doctor(*LOCK, code=3)
        self.assertIn("knows nothing of locks", checks["object lock"]["message"])
        change(self.path, 1)  # its pack needs that of the first, whose lock would be renewed
        self.create(*LOCK)
        self.ok("verify", "app", "--read")


def choose(_store, other=None):
    global OTHER
    OTHER = other
    return OtherServer if other is not None else ObjectLock


if __name__ == "__main__":
    testlib.main(__doc__, choose)
