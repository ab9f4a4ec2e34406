"""Goal: whoever watches the agent is told the truth: by /healthz, /metrics, the file for
node_exporter; and nothing that is asked for, or asked badly, holds a backup up.

With a directory as the store; no server is needed but Debian's prometheus.

usage: test_endpoint.py [unittest arguments]
"""
import http.client
import os
import re
import signal
import socket
import sqlite3
import subprocess
import time
import unittest

import testlib

SAMPLE = re.compile(r'^(\w+)(?:\{(.*)\})? (\S+)$')


def samples(text):
    """{(name, labels as they stand): number}."""
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            match = SAMPLE.match(line)
            assert match, line
            found[match[1], match[2] or ""] = float(match[3])
    return found


class Watched(unittest.TestCase):
    def setUp(self):
        self.scratch = testlib.Scratch()
        self.addCleanup(self.scratch.close)
        self.store = testlib.dir_store(self.scratch / "store")
        self.state = self.scratch / "state"
        for name in ("shop", "crm"):
            db = sqlite3.connect(self.path(name))
            db.execute("PRAGMA journal_mode = wal")
            db.execute("CREATE TABLE t(x)")
            db.commit()
            db.close()
        with open(self.path("broken"), "w") as file:
            file.write("no database" * 100)

    def path(self, name):
        return self.scratch / (name + ".db")

    def insert(self, name):
        db = sqlite3.connect(self.path(name))
        db.execute("INSERT INTO t VALUES(hex(randomblob(500)))")
        db.commit()
        db.close()

    def start(self, *args, listen="127.0.0.1:0"):
        """An agent that listens on a free port, which it says first."""
        process = testlib.start(self.store, "agent", *args, "--listen", listen, state=self.state)
        self.addCleanup(testlib.end, process)
        self.port = int(re.search(r"http://.*:(\d+)/", process.stderr.readline())[1])
        return process

    def stop(self, process):
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0)

    def get(self, path, method="GET"):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(method, path)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    def metric(self, name, labels=""):
        return samples(self.get("/metrics")[1]).get((name, labels))

    def made(self, name):
        return self.metric("holdfast_attempts_total", 'database="%s",outcome="made"' % name)

    def wait_for_success(self, *names):
        for name in names:
            testlib.wait_for(lambda name=name: self.metric(
                "holdfast_last_success_timestamp_seconds", 'database="%s"' % name))

    def run_until(self, process, what, seconds=30):
        """Backups, until it is so: one that is asked for while one is ending may not be made."""
        def again():
            process.send_signal(signal.SIGUSR1)
            time.sleep(0.2)
            return what()
        testlib.wait_for(again, seconds)

    def check_metrics(self, text):
        result = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                                capture_output=True)
        self.assertEqual((result.returncode, result.stdout + result.stderr), (0, ""))


