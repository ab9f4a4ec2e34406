"""Errors as S3 answers them."""
from xml.sax.saxutils import escape

STATUS = {
    "AccessDenied": 403, "AuthorizationHeaderMalformed": 400, "BadDigest": 400,
    "ClientDisconnected": 499, "EntityTooLarge": 400, "EntityTooSmall": 400, "ExpiredToken": 400,
    "IncompleteBody": 400, "InternalError": 500, "InvalidAccessKeyId": 403, "InvalidArgument": 400,
    "InvalidDigest": 400, "InvalidEncryptionAlgorithmError": 400, "InvalidPart": 400,
    "InvalidPartOrder": 400, "InvalidRange": 416, "InvalidRequest": 400, "InvalidStorageClass": 400,
    "InvalidTag": 400, "InvalidToken": 400, "KMS.NotFoundException": 400, "KeyTooLongError": 400,
    "MalformedXML": 400, "MethodNotAllowed": 405, "MissingContentLength": 411, "NoSuchBucket": 404,
    "NoSuchKey": 404, "NoSuchObjectLockConfiguration": 404, "NoSuchUpload": 404, "NoSuchVersion":
    404, "NotImplemented": 501, "ObjectLockConfigurationNotFoundError": 404, "OperationAborted":
    409, "PermanentRedirect": 301, "PreconditionFailed": 412, "RequestCanceled": 408,
    "RequestRateLimitExceeded": 400, "RequestTimeTooSkewed": 403, "RequestTimeout": 400,
    "SignatureDoesNotMatch": 403, "SlowDown": 503, "TemporaryRedirect": 307, "TooManyRequests": 429,
    "XAmzContentSHA256Mismatch": 400,
}


class S3Error(Exception):
    def __init__(self, code, message="", headers=None, extra=""):
        super().__init__(code)
        self.code, self.status = code, STATUS[code]
        self.headers, self.message, self.extra = headers or {}, message or code, extra

    def body(self):
        return ('<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>%s</Code><Message>%s'
                "</Message>%s<RequestId>4442587FB7D0A2F9</RequestId></Error>"
                % (self.code, escape(self.message), self.extra)).encode()
