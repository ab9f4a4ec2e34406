"""Goal: the strict server is S3 to a client that we did not write, and refuses what was tampered
with; so what it says of our client counts.

usage: test_s3_server.py
"""
import base64
import dataclasses
import datetime
import hashlib
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import unittest
from urllib.parse import urlsplit

import botocore.auth
import botocore.awsrequest
import botocore.config
import botocore.credentials
import botocore.exceptions
import botocore.session

HARNESS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness")
sys.path.insert(0, HARNESS)
from s3_server.faults import KINDS  # noqa: E402
from s3_server.quirks import PROVIDERS, Quirks  # noqa: E402
from s3_server.server import KEY_ID, SECRET, Server  # noqa: E402

PART = 5 << 20


def md5(data):
    return base64.b64encode(hashlib.md5(data).digest()).decode()


def client(server, **options):
    return botocore.session.get_session().create_client(
        "s3", endpoint_url=server.endpoint, region_name=server.quirks.region,
        aws_access_key_id=KEY_ID, aws_secret_access_key=options.pop("secret", SECRET),
        config=botocore.config.Config(signature_version="s3v4", retries={"max_attempts": 0},
                                      s3={"addressing_style": "path",
                                          "payload_signing_enabled": True}))


class Botocore(unittest.TestCase):
    def setUp(self):
        self.server = Server(Quirks(page=2, canonical_wire=False))
        self.server.__enter__()
        self.s3 = client(self.server)
        self.addCleanup(self.s3.close)
        self.addCleanup(self.server.__exit__)

    def code(self, call, **arguments):
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            call(Bucket="bucket", **arguments)
        return caught.exception.response["Error"]["Code"]

    def test_objects(self):
        keys = ["a/1", "a/ü ~+&", "a/b/c", "a/b/d", "b", "c"]
        for key in keys:
            self.s3.put_object(Bucket="bucket", Key=key, Body=key.encode() * 3)
        for key in keys:
            got = self.s3.get_object(Bucket="bucket", Key=key)
            self.assertEqual(got["Body"].read(), key.encode() * 3)
        part = self.s3.get_object(Bucket="bucket", Key="c", Range="bytes=1-1")
        self.assertEqual((part["Body"].read(), part["ContentRange"]), (b"c", "bytes 1-1/3"))
        self.assertEqual(self.s3.head_object(Bucket="bucket", Key="c")["ContentLength"], 3)
        pages = self.s3.get_paginator("list_objects_v2")
        self.assertEqual([item["Key"] for page in pages.paginate(Bucket="bucket")
                          for item in page["Contents"]], sorted(keys))
        found = list(pages.paginate(Bucket="bucket", Prefix="a/", Delimiter="/"))
        self.assertEqual([item["Prefix"] for page in found
                          for item in page.get("CommonPrefixes", [])], ["a/b/"])
        self.s3.delete_object(Bucket="bucket", Key="c")
        self.assertEqual(self.code(self.s3.get_object, Key="c"), "NoSuchKey")
        self.assertEqual(self.code(self.s3.get_object, Key="b", Range="bytes=9-"), "InvalidRange")

    def test_conditions(self):
        self.s3.put_object(Bucket="bucket", Key="k", Body=b"1")
        etag = self.s3.head_object(Bucket="bucket", Key="k")["ETag"]
        self.s3.get_object(Bucket="bucket", Key="k", IfMatch=etag)
        self.assertEqual(self.code(self.s3.get_object, Key="k", IfMatch='"0"'),
                         "PreconditionFailed")

    def test_multipart(self):
        def upload(*parts):
            id_ = self.s3.create_multipart_upload(Bucket="bucket", Key="m")["UploadId"]
            done = [{"PartNumber": number, "ETag": self.s3.upload_part(
                Bucket="bucket", Key="m", UploadId=id_, PartNumber=number, Body=body)["ETag"]}
                for number, body in enumerate(parts, 1)]
            return {"Key": "m", "UploadId": id_, "MultipartUpload": {"Parts": done}}

        self.s3.complete_multipart_upload(Bucket="bucket", **upload(bytes(PART), b"end"))
        self.assertEqual(self.s3.head_object(Bucket="bucket", Key="m")["ContentLength"], PART + 3)
        self.assertEqual(self.code(self.s3.complete_multipart_upload, **upload(b"small", b"end")),
                         "EntityTooSmall")
        wrong = upload(bytes(PART), b"end")
        wrong["MultipartUpload"]["Parts"].reverse()
        self.assertEqual(self.code(self.s3.complete_multipart_upload, **wrong), "InvalidPartOrder")
        open_ = self.s3.list_multipart_uploads(Bucket="bucket")["Uploads"]
        self.assertEqual(len(open_), 2)
        for item in open_:
            self.s3.abort_multipart_upload(Bucket="bucket", Key="m", UploadId=item["UploadId"])
        self.assertNotIn("Uploads", self.s3.list_multipart_uploads(Bucket="bucket"))

    def test_many_are_deleted(self):
        for key in "abc":
            self.s3.put_object(Bucket="bucket", Key=key, Body=b"")
        self.s3.delete_objects(Bucket="bucket", Delete={"Objects": [{"Key": "a"}, {"Key": "c"}]})
        self.assertEqual(self.server.bucket.keys(), ["b"])

    def test_how_objects_are_stored(self):
        put, get = self.s3.put_object, self.s3.get_object
        put(Bucket="bucket", Key="k", Body=b"1", ServerSideEncryption="aws:kms",
            SSEKMSKeyId="alias/k", StorageClass="GLACIER_IR", Tagging="a=b&c=d%20e")
        head = self.s3.head_object(Bucket="bucket", Key="k")
        self.assertEqual((head["ServerSideEncryption"], head["SSEKMSKeyId"], head["StorageClass"]),
                         ("aws:kms", "alias/k", "GLACIER_IR"))
        self.assertEqual(self.s3.list_objects_v2(Bucket="bucket")["Contents"][0]["StorageClass"],
                         "GLACIER_IR")
        refused = {"InvalidStorageClass": {"StorageClass": "COLD"},
                   "InvalidTag": {"Tagging": "a=b&a=c"},
                   "KMS.NotFoundException": {"ServerSideEncryption": "aws:kms",
                                             "SSEKMSKeyId": "nowhere"},
                   "InvalidArgument": {"ServerSideEncryption": "ROT13"}}
        for code, how in refused.items():
            self.assertEqual(self.code(put, Key="x", Body=b"", **how), code)
        mine, another = ({"SSECustomerAlgorithm": "AES256", "SSECustomerKey": bytes([i] * 32)}
                         for i in (1, 2))
        put(Bucket="bucket", Key="s", Body=b"2", **mine)
        self.assertEqual(get(Bucket="bucket", Key="s", **mine)["Body"].read(), b"2")
        self.assertEqual(self.code(get, Key="s"), "InvalidRequest")
        self.assertEqual(self.code(get, Key="s", **another), "AccessDenied")
        self.assertEqual(self.code(get, Key="k", **mine), "InvalidRequest")
        id_ = self.s3.create_multipart_upload(Bucket="bucket", Key="m", **mine)["UploadId"]
        part = {"Key": "m", "UploadId": id_, "PartNumber": 1, "Body": b"3"}
        self.assertEqual(self.code(self.s3.upload_part, **part), "InvalidRequest")
        self.s3.upload_part(Bucket="bucket", **part, **mine)

    def test_who_requests_pays(self):
        self.server.wear(dataclasses.replace(self.server.quirks, requester_pays=True))
        self.assertEqual(self.code(self.s3.put_object, Key="k", Body=b""), "AccessDenied")
        self.s3.put_object(Bucket="bucket", Key="k", Body=b"", RequestPayer="requester")

    def test_versions_and_locks(self):
        self.server.wear(dataclasses.replace(self.server.quirks, versioning="on",
                                             object_lock=True))
        self.assertEqual(self.s3.get_bucket_versioning(Bucket="bucket")["Status"], "Enabled")
        lock = self.s3.get_object_lock_configuration(Bucket="bucket")["ObjectLockConfiguration"]
        self.assertEqual(lock["ObjectLockEnabled"], "Enabled")
        until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
        until = until.replace(microsecond=0)
        locked = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": until}
        ids = [self.s3.put_object(Bucket="bucket", Key="k", Body=b"%d" % i, **how)["VersionId"]
               for i, how in enumerate((dict(locked, ContentMD5=md5(b"0")), {}))]
        self.s3.put_object(Bucket="bucket", Key="j", Body=b"")
        self.s3.delete_object(Bucket="bucket", Key="k")
        self.assertEqual(self.code(self.s3.get_object, Key="k"), "NoSuchKey")
        for i, id_ in enumerate(ids):
            got = self.s3.get_object(Bucket="bucket", Key="k", VersionId=id_)
            self.assertEqual(got["Body"].read(), b"%d" % i)
        pages = list(self.s3.get_paginator("list_object_versions").paginate(Bucket="bucket"))
        self.assertGreater(len(pages), 1)
        self.assertEqual([(v["Key"], v["VersionId"]) for page in pages
                          for v in page.get("Versions", []) if v["Key"] == "k"],
                         [("k", ids[1]), ("k", ids[0])])
        self.assertEqual(len([m for page in pages for m in page.get("DeleteMarkers", [])]), 1)
        delete = self.s3.delete_object
        self.assertEqual(self.code(delete, Key="k", VersionId=ids[0]), "AccessDenied")
        marker = next(m["VersionId"] for page in pages for m in page.get("DeleteMarkers", []))
        self.assertEqual(self.code(self.s3.get_object, Key="k", VersionId=marker),
                         "MethodNotAllowed")
        delete(Bucket="bucket", Key="k", VersionId=ids[1])
        retention = {"Mode": "GOVERNANCE", "RetainUntilDate": until}
        self.s3.put_object_retention(Bucket="bucket", Key="j", Retention=retention)
        self.assertEqual(self.s3.get_object_retention(Bucket="bucket", Key="j")["Retention"],
                         retention)
        shorter = dict(retention, RetainUntilDate=until - datetime.timedelta(hours=1))
        self.assertEqual(self.code(self.s3.put_object_retention, Key="j", Retention=shorter),
                         "AccessDenied")

    def test_who_is_nobody(self):
        other = client(self.server, secret="another")
        self.assertEqual(self.code(other.get_object, Key="b"), "SignatureDoesNotMatch")


