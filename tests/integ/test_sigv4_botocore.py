#!/usr/bin/python3
"""Goal: random requests are signed byte for byte as botocore signs them.

usage: test_sigv4_botocore.py PROGRAM [COUNT [SEED]]

PROGRAM is built from sigv4_botocore.c.  Each step is compared: canonical request, string to sign,
Authorization.  The seed is printed, so that a failure can be repeated.
"""
import datetime
import hashlib
import json
import random
import subprocess
import sys
from unittest import mock
from urllib.parse import quote

import botocore.auth
import botocore.awsrequest
import botocore.credentials

COUNT = 10_000
SEED = 20150830
METHODS = ["GET", "HEAD", "PUT", "POST", "DELETE"]
HOSTS = ["examplebucket.s3.amazonaws.com", "minio.local:9000", "127.0.0.1:8080", "[::1]:9000",
         "[fd00::2]", "s3.eu-west-1.amazonaws.com", "localhost"]
REGIONS = ["us-east-1", "eu-west-1", "garage", "auto", "us-gov-west-1"]
# What a key is made of: whatever has a meaning in a URL, in XML, in a shell, and beyond ASCII.
PIECES = list("abzAZ019-._~") + list(" +%&=?#;:@!$'()*,/\\\"<>[]{}|^`") + [
    "//", "/./", "/../", "..", "%2F", "%25", "+%20", "é", "ü", "日本", "💾", "ሴ", "\u0301", "\u00ad"]
PARAMS = ["uploads", "uploadId", "partNumber", "prefix", "delimiter", "list-type", "max-keys",
          "continuation-token", "start-after", "encoding-type", "versionId", "delete"]
HEADERS = ["Range", "If-Match", "If-None-Match", "Content-MD5", "Content-Type", "Cache-Control",
           "x-amz-meta-a", "x-amz-meta-a-b", "X-Amz-Meta-AB", "x-amz-storage-class",
           "x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id",
           "X-Amz-Tagging", "User-Agent", "Expect", "X-Amzn-Trace-Id"]
SECRET_LETTERS = "abcXYZ0189+/="


def text(rng, longest, pieces=None):
    return "".join(rng.choice(pieces or PIECES) for _ in range(rng.randint(0, longest)))


def header_value(rng):
    """Words with spaces and tabs before, between and after.  Only those: botocore also trims the
    white space of Unicode, which no header of S3 holds."""
    words = [text(rng, 6, [p for p in PIECES if p != " "]) for _ in range(rng.randint(0, 4))]
    return "".join(rng.choice(["", " ", "  ", "\t", " \t "]) + word for word in words) + \
        rng.choice(["", " ", "\t"])


def make_case(rng):
    moment = datetime.datetime(2000, 1, 1) + datetime.timedelta(
        seconds=rng.randrange(40 * 365 * 86400))
    params = [[rng.choice(PARAMS + [text(rng, 4) or "p"]), text(rng, 12)]
              for _ in range(rng.randint(0, 5))]
    return {
        "method": rng.choice(METHODS),
        "scheme": rng.choice(["http", "https"]),
        "host": rng.choice(HOSTS),
        "path": "/" + text(rng, 40),
        "params": params,
        "extra": [[rng.choice(HEADERS), header_value(rng)] for _ in range(rng.randint(0, 6))],
        "body": rng.randbytes(rng.randint(0, 64)),
        "moment": moment,
        "region": rng.choice(REGIONS),
        "access_key": rng.choice(["AKIDEXAMPLE", "test:tester"]),
        "secret_key": text(rng, 60, SECRET_LETTERS) or "s",
        "token": text(rng, 300, SECRET_LETTERS) if rng.random() < 0.4 else "",
    }


def sign_with_botocore(case):
    """(canonical request, string to sign, Authorization)."""
    credentials = botocore.credentials.Credentials(
        case["access_key"], case["secret_key"], case["token"] or None)
    auth = botocore.auth.S3SigV4Auth(credentials, "s3", case["region"])
    request = botocore.awsrequest.AWSRequest(
        case["method"], "%s://%s%s" % (case["scheme"], case["host"],
                                       quote(case["path"], safe="/~")),
        params=[tuple(pair) for pair in case["params"]], data=case["body"])
    for name, value in case["extra"]:
        request.headers[name] = value  # which adds, and does not replace
    with mock.patch("botocore.auth.datetime") as clock:
        clock.datetime.utcnow.return_value = case["moment"]
        auth.add_auth(request)
    authorization = request.headers["Authorization"]
    del request.headers["Authorization"]  # which was not there when it was signed
    canonical = auth.canonical_request(request)
    return canonical, auth.string_to_sign(request, canonical), authorization


def our_input(case):
    payload_hash = hashlib.sha256(case["body"]).hexdigest()
    date_time = case["moment"].strftime("%Y%m%dT%H%M%SZ")
    headers = case["extra"] + [["Host", case["host"]], ["x-amz-date", date_time],
                               ["x-amz-content-sha256", payload_hash]]
    if case["token"]:
        headers.append(["x-amz-security-token", case["token"]])
    return json.dumps({"method": case["method"], "path": case["path"], "params": case["params"],
                       "headers": headers, "payload_hash": payload_hash, "date_time": date_time,
                       "region": case["region"], "access_key": case["access_key"],
                       "secret_key": case["secret_key"]})


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    count = int(sys.argv[2]) if len(sys.argv) > 2 else COUNT
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else SEED
    print("seed %d, %d requests" % (seed, count), flush=True)
    rng = random.Random(seed)
    cases = [make_case(rng) for _ in range(count)]
    run = subprocess.run([sys.argv[1]], input="".join(our_input(c) + "\n" for c in cases),
                         stdout=subprocess.PIPE, check=True, text=True, encoding="utf-8")
    lines = run.stdout.splitlines()
    if len(lines) != count:
        sys.exit("%d answers to %d requests" % (len(lines), count))
    for number, (case, line) in enumerate(zip(cases, lines)):
        ours = json.loads(line)
        theirs = sign_with_botocore(case)
        for step, expected in zip(("canonical_request", "string_to_sign", "authorization"),
                                  theirs):
            if ours[step] != expected:
                sys.exit("request %d, %s:\nours:     %r\nbotocore: %r\ncase: %r" % (
                    number, step, ours[step], expected, case))
    print("all signed as botocore signs them")


if __name__ == "__main__":
    main()
