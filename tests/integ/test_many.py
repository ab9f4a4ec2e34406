"""Goal: hundreds of databases in one agent cost little: no descriptor a database, bounded memory,
no time while nothing is due; and one that is broken, or whose store is down, keeps none back.

usage: test_many.py COUNT SECONDS [STORES]     SECONDS: that it is watched doing nothing
                                                STORES: 2, that each is in; default: 1
"""
import json
import os
import re
import shutil
import signal
import sqlite3
import sys
import time
import unittest

import testlib

TICKS = os.sysconf("SC_CLK_TCK")
RSS_KIB_MAX = 48 * 1024
DESCRIPTORS_MAX = 40


class Process:
    """What the kernel knows of one."""

    def __init__(self, pid):
        self.directory = "/proc/%d" % pid

    def cpu_ticks(self):
        with open(self.directory + "/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    def descriptors(self):
        return len(os.listdir(self.directory + "/fd"))

    def rss_kib(self, key="VmRSS:"):
        with open(self.directory + "/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith(key))


def is_sanitized(program):  # its shadow memory counts as the process's
    with open(program, "rb") as file:
        return re.search(rb"__[at]san_init", file.read()) is not None


class Many(unittest.TestCase):
    def setUp(self):
        self.scratch = testlib.Scratch()
        self.addCleanup(self.scratch.close)
        self.store = testlib.dir_store(self.scratch / "store")
        self.state = self.scratch / "state"
        self.names = ["db%04d" % i for i in range(COUNT)]
        self.bad = {"db0000": "broken", "db0001": "store down"}
        template = self.scratch / "template"
        connection = sqlite3.connect(template)
        connection.execute("CREATE TABLE t(x)")
        connection.execute("INSERT INTO t VALUES('here')")
        connection.commit()
        connection.close()
        with open(self.scratch / "holdfast.ini", "w") as file:
            for name in self.names:
                shutil.copyfile(template, self.path(name))
                file.write("[database:%s]\npath = %s\n" % (name, self.path(name)))
                if self.bad.get(name) == "store down":
                    file.write("url = s3://b/p?endpoint=http://127.0.0.1:1\nattempts = 1\n"
                               "access_key_id = k\nsecret_access_key = s\n")
        with open(self.path("db0000"), "w") as file:
            file.write("no database" * 1000)

    def path(self, name):
        return self.scratch / (name + ".db")

    def call(self, *args):
        return testlib.run(None, *args, "-c", self.scratch / "holdfast.ini", state=self.state)

    def start(self):
        # Not by --store, which would count more than the section of the one whose store is down.
        with open(self.scratch / "holdfast.ini", "a") as file:
            file.write("[store]\nurl = %s\n[agent]\njitter = 0s\n" % self.store.url)
            if STORES > 1:
                file.write("[store:second]\nurl = file://%s\n" % (self.scratch / "second"))
            file.write("[backup]\nschedule = 0 0 1 1 *\ntimezone = UTC\n")
        process = testlib.start(None, "agent", "-c", self.scratch / "holdfast.ini",
                                "--log", "error",  # a pipe that nobody reads would fill
                                state=self.state)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def written(self):
        """When it was last written down how each went, in ns; 0: never."""
        folders = list(self.names)
        if STORES > 1:  # the one whose store is down has an address of its own, and no other
            folders += [".stores/second/" + name for name in self.names
                        if self.bad.get(name) != "store down"]
        paths = [os.path.join(self.state, folder, "status.json") for folder in folders]
        return [os.stat(path).st_mtime_ns if os.path.exists(path) else 0 for path in paths]

    def test_they_are_no_burden(self):
        agent = self.start()
        began = time.monotonic()
        self.wait(lambda: all(self.written()))
        seconds = time.monotonic() - began
        process = Process(agent.pid)
        descriptors = process.descriptors()
        rss, peak = process.rss_kib(), process.rss_kib("VmHWM:")

        time.sleep(0.5)  # the last ones may still end
        before = process.cpu_ticks()
        time.sleep(IDLE_SECONDS)
        ticks = process.cpu_ticks() - before
        print("%d in %.1f s; %d descriptors, %d KiB, %d KiB at most; %d ms of CPU in %g s idle"
              % (COUNT, seconds, descriptors, rss, peak, ticks * 1000 // TICKS, IDLE_SECONDS))
        self.assertLess(descriptors, DESCRIPTORS_MAX)
        # One tick is what a thread that is woken may be charged with by chance.
        self.assertLessEqual(ticks, 1)
        if not is_sanitized(testlib.HOLDFAST):
            self.assertLess(peak, RSS_KIB_MAX)

        began, last = time.time(), max(self.written())
        agent.send_signal(signal.SIGUSR1)  # nothing has changed; each is looked at all the same
        self.wait(lambda: min(self.written()) > last)
        print("again in %.1f s" % (time.time() - began))
        self.assertLess(process.descriptors(), DESCRIPTORS_MAX)

        health = self.call("health")
        self.assertEqual(health.code, 3, health)
        self.assertIn("%d of %d" % (len(self.bad) + STORES - 1, COUNT * STORES - STORES + 1),
                      health.err)
        status = json.loads(self.call("status", "--json").out)["databases"]
        self.assertEqual({s["database"] for s in status if s["failures"] > 0}, set(self.bad))
        self.assertEqual({s["database"] for s in status if s["last_success"] is None},
                         set(self.bad))

        agent.send_signal(signal.SIGTERM)
        _, err = agent.communicate(timeout=30)
        self.assertEqual(agent.returncode, 0, err[-2000:])

    def wait(self, what):
        testlib.wait_for(what, seconds=120)


if __name__ == "__main__":
    COUNT, IDLE_SECONDS = int(sys.argv[1]), float(sys.argv[2])
    STORES = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    unittest.main(argv=sys.argv[:1])