def exchange(server, method, path, body, headers):
    """(status, headers, text)"""
    connection = http.client.HTTPConnection(*server.address, timeout=10)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, answer.headers, text


class Raw(unittest.TestCase):
    def setUp(self):
        self.server = Server(PROVIDERS["aws"])
        self.server.__enter__()
        self.addCleanup(self.server.__exit__)


class Tampered(Raw):
    """A request that botocore has signed is sent as it is, and changed."""

    def send(self, change=None, body=b"content", region="us-east-1"):
        request = botocore.awsrequest.AWSRequest(
            "PUT", self.server.endpoint + "/bucket/key?partNumber=1&uploadId=u", data=body)
        request.headers["x-amz-content-sha256"] = hashlib.sha256(body).hexdigest()
        request.headers["x-amz-meta-a"] = "1"
        botocore.auth.S3SigV4Auth(botocore.credentials.Credentials(KEY_ID, SECRET), "s3", region
                                  ).add_auth(request)
        parts = urlsplit(request.url)
        sent = {"method": "PUT", "path": parts.path + "?" + parts.query, "body": body,
                "headers": dict(request.headers)}
        if change is not None:
            change(sent)
        status, _, text = exchange(self.server, **sent)
        return text.partition("<Code>")[2].partition("</Code>")[0] or status

    def test_what_is_changed_is_refused(self):
        self.assertEqual(self.send(), "NoSuchUpload")  # signed well: there is no such upload

        def set_header(name, value):
            return lambda sent: sent["headers"].__setitem__(name, value)

        changes = {
            "body": (lambda sent: sent.__setitem__("body", b"contenT"),
                     "XAmzContentSHA256Mismatch"),
            "path": (lambda sent: sent.__setitem__("path", sent["path"].replace("key", "kez")),
                     "SignatureDoesNotMatch"),
            "encoding": (lambda sent: sent.__setitem__(
                "path", sent["path"].replace("key", "ke%79")), "SignatureDoesNotMatch"),
            "query": (lambda sent: sent.__setitem__("path", sent["path"].replace("=1", "=2")),
                      "SignatureDoesNotMatch"),
            "order": (lambda sent: sent.__setitem__(
                "path", "/bucket/key?uploadId=u&partNumber=1"), "SignatureDoesNotMatch"),
            "method": (lambda sent: sent.__setitem__("method", "POST"), "SignatureDoesNotMatch"),
            "header": (set_header("x-amz-meta-a", "2"), "SignatureDoesNotMatch"),
            "unsigned": (set_header("x-amz-meta-b", "1"), "AccessDenied"),
            "key id": (lambda sent: sent["headers"].__setitem__("Authorization", sent["headers"][
                "Authorization"].replace("AKIA", "AKIB")), "InvalidAccessKeyId"),
            "token": (set_header("x-amz-security-token", "t"), "InvalidToken"),
            "date": (set_header("X-Amz-Date", "20200101T000000Z"), "SignatureDoesNotMatch"),
            "none": (lambda sent: sent["headers"].pop("Authorization"), "AccessDenied"),
        }
        for name, (change, code) in changes.items():
            with self.subTest(name):
                self.assertEqual(self.send(change), code)
        self.assertEqual(self.send(region="eu-west-1"), "AuthorizationHeaderMalformed")


