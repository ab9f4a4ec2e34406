"""What Holdfast asks of S3: object operations, listings, multipart uploads."""
import base64
import hashlib
import re
import secrets
import time
from urllib.parse import parse_qsl, quote, quote_plus, unquote
from xml.sax.saxutils import escape

from . import storage
from .bucket import Object, Upload
from .documents import XMLNS, Response, http_date, iso, parse_body, xml
from .errors import S3Error
from .versions import VersionOperations

PART_MIN = 5 << 20
KEY_MAX = 1024


class Operations(VersionOperations):
    def __init__(self, bucket, quirks):
        self.bucket, self.quirks, self.written = bucket, quirks, {}

    def answer(self, request):
        """(operation's name, Response); S3Error."""
        name, key = self.place(request)
        query = dict(parse_qsl(request.raw_query, keep_blank_values=True))
        operation = self.find(request.method, key, query)
        request.operation = operation
        if name != self.bucket.name:
            raise S3Error("NoSuchBucket")
        if len(key.encode()) > KEY_MAX:
            raise S3Error("KeyTooLongError")
        if self.quirks.requester_pays and request.header("x-amz-request-payer") != "requester":
            raise S3Error("AccessDenied")
        if operation not in storage.BEGIN:
            storage.check_nothing_begins(request)
        if operation not in storage.CONTENT:
            storage.check_no_key(request)
        with self.bucket.lock:
            return getattr(self, operation)(request, key, query)

    def place(self, request):
        """(bucket, key), of the path and of the host's name."""
        path = unquote(request.raw_path)
        prefix = self.quirks.path_prefix
        if not path.startswith(prefix + "/"):
            raise S3Error("NoSuchBucket")
        path = path[len(prefix) + 1:]
        if self.quirks.virtual_host:
            return (request.header("host") or "").partition(".")[0], path
        name, _, key = path.partition("/")
        return name, key

    @staticmethod
    def find(method, key, query):
        if key:
            table = {("PUT", "partNumber"): "upload_part", ("POST", "uploads"): "create_upload",
                     ("POST", "uploadId"): "complete_upload",
                     ("DELETE", "uploadId"): "abort_upload",
                     ("PUT", ""): "put_object", ("GET", ""): "get_object",
                     ("HEAD", ""): "head_object", ("DELETE", ""): "delete_object",
                     ("GET", "retention"): "get_retention", ("PUT", "retention"): "put_retention"}
            flags = ("partNumber", "uploads", "uploadId", "retention")
        else:
            table = {("POST", "delete"): "delete_objects", ("GET", "uploads"): "list_uploads",
                     ("GET", "list-type"): "list_objects", ("GET", "versions"): "list_versions",
                     ("GET", "versioning"): "get_versioning",
                     ("GET", "object-lock"): "get_lock_configuration"}
            flags = ("delete", "uploads", "list-type", "versions", "versioning", "object-lock")
        flag = next((name for name in flags if name in query), "")
        if (method, flag) not in table:
            raise S3Error("MethodNotAllowed")
        return table[(method, flag)]

    def find_object(self, request, key, query):
        found = self.find_version(key, query["versionId"]) if "versionId" in query else \
            self.newest(key)
        wanted = request.header("if-match")
        if wanted is not None and wanted.strip('"') != found.etag:
            raise S3Error("PreconditionFailed")
        return found

    # --- Objects -----------------------------------------------------------------------------

    def put_object(self, request, key, _query):
        self.check_condition(request, key)
        if request.header("content-md5") is not None:
            self.check_md5(request)
        self.check_size(request)
        self.check_rate(key)
        stored = Object(request.body, self.make_etag(request.body),
                        storage.begin(request, self.quirks), self.lock_of(request, True))
        self.bucket.put(key, stored)
        return Response(headers={"ETag": self.show_etag(stored.etag), **stored.headers()})

    def make_etag(self, body):
        return secrets.token_hex(16) if self.quirks.random_etags else hashlib.md5(body).hexdigest()

    def show_etag(self, etag):
        return etag if self.quirks.unquoted_etags else '"%s"' % etag

    def check_size(self, request):
        if len(request.body) > self.quirks.put_max:
            raise S3Error("EntityTooLarge")

    def check_rate(self, key):
        now, before = time.monotonic(), self.written.get(key)
        if before is not None and now - before < self.quirks.key_seconds:
            raise S3Error("TooManyRequests")
        self.written[key] = now

    def check_condition(self, request, key):
        absent, match = request.header("if-none-match"), request.header("if-match")
        if absent is not None and self.quirks.conditional != "ignored":
            if absent != "*" or self.quirks.conditional == "refused":
                raise storage.not_implemented()
            if key in self.bucket.objects:
                raise S3Error("PreconditionFailed")
        if match is not None and self.quirks.if_match != "ignored":
            self.check_match(match, self.bucket.objects.get(key))

    def check_match(self, match, found):
        if self.quirks.if_match == "refused":
            raise S3Error("NotImplemented")
        if found is None:
            raise S3Error("NoSuchKey")
        wanted = found.etag if self.quirks.if_match == "unquoted" else '"%s"' % found.etag
        if match != wanted:
            raise S3Error("PreconditionFailed")

    @staticmethod
    def check_md5(request):
        digest = base64.b64encode(hashlib.md5(request.body).digest()).decode()
        if request.header("content-md5") != digest:
            raise S3Error("BadDigest")

    def get_object(self, request, key, query):
        found = self.find_object(request, key, query)
        storage.check_key(request, found.storage, self.quirks)
        headers = {"ETag": self.show_etag(found.etag), "Last-Modified": http_date(found.modified),
                   "Accept-Ranges": "bytes", **found.headers()}
        asked = request.header("range")
        if asked is None:
            return Response(200, found.data, headers)
        first, last = re.fullmatch(r"bytes=(\d+)-(\d*)", asked).groups()
        first, size = int(first), len(found.data)
        last = min(int(last), size - 1) if last else size - 1
        if first >= size or first > last:
            raise S3Error("InvalidRange", headers={"Content-Range": "bytes */%d" % size})
        headers["Content-Range"] = "bytes %d-%d/%d" % (first, last, size)
        return Response(206, found.data[first:last + 1], headers)

    def head_object(self, request, key, query):
        response = self.get_object(request, key, query)
        response.headers["Content-Length"] = str(len(response.body))
        response.body = b""
        return response

    def delete_object(self, _request, key, query):
        if "versionId" in query:
            self.delete_version(key, query["versionId"])
        elif not self.bucket.delete(key) and self.quirks.missing_delete_fails:
            raise S3Error("NoSuchKey")
        return Response(204)

    def delete_objects(self, request, _key, _query):
        if not self.quirks.delete_objects:
            raise S3Error("NotImplemented")
        if request.header("content-md5") is not None:
            self.check_md5(request)
        elif self.quirks.needs_md5:
            raise S3Error("InvalidRequest", "Missing required header for this request: Content-MD5")
        root = parse_body(request.body)
        keys = [element.findtext("Key") for element in root.findall("Object")]
        if root.tag != "Delete" or not 0 < len(keys) <= 1000 or None in keys:
            raise S3Error("MalformedXML")
        if len(keys) > self.quirks.delete_max:
            raise S3Error("InternalError")
        for key in keys:
            self.bucket.delete(key)
        quiet = root.findtext("Quiet") == "true"
        return xml("<DeleteResult %s>%s</DeleteResult>" % (XMLNS, "" if quiet else "".join(
            "<Deleted><Key>%s</Key></Deleted>" % escape(key) for key in keys)))

    # --- Listings ----------------------------------------------------------------------------

    def list_objects(self, _request, _key, query):
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        after = query.get("continuation-token", query.get("start-after", ""))
        is_encoded = query.get("encoding-type") == "url" and self.quirks.encoding_type
        encode = self.encode if is_encoded else escape
        most = min(int(query.get("max-keys", "1000")), self.quirks.page)
        items, last, truncated = [], "", False
        for key in self.bucket.keys():
            if not key.startswith(prefix) or key <= after:
                continue
            cut = key.find(delimiter, len(prefix)) if delimiter else -1
            name = key if cut < 0 else key[:cut + 1]
            if name == last or (cut >= 0 and after.startswith(name)):
                continue
            if len(items) == most:
                truncated = True
                break
            items.append(self.describe(name, encode) if cut < 0 else
                         "<CommonPrefixes><Prefix>%s</Prefix></CommonPrefixes>" % encode(name))
            last = name
        blank = "<NextContinuationToken/>" if self.quirks.blank_token else ""
        token = "<NextContinuationToken>%s</NextContinuationToken>" % escape(last)
        return xml("<ListBucketResult %s><Name>%s</Name><Prefix>%s</Prefix><KeyCount>%d</KeyCount>"
                   "<MaxKeys>%d</MaxKeys>%s<IsTruncated>%s</IsTruncated>%s%s</ListBucketResult>"
                   % (XMLNS, self.bucket.name, encode(prefix), len(items), most,
                      "<EncodingType>url</EncodingType>" if is_encoded else "",
                      "true" if truncated else "false", token if truncated else blank,
                      "".join(items)))

    def encode(self, key):
        return quote_plus(key, safe="/") if self.quirks.plus_for_space else quote(key)

    def describe(self, key, encode):
        found = self.bucket.objects[key]
        return ("<Contents><Key>%s</Key><LastModified>%s</LastModified><ETag>&quot;%s&quot;</ETag>"
                "<Size>%d</Size><StorageClass>%s</StorageClass></Contents>"
                % (encode(key), iso(found.modified), found.etag, len(found.data),
                   found.storage.storage_class))

    # --- Multipart uploads -------------------------------------------------------------------

    def find_upload(self, key, query):
        upload = self.bucket.uploads.get(query["uploadId"])
        if upload is None or upload.key != key:
            raise S3Error("NoSuchUpload")
        return upload

    def create_upload(self, request, key, _query):
        how = storage.begin(request, self.quirks)
        id_ = "upload-%d" % self.bucket.next_upload
        self.bucket.next_upload += 1
        self.bucket.uploads[id_] = Upload(key, how, self.lock_of(request, False))
        answer = xml("<InitiateMultipartUploadResult %s><Bucket>%s</Bucket><Key>%s</Key><UploadId>"
                     "%s</UploadId></InitiateMultipartUploadResult>"
                     % (XMLNS, self.bucket.name, escape(key), id_))
        answer.headers.update(how.headers())
        return answer

    def upload_part(self, request, key, query):
        upload, number = self.find_upload(key, query), int(query["partNumber"])
        if not 1 <= number <= self.quirks.parts_max:
            raise S3Error("InvalidArgument")
        storage.check_key(request, upload.storage, self.quirks)
        self.check_size(request)
        part = upload.parts[number] = Object(request.body, self.make_etag(request.body))
        return Response(headers={"ETag": self.show_etag(part.etag)})

    def complete_upload(self, request, key, query):
        upload = self.find_upload(key, query)
        root = parse_body(request.body)
        wanted = [(int(part.findtext("PartNumber")), (part.findtext("ETag") or "").strip('"'))
                  for part in root.findall("Part")]
        if root.tag != "CompleteMultipartUpload" or not wanted:
            raise S3Error("MalformedXML")
        if [number for number, _ in wanted] != sorted({number for number, _ in wanted}):
            raise S3Error("InvalidPartOrder")
        for number, etag in wanted:
            if number not in upload.parts or upload.parts[number].etag != etag:
                raise S3Error("InvalidPart")
        parts = [upload.parts[number].data for number, _ in wanted]
        if any(len(part) < PART_MIN for part in parts[:-1]):
            raise S3Error("EntityTooSmall")
        if self.quirks.equal_parts and len({len(part) for part in parts[:-1]}) > 1:
            raise S3Error("InvalidPart", "All non-trailing parts must have the same length.")
        etag = "%s-%d" % (hashlib.md5(b"".join(bytes.fromhex(etag) for _, etag in wanted)
                                      ).hexdigest(), len(parts))
        self.bucket.put(key, Object(b"".join(parts), etag, upload.storage, upload.lock))
        del self.bucket.uploads[query["uploadId"]]
        answer = xml("<CompleteMultipartUploadResult %s><Bucket>%s</Bucket><Key>%s</Key><ETag>%s"
                     "</ETag></CompleteMultipartUploadResult>"
                     % (XMLNS, self.bucket.name, escape(key),
                        "" if self.quirks.blank_etags else "&quot;%s&quot;" % etag))
        if self.quirks.space_before_xml:
            answer.body = b"  \n" + answer.body
        return answer

    def abort_upload(self, _request, key, query):
        self.find_upload(key, query)
        del self.bucket.uploads[query["uploadId"]]
        return Response(204)

    def list_uploads(self, _request, _key, query):
        prefix = query.get("prefix", "")
        items = ["<Upload><Key>%s</Key><UploadId>%s</UploadId><Initiated>%s</Initiated></Upload>"
                 % (escape(upload.key), id_, iso(upload.initiated))
                 for id_, upload in sorted(self.bucket.uploads.items())
                 if (upload.key == prefix if self.quirks.exact_upload_prefix
                     else upload.key.startswith(prefix))]
        return xml("<ListMultipartUploadsResult %s><Bucket>%s</Bucket><IsTruncated>false"
                   "</IsTruncated>%s</ListMultipartUploadsResult>"
                   % (XMLNS, self.bucket.name, "".join(items)))
