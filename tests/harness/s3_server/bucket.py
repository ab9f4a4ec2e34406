"""Objects and unfinished uploads, in memory."""
import copy
import datetime
import hashlib
import threading

from .storage import Storage


class Object:
    """data None: a delete marker.  lock: (mode, until) or None."""

    def __init__(self, data, etag=None, storage=Storage(), lock=None):
        self.data, self.storage, self.lock, self.version_id = data, storage, lock, None
        self.etag = etag or hashlib.md5(data or b"").hexdigest()
        self.modified = datetime.datetime.now(datetime.timezone.utc)

    def headers(self):
        version = {"x-amz-version-id": self.version_id} if self.version_id else {}
        return {**version, **self.storage.headers()}


class Upload:
    def __init__(self, key, storage, lock=None):
        self.key, self.parts, self.storage, self.lock = key, {}, storage, lock
        self.initiated = datetime.datetime.now(datetime.timezone.utc)


class Bucket:
    def __init__(self, name):
        self.name, self.lock = name, threading.RLock()
        self.objects, self.uploads, self.next_upload = {}, {}, 1
        self.keeps_versions, self.versions, self.next_version = False, {}, 1  # newest first

    def put(self, key, item):
        """An object, or a delete marker."""
        if self.keeps_versions:
            item.version_id = "v%06d" % self.next_version
            self.next_version += 1
            self.versions[key] = [item, *self.versions.get(key, [])]
        if item.data is not None:
            self.objects[key] = item

    def delete(self, key):
        """Whether there was one."""
        if self.keeps_versions:
            self.put(key, Object(None))
        return self.objects.pop(key, None) is not None

    def remove_version(self, key, version):
        left = [item for item in self.versions[key] if item is not version]
        self.versions[key] = left
        self.objects.pop(key, None)
        if left and left[0].data is not None:
            self.objects[key] = left[0]

    def snapshot(self):
        with self.lock:
            return dict(self.objects), copy.deepcopy(self.uploads), dict(self.versions)

    def restore(self, snapshot):
        with self.lock:
            self.objects, self.uploads = dict(snapshot[0]), copy.deepcopy(snapshot[1])
            self.versions = dict(snapshot[2])

    def clear(self):
        self.restore(({}, {}, {}))

    def keys(self):
        with self.lock:
            return sorted(self.objects)
