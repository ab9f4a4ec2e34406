"""Goal: run, agent, status and health do what cron, a container and an operator expect of them:
nothing is missed, one failure stays alone, an end is orderly, and what went wrong is told.

With a directory as the store; no server is needed.

usage: test_agent.py [unittest arguments]
"""
import json
import os
import random
import signal
import socket
import sqlite3
import time
import unittest

import testlib

KILLS = int(os.environ.get("HOLDFAST_TEST_KILLS", "20"))


class Agent(unittest.TestCase):
    def setUp(self):
        self.scratch = testlib.Scratch()
        self.addCleanup(self.scratch.close)
        self.store = testlib.dir_store(self.scratch / "store")
        self.state = self.scratch / "state"
        self.names = ("one", "two")
        for name in self.names:
            connection = sqlite3.connect(self.path(name))
            connection.execute("PRAGMA journal_mode = wal")
            connection.execute("CREATE TABLE t(x)")
            connection.commit()
            connection.close()
        with open(self.scratch / "broken.db", "w") as file:
            file.write("no database" * 100)

    def path(self, name):
        return self.scratch / (name + ".db")

    def insert(self, name, value):
        connection = sqlite3.connect(self.path(name))
        connection.execute("INSERT INTO t VALUES(?)", (value,))
        connection.commit()
        connection.close()

    def call(self, *args, **options):
        return testlib.run(self.store, *args, state=self.state, **options)

    def backups(self, name):
        result = self.call("list", self.path(name), "--json")
        return json.loads(result.out)["backups"] if result.code == 0 else []

    def values(self, name):
        """What the newest backup holds."""
        copy = self.scratch / "copy.sqlite3"
        result = self.call("download", self.path(name), "latest", "-o", copy, "--force")
        self.assertEqual(result.code, 0, result)
        connection = sqlite3.connect(copy)
        values = [x for (x,) in connection.execute("SELECT x FROM t ORDER BY rowid")]
        connection.close()
        return values

    def start(self, *args):
        process = testlib.start(self.store, "agent", *args, state=self.state)
        self.addCleanup(lambda: process.poll() is None and process.kill())
        return process

    def stop(self, process, number=signal.SIGTERM):
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
        return process.returncode, err

    def wait_for_backups(self, *names):
        testlib.wait_for(lambda: all(self.backups(name) for name in names))

    def test_run_backs_up_what_is_due_and_is_silent(self):
        for _ in range(2):
            result = self.call("run", self.path("one"), self.path("two"), "--schedule", "0 0 1 1 *")
            self.assertEqual((result.code, result.out, result.err), (0, "", ""))
        for name in self.names:
            self.assertEqual([b["trigger"] for b in self.backups(name)], ["schedule"])
        self.insert("one", 1)
        lines = self.call("run", self.path("one"), "--schedule", "0 0 1 1 *", "--json").out
        self.assertEqual(json.loads(lines)["outcome"], "not due")
        self.assertEqual(self.values("one"), [])
        lines = self.call("run", self.path("one"), "--schedule", "0 0 1 1 *", "--json", "--all").out
        self.assertEqual(json.loads(lines)["outcome"], "backed up")
        self.assertEqual(self.values("one"), [1])

    def test_run_goes_on_after_a_failure_and_tells_it(self):
        result = self.call("run", self.scratch / "broken.db", self.path("one"),
                           self.scratch / "absent.db", self.path("two"))
        self.assertEqual(result.code, 3, result)
        self.assertIn("2 of 4 databases", result.err)
        self.assertIn("not a SQLite database", result.err)
        for name in self.names:
            self.assertEqual(len(self.backups(name)), 1)
        status = json.loads(self.call("status", self.scratch / "broken.db", self.path("one"),
                                      "--json").out)["databases"]
        self.assertEqual([s["failures"] for s in status], [1, 0])
        self.assertIn("not a SQLite database", status[0]["error"])
        self.assertIsNone(status[0]["last_success"])
        self.assertIsNone(status[1]["error"])
        self.assertIn("failed 1 time", self.call("status", self.scratch / "broken.db").out)

    def hang(self, *args):
        """A run whose store accepts connections, and no more."""
        silent = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(silent.close)
        store = testlib.Store("silent", "s3://bucket/x?endpoint=http://127.0.0.1:%d"
                              % silent.getsockname()[1],
                              {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"})
        process = testlib.start(store, "run", *args, state=self.state)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        silent.accept()[0].detach()
        return process

    def test_runs_do_not_overlap_on_a_database(self):
        first = self.hang(self.path("one"))
        result = self.call("run", self.path("two"), self.path("one"))
        self.assertEqual(result.code, 11, result)
        self.assertIn("another run is under way with 'one', process %d" % first.pid, result.err)
        self.assertEqual(self.backups("two"), [])
        status = json.loads(self.call("status", self.path("two"), "--json").out)["databases"]
        self.assertEqual(status[0]["failures"], 0)
        self.assertEqual(self.call("run", self.path("two")).code, 0)  # nothing in common

        waiting = testlib.start(self.store, "run", self.path("one"), "--wait-lock", "1m", "--json",
                                state=self.state)
        time.sleep(0.3)
        self.assertIsNone(waiting.poll())
        first.kill()
        out, err = waiting.communicate(timeout=60)
        self.assertEqual((waiting.returncode, json.loads(out)["outcome"]), (0, "backed up"), err)

    def test_who_has_waited_does_only_what_is_still_due(self):
        yearly = (self.path("one"), "--schedule", "0 0 1 1 *")
        self.assertEqual(self.call("run", *yearly).code, 0)
        status = os.path.join(self.state, "one", "status.json")
        os.rename(status, status + ".kept")
        first = self.hang(*yearly)
        waiting = testlib.start(self.store, "run", *yearly, "--wait-lock", "1m", "--json",
                                state=self.state)
        time.sleep(0.3)
        self.assertIsNone(waiting.poll())
        os.rename(status + ".kept", status)  # as if the first had ended well
        first.kill()
        out, err = waiting.communicate(timeout=60)
        self.assertEqual(json.loads(out)["outcome"], "not due", err)

    def test_health_fails_for_what_is_old_missing_or_never_was(self):
        self.assertEqual(self.call("run", self.path("one")).code, 0)
        self.assertEqual(self.call("health", self.path("one")).code, 0)
        result = self.call("health", self.path("one"), self.path("two"))
        self.assertEqual(result.code, 3)
        self.assertIn("1 of 2", result.err)
        self.assertIn("'two': last good backup: never", result.err)
        time.sleep(1.1)
        self.assertEqual(self.call("health", self.path("one"), "--max-age", "1s").code, 3)
        self.assertEqual(self.call("health", self.path("one"), "--max-age", "soon").code, 2)

    def test_the_agent_makes_up_for_what_was_missed_and_ends_when_told(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            process = self.start(self.path("one"), self.path("two"))
            self.wait_for_backups("one", "two")
            code, err = self.stop(process, number)
            self.assertEqual(code, 0, err)
            self.assertNotIn("error", err)

    def test_a_last_backup_has_what_was_committed_just_before(self):
        process = self.start(self.path("one"), "--final-backup", "yes")
        self.wait_for_backups("one")
        self.insert("one", "just before")
        code, err = self.stop(process)
        self.assertEqual(code, 0, err)
        self.assertEqual(self.values("one"), ["just before"])

    def test_without_it_an_end_makes_none(self):
        process = self.start(self.path("one"))
        self.wait_for_backups("one")
        self.insert("one", "too late")
        self.assertEqual(self.stop(process)[0], 0)
        self.assertEqual(self.values("one"), [])

    def test_sigusr1_backs_up_now(self):
        process = self.start(self.path("one"))
        self.wait_for_backups("one")
        self.insert("one", "now")
        process.send_signal(signal.SIGUSR1)
        testlib.wait_for(lambda: self.values("one") == ["now"])
        self.assertEqual(self.stop(process)[0], 0)

    def test_it_backs_up_at_the_minute(self):
        process = self.start(self.path("one"), "--schedule", "* * * * *", "--jitter", "0s")
        self.wait_for_backups("one")
        first = self.backups("one")[0]["id"]
        self.insert("one", "this minute")
        testlib.wait_for(lambda: self.backups("one")[0]["id"] != first, seconds=75)
        self.assertLess(time.time() % 60, 20)
        self.assertEqual(self.stop(process)[0], 0)
        self.assertEqual(self.values("one"), ["this minute"])

    def test_one_that_fails_does_not_keep_the_others(self):
        process = self.start(self.scratch / "broken.db", self.scratch / "absent.db",
                             self.path("one"), self.path("two"), "--workers", "1")
        self.wait_for_backups("one", "two")
        code, err = self.stop(process)
        self.assertEqual(code, 0)
        self.assertEqual(err.count("holdfast: error: backup 'broken'"), 1, err)

    def test_an_upload_that_hangs_is_aborted_at_the_deadline(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            store = testlib.Store("silent", "s3://bucket/x?endpoint=http://127.0.0.1:%d" % port,
                                  {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"})
            process = testlib.start(store, "agent", self.path("one"), "--stop-timeout", "1s",
                                    state=self.state)
            time.sleep(1)
            began = time.monotonic()
            code, err = self.stop(process)
            self.assertEqual(code, 0, err)
            self.assertLess(time.monotonic() - began, 20)
            self.assertIn("aborted", err)

    def test_a_killed_agent_loses_nothing_and_no_lock_is_stuck(self):
        for number in range(KILLS):
            self.insert("one", number)
            process = self.start(self.path("one"), self.path("two"), "--schedule", "1m")
            time.sleep(random.uniform(0, 0.3))
            process.send_signal(signal.SIGUSR1 if number % 2 else signal.SIGKILL)
            time.sleep(random.uniform(0, 0.05))
            process.kill()
            process.communicate()
            if number % 10 == 9 and self.backups("one"):
                self.assertEqual(self.call("verify", self.path("one"), "--read").code, 0)
        self.assertEqual(self.call("run", self.path("one"), "--all").code, 0)
        self.assertEqual(self.values("one"), list(range(KILLS)))
        self.assertEqual(self.call("verify", self.path("one"), "--read").code, 0)

    def test_bad_settings_end_it_before_it_begins(self):
        for args, text in (((), "no database"),
                           ((self.path("one"), "--schedule", "61 * * * *"), "minute field"),
                           ((self.path("one"), "--timezone", "Mars/Base"), "Mars/Base"),
                           ((self.path("one"), "--workers", "0"), "workers"),
                           ((self.path("one"), self.path("one")), "named twice")):
            result = self.call("agent", *args)
            self.assertEqual(result.code, 2, result)
            self.assertIn(text, result.err)


if __name__ == "__main__":
    unittest.main()