class Endpoint(Watched):
    def test_healthz_says_what_is_wrong_and_when_all_is_well(self):
        process = self.start(self.path("shop"), self.path("broken"))
        self.wait_for_success("shop")
        testlib.wait_for(lambda: "failed 1 time" in self.get("/healthz")[1])
        status, text = self.get("/healthz")
        self.assertEqual(status, 503)
        self.assertIn("1 of 2 databases", text)
        self.assertRegex(text, "broken: last good backup: never, failed 1 time since: .*not a")
        self.assertNotIn("shop", text)
        self.assertEqual(self.get("/livez")[0], 200)
        self.stop(process)
        process = self.start(self.path("shop"))
        self.assertEqual(self.get("/healthz"), (200, "ok: 1 database\n"))
        self.stop(process)

    def test_healthz_fails_when_the_last_good_one_is_too_old(self):
        process = self.start(self.path("shop"), "--max-age", "2s")
        self.wait_for_success("shop")
        self.assertEqual(self.get("/healthz")[0], 200)
        testlib.wait_for(lambda: self.get("/healthz")[0] == 503)
        self.assertEqual(self.metric("holdfast_healthy", 'database="shop"'), 0)
        self.stop(process)

    def test_metrics_tell_what_happened_and_promtool_is_content(self):
        before = time.time()
        process = self.start(self.path("shop"), self.path("crm"), self.path("broken"))
        self.wait_for_success("shop", "crm")
        self.insert("shop")
        self.run_until(process, lambda: self.metric(
            "holdfast_attempts_total", 'database="crm",outcome="unchanged"'))
        testlib.wait_for(lambda: self.made("shop") >= 2)
        text = self.get("/metrics")[1]
        self.check_metrics(text)
        found = samples(text)
        self.assertEqual(found["holdfast_databases", ""], 3)
        self.assertEqual(found["holdfast_healthy", 'database="broken"'], 0)
        self.assertEqual(found["holdfast_consecutive_failures", 'database="broken"'],
                         found["holdfast_attempts_total", 'database="broken",outcome="failed"'])
        self.assertEqual(found["holdfast_backups", 'database="crm"'], 1)
        self.assertEqual(found["holdfast_database_size_bytes", 'database="crm"'],
                         os.path.getsize(self.path("crm")))
        stored = sum(os.path.getsize(os.path.join(top, name))
                     for top, _, names in os.walk(self.scratch / "store/shop/packs")
                     for name in names)
        self.assertEqual(found["holdfast_stored_bytes", 'database="shop"'], stored)
        for name in ("shop", "crm"):
            key = 'database="%s"' % name
            last = found["holdfast_last_success_timestamp_seconds", key]
            self.assertTrue(before <= last <= time.time())
            self.assertGreater(found["holdfast_next_attempt_timestamp_seconds", key], time.time())
            self.assertGreater(found["holdfast_success_expires_timestamp_seconds", key],
                               time.time() + 3600)
        self.stop(process)

    def test_what_is_known_survives_a_restart(self):
        self.stop_after_backup()
        process = self.start(self.path("shop"))
        self.assertEqual(self.metric("holdfast_backups", 'database="shop"'), 1)
        self.assertEqual(
            self.metric("holdfast_attempts_total", 'database="shop",outcome="made"'), 1)
        self.stop(process)

    def test_what_is_in_the_store_is_known_without_a_state_directory_too(self):
        """As in a container without a volume: nothing has changed, and nothing is remembered.
        Large enough for that to be found out from the store."""
        db = sqlite3.connect(self.path("shop"))
        db.execute("INSERT INTO t VALUES(randomblob(5000000))")
        db.commit()
        db.close()
        self.stop_after_backup()
        self.state = self.scratch / "another-state"
        process = self.start(self.path("shop"))
        self.wait_for_success("shop")
        self.assertEqual(self.metric("holdfast_backups", 'database="shop"'), 1)
        self.assertEqual(
            self.metric("holdfast_attempts_total", 'database="shop",outcome="unchanged"'), 1)
        self.stop(process)

    def stop_after_backup(self):
        process = self.start(self.path("shop"))
        self.wait_for_success("shop")
        self.stop(process)

    def test_a_slow_or_broken_client_holds_nothing_up(self):
        process = self.start(self.path("shop"))
        self.wait_for_success("shop")
        slow = [socket.create_connection(("127.0.0.1", self.port)) for _ in range(8)]
        for number, client in enumerate(slow):
            client.sendall((b"GET /metrics HT", b"\0\xff" * 99, b"POST / HTTP/1.1\r\n",
                            b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 10000)
                           [number % 4])
        self.insert("shop")
        self.run_until(process, lambda: self.made("shop") >= 2, 5)
        began = time.monotonic()
        self.stop(process)
        self.assertLess(time.monotonic() - began, 5)
        for client in slow:
            client.close()

    def test_a_port_in_use_ends_the_agent_before_it_begins(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            result = testlib.run(self.store, "agent", self.path("shop"), "--listen", str(port),
                                 state=self.state)
        self.assertEqual(result.code, 1, result)
        self.assertIn("listen on '%d': Address already in use" % port, result.err)
        self.assertIn("hint", result.err)
        self.assertFalse(os.path.exists(self.scratch / "store"))

    def test_an_address_that_is_none_is_refused_and_a_public_one_warned_of(self):
        result = testlib.run(self.store, "agent", self.path("shop"), "--listen", "localhost",
                             state=self.state)
        self.assertEqual(result.code, 2, result)
        process = testlib.start(self.store, "agent", self.path("shop"), "--listen", "0.0.0.0:0",
                                state=self.state)
        self.addCleanup(testlib.end, process)
        self.assertIn("listening", process.stderr.readline())
        self.assertIn("no password", process.stderr.readline())
        self.stop(process)

    def test_it_sleeps_while_nobody_asks(self):
        process = self.start(self.path("shop"))
        self.wait_for_success("shop")
        time.sleep(1)

        def used():
            with open("/proc/%d/stat" % process.pid) as stat:
                fields = stat.read().rpartition(")")[2].split()
            return int(fields[11]) + int(fields[12])
        before = used()
        time.sleep(4)
        self.assertLessEqual(used() - before, 1)  # ticks of 10 ms
        self.stop(process)


class Textfile(Watched):
    def test_run_and_agent_write_it_whole(self):
        path = self.scratch / "holdfast.prom"
        result = testlib.run(self.store, "run", self.path("shop"), self.path("broken"),
                             "--metrics-file", path, state=self.state)
        self.assertEqual(result.code, 3)
        with open(path) as file:
            text = file.read()
        self.check_metrics(text)
        found = samples(text)
        self.assertEqual(found["holdfast_healthy", 'database="shop"'], 1)
        self.assertEqual(found["holdfast_healthy", 'database="broken"'], 0)
        self.assertFalse([name for name, _ in found if name.startswith("process_")])
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o644)

        process = self.start(self.path("crm"), "--metrics-file", path)
        self.wait_for_success("crm")
        self.stop(process)
        with open(path) as file:
            found = samples(file.read())
        self.assertEqual(found["holdfast_databases", ""], 1)
        self.assertEqual(found["holdfast_healthy", 'database="crm"'], 1)
        self.assertEqual([n for n in os.listdir(self.scratch.path) if n.startswith(".tmp")], [])

    def test_a_place_that_cannot_be_written_is_a_warning(self):
        result = testlib.run(self.store, "run", self.path("shop"), "--metrics-file",
                             self.scratch / "none/holdfast.prom", state=self.state)
        self.assertEqual(result.code, 0)
        self.assertIn("metrics cannot be written", result.err)


if __name__ == "__main__":
    unittest.main()
