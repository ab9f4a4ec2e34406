"""Goal: with several stores each database is in all of them or in those it names, each with its own
retention; one that is down, or hangs, stops and delays no backup to the other, and exit statuses,
status, health and metrics say which it is; and any one of them is enough to restore from.

usage: test_stores.py [unittest arguments]
"""
import glob
import http.client
import json
import os
import shutil
import signal
import socket
import sqlite3
import threading
import time
import unittest

import testlib

HANG_S = 3


class Silent:
    """A server that takes connections and says nothing for a while, then hangs up."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.open = []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.open.append(connection)
            threading.Timer(HANG_S, connection.close).start()

    def close(self):
        self.listener.close()
        for connection in self.open:
            connection.close()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Stores(unittest.TestCase):
    def setUp(self):
        self.scratch = testlib.Scratch()
        self.addCleanup(self.scratch.close)
        self.state = self.scratch / "state"
        for name in ("shop", "crm"):
            db = sqlite3.connect(self.path(name))
            db.execute("PRAGMA journal_mode = wal")
            db.execute("CREATE TABLE t(x)")
            db.execute("INSERT INTO t VALUES('first')")
            db.commit()
            db.close()

    def path(self, name):
        return self.scratch / (name + ".db")

    def insert(self, name):
        db = sqlite3.connect(self.path(name))
        db.execute("INSERT INTO t VALUES(hex(randomblob(500)))")
        db.commit()
        db.close()

    def lose(self, name):
        for path in glob.glob(self.path(name) + "*"):
            os.unlink(path)

    def configure(self, far=None, agent="", far_keys="keep_last = 3\n"):
        """Two stores; `shop` goes to both, `crm` to the first only."""
        far = far or "file://" + self.scratch / "far"
        with open(self.scratch / "holdfast.ini", "w", opener=lambda path, flags: os.open(
                path, flags, 0o600)) as file:
            file.write("[agent]\n%s[store:local]\nurl = file://%s\nkeep_last = 2\n"
                       "[store:far]\nurl = %s\n%s"
                       "[database:shop]\npath = %s\n[database:crm]\npath = %s\nstores = local\n"
                       % (agent, self.scratch / "local", far, far_keys,
                          self.path("shop"), self.path("crm")))

    def configure_silent(self, agent=""):
        silent = Silent()
        self.addCleanup(silent.close)
        self.configure("s3://bucket/x", agent,
                       "endpoint = http://127.0.0.1:%d\nregion = us-east-1\naccess_key_id = k\n"
                       "secret_access_key = s3cr3t-of-far\nattempts = 1\n" % silent.port)

    def options(self, **env):
        env["HOLDFAST_CONFIG"] = self.scratch / "holdfast.ini"
        return {"state": self.state, "env": env}

    def run_it(self, *args, code=0, **env):
        result = testlib.run(None, *args, **self.options(**env))
        self.assertEqual(result.code, code, result)
        return result

    def backups(self, name, store):
        return json.loads(self.run_it("list", name, "--store", store, "--json").out)["backups"]

    def lines(self, *args, **options):
        out = self.run_it(*args, "--json", **options).out
        return [json.loads(line) for line in out.splitlines()]

    def wait_for_backups(self, store, count):
        """While another process may be at work; the number of manifests in a directory."""
        folder = os.path.join(self.scratch / store, "shop", "manifest")
        testlib.wait_for(lambda: os.path.isdir(folder) and len(os.listdir(folder)) >= count)

    def test_each_store_has_its_backups_and_its_own_retention(self):
        self.configure()
        seen = self.lines("create", "shop")
        self.assertEqual([line["store_name"] for line in seen], ["local", "far"])
        self.assertNotEqual(seen[0]["id"], seen[1]["id"])
        only = self.lines("create", "shop", "--force", "--store", "far")
        self.assertEqual([line["store_name"] for line in only], ["far"])
        for _ in range(4):
            self.insert("shop")
            self.assertEqual(self.run_it("run", "--all").out, "")
        self.assertEqual(len(self.backups("shop", "local")), 2)
        self.assertEqual(len(self.backups("shop", "far")), 3)
        self.assertLessEqual(len(self.backups("crm", "local")), 2)
        self.assertFalse(os.path.exists(os.path.join(self.scratch / "far", "crm")))
        status = json.loads(self.run_it("status", "--json").out)["databases"]
        self.assertEqual([(each["database"], each["store_name"]) for each in status],
                         [("shop", "local"), ("shop", "far"), ("crm", "local")])
        self.assertIn("store 'local', the first of 2", self.run_it("list", "shop").err)
        heads = [line for line in self.run_it("verify").out.splitlines() if line.endswith(":")]
        self.assertEqual(heads, ["shop in local:", "shop in far:", "crm in local:"])
        self.assertIn("no section [store:fra]", self.run_it("list", "shop", "--store", "fra",
                                                            code=2).err)

    def test_one_that_is_down_fails_alone_and_is_named(self):
        metrics = self.scratch / "holdfast.prom"
        self.configure()
        self.run_it("run", "--all")
        far_before = len(self.backups("shop", "far"))
        self.configure("s3://bucket/x", far_keys="endpoint = http://127.0.0.1:%d\nattempts = 1\n"
                       "access_key_id = k\nsecret_access_key = s3cr3t-of-far\n"
                       "max_age = 1s\n" % free_port())
        self.insert("shop")
        time.sleep(1.1)
        result = self.run_it("run", "--all", "--metrics-file", metrics, code=3)
        self.assertIn("backup 'shop' in 'far'", result.err)
        self.assertIn("1 of 3 databases (counted in each store)", result.err)
        self.assertEqual(len(self.backups("shop", "local")), 2)
        failed = self.run_it("health", code=3)
        self.assertIn("'shop' in 'far': last good backup", failed.err)
        self.assertNotIn("'local'", failed.err)
        self.run_it("health", "--store", "local")
        with open(metrics) as file:
            text = file.read()
        self.assertIn('holdfast_healthy{database="shop",store="local"} 1\n', text)
        self.assertIn('holdfast_healthy{database="shop",store="far"} 0\n', text)
        self.assertIn('holdfast_consecutive_failures{database="shop",store="far"} 1\n', text)
        self.assertIn("holdfast_databases 2\n", text)
        self.assertNotIn("s3cr3t", text + result.err)
        self.insert("shop")
        created = self.run_it("create", "shop", code=3)
        self.assertIn("1 of 2 stores have no new backup", created.err)
        self.configure()
        self.assertEqual(len(self.backups("shop", "far")), far_before)
        self.assertFalse(self.lines("create", "shop")[1]["unchanged"])

    def test_one_that_hangs_delays_no_other_in_a_pass(self):
        self.configure_silent()
        began = time.monotonic()
        first = testlib.start(None, "run", "--all", **self.options())
        self.addCleanup(testlib.end, first)
        self.wait_for_backups("local", 1)
        self.insert("shop")
        # Another pass meanwhile: it has the store that is free, and is kept from the other.
        while True:
            busy = testlib.run(None, "run", "--all", **self.options())
            if busy.code != 11:  # the first was not done with either
                break
        self.assertEqual(busy.code, 3, busy)
        self.assertIn("another run is under way with 'shop' in 'far'", busy.err)
        self.assertEqual(len(self.backups("shop", "local")), 2)
        self.assertLess(time.monotonic() - began, HANG_S)
        self.assertIsNone(first.poll())
        first.send_signal(signal.SIGTERM)
        self.assertEqual(first.wait(timeout=20), 143)

    def test_the_hook_knows_the_store(self):
        self.configure(agent="[hooks]\nafter = echo $HOLDFAST_STORE:$HOLDFAST_OUTCOME >> %s\n"
                       % (self.scratch / "told"))
        self.run_it("create", "shop")
        with open(self.scratch / "told") as file:
            self.assertEqual(sorted(file.read().split()), ["far:backed-up", "local:backed-up"])

    def test_the_second_restores_when_the_first_is_lost(self):
        self.configure()
        self.insert("shop")
        self.run_it("run", "--all")
        wanted = testlib.content_hash(self.path("shop"))
        shutil.rmtree(self.scratch / "local")
        self.lose("shop")
        self.run_it("restore", "shop", "latest", "--yes", code=10)
        self.run_it("restore", "shop", "latest", "--yes", "--store", "far")
        self.assertEqual(testlib.content_hash(self.path("shop")), wanted)
        self.lose("shop")
        self.run_it("restore", "shop", "latest", "--if-missing")
        self.assertEqual(testlib.content_hash(self.path("shop")), wanted)
        self.lose("shop")
        self.run_it("exec", "shop", "--", "true")
        self.assertEqual(testlib.content_hash(self.path("shop")), wanted)

    def test_the_agent_goes_on_with_one_that_hangs(self):
        port = free_port()
        self.configure_silent("workers = 1\nstop_timeout = 1s\nlisten = 127.0.0.1:%d\n" % port)
        agent = testlib.start(None, "agent", **self.options())
        self.addCleanup(testlib.end, agent)
        for count in range(1, 4):
            self.wait_for_backups("local", count)
            self.insert("shop")
            agent.send_signal(signal.SIGUSR1)
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        body = answer.read().decode()
        self.assertEqual(answer.status, 503, body)
        self.assertIn("shop in far: last good backup: never", body)
        self.assertNotIn("local", body)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        self.assertIn('holdfast_running{database="shop",store="far"} 1\n', text)
        self.assertNotIn("s3cr3t", text)
        connection.request("GET", "/")
        page = connection.getresponse().read().decode()
        self.assertIn('<span class="pill store">far</span>', page)
        self.assertIn("1 of 3", page)
        agent.send_signal(signal.SIGTERM)
        self.assertEqual(agent.wait(timeout=20), 0)


if __name__ == "__main__":
    unittest.main()
