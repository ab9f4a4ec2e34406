#!/usr/bin/python3
"""Goal: a bucket is where botocore says it is, in every combination of region, kind of host,
endpoint and addressing; and what botocore refuses is refused.

usage: test_endpoint_botocore.py PROGRAM

PROGRAM is built from endpoint_botocore.c.  Debian's botocore (1.29) is older than some of what it
would be asked.  It does not know the partitions named in LATER, nor which of the isolated ones have
hosts with IPv6 by now: unit tests alone check those.  It refuses FIPS with the bucket in the path,
which AWS allows since: there its answer without FIPS is taken, on the other host.  AWS_ENDPOINT_URL
and its like came with botocore 1.31: their order is that of the documentation, in
tests/unit/s3/test_configured.c.  FIPS or IPv6 with an endpoint, which AWS's rules refuse, botocore
ignores: we are to refuse it.
"""
import itertools
import json
import subprocess
import sys

import botocore.config
import botocore.exceptions
import botocore.session

REGIONS = ["us-east-1", "us-east-2", "us-west-2", "eu-west-1", "eu-central-2", "ap-south-1",
           "ca-central-1", "me-south-1", "us-gov-west-1", "us-gov-east-1", "cn-north-1",
           "cn-northwest-1", "us-iso-east-1", "us-isob-east-1", "mars-north-1"]
LATER = ("eusc-", "us-isof-", "eu-isoe-")
BUCKETS = ["bucket", "a-b.c", "Upper_case", "my-bucket-1", "abc", "a" * 63, "1.2.3", "x--y"]
ENDPOINTS = ["http://minio:9000", "https://minio.local", "https://host/storage/v1/s3",
             "http://127.0.0.1:9000", "http://[::1]:9000", "https://[fd00::2]/p/q/",
             "https://s3.example.com:8443"]
KEY = "k"


class Sent(Exception):
    """Raised in the place of sending a request, which is all that is wanted of it."""


def stop(request, **_):
    raise Sent(request)


class Oracle:
    def __init__(self):
        self.session, self.clients = botocore.session.Session(), {}
        self.session.set_credentials("AKID", "SECRET")

    def client(self, case):
        which = tuple(sorted((k, v) for k, v in case.items() if k != "bucket"))
        if which not in self.clients:
            s3 = {"addressing_style": ("auto", "path")[case["addressing"]],
                  "us_east_1_regional_endpoint": "regional"}
            self.clients[which] = self.session.create_client(
                "s3", case["region"], endpoint_url=case.get("endpoint"),
                config=botocore.config.Config(
                    s3=s3, use_dualstack_endpoint=case["dualstack"] or None,
                    use_fips_endpoint=case["fips"] or None, parameter_validation=False))
            self.clients[which].meta.events.register("before-send.s3", stop)
        return self.clients[which]

    def expect(self, case):
        """"URL region" of the bucket, or None when it is to be refused."""
        if "endpoint" in case and (case["fips"] or case["dualstack"]):
            return None
        found = self.ask(case)
        if found is None and case["fips"] and not case["region"].startswith("cn-"):
            found = self.ask({**case, "fips": False})
            assert found.startswith("https://s3."), found  # the bucket is in the path
            found = found.replace("//s3.", "//s3-fips.")
        return found

    def ask(self, case):
        try:
            self.client(case).delete_object(Bucket=case["bucket"], Key=KEY)
        except (botocore.exceptions.BotoCoreError, ValueError):
            return None
        except Sent as sent:
            request, = sent.args
        scope = request.headers["Authorization"]
        scope = scope.decode() if isinstance(scope, bytes) else scope
        assert request.url.endswith("/" + KEY), request.url
        return "%s %s" % (request.url[:-len("/" + KEY)], scope.split("/")[2])


def cases():
    for region, dualstack, fips, addressing, bucket in itertools.product(
            REGIONS, (False, True), (False, True), (0, 1), BUCKETS):
        assert not region.startswith(LATER)
        if dualstack and "-iso" in region:
            continue
        yield {"region": region, "dualstack": dualstack, "fips": fips, "addressing": addressing,
               "bucket": bucket}
    for endpoint, region, addressing, bucket, variant in itertools.product(
            ENDPOINTS, ("us-east-1", "garage"), (0, 1), BUCKETS[:3],
            ((False, False), (True, False), (False, True))):
        yield {"endpoint": endpoint, "region": region, "addressing": addressing, "bucket": bucket,
               "dualstack": variant[0], "fips": variant[1]}


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    todo = list(cases())
    run = subprocess.run([sys.argv[1]], input="".join(json.dumps(c) + "\n" for c in todo),
                         stdout=subprocess.PIPE, check=True, text=True)
    lines = run.stdout.splitlines()
    if len(lines) != len(todo):
        sys.exit("%d answers to %d questions" % (len(lines), len(todo)))
    oracle, refused, different = Oracle(), 0, []
    for case, line in zip(todo, lines):
        ours = None if line.startswith("error: ") else line
        theirs = oracle.expect(case)
        refused += theirs is None
        if ours != theirs:
            different.append("%r\nours:     %s\nbotocore: %s" % (case, line, theirs))
    if different:
        sys.exit("%d of %d differ:\n%s" % (len(different), len(todo), "\n".join(different[:10])))
    print("%d places are botocore's, %d of them none" % (len(todo), refused))


if __name__ == "__main__":
    main()
