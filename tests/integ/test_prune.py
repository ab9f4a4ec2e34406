"""Goal: a policy leaves what it keeps, restorable to the byte, and nothing that nobody needs; and a
prune that may not delete loses nothing.

usage: test_prune.py STORE
"""
import json
import os
import random
import sqlite3
import subprocess
import sys
import unittest
import uuid
from urllib.parse import urlsplit

import testlib

BACKUPS = 40
KEEP_LAST = 9
READER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "reader.py")


class Directory:
    """The objects of a directory store."""

    def __init__(self, store):
        self.root = store.url[len("file://"):]

    def names(self):
        return {os.path.relpath(os.path.join(folder, name), self.root)
                for folder, _, names in os.walk(self.root) for name in names}

    def put(self, name, data):
        os.makedirs(os.path.dirname(os.path.join(self.root, name)), exist_ok=True)
        with open(os.path.join(self.root, name), "wb") as file:
            file.write(data)

    def read(self, name):
        with open(os.path.join(self.root, name), "rb") as file:
            return file.read()

    def begin_upload(self, name):
        """What a killed program leaves: a temporary file, which is no object."""

    def uploads(self):
        return 0


class Server:
    """The objects of an S3 server, by a client of somebody else's."""

    def __init__(self, store):
        import botocore.session  # only here: a directory needs none

        settings = testlib.settings(store.name)
        self.bucket = settings["BUCKET"]
        self.prefix = urlsplit(store.url).path.lstrip("/") + "/"
        self.s3 = botocore.session.get_session().create_client(
            "s3", endpoint_url=settings["ENDPOINT"], region_name=settings["REGION"],
            aws_access_key_id=settings["ACCESS_KEY_ID"],
            aws_secret_access_key=settings["SECRET_ACCESS_KEY"])

    def names(self):
        found, token = set(), {}
        while True:
            page = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=self.prefix, **token)
            found |= {item["Key"][len(self.prefix):] for item in page.get("Contents", [])}
            if not page["IsTruncated"]:
                return found
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def put(self, name, data):
        self.s3.put_object(Bucket=self.bucket, Key=self.prefix + name, Body=data)

    def read(self, name):
        return self.s3.get_object(Bucket=self.bucket, Key=self.prefix + name)["Body"].read()

    def begin_upload(self, name):
        upload = self.s3.create_multipart_upload(Bucket=self.bucket, Key=self.prefix + name)
        self.s3.upload_part(Bucket=self.bucket, Key=self.prefix + name, PartNumber=1,
                            UploadId=upload["UploadId"], Body=bytes(5 << 20))

    def uploads(self):
        page = self.s3.list_multipart_uploads(Bucket=self.bucket)
        return sum(item["Key"].startswith(self.prefix) for item in page.get("Uploads", []))

    def deny_deletion(self):
        self.s3.put_bucket_policy(Bucket=self.bucket, Policy=json.dumps({
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Deny", "Principal": {"AWS": ["*"]},
                           "Action": ["s3:DeleteObject"],
                           "Resource": ["arn:aws:s3:::%s/%s*" % (self.bucket, self.prefix)]}]}))

    def allow_all(self):
        self.s3.delete_bucket_policy(Bucket=self.bucket)


def change(path, seed):
    db = sqlite3.connect(path)
    with db:
        db.execute("UPDATE filler SET body = randomblob(600) WHERE id BETWEEN ? AND ?",
                   (seed * 11 % 400, seed * 11 % 400 + 25))
        db.execute("INSERT INTO journal(at, note) VALUES(?, 'round ' || ?)", (seed, seed))
    db.close()


