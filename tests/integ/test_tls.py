"""Goal: a server that is not who it says is refused, with what to do about it, and no flag changes
that; and nothing secret is in the log, however much of it is asked for.

usage: test_tls.py
"""
import datetime
import os
import subprocess
import sys
import unittest

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import testlib

sys.path.insert(0, os.path.join(testlib.HERE, "..", "harness"))
from s3_server.quirks import PROVIDERS  # noqa: E402
from s3_server.server import Server  # noqa: E402

KEY_ID, SECRET, TOKEN = "AKIDFORTHELOG", "secret/of+the/log", "token/of+the/session=="
DAY = datetime.timedelta(days=1)
NOW = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)


class Authority:
    def __init__(self, scratch, name):
        self.scratch, self.name = scratch, name
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        cert = self.build(self.subject, self.key, True, NOW - 30 * DAY, NOW + 30 * DAY, [])
        self.file = self.write(name + ".pem", cert.public_bytes(serialization.Encoding.PEM))

    def write(self, name, data):
        path = self.scratch / name
        with open(path, "wb") as file:
            file.write(data)
        return path

    def build(self, subject, key, is_authority, begin, end, names):
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(
            self.subject).public_key(key.public_key()).serial_number(
            x509.random_serial_number()).not_valid_before(begin).not_valid_after(
            end).add_extension(x509.BasicConstraints(is_authority, None), critical=True)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(
                [x509.DNSName(name) for name in names]), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, name, begin=NOW - DAY, end=NOW + DAY, password=None):
        """Files of a key, and of a certificate for a host."""
        key = ec.generate_private_key(ec.SECP256R1())
        cert = self.build(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key, False,
                          begin, end, [name])
        serial = str(cert.serial_number)
        return (self.write(serial + ".key", key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(password.encode()) if password else
            serialization.NoEncryption())),
            self.write(serial + ".pem", cert.public_bytes(serialization.Encoding.PEM)))


class Case(unittest.TestCase):
    def setUp(self):
        self.scratch = testlib.Scratch()
        self.addCleanup(self.scratch.close)
        self.server = Server(PROVIDERS["aws"])
        self.server.credentials = {KEY_ID: (SECRET, TOKEN, None)}
        self.server.__enter__()
        self.addCleanup(self.server.__exit__)
        self.path = self.scratch / "app.db"
        testlib.make_database(self.path, 4096, "delete", 300_000)

    def run_at(self, endpoint, *args, region="us-east-1", **options):
        url = "s3://bucket/p?endpoint=%s&region=%s" % (endpoint, region)
        store = testlib.Store("strict", url, {
            "AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_SESSION_TOKEN": TOKEN})
        return testlib.run(store, *args, state=self.scratch / "state", **options)


class Certificates(Case):
    def create(self, certificate, *flags):
        port = int(self.server.endpoint.rpartition(":")[2])
        with testlib.tls_proxy(("127.0.0.1", port), *certificate) as tls_port:
            return self.run_at("https://localhost:%d" % tls_port, "create", self.path,
                               "--attempts", "2", *flags)

    def test_who_is_refused(self):
        known, other = Authority(self.scratch, "known"), Authority(self.scratch, "other")
        self_signed = Authority(self.scratch, "localhost").issue("localhost")
        cases = {
            "wrong host": (known.issue("elsewhere.example"), "localhost"),
            "expired": (known.issue("localhost", NOW - 9 * DAY, NOW - DAY), "expired"),
            "not yet valid": (known.issue("localhost", NOW + DAY, NOW + 9 * DAY), "not yet valid"),
            "unknown authority": (other.issue("localhost"), "ca_file"),
            "self-signed": (self_signed, "ca_file"),
        }
        for name, (certificate, word) in cases.items():
            with self.subTest(name):
                result = self.create(certificate, "--ca-file", known.file)
                self.assertEqual(result.code, 1, result)
                self.assertIn("certificate", result.err)
                self.assertIn(word, result.err)
                self.assertIn("hint:", result.err)
        self.assertEqual(self.server.count, 0)  # not a byte of a request was sent
        result = self.create(known.issue("localhost"), "--ca-file", known.file)
        self.assertEqual(result.code, 0, result)
        result = self.create(known.issue("localhost"))  # whom this machine does not know
        self.assertEqual(result.code, 1, result)

    def test_nothing_turns_it_off(self):
        for text in (testlib.run(None, "help", "create").out, testlib.run(None, "help").out):
            for word in ("insecure", "no-verify", "skip-tls"):
                self.assertNotIn(word, text)
        known = Authority(self.scratch, "known")
        for flag in ("--insecure", "--no-verify-ssl", "-k"):
            self.assertEqual(self.create(known.issue("localhost"), flag).code, 2, flag)


