"""Connections and HTTP/1.1, by hand: a library would mend what is to be broken."""
import datetime
import select
import socket
import struct
import threading
import time

from . import admin, faults, sigv4
from .bucket import Bucket
from .documents import Response, http_date_at
from .errors import S3Error
from .operations import Operations
from .quirks import Quirks

KEY_ID, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
HEAD_MAX = 64 << 10
STALL = 600           # seconds, at most: until the client has gone
REFUSED = 0.3         # seconds
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

    def expects(self):
        return (self.header("expect") or "").lower() == "100-continue"


class Gone(Exception):
    """The connection is."""


def reset(connection):
    """With RST: whoever reads gets an error and no end of file."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    raise Gone


def stall(connection):
    """Neither read nor write until the client has had enough."""
    poll = select.poll()
    poll.register(connection, select.POLLRDHUP)
    poll.poll(STALL * 1000)
    raise Gone


def end(connection):
    connection.shutdown(socket.SHUT_RDWR)
    raise Gone


class Server:
    def __init__(self, quirks=Quirks(), bucket="bucket", check_signatures=True, port=0):
        self.bucket, self.quirks = Bucket(bucket), quirks
        self.wear(quirks)
        self.credentials = {KEY_ID: (SECRET, None, None)}
        self.check_signatures, self.skew = check_signatures, 0  # skew: of our clock, in seconds
        self.lock, self.faults, self.requests, self.count = threading.Lock(), [], [], 0
        self.struck, self.signatures = 0, []
        self.listener = socket.create_server(("127.0.0.1", port), backlog=64)
        self.address = self.listener.getsockname()
        self.is_over, self.thread = False, None

    @property
    def endpoint(self):
        host = "localhost" if self.quirks.virtual_host else "127.0.0.1"
        return "http://%s:%d%s" % (host, self.address[1], self.quirks.path_prefix)

    def wear(self, quirks):
        """Another provider's clothes."""
        self.quirks = quirks
        self.bucket.keeps_versions = quirks.versioning == "on"
        self.operations = Operations(self.bucket, quirks)

    def __enter__(self):
        self.listen()
        return self

    def __exit__(self, *_):
        self.is_over = True
        self.close_listener()
        self.thread.join()

    def listen(self):
        self.thread = threading.Thread(target=self.accept, args=(self.listener,), daemon=True)
        self.thread.start()

    def close_listener(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it is closed: connections are refused
        self.listener.close()

    def refuse(self):
        """Nobody listens for a while."""
        self.close_listener()
        time.sleep(REFUSED)
        if not self.is_over:
            self.listener = socket.create_server(self.address, backlog=64)
            self.listen()

    def reset(self, faults_to_come=()):
        """Count anew."""
        with self.lock:
            self.faults, self.requests, self.count = list(faults_to_come), [], 0
            self.struck = 0

    def accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
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
        request = Request(head)
        fault = None if admin.is_for(request) else self.next_fault()
        data = self.read_body(connection, request, len(head) + 4, data, fault)
        if admin.is_for(request):
            self.send(connection, request, admin.answer(self, request), None)
            return data
        response = self.respond(request, fault.kind if fault else None)
        with self.lock:
            self.requests.append((request.method, request.operation, request.raw_path,
                                  response.status))
            self.signatures.append((request.header("authorization") or "").rpartition("=")[2])
        self.send(connection, request, response, fault)
        return data

    def read_body(self, connection, request, head_len, data, fault):
        """Into the request; what came after it.  Faults of CONNECTION strike here."""
        kind = fault.kind if fault else None
        length = int(request.header("content-length") or "0")
        stop = length  # how much of the body is read
        if kind == "close-at-once":
            end(connection)
        if kind == "refused":
            self.refuse()
            end(connection)
        if kind in ("cut-request", "reset-in-request", "stall-request"):
            stop = max(0, fault.place(head_len + length) - head_len)
        if request.expects() and kind == "expectation-failed":
            connection.sendall(b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n"
                               b"Connection: close\r\n\r\n")
            end(connection)
        if request.expects() and kind != "no-continue":
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        chunks, have = [data], len(data)
        while have < stop:
            chunks.append(self.receive(connection))
            have += len(chunks[-1])
        if kind == "reset-in-request":
            reset(connection)
        if kind == "cut-request":
            end(connection)
        if kind == "stall-request":
            stall(connection)
        data = b"".join(chunks)
        request.body = data[:length]
        return data[length:]

    def next_fault(self):
        with self.lock:
            self.count += 1
            for fault in self.faults:
                if fault.strikes(self.count):
                    self.struck += 1
                    return fault
        return None

    def respond(self, request, kind):
        now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
        now += datetime.timedelta(seconds=self.skew)
        try:
            if request.method in ("PUT", "POST") and request.header("content-length") is None:
                raise S3Error("MissingContentLength")
            if request.header("transfer-encoding") is not None:
                raise S3Error("NotImplemented", "chunks")
            if self.check_signatures:
                sigv4.check(request, self.credentials, self.quirks, now)
            if kind in faults.BEFORE:
                return faults.BEFORE[kind](request)
            response = self.operations.answer(request)
        except S3Error as error:
            headers = dict(error.headers, **{"Content-Type": "application/xml"})
            response = Response(error.status, error.body(), headers)
        return faults.CHANGED[kind](response) if kind in faults.CHANGED else response

    def send(self, connection, request, response, fault):
        kind = fault.kind if fault else None
        body = b"" if request.method == "HEAD" else response.body
        headers = {"Date": http_date_at(time.time() + self.skew), "Server": "strict",
                   "Content-Length": str(len(body)), **response.headers}
        if kind in ("long-length", "short-length") and request.method != "HEAD":
            headers["Content-Length"] = str(len(body) + 100 if kind == "long-length"
                                            else len(body) // 2)
        if kind == "chunked" and body:
            del headers["Content-Length"]
            headers["Transfer-Encoding"] = "chunked"
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        head = "HTTP/1.1 %d %s\r\n" % (response.status, PHRASES.get(response.status, "Error"))
        head += "".join("%s: %s\r\n" % item for item in headers.items()) + "\r\n"
        if kind == "no-http":
            head = "SSH-2.0-OpenSSH_9.2\r\n"
        self.send_bytes(connection, head.encode("latin-1"), body, fault)

    @staticmethod
    def send_bytes(connection, head, body, fault):
        """The answer, as the fault has it."""
        kind, data = fault.kind if fault else None, head + body
        if kind == "lost-answer":
            reset(connection)
        if kind == "slow":
            time.sleep(0.3)
        if kind == "drip":  # the head byte by byte, and then some more of them
            for at in range(min(len(data), 40)):
                connection.sendall(data[at:at + 1])
                time.sleep(0.01)
            data = data[40:]
        if kind == "duplicate":
            data += data
        if kind == "cut-head":
            data = data[:len(head) // 2]
        if kind == "cut-body":
            data = data[:len(head) + len(body) // 2]
        if kind in ("cut-answer", "reset-answer", "stall-answer"):
            data = data[:fault.place(len(data))]
        connection.sendall(data)
        if kind == "stall-answer":
            stall(connection)
        if kind == "reset-answer":
            reset(connection)
        if kind in ("cut-head", "cut-body", "cut-answer", "long-length", "short-length", "no-http"):
            end(connection)
