"""Goal: `doctor` finds what keeps backups from working, says what to do, and goes on to what can
still be checked; it leaves nothing behind.

usage: test_doctor.py STORE

For dir: configuration, databases, directories; for rgw: keys, rights, networks, clocks.
"""
import fcntl
import json
import os
import socket
import sqlite3
import subprocess
import sys
import unittest
from urllib.parse import urlsplit

import botocore.session

import testlib

NOBODY = 65534
UNPRIVILEGED = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
REMOTE = ("name", "connection", "certificate", "clock")
RIGHTS = ("list", "put", "get", "range", "multipart", "conditional writes", "delete", "region")


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = testlib.Scratch()
        self.addCleanup(self.dir.close)
        self.store = testlib.STORE.fresh()
        self.state = self.dir / "state"
        self.path = self.dir / "app.db"
        testlib.make_database(self.path, 4096, "wal", 300_000)

    def doctor(self, store, *args, code=0, **options):
        options.setdefault("state", self.state)
        result = testlib.run(store, "doctor", *args, "--json", **options)
        self.assertEqual(result.code, code, result)
        self.assertNotIn(testlib.SECRET_MARK, result.out + result.err)
        report = json.loads(result.out)
        self.checks = report["checks"]
        for kind, word in (("ok", "ok"), ("warnings", "warning"), ("failures", "failure"),
                           ("skipped", "skipped")):
            self.assertEqual(report[kind], sum(c["result"] == word for c in self.checks))
        for check in self.checks:
            if check["result"] in ("warning", "failure"):
                self.assertTrue(check["hint"], check)
        return self.checks

    def found(self, check, result, *words):
        """The only check of that name came to this, and its message or hint has the words."""
        entries = [c for c in self.checks if c["check"] == check]
        self.assertEqual([e["result"] for e in entries], [result], (check, self.checks))
        for word in words:
            self.assertIn(word, entries[0]["message"] + " " + str(entries[0]["hint"]))

    def others_are_fine(self, *except_for):
        for check in self.checks:
            if check["check"] not in except_for + ("certificate", "region"):
                self.assertEqual(check["result"], "ok", check)


