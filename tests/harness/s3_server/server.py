"""Connections and HTTP/1.1, by hand: a library would mend what is to be broken."""
import datetime
import socket
import struct
import threading
import time

from . import faults, sigv4
from .bucket import Bucket
from .errors import S3Error
from .operations import Operations, Response
from .quirks import Quirks

KEY_ID, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
HEAD_MAX = 64 << 10
PHRASES = {200: "OK", 204: "No Content", 206: "Partial Content"}


class Request:
    def __init__(self, head):
        lines = head.decode("latin-1").split("\r\n")
        self.method, target, _ = lines[0].split(" ")
        self.raw_path, _, self.raw_query = target.partition("?")
        self.headers, self.body, self.operation = {}, b"", None
        for line in lines[1:]:
            name, _, value = line.partition(":")
            self.headers.setdefault(name.lower(), []).append(value.strip())

    def header(self, name):
        return self.headers.get(name, [None])[0]


class Gone(Exception):
    """The connection is."""


def reset(connection):
    """With RST: whoever reads gets an error and no end of file."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    raise Gone


class Server:
    def __init__(self, quirks=Quirks(), bucket="bucket", check_signatures=True):
        self.quirks, self.bucket = quirks, Bucket(bucket)
        self.operations = Operations(self.bucket, quirks)
        self.credentials = {KEY_ID: (SECRET, None, None)}
        self.check_signatures = check_signatures
        self.lock, self.faults, self.requests, self.count = threading.Lock(), [], [], 0
        self.struck, self.signatures = 0, []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.endpoint = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.accept, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()

    def reset(self, faults_to_come=()):
        """Count anew."""
        with self.lock:
            self.faults, self.requests, self.count = list(faults_to_come), [], 0
            self.struck = 0

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        data = b""
        try:
            with connection:
                while True:
                    data = self.one(connection, data)
        except (Gone, OSError):
            pass

    @staticmethod
    def receive(connection):
        data = connection.recv(1 << 20)
        if not data:
            raise Gone
        return data

    def one(self, connection, data):
        """A request and its answer; what came after it."""
        while b"\r\n\r\n" not in data:
            data += self.receive(connection)
            if len(data) > HEAD_MAX and b"\r\n\r\n" not in data:
                raise Gone
        head, _, data = data.partition(b"\r\n\r\n")
        request, kind = Request(head), self.next_fault()
        length = int(request.header("content-length") or "0")
        if kind == "close-at-once":
            connection.shutdown(socket.SHUT_RDWR)
            raise Gone
        if (request.header("expect") or "").lower() == "100-continue":
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        chunks, have = [data], len(data)
        while have < length:
            if kind == "reset-in-request" and have > length // 2:
                break
            chunks.append(self.receive(connection))
            have += len(chunks[-1])
        if kind == "reset-in-request":
            reset(connection)
        data = b"".join(chunks)
        request.body, data = data[:length], data[length:]
        response = self.respond(request, kind)
        with self.lock:
            self.requests.append((request.method, request.operation, request.raw_path,
                                  response.status))
            self.signatures.append((request.header("authorization") or "").rpartition("=")[2])
        self.send(connection, request, response, kind)
        return data

    def next_fault(self):
        with self.lock:
            self.count += 1
            for fault in self.faults:
                if fault.strikes(self.count):
                    self.struck += 1
                    return fault.kind
        return None

    def respond(self, request, kind):
        now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
        try:
            if request.method in ("PUT", "POST") and request.header("content-length") is None:
                raise S3Error("MissingContentLength")
            if request.header("transfer-encoding") is not None:
                raise S3Error("NotImplemented", "chunks")
            if self.check_signatures:
                sigv4.check(request, self.credentials, self.quirks, now)
            if kind in faults.BEFORE:
                return faults.BEFORE[kind](request)
            return self.operations.answer(request)
        except S3Error as error:
            headers = dict(error.headers, **{"Content-Type": "application/xml"})
            return Response(error.status, error.body(), headers)

    @staticmethod
    def send(connection, request, response, kind):
        body = b"" if request.method == "HEAD" else response.body
        headers = {"Date": time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime()),
                   "Content-Length": str(len(body)), "Server": "strict", **response.headers}
        if kind == "lost-answer":
            reset(connection)
        if kind == "flipped-byte" and body:
            middle = len(body) // 2
            body = body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1:]
        if kind == "long-length" and request.method != "HEAD":
            headers["Content-Length"] = str(len(body) + 100)
        head = "HTTP/1.1 %d %s\r\n" % (response.status, PHRASES.get(response.status, "Error"))
        head += "".join("%s: %s\r\n" % item for item in headers.items()) + "\r\n"
        if kind == "no-http":
            head = "SSH-2.0-OpenSSH_9.2\r\n"
        if kind == "slow":
            time.sleep(0.5)
        data = head.encode("latin-1") + body
        if kind in ("cut-head", "cut-body"):
            data = data[:len(head) // 2 if kind == "cut-head" else len(head) + len(body) // 2]
        connection.sendall(data)
        if kind in ("cut-head", "cut-body", "long-length", "no-http"):
            connection.shutdown(socket.SHUT_RDWR)
            raise Gone
