"""Goal: a disk that is full keeps back only what needs it: the other databases and stores go on,
the agent says the truth about each, and all is well as soon as there is room.

usage: test_full_disk.py      (mounts small file systems, in a mount namespace of its own)
"""
import json
import os
import signal
import sqlite3
import subprocess
import sys
import unittest
import urllib.error
import urllib.request

import testlib

NAMES = ["db%d" % i for i in range(6)]
ROWS = 600


class FullDisk(unittest.TestCase):
    def setUp(self):
        self.scratch = testlib.Scratch()
        self.addCleanup(self.scratch.close)
        self.state = self.scratch / "state"
        self.hashes, self.agent = {}, None
        for name in NAMES:
            db = sqlite3.connect(self.path(name))
            with db:
                db.execute("CREATE TABLE t(x)")
            db.close()
        self.change()
        with open(self.scratch / "holdfast.ini", "w") as file:
            for store in ("good", "small"):
                file.write("[store:%s]\nurl = file://%s\n" % (store, self.scratch / store))
            for name in NAMES:
                file.write("[database:%s]\npath = %s\n" % (name, self.path(name)))
            file.write("[backup]\nschedule = 0 0 1 1 *\n[agent]\njitter = 0s\n")

    def path(self, name):
        return self.scratch / (name + ".db")

    def change(self):
        """Something that does not compress, in each."""
        for name in NAMES:
            db = sqlite3.connect(self.path(name))
            with db:
                db.executemany("INSERT INTO t VALUES(?)",
                               [(os.urandom(900),) for _ in range(ROWS)])
            db.close()
            self.hashes[name] = testlib.content_hash(self.path(name))

    def mount(self, directory, size):
        os.makedirs(directory, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=" + size, "tmpfs", directory],
                       check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", directory], check=True)

    def fill(self, directory):
        """To the last byte."""
        path = os.path.join(directory, "filler")
        with open(path, "ab", buffering=0) as file:
            for size in (1 << 20, 4096, 1):
                try:
                    while file.write(bytes(size)):
                        pass
                except OSError:
                    pass
        return path

    def call(self, *args, **options):
        return testlib.run(None, *args, "-c", self.scratch / "holdfast.ini", state=self.state,
                           **options)

    def start(self):
        self.agent = testlib.start(None, "agent", "-c", self.scratch / "holdfast.ini", "--listen",
                                   "127.0.0.1:0", state=self.state)
        self.addCleanup(testlib.end, self.agent)
        for line in self.agent.stderr:
            if "http://" in line:
                self.url = "http://" + line.split("http://")[1].split()[0].strip("'\"/")
                break

    def ask(self, path):
        try:
            with urllib.request.urlopen(self.url + path, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metric(self, name):
        """(database, store) -> value."""
        found = {}
        for line in self.ask("/metrics")[1].splitlines():
            if line.startswith(name + "{"):
                labels = dict(item.split("=", 1) for item in
                              line.split("{")[1].split("}")[0].split(","))
                found[labels["database"].strip('"'), labels["store"].strip('"')] = float(
                    line.rsplit(" ", 1)[1])
        return found

    def attempts_since(self, before):
        now = self.metric("holdfast_last_attempt_timestamp_seconds")
        return len(now) == 2 * len(NAMES) and all(now[key] > before.get(key, 0) for key in now)

    def again(self):
        before = self.metric("holdfast_last_attempt_timestamp_seconds")
        self.agent.send_signal(signal.SIGUSR1)
        testlib.wait_for(lambda: self.attempts_since(before), 60)

    def listed(self, store):
        """Databases whose newest backup there is as they are now; each that is listed restores."""
        found = set()
        for name in NAMES:
            for index, backup in enumerate(json.loads(
                    self.call("list", name, "--store", "file://" + self.scratch / store,
                              "--json").out or '{"backups": []}')["backups"]):
                copy = self.scratch / "copy.db"
                result = self.call("download", name, backup["id"], "-o", copy, "--force",
                                   "--store", "file://" + self.scratch / store)
                self.assertEqual(result.code, 0, result)
                if index == 0 and testlib.content_hash(copy) == self.hashes[name]:
                    found.add(name)
        return found

    def test_a_store_that_is_full(self):
        self.mount(self.scratch / "small", "2m")
        self.start()
        testlib.wait_for(lambda: self.attempts_since({}), 60)
        self.assertEqual(self.listed("good"), set(NAMES))
        held = self.listed("small")
        self.assertTrue(0 < len(held) < len(NAMES), held)  # the room is for some of them
        status, text = self.ask("/healthz")
        self.assertEqual(status, 503)
        for name in NAMES:
            self.assertEqual("%s in small: " % name in text, name not in held, text)
            self.assertNotIn("%s in good: " % name, text)
        self.assertIn("No space left", text)
        successes = self.metric("holdfast_last_success_timestamp_seconds")
        self.assertEqual({key for key, value in successes.items() if value > 0},
                         {(n, "good") for n in NAMES} | {(n, "small") for n in held})
        self.assertEqual(self.call("health").code, 3)

        self.fill(self.scratch / "small")
        self.change()
        self.again()
        self.assertEqual(self.listed("good"), set(NAMES))
        self.assertEqual(self.listed("small"), set())  # those from before restore, which it checked

        subprocess.run(["mount", "-o", "remount,size=64m", self.scratch / "small"], check=True)
        self.again()
        self.assertEqual(self.listed("small"), set(NAMES))
        self.assertEqual(self.ask("/healthz")[0], 200)
        self.assertEqual(self.call("health").code, 0)
        for name in NAMES:
            packs = os.listdir(os.path.join(self.scratch / "small", name, "packs"))
            self.assertFalse([pack for pack in packs if not pack.endswith(".zst")], packs)

    def test_a_state_directory_that_is_full(self):
        self.mount(self.state, "400k")
        self.start()
        testlib.wait_for(lambda: self.attempts_since({}), 60)
        filler = self.fill(self.state)
        self.change()
        self.again()
        self.assertEqual(self.listed("good") & self.listed("small"), set(NAMES))
        self.assertEqual(self.ask("/healthz")[0], 200)  # it remembers by itself
        doctor = self.call("doctor", self.path("db0"))
        self.assertIn(doctor.code, (0, 3), doctor)
        self.assertRegex(doctor.out, "(warning|failure) +state (space|directory)")
        self.agent.send_signal(signal.SIGTERM)
        _, err = self.agent.communicate(timeout=60)
        self.assertEqual(self.agent.returncode, 0, err)
        self.assertIn("No space left on device", err)

        os.unlink(filler)
        self.change()
        result = self.call("run", "--all")  # what the state says is old: it is not trusted
        self.assertEqual(result.code, 0, result)
        self.assertEqual(self.listed("good") & self.listed("small"), set(NAMES))
        self.assertEqual(self.call("health").code, 0)

    def test_no_room_for_what_waits_to_be_sent(self):
        spool = self.scratch / "spool"
        self.mount(spool, "100k")
        self.fill(spool)
        result = self.call("run", "--all", env={"HOLDFAST_SPOOL_DIR": spool, "TMPDIR": spool})
        self.assertEqual(result.code, 0, result)  # small ones wait in memory
        self.assertEqual(self.listed("good"), set(NAMES))
        self.assertEqual(os.listdir(spool), ["filler"])


if __name__ == "__main__":
    if os.environ.get("HOLDFAST_TEST_NAMESPACE") is None:
        command = ["unshare", "--mount", sys.executable, *sys.argv]
        os.environ["HOLDFAST_TEST_NAMESPACE"] = "own"
        os.execvp(command[0], command)
    unittest.main(verbosity=2)
