"""How an object is stored: what a request says of it, and what is refused."""
import base64
import dataclasses
import hashlib
from urllib.parse import parse_qsl

from .errors import S3Error

SSE = "x-amz-server-side-encryption"
CUSTOMER = SSE + "-customer-"
CLASSES = ("STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING",
           "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE")
TAGS_MAX, TAG_NAME_MAX, TAG_VALUE_MAX = 10, 128, 256
TAG_CHARACTERS = set(" +-=._:/@")
BEGIN = ("put_object", "create_upload")  # an object, and so say how to store it
CONTENT = BEGIN + ("upload_part", "get_object", "head_object")  # need a customer's key


@dataclasses.dataclass(frozen=True)
class Storage:
    sse: str = ""
    kms_key: str = ""
    customer_md5: str = ""            # of the customer's key, by which it is known again
    storage_class: str = "STANDARD"
    tags: tuple = ()

    def headers(self):
        """Of an answer about the object."""
        found = {}
        if self.sse:
            found[SSE] = self.sse
        if self.sse == "aws:kms":
            found[SSE + "-aws-kms-key-id"] = self.kms_key or "arn:aws:kms:::key/default"
        if self.customer_md5:
            found[CUSTOMER + "algorithm"] = "AES256"
            found[CUSTOMER + "key-MD5"] = self.customer_md5
        if self.storage_class != "STANDARD":
            found["x-amz-storage-class"] = self.storage_class
        if self.tags:
            found["x-amz-tagging-count"] = str(len(self.tags))
        return found


def not_implemented():
    return S3Error("NotImplemented", "A header you provided implies functionality that is not "
                   "implemented.")


def customer_key(request, quirks):
    """MD5 of the key that comes with a request; "" for none."""
    algorithm, key, md5 = (request.header(CUSTOMER + name.lower())
                           for name in ("algorithm", "key", "key-MD5"))
    if algorithm is None and key is None and md5 is None:
        return ""
    if quirks.sse_customer == "refused":
        raise not_implemented()
    if quirks.sse_customer == "ignored":
        return ""
    if algorithm != "AES256":
        raise S3Error("InvalidEncryptionAlgorithmError")
    try:
        raw = base64.b64decode(key or "", validate=True)
    except ValueError:
        raw = b""
    if len(raw) != 32 or md5 != base64.b64encode(hashlib.md5(raw).digest()).decode():
        raise S3Error("InvalidArgument", "The secret key was invalid for the specified algorithm.")
    return md5


def encryption(request, quirks):
    """(SSE, KMS key) that a request asks for."""
    asked, kms_key = request.header(SSE), request.header(SSE + "-aws-kms-key-id")
    if asked is None and kms_key is None or quirks.sse == "ignored":
        return "", ""
    if quirks.sse == "refused" or (quirks.sse == "no-kms" and asked == "aws:kms"):
        raise not_implemented()
    if asked not in ("AES256", "aws:kms") or (kms_key and asked != "aws:kms"):
        raise S3Error("InvalidArgument", "The encryption method specified is not supported")
    if kms_key and not kms_key.startswith(("arn:aws:kms:", "alias/")) and len(kms_key) != 36:
        raise S3Error("KMS.NotFoundException", "Invalid keyId '%s'" % kms_key)
    return asked, kms_key or ""


def tags(request, quirks):
    text = request.header("x-amz-tagging")
    if text is None or quirks.tagging == "ignored":
        return ()
    if quirks.tagging == "refused":
        raise not_implemented()
    try:
        found = parse_qsl(text, keep_blank_values=True, strict_parsing=True, errors="strict")
    except ValueError:
        raise S3Error("InvalidArgument", "The header 'x-amz-tagging' shall be encoded") from None
    if len(found) > TAGS_MAX or len(dict(found)) != len(found):
        raise S3Error("InvalidTag", "too many tags, or one of them twice")
    for name, value in found:
        if not 0 < len(name) <= TAG_NAME_MAX or len(value) > TAG_VALUE_MAX or any(
                not c.isalnum() and c not in TAG_CHARACTERS for c in name + value):
            raise S3Error("InvalidTag", "'%s' is no tag" % name)
    return tuple(found)


def begin(request, quirks):
    """What a request that begins an object says of it."""
    md5, (sse, kms_key) = customer_key(request, quirks), encryption(request, quirks)
    if md5 and sse:
        raise S3Error("InvalidArgument", "Server Side Encryption with Customer provided key is "
                      "incompatible with the encryption method specified")
    name = request.header("x-amz-storage-class") or "STANDARD"
    if name not in quirks.classes:
        raise S3Error("InvalidStorageClass", "The storage class you specified is not valid")
    return Storage(sse, kms_key, md5, name, tags(request, quirks))


def check_nothing_begins(request):
    """Only what begins an object may say how to store it."""
    for name in (SSE, SSE + "-aws-kms-key-id", "x-amz-storage-class", "x-amz-tagging"):
        if request.header(name) is not None:
            raise S3Error("InvalidArgument", "%s header is not supported for this operation" % name)


def check_no_key(request):
    """Of an operation that does not touch the content."""
    for name in request.headers:
        if name.startswith(CUSTOMER):
            raise S3Error("InvalidArgument", "%s header is not supported for this operation" % name)


def check_key(request, stored, quirks):
    """A request for content brings the key that it was written with, and no other."""
    md5 = customer_key(request, quirks)
    if stored.customer_md5 and not md5:
        raise S3Error("InvalidRequest", "The object was stored using a form of Server Side "
                      "Encryption. The correct parameters must be provided to retrieve the object.")
    if md5 and not stored.customer_md5:
        raise S3Error("InvalidRequest", "The encryption parameters are not applicable to this "
                      "object.")
    if md5 != stored.customer_md5:
        raise S3Error("AccessDenied", "the key is another one")
