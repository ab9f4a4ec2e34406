"""Goal: the agent takes a new configuration and new files without a restart, keeps what it has when
the new one is wrong, and tells systemd.

With a directory as the store; no server is needed.

usage: test_reload.py [unittest arguments]
"""
import json
import os
import signal
import socket
import sqlite3
import subprocess
import time
import unittest

import testlib

SLOW = "sleep 1.5"


class Reload(unittest.TestCase):
    def setUp(self):
        self.scratch = testlib.Scratch()
        self.addCleanup(self.scratch.close)
        self.store = testlib.dir_store(self.scratch / "store")
        self.state = self.scratch / "state"
        self.config = self.scratch / "holdfast.ini"
        self.data = self.scratch / "data"
        os.mkdir(self.data)

    def make(self, name, value=0):
        path = os.path.join(self.data, name)
        db = sqlite3.connect(path)
        db.execute("CREATE TABLE IF NOT EXISTS t(x)")
        db.execute("INSERT INTO t VALUES(?)", (value,))
        db.commit()
        db.close()
        return path

    def write(self, *sections, agent=""):
        with open(self.config, "w") as file:
            file.write("[store]\nurl = %s\n[agent]\n%s\n[backup]\nschedule = @daily\n"
                       "[retention]\nkeep_last = 9\n" % (
                self.store.url, agent))
            for name, path in sections:
                file.write("[database:%s]\npath = %s\n" % (name, path))

    def environment(self, **extra):
        return testlib.environment(self.store, HOLDFAST_STATE_DIR=self.state,
                                   HOLDFAST_CONFIG=self.config, **extra)

    def start(self, *args, **extra):
        process = subprocess.Popen([testlib.HOLDFAST, *args], env=self.environment(**extra),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.communicate)
        self.addCleanup(lambda: process.poll() is None and process.kill())
        return process

    def stop(self, process, number=signal.SIGTERM):
        if number:
            process.send_signal(number)
        out, err = process.communicate(timeout=60)
        return testlib.Result(process, out, err)

    def call(self, *args):
        return self.stop(self.start(*args), None)

    def count(self, name):
        result = self.call("list", name, "--store", self.store.url, "--json", "-c", "/dev/null")
        return len(json.loads(result.out)["backups"]) if result.code == 0 else 0

    def wait_for_line(self, process, text):
        line = process.stderr.readline()
        while line and text not in line:
            line = process.stderr.readline()
        self.assertIn(text, line)
        return line

    def test_sighup_takes_the_new_configuration(self):
        one, two = self.make("one.db"), self.make("two.db")
        self.write(("one", one))
        process = self.start("agent", "--jitter", "0s")
        testlib.wait_for(lambda: self.count("one"))
        self.write(("one", one), ("two", two))
        process.send_signal(signal.SIGHUP)
        testlib.wait_for(lambda: self.count("two"))
        self.assertEqual(self.count("one"), 1)  # it was not due again
        self.write(("two", two))
        process.send_signal(signal.SIGHUP)
        for _ in range(3):
            self.wait_for_line(process, " databases, ")
        self.make("one.db", 1)
        self.make("two.db", 1)
        process.send_signal(signal.SIGUSR1)
        testlib.wait_for(lambda: self.count("two") == 2)
        self.assertEqual(self.stop(process).code, 0)
        self.assertEqual(self.count("one"), 1)

    def test_a_bad_configuration_changes_nothing_and_is_told(self):
        one = self.make("one.db")
        self.write(("one", one))
        process = self.start("agent", "--jitter", "0s")
        testlib.wait_for(lambda: self.count("one"))
        unscheduled = "[backup]\nschedule = never\n[database:one]\npath = %s\n" % one
        for text, said in (("[stor]\n", "stor"), (unscheduled, "schedule"),
                           ("[store]\nurl = file:///x\n", "no database")):
            with open(self.config, "w") as file:
                file.write(text)
            process.send_signal(signal.SIGHUP)
            self.assertIn(said, self.wait_for_line(process, "the configuration stays as it was"))
        self.make("one.db", 1)
        process.send_signal(signal.SIGUSR1)
        testlib.wait_for(lambda: self.count("one") == 2)
        result = self.stop(process)
        self.assertEqual(result.code, 0, result)

    def test_a_backup_under_way_ends_as_it_began_and_is_not_joined_by_another(self):
        one = self.make("one.db")
        self.write(("one", one))
        with open(self.config, "a") as file:
            file.write("before = %s\n" % SLOW)
        process = self.start("agent", "--jitter", "0s", "--final-backup", "yes")
        time.sleep(0.7)
        other = testlib.dir_store(self.scratch / "other")
        with open(self.config, "w") as file:
            file.write("[store]\nurl = %s\n[database:one]\npath = %s\n" % (other.url, one))
        process.send_signal(signal.SIGHUP)
        testlib.wait_for(lambda: self.count("one"))
        result = self.stop(process)
        self.assertEqual(result.code, 0, result)
        self.assertEqual(len(testlib.backups(other, one, state=self.state)), 1)
        self.assertNotIn("at work", result.err)

    def hear(self, listener, seconds=30):
        listener.settimeout(seconds)
        return listener.recv(4096).decode().split("\n")

    def test_systemd_is_told(self):
        self.write(("one", self.make("one.db")))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            listener.bind(self.scratch / "notify")
            process = self.start("agent", NOTIFY_SOCKET=self.scratch / "notify",
                                 WATCHDOG_USEC="1000000")
            self.assertEqual(self.hear(listener), ["READY=1", "STATUS=1 databases"])
            for _ in range(3):
                began = time.monotonic()
                self.assertEqual(self.hear(listener), ["WATCHDOG=1"])
                self.assertLess(time.monotonic() - began, 0.9)
            process.send_signal(signal.SIGHUP)
            lines = self.hear(listener)
            while lines == ["WATCHDOG=1"]:
                lines = self.hear(listener)
            self.assertEqual(lines[0], "RELOADING=1")
            now = time.clock_gettime(time.CLOCK_MONOTONIC) * 1e6
            self.assertAlmostEqual(int(lines[1].removeprefix("MONOTONIC_USEC=")), now, delta=1e7)
            self.assertEqual(self.hear(listener), ["READY=1", "STATUS=1 databases"])
            process.send_signal(signal.SIGTERM)
            while lines[0] != "STOPPING=1":
                lines = self.hear(listener)
            self.assertEqual(self.stop(process, None).code, 0)

    def test_exec_tells_systemd_when_the_program_has_started(self):
        self.write(("one", self.make("one.db")))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            listener.bind(self.scratch / "notify")
            process = self.start("exec", "--", "touch", self.scratch / "started",
                                 NOTIFY_SOCKET=self.scratch / "notify")
            self.assertEqual(self.hear(listener)[0], "READY=1")
            self.assertEqual(self.hear(listener)[0], "STOPPING=1")
            self.assertEqual(self.stop(process, None).code, 0)
            process = self.start("exec", "--", "/nonexistent",
                                 NOTIFY_SOCKET=self.scratch / "notify")
            self.assertEqual(self.stop(process, None).code, 127)
            self.assertRaises(TimeoutError, self.hear, listener, 0.1)

    def test_files_come_and_go(self):
        self.make("one.db")
        with open(os.path.join(self.data, "none.db"), "w") as file:
            file.write("this is no database at all")
        open(os.path.join(self.data, "empty.db"), "w").close()
        os.mkdir(os.path.join(self.data, "dir.db"))
        self.write(("tenants", self.data + "/*.db"))
        process = self.start("agent", "--jitter", "0s", "--final-backup", "yes")
        testlib.wait_for(lambda: self.count("one"))
        self.make("two.db")
        testlib.wait_for(lambda: self.count("two"))
        os.unlink(os.path.join(self.data, "one.db"))
        self.make("last.db")  # only the end will see it
        result = self.stop(process)
        self.assertEqual(result.code, 0, result)
        self.assertEqual([self.count(n) for n in ("one", "two", "last")], [1, 1, 1])
        self.assertNotIn("error", result.err)
        for name in ("none", "empty", "dir", "tenants"):
            self.assertEqual(self.count(name), 0)

    def test_a_pattern_gives_its_settings_and_a_section_of_a_files_own_comes_first(self):
        for name in ("a", "b"):
            self.make(name + ".db")
        other = testlib.dir_store(self.scratch / "other")
        self.write(("special", self.data + "/b.db"), ("all", self.data + "/*.db"))
        with open(self.config, "a") as file:
            file.write("url = %s\n" % other.url)
        result = self.call("run")
        self.assertEqual(result.code, 0, result)
        self.assertEqual(os.listdir(self.scratch / "store"), ["special"])
        self.assertEqual(os.listdir(self.scratch / "other"), ["a"])
        self.make("a.db", 1)
        self.assertEqual(self.call("create", self.data + "/a.db").code, 0)
        self.assertEqual(len(os.listdir(self.scratch / "other" + "/a/packs")), 2)
        result = self.call("verify", "--json")
        self.assertEqual((result.code, result.err), (0, ""), result)
        self.assertEqual(result.out.count('"verified"'), 2, result)  # special and a
        result = self.call("doctor")
        self.assertIn(self.data + "/a.db", result.out + result.err)
        self.assertEqual(self.call("run", "--all", self.data + "/?.db").code, 0)
        self.assertEqual(sorted(os.listdir(self.scratch / "store")), ["a", "b", "special"])

    def test_two_files_of_one_name_are_an_error_that_names_both(self):
        os.mkdir(self.data + "/x")
        os.mkdir(self.data + "/y")
        self.make("x/app.db")
        self.make("y/app.db")
        self.write(("all", self.data + "/*/app.db"))
        result = self.call("run")
        self.assertEqual(result.code, 2, result)
        for name in ("x/app.db", "y/app.db"):
            self.assertIn(self.data + "/" + name, result.err)


if __name__ == "__main__":
    unittest.main(verbosity=2)
