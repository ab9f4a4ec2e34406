"""Goal: requests go through the proxy that is meant, to a server that only the proxy can reach by
its name; what the proxy wants to know is in no message, and what the server is told is not seen by
the proxy.

usage: test_proxy.py
"""
import base64
import http.server
import json
import os
import re
import select
import socket
import sys
import threading
import unittest
from urllib.parse import urlsplit

import testlib
from test_tls import Authority

sys.path.insert(0, os.path.join(testlib.HERE, "..", "harness"))
from s3_server.quirks import PROVIDERS  # noqa: E402
from s3_server.server import KEY_ID, SECRET, Server  # noqa: E402

USER, PASSWORD = "me", "hunter2/@:%"
QUOTED = "me:hunter2%2F%40%3A%25"
NAME = "s3.invalid"  # has no address anywhere


class Proxy(http.server.ThreadingHTTPServer):
    """Tunnels, and passes plain requests on.  NAME is this machine, for it alone."""
    daemon_threads = True

    def __init__(self, password=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked, self.heads, self.password, self.refuse = [], "", password, 0
        self.address = "127.0.0.1:%d" % self.server_address[1]
        self.url = "http://" + self.address

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


def move(one, other):
    """Until either is done."""
    while True:
        for ready in select.select([one, other], [], [])[0]:
            try:
                data = ready.recv(65536)
            except OSError:
                return
            if not data:
                return
            (other if ready is one else one).sendall(data)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def is_welcome(self):
        proxy = self.server
        proxy.asked.append((self.command, self.path))
        proxy.heads += str(self.headers)
        if proxy.refuse:
            self.answer(proxy.refuse)
            return False
        if proxy.password is None:
            return True
        expected = base64.b64encode(("%s:%s" % (USER, proxy.password)).encode()).decode()
        if self.headers.get("Proxy-Authorization") == "Basic " + expected:
            return True
        self.answer(407)
        return False

    def answer(self, status):
        self.send_response(status)
        if status == 407:
            self.send_header("Proxy-Authenticate", 'Basic realm="x"')
        self.send_header("Content-Length", "0")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True

    def connect(self, host, port):
        return socket.create_connection(("127.0.0.1" if host == NAME else host, port))

    def do_CONNECT(self):
        if not self.is_welcome():
            return
        host, _, port = self.path.rpartition(":")
        with self.connect(host, int(port)) as server:
            self.send_response_only(200)
            self.end_headers()
            move(self.connection, server)
        self.close_connection = True

    def forward(self):
        if not self.is_welcome():
            return
        url = urlsplit(self.path)
        with self.connect(url.hostname, url.port) as server:
            path = url._replace(scheme="", netloc="").geturl()
            head = "%s %s HTTP/1.1\r\n" % (self.command, path)
            for name, value in self.headers.items():
                if not name.lower().startswith("proxy-"):
                    head += "%s: %s\r\n" % (name, value)
            server.sendall(head.encode() + b"\r\n")
            rest = int(self.headers.get("Content-Length", "0"))
            while rest > 0:
                data = self.rfile.read(min(rest, 65536))
                rest -= len(data)
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)
            while data := server.recv(65536):
                self.wfile.write(data)
        self.close_connection = True

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = forward


