"""Goal: the strict server is S3 to a client that we did not write, and refuses what was tampered
with; so what it says of our client counts.

usage: test_s3_server.py
"""
import http.client
import os
import sys
import unittest
from urllib.parse import urlsplit

import botocore.auth
import botocore.awsrequest
import botocore.config
import botocore.credentials
import botocore.exceptions
import botocore.session

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
from s3_server.quirks import PROVIDERS, Quirks  # noqa: E402
from s3_server.server import KEY_ID, SECRET, Server  # noqa: E402

PART = 5 << 20


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

    def test_who_is_nobody(self):
        other = client(self.server, secret="another")
        self.assertEqual(self.code(other.get_object, Key="b"), "SignatureDoesNotMatch")


class Tampered(unittest.TestCase):
    """A request that botocore has signed is sent as it is, and changed."""

    def setUp(self):
        self.server = Server(PROVIDERS["aws"])
        self.server.__enter__()
        self.addCleanup(self.server.__exit__)

    def send(self, change=None, body=b"content", region="us-east-1"):
        request = botocore.awsrequest.AWSRequest(
            "PUT", self.server.endpoint + "/bucket/key?partNumber=1&uploadId=u", data=body)
        request.headers["x-amz-content-sha256"] = __import__("hashlib").sha256(body).hexdigest()
        request.headers["x-amz-meta-a"] = "1"
        botocore.auth.S3SigV4Auth(botocore.credentials.Credentials(KEY_ID, SECRET), "s3", region
                                  ).add_auth(request)
        parts = urlsplit(request.url)
        sent = {"method": "PUT", "path": parts.path + "?" + parts.query, "body": body,
                "headers": dict(request.headers)}
        if change is not None:
            change(sent)
        connection = http.client.HTTPConnection(parts.netloc, timeout=10)
        connection.request(sent["method"], sent["path"], sent["body"], sent["headers"])
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return text.partition("<Code>")[2].partition("</Code>")[0] or answer.status

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


if __name__ == "__main__":
    unittest.main(verbosity=2)