class ClientCertificates(Case):
    """A server that demands one: TLS 1.3 tells only after the handshake that it was not content."""

    def setUp(self):
        super().setUp()
        self.known = Authority(self.scratch, "known")
        self.clients = Authority(self.scratch, "clients")
        port = int(self.server.endpoint.rpartition(":")[2])
        proxy = testlib.tls_proxy(("127.0.0.1", port), *self.known.issue("localhost"),
                                  authority=self.clients.file)
        self.addCleanup(proxy.__exit__)
        self.endpoint = "https://localhost:%d" % proxy.__enter__()

    def run_with(self, command, *flags, **options):
        return self.run_at(self.endpoint, command, self.path, "--ca-file", self.known.file,
                           *flags, **options)

    def test_a_server_that_demands_one_gets_it(self):
        key, cert = self.clients.issue("agent")
        result = self.run_with("create", "--client-cert", cert, "--client-key", key)
        self.assertEqual(result.code, 0, result)
        both = self.scratch / "both.pem"
        with open(both, "w") as out, open(cert) as one, open(key) as other:
            out.write(one.read() + other.read())
        result = self.run_with("create", "--force", "--client-cert", both)
        self.assertEqual(result.code, 0, result)
        key, cert = self.clients.issue("agent", password=SECRET)
        password = self.known.write("password", SECRET.encode() + b"\n")
        result = self.run_with("create", "--force", env={
            "HOLDFAST_CLIENT_CERT": cert, "HOLDFAST_CLIENT_KEY": key,
            "HOLDFAST_CLIENT_KEY_PASSWORD_FILE": password, "HOLDFAST_LOG": "trace"})
        self.assertEqual(result.code, 0, result)
        self.assertNotIn(SECRET, result.out + result.err)

    def test_without_one_or_with_another_s_it_is_said_once_and_why(self):
        other_key, other = Authority(self.scratch, "other").issue("agent")
        for flags, words in (((), ("certificate required", "set client_cert and client_key")),
                             (("--client-cert", other, "--client-key", other_key),
                              ("does not take the client certificate", "authority"))):
            result = self.run_with("create", *flags)
            self.assertEqual(result.code, 1, result)
            for word in words:
                self.assertIn(word, result.err)
        self.assertEqual(self.server.count, 0)

    def test_doctor_says_what_is_wrong_with_it(self):
        key, cert = self.clients.issue("agent", end=NOW + 3 * DAY)
        old_key, old = self.clients.issue("agent", NOW - 9 * DAY, NOW - DAY)
        cases = (((cert, key), 0, "warning  client certificate", "2 more days"),
                 ((old, old_key), 3, "has expired", "renew it"),
                 ((cert, old_key), 3, "is not that of the certificate", "made together"),
                 ((cert, self.scratch / "none"), 3, "client_key: open", "none"))
        for (cert_file, key_file), code, *words in cases:
            with self.subTest(words):
                result = self.run_with("doctor", "--client-cert", cert_file, "--client-key",
                                       key_file)
                self.assertEqual(result.code, code, result)
                for word in words:
                    self.assertIn(word, result.out)


class Region(Case):
    def test_a_wrong_one_mends_itself_with_a_warning(self):
        result = self.run_at(self.server.endpoint, "create", self.path, env={
            "HOLDFAST_LOG": "warn", "AWS_REGION": "us-east-1"}, region="eu-west-1")
        self.assertEqual(result.code, 0, result)
        self.assertIn("is in region 'us-east-1', not 'eu-west-1'", result.err)


class Log(Case):
    def test_nothing_secret_is_in_it(self):
        signatures, text = set(), ""
        env = {"HOLDFAST_LOG": "trace"}
        out = self.scratch / "out.db"
        for args in (("create", self.path), ("create", self.path, "--force"), ("list", "app"),
                     ("download", "app", "latest", "-o", out), ("verify", "app", "--restore"),
                     ("restore", self.path, "latest", "--yes"), ("diff", "app", "latest", "latest"),
                     ("prune", "app", "--keep-last", "1", "--prune-grace", "0s"),
                     ("list", "app", "--region", "eu-west-1"), ("list", "other")):
            result = self.run_at(self.server.endpoint, *args, env=env)
            text += result.out + result.err
        with self.server.lock:
            signatures = set(self.server.signatures)
        self.assertGreater(len(signatures), 20)
        self.assertGreater(len(text.splitlines()), 20)
        self.assertIn("PUT ", text)  # it is the log
        for secret in (SECRET, TOKEN, "AWS4-HMAC", "x-amz-security-token", *signatures):
            self.assertNotIn(secret, text)
            self.assertNotIn(secret.replace("/", "%2F").replace("+", "%2B"), text)

    def test_nothing_secret_is_in_the_process_list(self):
        process = testlib.start(testlib.Store("strict", "s3://bucket/p?endpoint=%s"
                                              % self.server.endpoint, {
                                                  "AWS_ACCESS_KEY_ID": KEY_ID,
                                                  "AWS_SECRET_ACCESS_KEY": SECRET}),
                                "agent", self.path, state=self.scratch / "state")
        try:
            title = subprocess.run(["ps", "-o", "args=", "-p", str(process.pid)], check=True,
                                   capture_output=True, text=True).stdout
            self.assertIn("agent", title)
            self.assertNotIn(SECRET, title)
        finally:
            process.terminate()
            process.communicate(timeout=60)


if __name__ == "__main__":
    unittest.main(verbosity=2)
