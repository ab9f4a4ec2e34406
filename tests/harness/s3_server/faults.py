"""Every fault that a network and a server can make.

A fault strikes one request, by its number from 1, or all up to `last`.  Those of BEFORE leave no
effect; those of CONNECTION strike before the request was read; those of AFTER strike the answer to
a request that had its effect.  `byte` is where: a number of bytes, of head and body together, or a
share of them between 0.0 and 1.0.
"""
import dataclasses
import gzip
import json
import re
import time

from .errors import S3Error
from .documents import Response, http_date_at

HTML = b"<html><head><title>Welcome</title></head><body>Please log in.</body></html>"
SKEW = 3600  # seconds by which a clock that is wrong is


def error(code, headers=None, message=""):
    def strike(_request):
        raise S3Error(code, message, headers)
    return strike


def page(_request):
    return Response(200, HTML, {"Content-Type": "text/html"})


def page_of_no_type(_request):
    return Response(200, HTML)


def bad_gateway(_request):
    return Response(502, HTML, {"Content-Type": "text/html"})


def redirect_loop(request):
    raise S3Error("TemporaryRedirect", headers={"Location": "http://%s%s" % (
        request.header("host"), request.raw_path)})


def slow_down_wait(_request):
    raise S3Error("SlowDown", headers={"Retry-After": http_date_at(time.time() + 1)})


def error_as_success(_request=None):
    return Response(200, S3Error("InternalError", "We encountered an internal error.").body(),
                    {"Content-Type": "application/xml"})


# Instead of an answer: a response, or an error.
BEFORE = {
    "internal-error": error("InternalError"),
    "bad-gateway": bad_gateway,
    "slow-down": error("SlowDown"),
    "slow-down-wait": slow_down_wait,
    "too-many-requests": error("TooManyRequests", {"Retry-After": "1"}),
    "request-timeout": error("RequestTimeout"),
    "request-canceled": error("RequestCanceled"),
    "client-disconnected": error("ClientDisconnected"),
    "rate-limit": error("RequestRateLimitExceeded"),
    "conflict": error("OperationAborted"),
    "not-implemented": error("NotImplemented"),
    "denied": error("AccessDenied"),
    "expired-token": error("ExpiredToken"),
    "skewed": error("RequestTimeTooSkewed"),
    "redirect": error("TemporaryRedirect", {"Location": "http://127.0.0.1:1/elsewhere"}),
    "redirect-loop": redirect_loop,
    "other-region": error("PermanentRedirect", {"x-amz-bucket-region": "us-east-1"}),
    "malformed-region": error("AuthorizationHeaderMalformed"),
    "no-such-bucket": error("NoSuchBucket"),
    "html": page,
    "html-untyped": page_of_no_type,
    "error-as-success": error_as_success,
}
# What becomes of the connection before the request was read.
CONNECTION = ("close-at-once", "refused", "cut-request", "reset-in-request", "stall-request",
              "no-continue", "expectation-failed")


# --- Answers that say something else -------------------------------------------------------------

def change_listing(response, change):
    """Only of objects: other answers stay as they are."""
    if b"<ListBucketResult" in response.body:
        response.body = change(response.body.decode()).encode()
    return response


def truncated_listing(response):
    return change_listing(response, lambda text: text.replace(
        "<IsTruncated>false", "<IsTruncated>true"))


def endless_listing(response):
    """The same page, for ever: for a fault of many requests."""
    return change_listing(response, lambda text: re.sub(
        "<IsTruncated>false</IsTruncated>", "<IsTruncated>true</IsTruncated>"
        "<NextContinuationToken>same</NextContinuationToken>", text))


def blank_token(response):
    return change_listing(response, lambda text: text.replace(
        "</ListBucketResult>", "<NextContinuationToken></NextContinuationToken>"
        "</ListBucketResult>"))


def control_key(response):
    return change_listing(response, lambda text: text.replace(
        "</ListBucketResult>", "<Contents><Key>&#x1;</Key><Size>1</Size></Contents>"
        "</ListBucketResult>"))


def truncated_xml(response):
    if response.headers.get("Content-Type") == "application/xml":
        response.body = response.body[:len(response.body) // 2]
    return response


def late_error(_response):
    return error_as_success()


def white_space(response):
    """As a server that works on a request for minutes sends, to keep the connection open."""
    if response.headers.get("Content-Type") == "application/xml":
        response.body = b" \n" * 8 + response.body
    return response


def gzipped(response):
    if response.body:
        response.body = gzip.compress(response.body)
        response.headers["Content-Encoding"] = "gzip"
    return response


def skewed_date(response):
    response.headers["Date"] = http_date_at(time.time() - SKEW)
    return response


def flipped_byte(response):
    middle, body = len(response.body) // 2, response.body
    if body:
        response.body = body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1:]
    return response


CHANGED = {
    "truncated-listing": truncated_listing, "endless-listing": endless_listing,
    "blank-token": blank_token, "control-key": control_key, "truncated-xml": truncated_xml,
    "late-error": late_error, "white-space": white_space, "gzip": gzipped,
    "skewed-date": skewed_date, "flipped-byte": flipped_byte,
}
# How an answer comes, or does not.
SENT = ("lost-answer", "cut-head", "cut-body", "cut-answer", "reset-answer", "stall-answer",
        "long-length", "short-length", "chunked", "duplicate", "no-http", "slow", "drip")
AFTER = (*CHANGED, *SENT)
KINDS = (*BEFORE, *CONNECTION, *AFTER)


@dataclasses.dataclass
class Fault:
    kind: str
    at: int = 1           # number of the request
    last: int = 0         # of the last one that it strikes; 0: only that one
    byte: float = 0.5     # where, for what is cut and what stalls

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ValueError("no fault '%s'; there are %s" % (self.kind, ", ".join(KINDS)))

    def strikes(self, number):
        return self.at <= number <= max(self.at, self.last)

    def place(self, length):
        where = self.byte * length if isinstance(self.byte, float) else self.byte
        return max(0, min(int(where), length - 1))


def parse(text):
    """[{"kind": "slow-down", "at": 2, "last": 4}, ...]"""
    return [Fault(**item) for item in json.loads(text)]
