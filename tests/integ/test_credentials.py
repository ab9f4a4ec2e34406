"""Keys that end, from stand-ins for what a cloud has: the real program asks them over loopback, and
signs for a strict S3 server that knows which key is good for how long.

usage: test_credentials.py
"""
import datetime
import hmac
import http.server
import json
import os
import socket
import sys
import threading
import time
import unittest
import uuid
from urllib.parse import parse_qs

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../harness"))

import testlib  # noqa: E402
from s3_server import sigv4  # noqa: E402
from s3_server.quirks import Quirks  # noqa: E402
from s3_server.server import Server  # noqa: E402

MIB = 1 << 20
ROLE = "arn:aws:iam::123456789012:role/backup"
STS = ("<{0}Response xmlns='https://sts.amazonaws.com/doc/2011-06-15/'><{0}Result><Credentials>"
       "<AccessKeyId>{1[AccessKeyId]}</AccessKeyId><SecretAccessKey>{1[SecretAccessKey]}"
       "</SecretAccessKey><SessionToken>{1[Token]}</SessionToken><Expiration>{1[Expiration]}"
       "</Expiration></Credentials></{0}Result></{0}Response>")


def utc_now():
    return datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)


class Bucket(Server):
    """The strict S3 server; after so many parts, every key that there was has ended."""

    def __init__(self):
        super().__init__(Quirks())
        self.credentials, self.parts, self.end_after, self.used = {}, 0, 0, []

    def issue(self, seconds=3600):
        """New keys, as IMDS would say them."""
        key, secret, token = ("ASIA" + uuid.uuid4().hex[:16].upper(),
                              testlib.SECRET_MARK + uuid.uuid4().hex, "tok/" + uuid.uuid4().hex)
        ends = utc_now() + datetime.timedelta(seconds=seconds)
        self.credentials[key] = (secret, token, ends)
        return {"Code": "Success", "AccessKeyId": key, "SecretAccessKey": secret, "Token": token,
                "Expiration": ends.strftime("%Y-%m-%dT%H:%M:%SZ")}

    def respond(self, request, kind):
        response = super().respond(request, kind)
        with self.lock:
            found = sigv4.AUTHORIZATION.fullmatch(request.header("authorization") or "")
            self.used.append((found.group(1), response.status))
            self.parts += "partNumber=" in request.raw_query and response.status == 200
            if self.end_after and self.parts >= self.end_after:
                self.end_after = 0
                for key, (secret, token, _) in self.credentials.items():
                    self.credentials[key] = (secret, token, utc_now())
        return response

    def keys_that_worked(self):
        return list(dict.fromkeys(key for key, status in self.used if status < 300))