class Clothes(Raw):
    """What no client of ours asks for, by hand: conditions on PUT, and how answers look."""

    def put(self, **headers):
        body = b"content"
        request = botocore.awsrequest.AWSRequest("PUT", self.server.endpoint + "/bucket/k",
                                                 data=body)
        request.headers["x-amz-content-sha256"] = hashlib.sha256(body).hexdigest()
        for name, value in headers.items():
            request.headers[name.replace("_", "-")] = value
        botocore.auth.S3SigV4Auth(botocore.credentials.Credentials(KEY_ID, SECRET), "s3",
                                  self.server.quirks.region).add_auth(request)
        return exchange(self.server, "PUT", "/bucket/k", body, dict(request.headers))

    def test_if_match_as_it_is_at_each(self):
        right, wrong = hashlib.md5(b"content").hexdigest(), "0" * 32
        cases = {"works": (404, 200, 412, 412), "unquoted": (404, 412, 200, 412),
                 "refused": (501, 501, 501, 501), "ignored": (200, 200, 200, 200)}
        for how, wanted in cases.items():
            with self.subTest(how):
                self.server.wear(dataclasses.replace(PROVIDERS["aws"], if_match=how))
                self.server.bucket.clear()
                absent = self.put(If_Match='"%s"' % right)[0]
                self.put()
                self.assertEqual((absent, *(self.put(If_Match=text)[0] for text in (
                    '"%s"' % right, right, '"%s"' % wrong))), wanted)

    def test_etags_without_quotes(self):
        self.server.wear(PROVIDERS["other"])
        self.assertRegex(self.put()[1]["ETag"], "^[0-9a-f]{32}$")


