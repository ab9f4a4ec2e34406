"""Every fault that a network and a server can make.

A fault strikes one request, by its number from 1, or all up to `last`.  Those of BEFORE leave no
effect; those of AFTER strike the answer to a request that had its effect.
"""
import dataclasses

from .errors import S3Error
from .operations import Response

HTML = b"<html><head><title>Welcome</title></head><body>Please log in.</body></html>"


def error(code, headers=None, message=""):
    def strike(_request):
        raise S3Error(code, message, headers)
    return strike


def page(_request):
    return Response(200, HTML, {"Content-Type": "text/html"})


def error_as_success(_request):
    return Response(200, S3Error("InternalError", "We encountered an internal error.").body(),
                    {"Content-Type": "application/xml"})


# Instead of an answer: a response, or an error.
BEFORE = {
    "internal-error": error("InternalError"),
    "slow-down": error("SlowDown"),
    "too-many-requests": error("TooManyRequests", {"Retry-After": "1"}),
    "not-implemented": error("NotImplemented"),
    "denied": error("AccessDenied"),
    "expired-token": error("ExpiredToken"),
    "skewed": error("RequestTimeTooSkewed"),
    "redirect": error("TemporaryRedirect", {"Location": "http://127.0.0.1:1/elsewhere"}),
    "other-region": error("PermanentRedirect", {"x-amz-bucket-region": "us-east-1"}),
    "no-such-bucket": error("NoSuchBucket"),
    "html": page,
    "error-as-success": error_as_success,
}
# What becomes of the connection before the request was read.
CONNECTION = ("close-at-once", "reset-in-request")
# What becomes of the answer.
AFTER = ("lost-answer", "cut-head", "cut-body", "long-length", "flipped-byte", "no-http", "slow")
KINDS = (*BEFORE, *CONNECTION, *AFTER)


@dataclasses.dataclass
class Fault:
    kind: str
    at: int            # number of the request
    last: int = 0      # of the last one that it strikes; 0: only that one

    def strikes(self, number):
        return self.at <= number <= max(self.at, self.last)