class Local(Case):
    def root(self):
        return urlsplit(self.store.url).path

    def test_all_is_well(self):
        self.doctor(self.store, self.path, "--quick-check")
        self.others_are_fine()
        self.found("content", "ok", "quick_check")
        self.found("schedule", "ok", "@hourly")
        self.found("region", "skipped")
        left = [f for _, _, files in os.walk(self.root()) for f in files]
        self.assertEqual(left, [])

    def test_text_has_a_line_for_each_check_and_a_hint_below(self):
        result = testlib.run(self.store, "doctor", self.dir / "none.db", state=self.state)
        self.assertEqual(result.code, 3, result)
        self.assertRegex(result.out, r"(?m)^store file:///")
        self.assertRegex(result.out, r"(?m)^  ok       put  +objects can be written$")
        self.assertRegex(result.out, r"(?m)^  failure  read  .*none\.db.*\n +hint: ")
        self.assertRegex(result.out, r"\n\d+ ok, 0 warnings, 1 failure, \d+ skipped\n$")

    def test_what_is_remembered_is_compared(self):
        testlib.ok(self.store, "create", self.path, state=self.state)
        self.doctor(self.store, self.path)
        self.found("conditional writes", "ok", "as is remembered")

    def test_missing_database_hides_nothing(self):
        self.doctor(self.store, self.dir / "none.db", code=3)
        self.found("read", "failure", "none.db", "check the path")
        self.found("journal", "skipped")
        self.others_are_fine("read", "journal")

    def test_file_that_is_no_database(self):
        with open(self.path, "wb") as file:
            file.write(b"no database" * 1000)
        self.doctor(self.store, self.path, code=3)
        self.found("read", "failure", "app.db")

    def test_damaged_database(self):
        self.path = self.dir / "bad.db"
        testlib.make_database(self.path, 4096, "delete", 300_000)
        with open(self.path, "r+b") as file:
            file.seek(4096 * 3)
            file.write(b"\xff" * 4096 * 20)
        self.doctor(self.store, self.path)  # nobody looked
        self.doctor(self.store, self.path, "--quick-check", code=3)
        self.found("content", "failure", "damaged", "holdfast restore")

    def test_patterns_say_what_they_match(self):
        os.mkdir(self.dir / "other")
        testlib.make_database(self.dir / "other/app.db", 4096, "wal", 30_000)
        self.doctor(self.store, self.dir / "a*.db")
        self.found("pattern", "ok", "1 database matches")
        self.others_are_fine()
        self.doctor(self.store, self.dir / "b*.db")
        self.found("pattern", "warning", "no SQLite database matches", "check the path")
        self.assertIn("b*.db", [c["subject"] for c in self.checks if c["check"] == "pattern"][0])
        self.doctor(self.store, self.path, self.dir / "o*/*.db", code=3)
        self.found("name", "failure", "would both be called 'app'")

    def test_locked_database(self):
        db = sqlite3.connect(self.path, isolation_level=None)
        db.execute("PRAGMA locking_mode=EXCLUSIVE")
        db.execute("BEGIN EXCLUSIVE")
        db.execute("DELETE FROM journal")
        try:
            self.doctor(self.store, self.path, code=3)
            self.found("read", "failure", "app.db")
            self.others_are_fine("read", "journal")
        finally:
            db.close()
        self.doctor(self.store, self.path)

    def test_log_that_nobody_checkpoints(self):
        db = sqlite3.connect(self.path, isolation_level=None)
        db.execute("PRAGMA wal_autocheckpoint=0")
        for _ in range(9):
            db.execute("UPDATE filler SET body = zeroblob(length(body) + 1)")
        os.truncate(self.path + "-wal", 80 << 20)
        try:
            self.doctor(self.store, self.path)
            self.found("journal", "warning", "80.0 MiB", "checkpoints")
        finally:
            db.close()

    def test_holdfast_at_work(self):
        os.makedirs(self.state + "/app")
        with open(self.state + "/app/lock", "w") as lock:
            lock.write("4711\n")
            lock.flush()
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.doctor(self.store, self.path)
        self.found("lock", "warning", "4711")

    def test_directories_that_cannot_be_written(self):
        os.chmod(self.dir.path, 0o755)
        for name in os.listdir(self.dir.path):
            os.chown(self.dir / name, NOBODY, NOBODY)
        self.store = testlib.dir_store(self.dir / "store")
        os.mkdir(self.root())
        os.chown(self.root(), NOBODY, NOBODY)
        os.mkdir(self.dir / "spool", 0o555)
        os.mkdir(self.state, 0o555)
        testlib.make_database(self.dir / "rollback.db", journal="delete")
        os.chown(self.dir / "rollback.db", NOBODY, NOBODY)
        self.doctor(self.store, self.dir / "rollback.db", "--spool-dir", self.dir / "spool",
                    **UNPRIVILEGED)
        self.found("state directory", "warning", self.state, "state_dir")
        self.found("spool directory", "warning", "spool", "spool_dir")
        self.found("state space", "skipped")
        self.found("lock", "skipped")
        os.chmod(self.root(), 0o555)
        os.chown(self.root(), 0, 0)
        self.doctor(self.store, self.dir / "rollback.db", code=3, **UNPRIVILEGED)
        self.found("put", "failure", "ermission")
        self.found("list", "ok")
        self.found("get", "skipped", "no object could be written")

    def config(self, text, mode=0o600):
        path = self.dir / "holdfast.ini"
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def test_configuration_that_is_wrong(self):
        path = self.config("[store]\nulr = s3://x\n")
        self.doctor(self.store, self.path, "-c", path, code=3)
        self.found("file", "failure", "ulr", "url", ":2")
        self.found("secret", "skipped")
        self.others_are_fine("file", "secret")

    def test_every_database_of_the_configuration(self):
        other = self.dir / "other.db"
        testlib.make_database(other)
        path = self.config("[store]\nurl = %s\n[database:one]\npath = %s\nschedule = @daily\n"
                           "[database:two]\npath = %s\nschedule = 5 * * *\n"
                           % (self.store.url, self.path, other))
        self.doctor(None, "-c", path, code=3)
        subjects = [c["subject"] for c in self.checks if c["check"] in ("schedule", "put")]
        self.assertEqual(len(subjects), 3)  # both databases, and their store once
        results = {c["subject"].split()[1]: c for c in self.checks if c["check"] == "schedule"}
        self.assertEqual(results["one"]["result"], "ok")
        self.assertEqual(results["two"]["result"], "failure")

    def test_secrets_that_everybody_can_read(self):
        secret = self.dir / "secret"
        with open(secret, "w") as file:
            file.write(testlib.SECRET_MARK)
        for mode, result in ((0o644, "warning"), (0o640, "ok")):
            path = self.config("[store]\nurl = %s\naccess_key_id = x\nsecret_access_key = %s\n"
                               % (self.store.url, testlib.SECRET_MARK), mode)
            self.doctor(None, "-c", path)
            self.found("secret", result, "holdfast.ini")
            os.chmod(secret, mode)
            path = self.config("[store]\nurl = %s\naccess_key_id = x\nsecret_access_key_file = %s\n"
                               % (self.store.url, secret), 0o644)
            self.doctor(None, "-c", path)
            self.found("secret", result, secret)

    def test_no_store_at_all(self):
        self.doctor(None, self.path, code=3)
        self.found("settings", "failure", "--store")
        self.found("put", "skipped")
        self.found("read", "ok")

    def test_little_space(self):
        def mount(size):
            return ["unshare", "-m", "sh", "-c", "mount -t tmpfs -o size=%s tmpfs %s && exec \"$@\""
                    % (size, self.dir / "spool"), "-"]
        os.mkdir(self.dir / "spool")
        if subprocess.run(mount("1m") + ["true"], capture_output=True).returncode != 0:
            self.skipTest("file systems cannot be mounted here")
        result = subprocess.run(
            mount("100k") + [testlib.HOLDFAST, "doctor", self.path, "--store", self.store.url,
                             "--spool-dir", self.dir / "spool", "--json"],
            env=testlib.environment(), capture_output=True, text=True)
        self.checks = json.loads(result.stdout)["checks"]
        self.found("spool space", "warning", "100.0 KiB free", "may be needed")