class Cloud(http.server.ThreadingHTTPServer):
    """IMDSv2, a container's endpoint and STS at one port; says what was wrong with a question."""

    def __init__(self, bucket):
        super().__init__(("127.0.0.1", 0), Handler)
        self.bucket, self.asked, self.wrong, self.tokens = bucket, [], [], set()
        self.seconds, self.down, self.agent_token, self.web_token = 3600, False, None, None
        self.url = "http://127.0.0.1:%d" % self.server_address[1]

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def say(self, status, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, status, why):
        self.server.wrong.append(why)
        self.say(status, "<ErrorResponse><Error><Code>AccessDenied</Code><Message>%s</Message>"
                         "</Error></ErrorResponse>" % why)

    def begin(self):
        self.server.asked.append((self.command, self.path))
        length = int(self.headers.get("Content-Length", "0"))
        body = self.rfile.read(length).decode()
        if self.server.down:
            self.say(503, "")
            return None
        return body

    def do_PUT(self):
        if self.begin() is None:
            return
        ttl = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "")
        if self.path != "/latest/api/token" or not ttl.isdigit() or not 1 <= int(ttl) <= 21600:
            return self.refuse(400, "token: TTL '%s'" % ttl)
        if "X-Forwarded-For" in self.headers or "Via" in self.headers:
            return self.refuse(403, "through a proxy")  # as IMDS does
        token = uuid.uuid4().hex + "=="
        self.server.tokens.add(token)
        return self.say(200, token)

    def do_GET(self):
        if self.begin() is None:
            return
        if self.path.startswith("/latest/"):
            self.metadata()
        elif self.headers.get("Authorization") != self.server.agent_token:
            self.refuse(401, "container: Authorization")
        else:
            self.say(200, json.dumps(self.server.bucket.issue(self.server.seconds)))

    def metadata(self):
        roles = "/latest/meta-data/iam/security-credentials/"
        if self.headers.get("X-aws-ec2-metadata-token") not in self.server.tokens:
            self.refuse(401, "metadata: no token")
        elif self.path == roles:
            self.say(200, "backup-role")
        elif self.path == roles + "backup-role":
            self.say(200, json.dumps(self.server.bucket.issue(self.server.seconds)))
        else:
            self.say(404, "")

    def do_POST(self):
        body = self.begin()
        if body is None:
            return
        form = {name: values[0] for name, values in parse_qs(body).items()}
        action = form.get("Action")
        if form.get("Version") != "2011-06-15" or form.get("RoleArn") != ROLE or \
                not form.get("RoleSessionName"):
            return self.refuse(400, "sts: form")
        if action == "AssumeRoleWithWebIdentity":
            if "Authorization" in self.headers or \
                    form.get("WebIdentityToken") != self.server.web_token:
                return self.refuse(403, "sts: web identity")
        elif not self.is_signed(body):
            return self.refuse(403, "sts: signature")
        return self.say(200, STS.format(action, self.server.bucket.issue(self.server.seconds)))

    def is_signed(self, body):
        """With keys that are good, for sts: checked as the S3 server checks its own."""
        found = sigv4.AUTHORIZATION.fullmatch(self.headers.get("Authorization", ""))
        known = self.server.bucket.credentials
        if not found or found.group(4) != "sts" or found.group(1) not in known:
            return False
        secret, token, ends = known[found.group(1)]
        if self.headers.get("x-amz-security-token") != token or (ends and utc_now() >= ends):
            return False
        key = ("AWS4" + secret).encode()
        for part in found.groups()[1:4] + ("aws4_request",):
            key = sigv4.sign(key, part)
        digest = sigv4.hashlib.sha256
        names = found.group(5)
        lines = "".join("%s:%s\n" % (name, self.headers[name]) for name in names.split(";"))
        canonical = "POST\n/\n\n%s\n%s\n%s" % (lines, names, digest(body.encode()).hexdigest())
        text = "\n".join(("AWS4-HMAC-SHA256", self.headers["x-amz-date"],
                          "/".join(found.groups()[1:4]) + "/aws4_request",
                          digest(canonical.encode()).hexdigest()))
        return hmac.compare_digest(sigv4.sign(key, text).hex(), found.group(6))


