"""Goal: what is in the store is what docs/format.md says, and needs no Holdfast to be read.

The independent reader (reader.py) and plain zstd restore what Holdfast wrote, byte for byte as
Holdfast itself does; the objects come out of a real server through another client, botocore.

usage: test_format.py STORE      STORE: dir, rgw, swift or env
"""
import glob
import os
import subprocess
import sys
import unittest
from urllib.parse import parse_qs, urlsplit

import testlib

READER = os.path.join(testlib.HERE, "reader.py")

def copy_out(store, directory):
    """Every object of the store as a file: by botocore from a server."""
    parts = urlsplit(store.url)
    if parts.scheme == "file":
        subprocess.run(["cp", "-r", parts.path, directory], check=True)
        return
    import botocore.config
    import botocore.session
    query = parse_qs(parts.query)
    client = botocore.session.get_session().create_client(
        "s3", region_name=query["region"][0], endpoint_url=query["endpoint"][0],
        aws_access_key_id=store.env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=store.env["AWS_SECRET_ACCESS_KEY"],
        config=botocore.config.Config(s3={"addressing_style": "path"}))
    prefix = parts.path.strip("/") + "/"
    listing = client.get_paginator("list_objects_v2").paginate(Bucket=parts.netloc, Prefix=prefix)
    for item in (item for page in listing for item in page.get("Contents", ())):
        path = os.path.join(directory, item["Key"][len(prefix):])
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as out:
            out.write(client.get_object(Bucket=parts.netloc, Key=item["Key"])["Body"].read())


class Format(unittest.TestCase):
    def setUp(self):
        self.dir = testlib.Scratch()
        self.addCleanup(self.dir.close)

    def reader(self, *args):
        return subprocess.run([sys.executable, READER, *args], capture_output=True, text=True)

    def read_back(self, page_size, size):
        source, objects = self.dir / "app.db", self.dir / "objects"
        store = testlib.STORE.fresh()
        testlib.make_database(source, page_size, "wal", size)
        testlib.ok(store, "create", source)
        testlib.ok(store, "download", "app", "latest", "-o", self.dir / "ours.db")
        backup = testlib.backups(store, "app")[0]
        copy_out(store, objects)
        result = self.reader(objects, "app", backup["id"], self.dir / "theirs.db")
        self.assertEqual(result.returncode, 0, result.stderr)
        ours = open(self.dir / "ours.db", "rb").read()
        self.assertEqual(open(self.dir / "theirs.db", "rb").read(), ours)
        pack = "%s/app/packs/%s.zst" % (objects, backup["id"])
        self.assertEqual(subprocess.run(["zstd", "-dc", pack], capture_output=True,
                                        check=True).stdout, ours)
        return objects, pack

    def test_reader_and_zstd_restore_every_page_size(self):
        for page_size in (512, 1024, 2048, 4096, 8192, 16384, 32768, 65536):
            with self.subTest(page_size=page_size):
                self.read_back(page_size, 300_000)
            self.doCleanups()
            self.setUp()

    def test_more_slots_than_one_index_block_has(self):
        objects, _ = self.read_back(512, 36_000_000)  # over 65,536 pages
        result = self.reader("--no-hash", objects, "app", "latest", self.dir / "again.db")
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_the_packs_alone_are_enough(self):
        """Their indexes say all that a lost manifest said."""
        objects, _ = self.read_back(4096, 300_000)
        for manifest in glob.glob(objects + "/app/manifest/*"):
            os.unlink(manifest)
        result = self.reader("--from-packs", objects, "app", "latest", self.dir / "again.db")
        self.assertEqual(result.returncode, 0, result.stderr)
        with open(self.dir / "again.db", "rb") as again, open(self.dir / "ours.db", "rb") as ours:
            self.assertEqual(again.read(), ours.read())

    def test_the_reader_notices_a_wrong_page(self):
        """Or it would prove nothing above: a page exchanged, with a frame that is sound."""
        objects, pack = self.read_back(4096, 300_000)
        with open(pack, "r+b") as data:  # frame 0 is page 1, raw: header 10 bytes, checksum 4
            data.seek(10 + 2000)
            data.write(b"another")
            data.seek(10)
            page = data.read(4096)
            checksum = subprocess.run(["xxhsum", "-H1", "-"], input=page, capture_output=True,
                                      check=True).stdout.split()[0]
            data.write(bytes.fromhex(checksum.decode())[::-1][:4])
        result = self.reader(objects, "app", "latest", self.dir / "wrong.db")
        self.assertIn("hash of page 1", result.stderr)
        self.assertNotEqual(result.returncode, 0)

    def test_nothing_else_is_in_the_store(self):
        objects, _ = self.read_back(4096, 300_000)
        names = sorted(os.path.relpath(p, objects) for p in
                       glob.glob(objects + "/**", recursive=True) if os.path.isfile(p))
        self.assertEqual(len(names), 2, names)
        self.assertEqual(names[0], "app/manifest/0000000001.json")


if __name__ == "__main__":
    testlib.main(__doc__, lambda store: Format)
