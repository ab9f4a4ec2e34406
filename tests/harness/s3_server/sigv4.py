"""Whether a request bears the signature that AWS's version 4 asks for: of the bytes that came.

Source: docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""
import datetime
import hashlib
import hmac
import re

from .errors import S3Error

AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/,]+)/(\d{8})/([^/,]+)/([^/,]+)/aws4_request, "
    r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})")
SKEW = datetime.timedelta(minutes=15)
UNRESERVED = re.compile(r"(?:[A-Za-z0-9._~/-]|%[0-9A-F]{2})*")


def sign(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def canonical_query(raw, as_it_came):
    """Sorted, each name with a value.  as_it_came: or else it is refused."""
    if raw == "":
        return ""
    pairs = [item.partition("=") for item in raw.split("&")]
    if not as_it_came:
        return "&".join("%s=%s" % (name, value) for name, _, value in sorted(pairs))
    if [pair[0] for pair in pairs] != sorted(pair[0] for pair in pairs):
        raise S3Error("SignatureDoesNotMatch", "the query is not sorted")
    for name, mark, value in pairs:
        if mark != "=" or not UNRESERVED.fullmatch(name + value) or "/" in name + value:
            raise S3Error("SignatureDoesNotMatch", "the query is not canonical: %s" % raw)
    return raw


def check(request, credentials, quirks, now):
    """credentials: key id -> (secret, token or None, expiry or None).  Raises S3Error."""
    found = AUTHORIZATION.fullmatch(request.header("authorization") or "")
    if not found:
        raise S3Error("AccessDenied", "no signature of version 4")
    key_id, day, in_region, service, names, signature = found.groups()
    if key_id not in credentials:
        raise S3Error("InvalidAccessKeyId")
    secret, token, expiry = credentials[key_id]
    if request.header("x-amz-security-token") != token:
        raise S3Error("InvalidToken", "the session token is another one")
    if expiry is not None and now >= expiry:
        raise S3Error("ExpiredToken", "The provided token has expired.")
    region = quirks.region
    if service != "s3" or (in_region != region and not quirks.any_region):
        raise S3Error("AuthorizationHeaderMalformed", "the region '%s' is wrong; expecting '%s'"
                      % (in_region, region), extra="<Region>%s</Region>" % region)
    check_time(request.header("x-amz-date") or "", day, now)
    check_names(request, names.split(";"))
    payload = request.header("x-amz-content-sha256")
    if payload != hashlib.sha256(request.body).hexdigest():
        raise S3Error("XAmzContentSHA256Mismatch")
    if not UNRESERVED.fullmatch(request.raw_path):
        raise S3Error("SignatureDoesNotMatch", "the path is not canonical: %s" % request.raw_path)
    headers = "".join("%s:%s\n" % (name, " ".join(request.header(name).split()))
                      for name in names.split(";"))
    query = canonical_query(request.raw_query, quirks.canonical_wire)
    canonical = "\n".join((request.method, request.raw_path, query, headers, names, payload))
    scope = "%s/%s/s3/aws4_request" % (day, in_region)
    text = "\n".join(("AWS4-HMAC-SHA256", request.header("x-amz-date"), scope,
                      hashlib.sha256(canonical.encode()).hexdigest()))
    key = ("AWS4" + secret).encode()
    for part in (day, in_region, "s3", "aws4_request"):
        key = sign(key, part)
    if not hmac.compare_digest(sign(key, text).hex(), signature):
        raise S3Error("SignatureDoesNotMatch")


def check_time(date, day, now):
    try:
        at = datetime.datetime.strptime(date, "%Y%m%dT%H%M%SZ")
    except ValueError:
        raise S3Error("AccessDenied", "no x-amz-date") from None
    if date[:8] != day:
        raise S3Error("SignatureDoesNotMatch", "the scope is of another day")
    if abs(at - now) > SKEW:
        raise S3Error("RequestTimeTooSkewed", "The difference between the request time and the "
                      "current time is too large.")


def check_names(request, names):
    """Everything that changes what a request means is signed, and nothing twice."""
    if names != sorted(set(names)):
        raise S3Error("SignatureDoesNotMatch", "signed headers out of order")
    for name in request.headers:
        if len(request.headers[name]) > 1:
            raise S3Error("InvalidRequest", "'%s' is there twice" % name)
        if (name == "host" or name.startswith("x-amz-") or name == "content-md5") and \
                name not in names:
            raise S3Error("AccessDenied", "'%s' is not signed" % name)
    for name in names:
        if name not in request.headers:
            raise S3Error("SignatureDoesNotMatch", "'%s' is signed and not there" % name)