class Remote(Case):
    def variant(self, env=None, **changes):
        url = self.store.url
        for old, new in changes.values():
            url = url.replace(old, new, 1)
        return testlib.Store("x", url, {**self.store.env, **(env or {})})

    def endpoint(self):
        return "http://%s:%d" % testlib.host_port(self.store)

    def test_all_is_well(self):
        self.doctor(self.store, self.path)
        self.others_are_fine()
        self.found("certificate", "warning", "not encrypted")
        self.found("region", "ok", "us-east-1")
        testlib.ok(self.store, "create", self.path, state=self.state)
        self.doctor(self.store, self.path)
        self.found("conditional writes", "ok", "as is remembered")
        # Nothing is left for a prune to find.
        result = testlib.ok(self.store, "prune", "app", "--prune-grace", "0s", "--json",
                            state=self.state)
        self.assertEqual(json.loads(result.out)["deleted"]["probes"], 0)

    def test_store_without_a_database(self):
        self.doctor(self.store)
        self.others_are_fine()

    def test_wrong_key(self):
        self.doctor(self.variant({"AWS_SECRET_ACCESS_KEY": testlib.SECRET_MARK}), self.path, code=3)
        for check in ("list", "put", "multipart"):
            self.found(check, "failure", "SignatureDoesNotMatch")
        for check in ("name", "connection", "clock", "read", "state directory"):
            self.found(check, "ok")
        self.found("region", "skipped", "no request was accepted")

    def test_wrong_bucket(self):
        bucket = urlsplit(self.store.url).netloc
        self.doctor(self.variant(b=(bucket, "no-such-bucket")), self.path, code=3)
        self.found("put", "failure", "no-such-bucket")
        self.found("connection", "ok")

    def test_no_key(self):
        self.doctor(testlib.Store("x", self.store.url, {}), self.path, code=3)
        self.found("settings", "failure", "access_key_id")
        for check in ("name", "connection", "clock"):
            self.found(check, "ok")
        for check in RIGHTS:
            self.found(check, "skipped", "the store cannot be opened")

    def test_no_region_that_could_be_one(self):
        region = "region=us-east-1"
        self.doctor(self.variant(r=(region, "region=Nowhere!")), self.path, code=3)
        self.found("settings", "failure", "Nowhere!")
        for check in REMOTE + RIGHTS:
            self.found(check, "skipped")

    def test_server_that_is_not_there(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            gone = "http://127.0.0.1:%d" % s.getsockname()[1]
        self.doctor(self.variant(e=(self.endpoint(), gone)), self.path, code=3)
        self.found("name", "ok", "127.0.0.1")
        self.found("connection", "failure", "is the server running")
        for check in ("clock", *RIGHTS):
            self.found(check, "skipped")
        self.found("read", "ok")

    def test_name_without_an_address(self):
        self.doctor(self.variant(e=(self.endpoint(), "http://nowhere.invalid:9")), self.path,
                    code=3)
        self.found("name", "failure", "nowhere.invalid", "name servers")
        self.found("connection", "skipped")

    def test_certificates(self):
        for days, result, word in ((3, "warning", "2 more days"), (90, "ok", "89 more days")):
            key, cert = self.dir / "key.pem", self.dir / "cert.pem"
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days",
                            str(days), "-subj", "/CN=localhost", "-addext",
                            "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert],
                           check=True, capture_output=True)
            with testlib.tls_proxy(testlib.host_port(self.store), key, cert) as port:
                store = self.variant(e=(self.endpoint(), "https://localhost:%d" % port))
                self.doctor(store, self.path, "--ca-file", cert)
                self.found("certificate", result, word)
                self.found("put", "ok")
                self.doctor(store, self.path, code=3)
                self.found("connection", "failure", "certificate", "ca_file")

    def test_clocks(self):
        for shift, code, result in (("+1h", 3, "failure"), ("-5m", 0, "warning")):
            self.doctor(self.store, self.path, code=code, env={
                "LD_PRELOAD": testlib.faketime(), "FAKETIME": shift,
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0"})
            self.found("clock", result, "NTP")
            self.found("put", "ok")  # corrected by the server's own clock

    def policy(self, *denied):
        """A bucket of its own, where that is denied to everybody."""
        env = self.store.env
        client = botocore.session.get_session().create_client(
            "s3", "us-east-1", endpoint_url=self.endpoint(),
            aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"])
        bucket = "doctor-%d-%s" % (os.getpid(), denied[0].lower())
        client.create_bucket(Bucket=bucket)
        client.put_bucket_policy(Bucket=bucket, Policy=json.dumps({
            "Version": "2012-10-17", "Statement": [{
                "Effect": "Deny", "Principal": "*", "Action": ["s3:" + d for d in denied],
                "Resource": ["arn:aws:s3:::" + bucket, "arn:aws:s3:::%s/*" % bucket]}]}))
        return self.variant(b=(urlsplit(self.store.url).netloc, bucket))

    def test_key_that_may_not_delete(self):
        store = self.policy("DeleteObject")
        self.doctor(store, self.path)
        self.found("delete", "warning", "403", "holdfast prune")
        self.others_are_fine("delete")

    def test_key_that_may_only_put(self):
        store = self.policy("GetObject", "ListBucket", "DeleteObject")
        self.doctor(store, self.path, code=3)
        self.found("put", "ok")
        self.found("multipart", "ok")
        self.found("get", "failure", "403")
        self.found("list", "failure", "403")
        self.found("delete", "warning")

    def test_key_that_may_not_put(self):
        self.doctor(self.policy("PutObject"), self.path, code=3)
        self.found("put", "failure", "403")
        self.found("list", "ok")
        self.found("get", "skipped")


if __name__ == "__main__":
    testlib.main(__doc__, lambda name: Local if name == "dir" else Remote)