class Case(unittest.TestCase):
    def setUp(self):
        self.scratch = testlib.Scratch()
        self.addCleanup(self.scratch.close)
        self.server = self.enter(Server(PROVIDERS["aws"]))
        self.port = int(self.server.endpoint.rpartition(":")[2])
        self.path = self.scratch / "app.db"
        testlib.make_database(self.path, 4096, "delete", 300_000)
        self.state = self.scratch / "state"

    def enter(self, manager):
        value = manager.__enter__()
        self.addCleanup(manager.__exit__, None, None, None)
        return value

    def run_at(self, endpoint, *args, proxy=None, **env):
        if proxy is not None:
            env["HOLDFAST_PROXY"] = proxy
        store = testlib.Store("strict", "s3://bucket/p?endpoint=%s&region=us-east-1" % endpoint, {
            "AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET})
        result = testlib.run(store, *args, "--log", "trace", state=self.state, env=env)
        for secret in (PASSWORD, QUOTED, "hunter2"):
            self.assertNotIn(secret, result.out + result.err)
        return result

    def works(self, endpoint, **options):
        result = self.run_at(endpoint, "create", self.path, "--force", **options)
        self.assertEqual(result.code, 0, result)


class Plain(Case):
    def test_requests_go_where_setting_and_environment_say(self):
        proxy, other = self.enter(Proxy()), self.enter(Proxy())
        remote, local = "http://%s:%d" % (NAME, self.port), self.server.endpoint
        for options in ({"proxy": proxy.url}, {"proxy": proxy.address, "HTTP_PROXY": other.url},
                        {"HTTP_PROXY": proxy.url}, {"http_proxy": proxy.url, "NO_PROXY": "x.test"},
                        {"ALL_PROXY": proxy.url, "HTTPS_PROXY": other.url}):
            proxy.asked.clear()
            self.works(remote, **options)
            self.assertTrue(proxy.asked, options)
            self.assertTrue(proxy.asked[0][1].startswith(remote), proxy.asked)
        proxy.asked.clear()
        for options in ({"proxy": "none", "HTTP_PROXY": proxy.url}, {"HTTPS_PROXY": proxy.url},
                        {"HTTP_PROXY": proxy.url, "NO_PROXY": "s3.test, 127.0.0.0/8"},
                        {"proxy": proxy.url, "no_proxy": "*"}):
            self.works(local, **options)
        self.assertEqual(proxy.asked + other.asked, [])

    def test_a_proxy_that_wants_a_password_or_refuses(self):
        proxy = self.enter(Proxy(PASSWORD))
        self.works(self.server.endpoint, proxy="http://%s@%s" % (QUOTED, proxy.address))
        result = self.run_at(self.server.endpoint, "list", "app", proxy=proxy.url)
        self.assertEqual(result.code, 12, result)
        self.assertIn("the proxy '%s' answers with HTTP 407" % proxy.address, result.err)

    def test_metadata_is_asked_without(self):
        proxy = self.enter(Proxy())
        with socket.socket() as gone:  # nobody answers there
            gone.bind(("127.0.0.1", 0))
            imds = "http://127.0.0.1:%d" % gone.getsockname()[1]
            result = testlib.run(testlib.Store("x", "s3://bucket?endpoint=http://" + NAME, {}),
                                 "list", "app", state=self.state, env={
                                     "HOLDFAST_PROXY": proxy.url, "AWS_EC2_METADATA_DISABLED": "",
                                     "AWS_EC2_METADATA_SERVICE_ENDPOINT": imds})
        self.assertEqual(result.code, 2, result)
        self.assertEqual(proxy.asked, [])


class Tunnel(Case):
    def setUp(self):
        super().setUp()
        authority = Authority(self.scratch, "known")
        port = self.enter(testlib.tls_proxy(("127.0.0.1", self.port), *authority.issue(NAME)))
        self.remote, self.trust = "https://%s:%d" % (NAME, port), authority.file

    def run_at(self, endpoint, *args, **options):
        return super().run_at(endpoint, *args, "--ca-file", self.trust, **options)

    def test_the_proxy_sees_neither_keys_nor_data(self):
        proxy = self.enter(Proxy(PASSWORD))
        url = "http://%s@%s" % (QUOTED, proxy.address)
        self.works(self.remote, HTTPS_PROXY=url)
        self.assertEqual({a for a in proxy.asked}, {("CONNECT", self.remote[8:])})
        for word in ("AWS4", "x-amz", KEY_ID, "bucket"):
            self.assertNotIn(word.lower(), proxy.heads.lower())
        secret = self.scratch / "proxy"
        with open(secret, "w") as file:
            file.write(url + "\n")
        proxy.asked.clear()
        result = self.run_at(self.remote, "list", "app", "--proxy-file", secret)
        self.assertEqual(result.code, 0, result)
        self.assertTrue(proxy.asked)

    def test_failures_name_the_proxy_and_what_to_do(self):
        proxy = self.enter(Proxy(PASSWORD))
        with socket.socket() as gone:
            gone.bind(("127.0.0.1", 0))
            nobody = "127.0.0.1:%d" % gone.getsockname()[1]
            right = "http://%s@%s" % (QUOTED, proxy.address)
            wrong = "http://me:hunter2x@" + proxy.address
            cases = ((wrong, 0, 12, "HTTP 407", "user and password"),
                     (right, 403, 12, "HTTP 403", "let this"),
                     (right, 502, 1, "HTTP 502", "let this"),
                     ("http://%s@%s" % (QUOTED, nobody), 0, 1,
                      "cannot connect to the proxy '%s'" % nobody, "the setting"),
                     ("http://%s@nowhere.invalid" % QUOTED, 0, 1, "'nowhere.invalid'", "setting"),
                     ("gopher://%s@x" % QUOTED, 0, 2, "no proxy has that scheme", "none"))
            for url, proxy.refuse, code, *words in cases:
                with self.subTest(words):
                    result = self.run_at(self.remote, "list", "app", "--attempts", "2", proxy=url)
                    self.assertEqual(result.code, code, result)
                    for word in words:
                        self.assertIn(word, result.err)
                    # What the proxy says to CONNECT is no answer of the server's.
                    self.assertNotRegex(result.err, r"GET https://\S+: [1-9]")

    def test_doctor_says_which_way_it_is_and_who_says_so(self):
        proxy = self.enter(Proxy(PASSWORD))
        result = self.run_at(self.remote, "doctor", "--json",
                             HTTPS_PROXY="http://%s@%s" % (QUOTED, proxy.address))
        self.assertEqual(result.code, 0, result)
        found = {c["check"]: c for c in json.loads(result.out)["checks"]}
        self.assertIn("'%s/bucket'" % self.remote, found["endpoint"]["message"])
        self.assertIn("'%s' (HTTPS_PROXY)" % proxy.address, found["proxy"]["message"])
        self.assertEqual(found["name"]["result"], "skipped")
        self.assertEqual(found["put"]["result"], "ok")

    def test_the_way_is_found_in_a_profile(self):
        config = self.scratch / "config"
        with open(config, "w") as file:
            file.write("[profile work]\nregion = us-east-1\nservices = own\nca_bundle = %s\n"
                       "aws_access_key_id = %s\naws_secret_access_key = %s\n[services own]\ns3 =\n"
                       "  endpoint_url = %s\n" % (self.trust, KEY_ID, SECRET, self.remote))
        proxy = self.enter(Proxy())
        store = testlib.Store("x", "s3://bucket/p", {
            "AWS_CONFIG_FILE": config, "AWS_PROFILE": "work", "HTTPS_PROXY": proxy.url})
        testlib.ok(store, "create", self.path, state=self.state)
        report = testlib.ok(store, "doctor", state=self.state).out
        self.assertRegex(report, re.escape(self.remote) + r"/bucket' \(services 'own' of profile "
                                 r"'work'\), region 'us-east-1' \(profile 'work'\)")
        result = testlib.run(store, "list", "app", state=self.state,
                             env={"AWS_ENDPOINT_URL": "http://me:hunter2@x"})
        self.assertEqual(result.code, 2, result)
        self.assertNotIn("hunter2", result.err)
        self.assertIn("AWS_ENDPOINT_URL: ", result.err)


if __name__ == "__main__":
    unittest.main(verbosity=2)
