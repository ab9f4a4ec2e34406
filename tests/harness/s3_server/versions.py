"""Versions of objects, and their locks, in buckets that keep them."""
import base64
import datetime
import hashlib
import re
from xml.sax.saxutils import escape

from .documents import XMLNS, Response, iso, parse_body, xml
from .errors import S3Error

MODES = ("GOVERNANCE", "COMPLIANCE")
LOCK = "x-amz-object-lock-"


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def parse_date(text):
    if text is None or not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", text):
        raise S3Error("InvalidArgument", "The retain until date must be provided in ISO 8601 "
                      "format")
    return datetime.datetime.fromisoformat(text.partition(".")[0].rstrip("Z") + "+00:00")


def check_lock(mode, until):
    if mode not in MODES or until <= now():
        raise S3Error("InvalidArgument", "Unknown wormMode directive, or a date in the past")


class VersionOperations:
    """What S3 answers of versions; self.bucket and self.quirks."""

    # --- What is sent with what begins an object ---------------------------------------------

    def lock_of(self, request, needs_md5):
        """(mode, until) of the headers; None without them."""
        mode, until = (request.header(LOCK + name) for name in ("mode", "retain-until-date"))
        if mode is None and until is None:
            return None
        if not self.quirks.object_lock:
            raise S3Error("InvalidRequest", "Bucket is missing Object Lock Configuration")
        if needs_md5 and request.header("content-md5") is None:
            raise S3Error("InvalidRequest", "Content-MD5 HTTP header is required for Put Object "
                          "requests with Object Lock parameters")
        lock = mode, parse_date(until)
        check_lock(*lock)
        return lock

    # --- Of a bucket -------------------------------------------------------------------------

    def get_versioning(self, _request, _key, _query):
        if not self.quirks.versioning:
            raise S3Error("MethodNotAllowed")
        status = "<Status>Enabled</Status>" if self.quirks.versioning == "on" else ""
        return xml("<VersioningConfiguration %s>%s</VersioningConfiguration>" % (XMLNS, status))

    def get_lock_configuration(self, _request, _key, _query):
        if not self.quirks.object_lock:
            raise S3Error("ObjectLockConfigurationNotFoundError")
        return xml("<ObjectLockConfiguration %s><ObjectLockEnabled>Enabled</ObjectLockEnabled>"
                   "</ObjectLockConfiguration>" % XMLNS)

    def list_versions(self, _request, _key, query):
        prefix, most = query.get("prefix", ""), min(int(query.get("max-keys", "1000")),
                                                    self.quirks.page)
        after = query.get("key-marker", ""), query.get("version-id-marker", "")
        if after[1] and not after[0]:
            raise S3Error("InvalidArgument", "A version-id marker cannot be specified without a "
                          "key marker.")
        found = list(self.after(prefix, *after))
        items, more = found[:most], len(found) > most
        marker = "<NextKeyMarker>%s</NextKeyMarker><NextVersionIdMarker>%s</NextVersionIdMarker>" \
            % (escape(items[-1][0]), items[-1][1].version_id) if more else ""
        return xml("<ListVersionsResult %s><Name>%s</Name><Prefix>%s</Prefix><MaxKeys>%d</MaxKeys>"
                   "<IsTruncated>%s</IsTruncated>%s%s</ListVersionsResult>"
                   % (XMLNS, self.bucket.name, escape(prefix), most, "true" if more else "false",
                      marker, "".join(self.describe_version(*item) for item in items)))

    def after(self, prefix, key_marker, id_marker):
        """(key, version, is it the latest) by key, of one key the newest first."""
        for key, versions in sorted(self.bucket.versions.items()):
            if not key.startswith(prefix) or key < key_marker:
                continue
            if key == key_marker:
                ids = [version.version_id for version in versions]
                if id_marker and id_marker not in ids:
                    raise S3Error("InvalidArgument", "Invalid version id specified")
                versions = versions[ids.index(id_marker) + 1:] if id_marker else []
            for version in versions:
                yield key, version, version is self.bucket.versions[key][0]

    def describe_version(self, key, version, is_latest):
        head = "<Key>%s</Key><VersionId>%s</VersionId><IsLatest>%s</IsLatest><LastModified>%s" \
            "</LastModified>" % (escape(key), version.version_id,
                                 "true" if is_latest else "false", iso(version.modified))
        if version.data is None:
            return "<DeleteMarker>%s</DeleteMarker>" % head
        return ("<Version>%s<ETag>&quot;%s&quot;</ETag><Size>%d</Size><StorageClass>%s"
                "</StorageClass></Version>" % (head, version.etag, len(version.data),
                                               version.storage.storage_class))

    # --- Of an object ------------------------------------------------------------------------

    def find_version(self, key, id_):
        if not self.quirks.versioning:
            raise S3Error("NotImplemented")
        for version in self.bucket.versions.get(key, []):
            if version.version_id == id_:
                if version.data is None:
                    raise S3Error("MethodNotAllowed", "it is a delete marker")
                return version
        raise S3Error("NoSuchVersion")

    def newest(self, key):
        if key not in self.bucket.objects:
            raise S3Error("NoSuchKey")
        return self.bucket.objects[key]

    def get_retention(self, _request, key, _query):
        lock = self.newest(key).lock
        if not self.quirks.object_lock:
            raise S3Error("InvalidRequest", "Bucket is missing Object Lock Configuration")
        if lock is None:
            raise S3Error("NoSuchObjectLockConfiguration")
        return xml("<Retention %s><Mode>%s</Mode><RetainUntilDate>%s</RetainUntilDate></Retention>"
                   % (XMLNS, lock[0], iso(lock[1])))

    def put_retention(self, request, key, _query):
        found, root = self.newest(key), parse_body(request.body)
        if not self.quirks.object_lock:
            raise S3Error("InvalidRequest", "Bucket is missing Object Lock Configuration")
        digest = base64.b64encode(hashlib.md5(request.body).digest()).decode()
        if request.header("content-md5") != digest:
            raise S3Error("BadDigest")
        if root.tag != "Retention":
            raise S3Error("MalformedXML")
        lock = root.findtext("Mode"), parse_date(root.findtext("RetainUntilDate"))
        check_lock(*lock)
        if found.lock is not None and found.lock[1] > now() and (
                lock[1] < found.lock[1] or MODES.index(lock[0]) < MODES.index(found.lock[0])):
            raise S3Error("AccessDenied", "the lock is longer")
        found.lock = lock
        return Response()

    def delete_version(self, key, id_):
        version = self.find_version(key, id_)
        if version.lock is not None and version.lock[1] > now():
            raise S3Error("AccessDenied", "it is locked")
        self.bucket.remove_version(key, version)
