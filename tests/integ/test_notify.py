"""Goal: whoever watches from elsewhere is told what happened and when, and no watcher, however it
behaves, delays or fails a backup, or gets its address into a log.

With a directory as the store, and HTTP servers of the test's own.

usage: test_notify.py [unittest arguments]
"""
import http.server
import json
import os
import signal
import socket
import sqlite3
import threading
import time
import unittest

import testlib

TOKEN = testlib.SECRET_MARK


class Watcher(http.server.ThreadingHTTPServer):
    """Keeps what it is told.  How it behaves: "ok", "hang", "close", or a list of statuses, the
    last of which stays."""
    daemon_threads = True

    def __init__(self):
        self.seen, self.behaviour = [], "ok"
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self, path):
        return "http://127.0.0.1:%d/%s/%s" % (self.server_port, TOKEN, path)

    def paths(self):
        return [path for path, _ in self.seen]

    def close(self):
        self.shutdown()
        self.server_close()

    def handle_error(self, *args):
        pass


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path.replace("/" + TOKEN + "/", "", 1)
        behaviour = self.server.behaviour
        if behaviour == "hang":
            time.sleep(30)
            return
        if behaviour == "close":
            self.close_connection = True
            return
        status = 200
        if isinstance(behaviour, list):
            status = behaviour[0] if len(behaviour) == 1 else behaviour.pop(0)
        if status == 200:
            self.server.seen.append((path, body.decode()))
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"OK")

    def log_message(self, *args):
        pass


