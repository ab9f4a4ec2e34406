"""Objects and unfinished uploads, in memory."""
import copy
import datetime
import hashlib
import threading

from .storage import Storage


class Object:
    def __init__(self, data, etag=None, storage=Storage()):
        self.data, self.storage = data, storage
        self.etag = etag or hashlib.md5(data).hexdigest()
        self.modified = datetime.datetime.now(datetime.timezone.utc)


class Upload:
    def __init__(self, key, storage):
        self.key, self.parts, self.storage = key, {}, storage
        self.initiated = datetime.datetime.now(datetime.timezone.utc)


class Bucket:
    def __init__(self, name):
        self.name, self.lock = name, threading.RLock()
        self.objects, self.uploads, self.next_upload = {}, {}, 1

    def snapshot(self):
        with self.lock:
            return dict(self.objects), copy.deepcopy(self.uploads)

    def restore(self, snapshot):
        with self.lock:
            self.objects, self.uploads = dict(snapshot[0]), copy.deepcopy(snapshot[1])

    def keys(self):
        with self.lock:
            return sorted(self.objects)
