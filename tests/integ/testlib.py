"""What the end-to-end tests share: the program under test, stores, live databases, writers.

A test talks to the real program and to real stores only.  Which stores there are is told by
the environment (see tests/README.md); the directory store is always there.
"""
import glob
import json
import os
import random
import shutil
import signal
import socket
import socketserver
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import uuid
from urllib.parse import parse_qs, urlsplit

HERE = os.path.dirname(os.path.abspath(__file__))
WRITER = os.path.join(HERE, "writer.py")
HOLDFAST = os.environ.get("HOLDFAST_BIN", "holdfast")
ACCOUNTS = 1000
SUM = ACCOUNTS * 1000  # what all balances of both tables add up to, always


STATE = tempfile.TemporaryDirectory(prefix="holdfast-state-")


class Store:
    """A place for backups: its URL, and the environment that reaches it."""

    def __init__(self, name, url, env):
        self.name, self.url, self.env = name, url, env

    def fresh(self):
        """The same store below a prefix that nobody has used."""
        return Store(self.name, add_prefix(self.url, uuid.uuid4().hex[:12]), self.env)


def add_prefix(url, prefix):
    base, mark, query = url.partition("?")
    return base.rstrip("/") + "/" + prefix + mark + query


def dir_store(path):
    return Store("dir", "file://" + path, {})


def s3_store(name, settings):
    """settings: endpoint, bucket, access_key_id, secret_access_key, region."""
    url = "s3://%s/e2e?endpoint=%s&region=%s&addressing=%s" % (
        settings["BUCKET"], settings["ENDPOINT"], settings["REGION"],
        settings.get("ADDRESSING", "auto"))
    return Store(name, url, {"AWS_ACCESS_KEY_ID": settings["ACCESS_KEY_ID"],
                             "AWS_SECRET_ACCESS_KEY": settings["SECRET_ACCESS_KEY"]})


class Result:
    def __init__(self, process, out, err):
        self.code, self.out, self.err = process.returncode, out, err

    def __repr__(self):
        return "exit %d\nstdout: %s\nstderr: %s" % (self.code, self.out, self.err)


def environment(store=None, **extra):
    env = {k: v for k, v in os.environ.items()
           if not k.startswith(("AWS_", "HOLDFAST_", "NO_COLOR", "TERM")) or k == "HOLDFAST_BIN"}
    env["HOME"] = STATE.name  # no credentials file, no configuration of whoever runs the tests
    env["HOLDFAST_STATE_DIR"] = STATE.name
    env["AWS_EC2_METADATA_DISABLED"] = "true"  # of an instance that the tests may run on
    if store is not None:
        env.update(store.env)
    env.update(extra)
    return env


def start(store, *args, state=None, env=None, **popen):
    full = environment(store, **(env or {}))
    if state is not None:
        full["HOLDFAST_STATE_DIR"] = state
    command = [HOLDFAST, *args]
    if store is not None:
        command += ["--store", store.url]
    return subprocess.Popen(command, env=full, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **popen)


def end(process):
    """Of a process that start() began, whatever has become of it."""
    if process.poll() is None:
        process.kill()
    if not process.stdout.closed:
        process.communicate()


def run(store, *args, timeout=600, **options):
    process = start(store, *args, **options)
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError("no end after %d s: %s\n%s" % (timeout, args, process.communicate()))
    return Result(process, out, err)


def ok(store, *args, **options):
    result = run(store, *args, **options)
    assert result.code == 0, "%s: %r" % (" ".join(args), result)
    return result


def backups(store, name, **options):
    """What `list --json` says, newest first."""
    return json.loads(ok(store, "list", name, "--json", **options).out)["backups"]