class Notify(unittest.TestCase):
    def setUp(self):
        self.scratch = testlib.Scratch()
        self.addCleanup(self.scratch.close)
        self.store = testlib.dir_store(self.scratch / "store")
        self.state = self.scratch / "state"
        self.path = self.scratch / "app.db"
        testlib.make_database(self.path)
        self.watcher = Watcher()
        self.addCleanup(self.watcher.close)
        self.env = {"HOLDFAST_PING_URL": self.watcher.url("ping")}

    def run_pass(self, *args, **env):
        began = time.monotonic()
        result = testlib.run(self.store, "run", self.path, "--all", "--log", "trace", *args,
                             state=self.state, env={**self.env, **env})
        self.took = time.monotonic() - began
        self.assertNotIn(TOKEN, result.out + result.err)
        return result

    def insert(self):
        with sqlite3.connect(self.path) as db:
            db.execute("INSERT INTO journal(note) VALUES('x')")
        db.close()

    def break_database(self):
        os.rename(self.path, self.path + ".away")
        with open(self.path, "w") as file:
            file.write("no database" * 100)

    def mend_database(self):
        os.rename(self.path + ".away", self.path)

    def webhook(self):
        """Only that, from now on."""
        self.env = {"HOLDFAST_WEBHOOK_URL": self.watcher.url("hook")}

    def events(self):
        return [json.loads(body)["event"] for _, body in self.watcher.seen]

    def test_pings_tell_start_success_and_failure(self):
        self.assertEqual(self.run_pass().code, 0)
        self.assertEqual(self.watcher.paths(), ["ping/start", "ping"])
        self.assertRegex(self.watcher.seen[1][1], "'app': backup [0-9a-f]{8}, .* stored")
        self.break_database()
        self.assertEqual(self.run_pass().code, 3)
        self.assertEqual(self.watcher.paths()[2:], ["ping/start", "ping/fail"])
        self.assertIn("not a SQLite database", self.watcher.seen[3][1])

    def test_each_database_can_have_an_address_of_its_own(self):
        self.env = {"HOLDFAST_PING_URL": self.watcher.url("{database}?create=1")}
        self.assertEqual(self.run_pass().code, 0)
        self.assertEqual(self.watcher.paths(), ["app/start?create=1", "app?create=1"])

    def test_a_watcher_that_misbehaves_fails_no_backup_and_delays_none_for_long(self):
        for behaviour, limit in (("hang", 11), ("close", 11), ([500], 11), ([404], 5)):
            self.watcher.behaviour = behaviour
            self.insert()
            result = self.run_pass()
            self.assertEqual(result.code, 0, result)
            self.assertIn("warning: 'app': ping_url was not delivered: '127.0.0.1:", result.err)
            self.assertLess(self.took, limit, behaviour)
        with socket.create_server(("127.0.0.1", 0)) as unused:
            port = unused.getsockname()[1]
        result = self.run_pass(HOLDFAST_PING_URL="http://127.0.0.1:%d/%s" % (port, TOKEN))
        self.assertEqual(result.code, 0, result)
        self.assertLess(self.took, 5)

    def test_what_may_go_better_is_tried_again(self):
        self.watcher.behaviour = [503, 200, 429, 502, 200]
        self.assertNotIn("warning", self.run_pass().err)
        self.assertEqual(self.watcher.paths(), ["ping/start", "ping"])

    def test_a_stop_is_not_delayed_by_a_watcher_that_hangs(self):
        self.watcher.behaviour = "hang"
        process = testlib.start(self.store, "agent", self.path, "--stop-timeout", "1s",
                                state=self.state, env=self.env)
        self.addCleanup(lambda: process.poll() is None and process.kill())
        testlib.wait_for(lambda: os.path.exists(os.path.join(self.state, "app", "status.json")))
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0)
        self.assertLess(time.monotonic() - began, 9)

    def test_the_webhook_tells_failure_once_and_recovery(self):
        self.webhook()
        self.assertEqual(self.run_pass().code, 0)
        self.break_database()
        for _ in range(3):
            self.assertEqual(self.run_pass().code, 3)
        self.mend_database()
        self.insert()
        for _ in range(2):
            self.assertEqual(self.run_pass().code, 0)
        self.assertEqual(self.events(), ["failure", "recovery"])
        failure, recovery = (json.loads(body) for _, body in self.watcher.seen)
        self.assertEqual((failure["database"], failure["failures"]), ("app", 1))
        self.assertIn("not a SQLite database", failure["error"])
        self.assertIn("failed", failure["text"])
        self.assertIsNone(failure["backup"])
        self.assertIsNone(recovery["error"])
        self.assertGreater(recovery["stored_bytes"], 0)
        self.assertTrue(recovery["backup"])

    def test_a_failure_that_nobody_took_is_told_again_and_so_is_a_recovery(self):
        self.webhook()
        self.break_database()
        self.watcher.behaviour = [404]
        self.assertEqual(self.run_pass().code, 3)
        self.watcher.behaviour = "ok"
        self.assertEqual(self.run_pass().code, 3)
        self.mend_database()
        self.watcher.behaviour = [404]
        self.assertEqual(self.run_pass().code, 0)
        self.watcher.behaviour = "ok"
        self.assertEqual(self.run_pass().code, 0)
        self.assertEqual(self.events(), ["failure", "recovery"])

    def test_the_webhook_tells_every_success_where_that_is_wanted(self):
        self.webhook()
        for _ in range(2):
            self.assertEqual(self.run_pass("--webhook-on", "always").code, 0)
        self.assertEqual(self.events(), ["success", "success"])

    def test_a_loss_is_told_and_is_an_alarm_where_it_counts_as_one(self):
        self.assertEqual(self.run_pass().code, 0)
        with sqlite3.connect(self.path) as db:
            db.execute("DROP TABLE savings")
        db.close()
        self.env["HOLDFAST_WEBHOOK_URL"] = self.watcher.url("hook")
        self.watcher.seen.clear()
        self.assertEqual(self.run_pass("--shrink-guard", "fail").code, 0)
        told = dict(self.watcher.seen)
        self.assertEqual(sorted(told), ["hook", "ping/fail", "ping/start"])
        self.assertIn("tables lost: savings", told["ping/fail"])
        self.assertEqual(json.loads(told["hook"])["event"], "loss")
        self.assertIn("savings", json.loads(told["hook"])["shrunk_reason"])

    def test_drills_are_told_and_a_bad_one_keeps_the_alarm_on(self):
        os.unlink(self.path)
        testlib.make_database(self.path, size=5 << 20)  # so large that it is not sent whole again
        drill = ("--verify-cron", "0 4 * * *", "--verify-dir", self.scratch / "trial")
        self.env["HOLDFAST_WEBHOOK_URL"] = self.watcher.url("hook")
        self.assertEqual(self.run_pass(*drill).code, 0)
        self.assertEqual(self.watcher.paths(), ["ping/start", "ping", "ping/log"])
        self.assertIn("is whole", self.watcher.seen[2][1])
        pack, = os.listdir(os.path.join(self.scratch / "store", "app", "packs"))
        with open(os.path.join(self.scratch / "store", "app", "packs", pack), "r+b") as file:
            file.seek(os.path.getsize(file.name) // 2)
            file.write(b"damage")
        os.unlink(os.path.join(self.state, "app", "drill.json"))
        self.watcher.seen.clear()
        self.assertEqual(self.run_pass(*drill).code, 3)
        self.assertEqual([p for p in self.watcher.paths() if p != "hook"],
                         ["ping/start", "ping", "ping/fail"])
        self.assertEqual([json.loads(b)["event"] for p, b in self.watcher.seen if p == "hook"],
                         ["drill-failure"])
        self.watcher.seen.clear()
        self.assertEqual(self.run_pass().code, 0)  # a good backup does not end that alarm
        self.assertEqual(self.watcher.paths(), ["ping/start", "ping/fail"])
        self.assertIn("restore drill failed", self.watcher.seen[1][1])

    def test_a_proxy_is_used(self):
        with socket.create_server(("127.0.0.1", 0)) as proxy:
            lines = []

            def serve():
                for _ in range(2):
                    connection, _ = proxy.accept()
                    lines.append(connection.recv(65536).split(b"\r\n")[0].decode())
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                    connection.close()
            thread = threading.Thread(target=serve, daemon=True)
            thread.start()
            url = "http://127.0.0.1:%d" % proxy.getsockname()[1]
            result = self.run_pass(HOLDFAST_PING_URL="http://hc.invalid/%s" % TOKEN,
                                   http_proxy=url, no_proxy="")
            self.assertEqual(result.code, 0)
            self.assertNotIn("warning", result.err)
            thread.join(10)
        self.assertEqual(lines, ["POST http://hc.invalid/%s/start HTTP/1.1" % TOKEN,
                                 "POST http://hc.invalid/%s HTTP/1.1" % TOKEN])

    def test_an_address_that_is_none_is_refused_and_not_shown(self):
        result = self.run_pass(HOLDFAST_PING_URL="hc-ping.com/" + TOKEN)
        self.assertEqual(result.code, 2)
        self.assertIn("ping_url", result.err)
        result = testlib.run(self.store, "run", self.path, "--ping-url", "https://x/" + TOKEN)
        self.assertEqual(result.code, 2)  # a flag is seen by every user of the machine


if __name__ == "__main__":
    unittest.main(verbosity=2)