class Credentials(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = testlib.Scratch()
        cls.addClassCleanup(cls.scratch.close)
        cls.small, cls.large = cls.scratch / "small.db", cls.scratch / "large.db"
        testlib.make_database(cls.small)
        testlib.make_database(cls.large, size=48 * MIB)

    def setUp(self):
        self.bucket = self.enter(Bucket())
        self.cloud = self.enter(Cloud(self.bucket))
        self.store = testlib.Store("s3", "s3://bucket/x?endpoint=%s&region=us-east-1"
                                   % self.bucket.endpoint, {})

    def enter(self, manager):
        self.addCleanup(manager.__exit__, None, None, None)
        return manager.__enter__()

    def imds(self, **more):
        return {"AWS_EC2_METADATA_DISABLED": "", **more,
                "AWS_EC2_METADATA_SERVICE_ENDPOINT": self.cloud.url}

    def container(self, token=None):
        self.cloud.agent_token = token
        env = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": self.cloud.url + "/v1/credentials"}
        if token is not None:
            env["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = self.file("token", token + "\n")
        return env

    def web_identity(self):
        self.cloud.web_token = "header.payload/+==.signature"
        return {"AWS_WEB_IDENTITY_TOKEN_FILE": self.file("jwt", self.cloud.web_token),
                "AWS_ROLE_ARN": ROLE, "AWS_ENDPOINT_URL_STS": self.cloud.url}

    def file(self, name, text):
        path = self.scratch / (uuid.uuid4().hex + name)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        return path

    def run_in(self, env, *args):
        """Also: whatever happens, no secret and no token is said, at the most talkative."""
        result = testlib.run(self.store, *args, "--log", "trace", env=env, timeout=120,
                             state=self.scratch / uuid.uuid4().hex)
        said = result.out + result.err
        for secret, token, _ in self.bucket.credentials.values():
            self.assertNotIn(secret, said)
            self.assertNotIn(token or secret, said)
        for token in [*self.cloud.tokens, self.cloud.agent_token, self.cloud.web_token]:
            self.assertNotIn(token or "\0", said)
        return result

    def works(self, env, *asked):
        result = self.run_in(env, "create", self.small)
        self.assertEqual(result.code, 0, result)
        self.assertEqual(self.cloud.wrong, [])
        self.assertEqual(self.cloud.asked, list(asked))
        self.assertEqual(len(self.bucket.keys_that_worked()), 1)

    def test_an_instance_is_asked_in_version_2(self):
        roles = "/latest/meta-data/iam/security-credentials/"
        self.works(self.imds(), ("PUT", "/latest/api/token"), ("GET", roles),
                   ("GET", roles + "backup-role"))

    def test_no_proxy_sees_what_an_instance_says(self):
        proxy = self.enter(Cloud(self.bucket))
        result = self.run_in(self.imds(http_proxy=proxy.url, no_proxy=""), "list", "small")
        self.assertTrue(self.cloud.asked, result)
        self.assertFalse([path for _, path in proxy.asked if "/latest/" in path])

    def test_a_container_of_ecs(self):
        self.works(self.container(), ("GET", "/v1/credentials"))

    def test_a_container_of_eks_with_its_token(self):
        self.works(self.container("eks-token-" + uuid.uuid4().hex), ("GET", "/v1/credentials"))

    def test_a_web_identity(self):
        self.works(self.web_identity(), ("POST", "/"))

    def test_a_role_of_a_profile_through_a_program(self):
        base = dict(self.bucket.issue(), Version=1)
        base["SessionToken"] = base.pop("Token")
        helper = self.file("helper", "#!/bin/sh\ncat '%s'\n" % self.file("keys", json.dumps(base)))
        os.chmod(helper, 0o700)
        config = "[profile base]\ncredential_process = '%s' x\n[profile backup]\nrole_arn = %s\n" \
                 "source_profile = base\n[services x]\nsts =\n  endpoint_url = %s\n" \
                 "[profile backup]\nservices = x\n" % (helper, ROLE, self.cloud.url)
        self.works({"AWS_CONFIG_FILE": self.file("config", config), "AWS_PROFILE": "backup"},
                   ("POST", "/"))
        self.assertNotIn(base["AccessKeyId"], self.bucket.keys_that_worked())

    def upload_while_keys_end(self, env):
        self.bucket.end_after = 3
        result = self.run_in(env, "create", self.large, "--part-size", "5MiB")
        self.assertEqual(result.code, 0, result)
        self.assertEqual(self.cloud.wrong, [])
        self.assertGreater(self.bucket.parts, 4)
        self.assertEqual(len(self.bucket.keys_that_worked()), 2)
        self.assertIn(400, [status for _, status in self.bucket.used])  # ExpiredToken was said
        self.assertFalse(self.bucket.bucket.uploads)  # one upload, that was completed
        to = self.scratch / (uuid.uuid4().hex + ".db")
        result = self.run_in(env, "download", "large", "latest", "--output", to)
        self.assertEqual(result.code, 0, result)
        self.assertEqual(testlib.content_hash(to), testlib.content_hash(self.large))

    def test_an_upload_goes_on_when_an_instance_s_keys_end(self):
        self.upload_while_keys_end(self.imds())

    def test_an_upload_goes_on_when_a_container_s_keys_end(self):
        self.upload_while_keys_end(self.container("t-" + uuid.uuid4().hex))

    def test_an_upload_goes_on_when_a_role_ends(self):
        self.upload_while_keys_end(self.web_identity())

    def test_keys_that_end_and_no_others_to_be_had_are_a_clear_failure(self):
        self.bucket.end_after = 2
        env = self.container()
        cloud, issue = self.cloud, self.bucket.issue

        def once(seconds=3600):
            cloud.down = True  # from now on
            return issue(seconds)
        self.bucket.issue = once
        result = self.run_in(env, "create", self.large, "--part-size", "5MiB", "--attempts", "2")
        self.assertEqual(result.code, 1, result)
        self.assertIn("the container's credentials endpoint answers with HTTP 503", result.err)

    def test_short_keys_are_replaced_before_they_end(self):
        self.cloud.seconds = 4
        slow = self.bucket.respond

        def respond(request, kind):
            if "partNumber=" in request.raw_query:
                time.sleep(1)
            return slow(request, kind)
        self.bucket.respond = respond
        result = self.run_in(self.container(), "create", self.large, "--part-size", "5MiB")
        self.assertEqual(result.code, 0, result)
        self.assertGreater(len(self.bucket.keys_that_worked()), 1)
        self.assertNotIn(400, [status for _, status in self.bucket.used])  # none ended in use

    def test_without_any_it_is_said_soon_and_where_was_looked(self):
        with socket.create_server(("127.0.0.1", 0), backlog=0) as silent:
            url = "http://127.0.0.1:%d" % silent.getsockname()[1]
            begun = time.monotonic()
            result = self.run_in({"AWS_EC2_METADATA_DISABLED": "",
                                  "AWS_EC2_METADATA_SERVICE_ENDPOINT": url}, "list", "small")
        self.assertEqual(result.code, 2, result)
        self.assertLess(time.monotonic() - begun, 10)
        for word in ("access_key_id", "environment", "profile", "container", "instance"):
            self.assertIn(word, result.err)


if __name__ == "__main__":
    unittest.main(verbosity=2)