class Scratch:
    """A directory that is gone at the end."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="holdfast-e2e-")

    def __truediv__(self, name):
        return os.path.join(self.path, name)

    def close(self):
        shutil.rmtree(self.path, ignore_errors=True)


def make_database(path, page_size=4096, journal="wal", size=0, seed=1):
    """Two tables of accounts whose balances add up to SUM, an index, and `size` bytes of
    content that compresses about as real data does."""
    rng = random.Random(seed)
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA page_size=%d" % page_size)
    db.execute("PRAGMA journal_mode=%s" % journal)
    db.execute("PRAGMA synchronous=OFF")
    db.execute("BEGIN")
    for table in ("checking", "savings"):
        db.execute("CREATE TABLE %s(id INTEGER PRIMARY KEY, balance INTEGER NOT NULL)" % table)
        db.executemany("INSERT INTO %s VALUES(?, 500)" % table,
                       ((i,) for i in range(ACCOUNTS)))
    db.execute("CREATE TABLE journal(id INTEGER PRIMARY KEY, at REAL, note TEXT)")
    db.execute("CREATE INDEX journal_note ON journal(note)")
    db.execute("CREATE TABLE filler(id INTEGER PRIMARY KEY, body BLOB)")
    words = [b"%08x" % rng.getrandbits(32) for _ in range(4096)]
    done = 0
    while done < size:
        body = b" ".join(rng.choices(words, k=40)) + rng.randbytes(600)
        db.execute("INSERT INTO filler(body) VALUES(?)", (body,))
        done += len(body) + 12
    db.execute("COMMIT")
    db.close()


def check_database(path):
    """Whole, and no transfer seen by half.  Opened as an application would: for writing, so that
    a journal that a kill left behind is played back."""
    db = sqlite3.connect("file:%s?mode=rw" % path, uri=True, timeout=30)
    try:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        total = db.execute("SELECT (SELECT sum(balance) FROM checking) + "
                           "(SELECT sum(balance) FROM savings)").fetchone()[0]
        assert total == SUM, "balances add up to %d, not %d" % (total, SUM)
    finally:
        db.close()


def content_hash(path):
    """Of schema and rows, by the sqlite3 program: the same for every copy of one content."""
    return subprocess.run(["sqlite3", "-readonly", path, ".timeout 30000", ".sha3sum --schema"],
                          check=True, capture_output=True, text=True).stdout.strip()


def sqlite_backup(path, to):
    subprocess.run(["sqlite3", path, ".timeout 30000", ".backup '%s'" % to], check=True)


class Writers:
    """Processes of their own that move money between the tables until they are stopped."""

    def __init__(self, path, count=2, pause=0.002):
        self.processes = [
            subprocess.Popen([sys.executable, WRITER, path, str(pause), str(i)],
                             stdout=subprocess.PIPE, text=True) for i in range(count)]
        for process in self.processes:  # each says so once it has committed
            assert process.stdout.readline() == "writing\n"

    def stop(self):
        """Commits made by all, and the longest one in seconds."""
        reports = []
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            out, _ = process.communicate(timeout=120)
            assert process.returncode == 0, "a writer failed: %s" % out
            reports.append(json.loads(out))
        self.processes = []
        return sum(r["commits"] for r in reports), max(r["longest"] for r in reports)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()


def wait_for(what, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "did not happen within %g s" % seconds
        time.sleep(0.01)


SECRET_MARK = "wJalrSECRETthatNobodyMayPrint"  # must never be seen in any output


def settings(name):
    """Of a server that ctest started, or (`env`) of any other: see tests/README.md."""
    values = dict(os.environ)
    if name != "env":
        files = [os.path.join(directory, name + ".env")
                 for directory in os.environ["HOLDFAST_TEST_SERVERS"].split(":")]
        with open(next(filter(os.path.exists, files), files[0])) as lines:
            values = dict(line.strip().split("=", 1) for line in lines if "=" in line)
    prefix = "HOLDFAST_TEST_S3_"
    return {k[len(prefix):]: v for k, v in values.items() if k.startswith(prefix)}


def store(name, scratch):
    """The store that a test was asked to run against: a directory, or a real server."""
    return dir_store(scratch / "store") if name == "dir" else s3_store(name, settings(name))


def last_json(text):
    return json.loads(text.strip().splitlines()[-1])


def host_port(store):
    """Where the server of an S3 store listens."""
    endpoint = parse_qs(urlsplit(store.url).query)["endpoint"][0]
    parts = urlsplit(endpoint)
    return parts.hostname, parts.port


def faketime():
    found = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    assert found, "libfaketime is not installed"
    return found[0]


class tls_proxy:
    """TLS on a free port of localhost, in front of a server that speaks plain HTTP.  With an
    authority, only clients get through that have a certificate of it."""

    def __init__(self, target, key, cert, authority=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        if authority is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(authority)

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                client = context.wrap_socket(self.request, server_side=True,
                                             do_handshake_on_connect=False)
                try:
                    client.do_handshake()
                except (ssl.SSLError, OSError):
                    refuse(client)  # who does not trust us, or is not trusted
                    return
                with client, socket.create_connection(target) as server:
                    back = threading.Thread(target=pump, args=(server, client), daemon=True)
                    back.start()
                    pump(client, server)
                    back.join()

        def refuse(client):
            """Until it has gone: a close before that could overtake what it is told."""
            with client:
                try:
                    client.shutdown(socket.SHUT_WR)  # from here on without TLS
                    while client.recv(65536):
                        pass
                except OSError:
                    pass

        def pump(source, sink):
            try:
                while data := source.recv(65536):
                    sink.sendall(data)
            except OSError:
                pass
            finally:
                try:
                    sink.shutdown(socket.SHUT_WR)
                except OSError:
                    pass

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self.server.server_address[1]

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def index_ranges(manifest_path):
    """Where the hashes and the map lie in the only pack: two ranges of bytes."""
    with open(manifest_path) as text:
        pack = json.load(text)["packs"][0]
    return [(r["offset"], r["offset"] + r["length"]) for r in (pack["hashes"], pack["map"])]


def sample_places(size, ranges, count):
    """The ends of each range, both ends of the object, and random places."""
    rng = random.Random(size)
    places = {0, size - 1}
    for begin, end in ranges:
        places |= {begin, end - 1, (begin + end) // 2}
    while len(places) < count:
        places.add(rng.randrange(size))
    return sorted(places)


STORE = None  # the one that the test was asked to run against


def main(usage, choose):
    """Run the test case that choose(*arguments) returns; the first argument names the store."""
    global STORE
    scratch = Scratch()
    try:
        try:
            case = choose(*sys.argv[1:])
        except (TypeError, KeyError):
            sys.exit(usage)
        STORE = store(sys.argv[1], scratch)
        suite = unittest.defaultTestLoader.loadTestsFromTestCase(case)
        result = unittest.TextTestRunner(verbosity=2).run(suite)
        sys.exit(not result.wasSuccessful())
    finally:
        scratch.close()