class Orders(unittest.TestCase):
    """The program, run by hand, and told what to do."""

    def order(self, method, path, body=""):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request(method, "/-/" + path, body)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    def test_faults_and_clothes_while_it_runs(self):
        script = os.path.join(self.enterContext(tempfile.TemporaryDirectory()), "faults.json")
        with open(script, "w", encoding="utf-8") as file:
            json.dump([{"kind": "slow-down", "at": 1}], file)
        process = subprocess.Popen(
            [sys.executable, "-m", "s3_server", "--faults", script, "r2"], cwd=HARNESS,
            stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        said = process.stdout.readline() + process.stdout.readline()
        self.assertIn("region=auto", said)
        self.port = int(re.search(r"endpoint=http://127.0.0.1:(\d+)", said).group(1))
        status, usage = self.order("GET", "")
        self.assertIn("stall-answer", usage)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        for wanted in (403, 403):  # unsigned; the first would be 503 if it were signed
            connection.request("GET", "/bucket/k")
            answer = connection.getresponse()
            answer.read()
            self.assertEqual(answer.status, wanted)
        connection.close()
        self.assertEqual(self.order("GET", "requests")[1].count("GET None /bucket/k 403"), 2)
        self.assertEqual(self.order("PUT", "faults", '[{"kind": "refused", "at": 1}]')[0], 200)
        with self.assertRaises((ConnectionError, http.client.HTTPException)):
            self.get_plain()
        for path, body in (("faults", '[{"kind": "none"}]'), ("faults", "x"), ("clothes", "x")):
            self.assertEqual(self.order("PUT", path, body)[0], 400)
        self.assertIn("region garage", self.order("PUT", "clothes", "garage")[1])
        self.assertEqual(self.order("PUT", "skew", "-3600"), (200, "-3600 seconds ahead\n"))
        self.assertEqual(self.order("DELETE", "objects")[0], 200)
        self.assertEqual(self.order("GET", "nothing")[0], 404)

    def get_plain(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", "/bucket/k")
            connection.getresponse()
        finally:
            connection.close()
            time.sleep(0.5)  # while nobody listens


class Documented(unittest.TestCase):
    def test_every_fault_stands_in_the_readme(self):
        with open(os.path.join(HARNESS, "s3_server", "README.md"), encoding="utf-8") as file:
            readme = file.read()
        for kind in KINDS:
            self.assertIn("`%s`" % kind, readme)


if __name__ == "__main__":
    unittest.main(verbosity=2)
