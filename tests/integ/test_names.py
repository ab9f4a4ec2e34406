"""Goal: name servers that never answer keep nobody waiting for longer than a server that does not:
a backup ends when it should, a watcher that cannot be told delays it little, and a stop is at once.

usage: test_names.py      (a network of its own, whose one name server takes questions, and is
                           silent)
"""
import os
import signal
import socket
import subprocess
import sys
import time
import unittest

import testlib

S3 = testlib.Store("s3", "s3://bucket/p?endpoint=https://s3.example.com",
                   {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"})
CONNECT, NOTIFY = 10, 10  # seconds: for a connection, and as docs/monitoring.md has it


class Names(unittest.TestCase):
    def setUp(self):
        self.scratch = testlib.Scratch()
        self.addCleanup(self.scratch.close)
        self.state = self.scratch / "state"
        self.path = self.scratch / "app.db"
        testlib.make_database(self.path)
        self.began = time.monotonic()

    def took(self):
        return time.monotonic() - self.began

    def test_a_backup_ends_in_time_and_says_why(self):
        result = testlib.run(S3, "create", self.path, "--attempts", "1", state=self.state)
        self.assertLess(self.took(), CONNECT + 5)
        self.assertEqual(result.code, 1, result)
        self.assertIn("no name server tells the address of 's3.example.com'", result.err)
        self.assertIn("resolv.conf", result.err)

    def test_a_watcher_is_not_waited_for_longer_than_ever(self):
        store = testlib.dir_store(self.scratch / "store")
        result = testlib.run(store, "run", self.path, state=self.state, env={
            "HOLDFAST_PING_URL": "https://ping.example.com/secret",
            "HOLDFAST_WEBHOOK_URL": "https://hook.example.com/secret"})
        self.assertLess(self.took(), NOTIFY + 3)
        self.assertEqual(result.code, 0, result)
        self.assertIn("ping_url was not delivered", result.err)
        self.assertNotIn("secret", result.err)
        self.assertEqual(len(testlib.backups(store, "app")), 1)

    def test_the_second_signal_to_stop_counts_at_once(self):
        process = testlib.start(S3, "agent", self.path, state=self.state)
        self.addCleanup(testlib.end, process)
        time.sleep(2)  # it has asked by now
        self.began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        self.assertLess(self.took(), 3)


def isolate():
    """A network, and a file /etc/resolv.conf, that nobody else sees."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    scratch = testlib.Scratch()
    with open(scratch / "resolv.conf", "w") as file:
        file.write("nameserver 127.0.0.1\n")
    subprocess.run(["mount", "--bind", scratch / "resolv.conf", "/etc/resolv.conf"], check=True)
    return server, scratch


if __name__ == "__main__":
    if os.environ.get("HOLDFAST_TEST_NAMESPACE") is None:
        os.environ["HOLDFAST_TEST_NAMESPACE"] = "own"
        os.execvp("unshare", ["unshare", "--mount", "--net", sys.executable, *sys.argv])
    SERVER, SCRATCH = isolate()
    try:
        unittest.main(verbosity=2)
    finally:
        SCRATCH.close()