class Prune(unittest.TestCase):
    def setUp(self):
        self.scratch = testlib.Scratch()
        self.store = testlib.STORE.fresh()
        self.objects = (Directory if self.store.name == "dir" else Server)(self.store)
        self.path = self.scratch / "app.db"
        testlib.make_database(self.path, 4096, "delete", 1 << 20)
        self.hashes = {}

    def tearDown(self):
        self.scratch.close()

    def history(self, count):
        for i in range(count):
            change(self.path, i)
            made = testlib.last_json(testlib.ok(self.store, "create", self.path, "--json",
                                                *(["--full"] if i == count // 2 else []),
                                                state=self.scratch / "state").out)
            self.hashes[made["id"]] = testlib.content_hash(self.path)
        return list(self.hashes)

    def prune(self, *flags, grace="0s", max_unused=100):
        result = testlib.run(self.store, "prune", "app", "--json", "--keep-last", str(KEEP_LAST),
                             "--prune-grace", grace, "--max-unused", str(max_unused), *flags)
        self.assertEqual(result.code, 0, result)
        return json.loads(result.out), result.err

    def check_restores(self, expected):
        listed = [backup["id"] for backup in testlib.backups(self.store, "app")]
        self.assertEqual(set(listed), expected)
        for id_ in listed:
            testlib.ok(self.store, "download", "app", id_, "-o", self.scratch / id_)
            self.assertEqual(testlib.content_hash(self.scratch / id_), self.hashes[id_], id_)
            os.unlink(self.scratch / id_)

    def needed(self):
        """The packs that the newest manifest says some backup needs."""
        newest = max(name for name in self.objects.names() if name.startswith("app/manifest/"))
        document = json.loads(self.objects.read(newest))
        found = set()
        for backup in document["backups"]:
            numbers = backup["packs"]
            for first, count in zip(numbers[::2], numbers[1::2]):
                found |= {document["packs"][i]["id"] for i in range(first, first + count)}
        return {"app/packs/%s.zst" % id_ for id_ in found}

    def packs(self):
        return {name for name in self.objects.names() if name.startswith("app/packs/")}

    def test_a_policy_leaves_what_it_keeps_and_no_more(self):
        ids = self.history(BACKUPS)
        pinned = random.Random(3).sample(ids[:BACKUPS - KEEP_LAST], 3)
        for id_ in pinned:
            testlib.ok(self.store, "pin", "app", id_)
            self.assertIn("already", testlib.ok(self.store, "pin", "app", id_).out)
        kept = set(pinned) | set(ids[-KEEP_LAST:])
        for _ in range(3):
            self.objects.put("app/packs/%s.zst" % uuid.uuid4(), b"killed before its commit")
        self.objects.put("app/packs/notes.txt", b"somebody else's")
        self.objects.begin_upload("app/packs/%s.zst" % uuid.uuid4())
        before, uploads = self.objects.names(), self.objects.uploads()

        foreseen, _ = self.prune("--dry-run")
        self.assertEqual(self.objects.names(), before)
        self.assertEqual(self.objects.uploads(), uploads)
        self.assertEqual({b["id"] for b in foreseen["backups"] if b["keep"]}, kept)
        self.check_restores(set(ids))

        waiting, _ = self.prune(grace="24h")  # what is young stays, though no longer listed
        self.assertEqual(waiting["expired"], BACKUPS - len(kept))
        self.assertGreater(waiting["waiting"], 0)
        self.assertEqual(self.packs(), {n for n in before if n.startswith("app/packs/")})
        self.assertEqual(self.objects.uploads(), uploads)
        self.check_restores(kept)

        done, err = self.prune()
        self.assertEqual((done["deleted"]["leftovers"], done["deleted"]["uploads"]), (3, uploads))
        self.assertEqual((done["waiting"], done["denied"], err), (0, 0, ""))
        self.assertEqual(self.packs(), self.needed() | {"app/packs/notes.txt"})
        self.assertEqual(self.objects.uploads(), 0)
        self.check_restores(kept)
        again, _ = self.prune()
        self.assertEqual((again["expired"], again["deleted"]["packs"]), (0, 0))
        testlib.ok(self.store, "verify", "app", "--read")

    def bytes_of_packs(self):
        return sum(len(self.objects.read(name)) for name in self.packs())

    def check_reader(self, ids):
        """A reader that knows nothing but the format."""
        if self.store.name != "dir":
            return
        for flags in ([], ["--from-packs"]):
            for id_ in random.Random(5).sample(sorted(ids), 3):
                out = self.scratch / "read.db"
                subprocess.run([sys.executable, READER, *flags, self.objects.root, "app", id_, out],
                               check=True, timeout=60)
                self.assertEqual(testlib.content_hash(out), self.hashes[id_], (flags, id_))
                os.unlink(out)

    def test_packs_of_little_use_are_written_anew(self):
        os.unlink(self.path)
        testlib.make_database(self.path, 4096, "delete", 6 << 20)  # smaller ones are sent whole
        ids = self.history(18)
        kept = set(ids[-KEEP_LAST:])
        testlib.ok(self.store, "pin", "app", ids[3])
        kept.add(ids[3])
        self.prune()
        before, size = self.packs(), self.bytes_of_packs()
        foreseen, _ = self.prune("--dry-run", max_unused=0)
        self.assertGreater(foreseen["rewritten"]["packs"], 1)
        self.assertEqual(self.packs(), before)
        done, _ = self.prune(max_unused=0, grace="24h")  # whoever reads the old ones goes on
        self.assertEqual(done["rewritten"]["packs"], foreseen["rewritten"]["packs"])
        self.assertLess(before, self.packs())
        self.check_restores(kept)
        self.prune(max_unused=0)
        self.assertLess(len(self.packs()), len(before))
        self.assertLess(self.bytes_of_packs(), size)
        self.check_restores(kept)
        self.check_reader(kept)
        testlib.ok(self.store, "verify", "app", "--read")
        # On a host that remembers nothing, and on the one that does.
        for state in ("other", "state"):
            change(self.path, 100)
            made = testlib.last_json(testlib.ok(
                self.store, "create", self.path, "--json", "--adopt",
                state=self.scratch / state).out)
            self.assertEqual(made["kind"], "incremental")
            self.hashes[made["id"]] = testlib.content_hash(self.path)
            kept.add(made["id"])
        self.check_restores(kept)
        self.check_reader(kept)
        testlib.ok(self.store, "repair", "app", "--from-packs")
        self.check_restores(kept)

    def test_all_databases_of_a_store(self):
        ids = self.history(2)
        for name in ("other", "third"):
            testlib.ok(self.store, "create", self.path, "--name", name, "--adopt",
                       state=self.scratch / "state")
        out = testlib.ok(self.store, "verify").out
        self.assertEqual([line for line in out.splitlines() if line.endswith(":")],
                         ["app:", "other:", "third:"])
        testlib.ok(self.store, "prune", "--keep-last", "1", "--prune-grace", "0s")
        self.check_restores({ids[-1]})
        self.objects.put("other/manifest/0000000009.json", b"{")
        for command in ("verify", "prune"):
            result = testlib.run(self.store, command, "--json", "--keep-last", "1")
            self.assertEqual(result.code, 3, result)
            documents = [json.loads(line) for line in result.out.splitlines()]
            self.assertEqual({d["database"] for d in documents}, {"app", "third"})
            self.assertIn("1 of 3 databases failed", result.err)
        self.assertEqual(testlib.run(self.store, "verify", "--name", "app").code, 2)
        config = self.scratch / "holdfast.ini"
        with open(config, "w", encoding="utf-8") as file:
            file.write("[database:third]\npath = %s\n[database:absent]\npath = /nonexistent/a.db\n"
                       % self.path)
        result = testlib.run(self.store, "verify", "-c", config)
        self.assertEqual(result.code, 3, result)
        self.assertIn("third:\n", result.out)
        self.assertNotIn("app:\n", result.out)


class PruneServer(Prune):
    """And what only a server can refuse."""

    def test_credentials_that_may_not_delete(self):
        ids = self.history(14)
        kept = set(ids[-KEEP_LAST:])
        before = self.objects.names()
        self.objects.deny_deletion()
        try:
            report, err = self.prune()
            self.assertGreater(report["denied"], 0)
            self.assertEqual(err.count("may not delete"), 1, err)
            self.assertLessEqual(before, self.objects.names())
            self.check_restores(kept)
            testlib.ok(self.store, "create", self.path, "--force", "--prune", "--keep-last", "50",
                       state=self.scratch / "state")
        finally:
            self.objects.allow_all()
        report, _ = self.prune()
        self.assertGreater(report["deleted"]["leftovers"] + report["deleted"]["packs"], 0)
        self.assertEqual(self.packs(), self.needed())


if __name__ == "__main__":
    testlib.main(__doc__, lambda store: Prune if store == "dir" else PruneServer)
