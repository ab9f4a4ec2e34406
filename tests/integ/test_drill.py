"""Goal: a restore drill really restores, says what it found wherever somebody looks, and leaves
nothing behind, killed or not.

With a directory as the store; no server is needed.

usage: test_drill.py [unittest arguments]
"""
import contextlib
import glob
import json
import os
import signal
import sqlite3
import stat
import time
import unittest

import testlib

DAILY = ("--verify-cron", "0 4 * * *")


class Drill(unittest.TestCase):
    def setUp(self):
        self.scratch = testlib.Scratch()
        self.addCleanup(self.scratch.close)
        self.store = testlib.dir_store(self.scratch / "store")
        self.state = self.scratch / "state"
        self.dir = self.scratch / "trial"
        self.path = self.scratch / "app.db"
        testlib.make_database(self.path, size=1 << 20)

    def call(self, *args, **options):
        return testlib.run(self.store, *args, state=self.state, **options)

    def run_drill(self, *args):
        return self.call("run", self.path, *DAILY, "--verify-dir", self.dir, *args)

    def status(self):
        return json.loads(self.call("status", self.path, "--json", *DAILY).out)["databases"][0]

    def newest(self):
        return json.loads(self.call("list", self.path, "--json").out)["backups"][0]

    def pack(self):
        return os.path.join(self.scratch / "store", "app", "packs", self.newest()["id"] + ".zst")

    def damage(self):
        with open(self.pack(), "r+b") as file:
            file.seek(os.path.getsize(self.pack()) // 2)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 0x10]))

    def forget_drills(self):
        os.unlink(os.path.join(self.state, "app", "drill.json"))

    def restoring(self, besides):
        """What a drill is writing, in a directory of its own."""
        for path in glob.glob(self.dir + "/holdfast-scratch-*/*"):
            with contextlib.suppress(FileNotFoundError):
                if os.path.dirname(path) not in besides and os.path.getsize(path) > 0:
                    return True
        return False

    def start_until_it_restores(self, command, besides=()):
        """A drill takes a moment, which is over before a busy machine has looked: once more then.
        """
        drilled = os.path.join(self.state, "app", "drill.json")
        for _ in range(20):
            process = testlib.start(self.store, command, self.path, *DAILY, "--verify-dir",
                                    self.dir, state=self.state)
            self.addCleanup(testlib.end, process)
            while not os.path.exists(drilled) and process.poll() is None:
                if self.restoring(besides):
                    return process
            testlib.end(process)
            self.forget_drills()
        self.fail("no drill was seen restoring")

    def test_run_drills_what_is_due_and_writes_down_what_it_took(self):
        result = self.run_drill("--json")
        self.assertEqual(result.code, 0, result)
        outcomes = [json.loads(line)["outcome"] for line in result.out.splitlines()]
        self.assertEqual(outcomes, ["backed up", "verified"])
        status = self.status()
        self.assertEqual(status["verified_backup"], self.newest()["id"])
        self.assertGreater(status["restore_ms"], 0)
        self.assertEqual(status["drill_failures"], 0)
        self.assertIsNotNone(status["verified_at"])
        self.assertRegex(status["next_drill"], "^[-0-9]+T.*Z$")
        self.assertIsNotNone(self.newest()["verified_at"])
        self.assertIn("restored in", self.call("status", self.path).out)
        self.assertEqual(os.listdir(self.dir), [])
        again = [json.loads(line)["outcome"] for line in self.run_drill("--json").out.splitlines()]
        self.assertEqual(again, ["not due"])

    def test_without_a_schedule_there_is_no_drill(self):
        self.assertEqual(self.call("run", self.path).code, 0)
        self.assertIsNone(self.newest()["verified_at"])
        self.assertIsNone(self.status()["verified_at"])

    def test_damage_in_the_store_is_said_by_everything_that_reports(self):
        self.assertEqual(self.run_drill().code, 0)
        verified = self.status()["verified_at"]
        self.damage()
        self.forget_drills()
        result = self.run_drill()
        self.assertEqual(result.code, 3, result)
        self.assertIn("does not restore", result.err)
        status = self.status()
        self.assertEqual(status["drill_failures"], 1)
        self.assertIn("frame", status["drill_error"])
        self.assertEqual(status["failures"], 0)
        self.assertIsNotNone(verified)
        self.assertEqual(self.newest()["state"], "damaged")
        health = self.call("health", self.path)
        self.assertEqual(health.code, 3)
        self.assertIn("restore drill failed", health.err)
        self.assertIn("RESTORE DRILL FAILED", self.call("status", self.path).out)
        self.assertEqual(os.listdir(self.dir), [])
        # What is damaged is not fetched again and again, but at the next time; a good one mends it.
        self.assertEqual(self.run_drill().code, 0)
        self.assertEqual(self.call("create", self.path, "--full").code, 0)
        self.forget_drills()
        self.assertEqual(self.run_drill().code, 0)
        self.assertEqual(self.call("health", self.path).code, 0)

    def test_a_verification_by_hand_ends_the_alarm_of_a_failed_drill(self):
        self.assertEqual(self.run_drill().code, 0)
        self.damage()
        self.forget_drills()
        self.assertEqual(self.run_drill().code, 3)
        self.assertEqual(self.call("verify", self.path, "--restore").code, 13)
        self.assertEqual(self.call("health", self.path).code, 3)
        self.damage()  # the same bit once more: it is whole again
        self.assertEqual(self.call("verify", self.path, "--read").code, 0)
        self.assertEqual(self.call("health", self.path).code, 3)  # nothing was restored yet
        self.assertEqual(self.call("verify", self.path, "--restore").code, 0)
        self.assertEqual(self.call("health", self.path).code, 0)
        self.assertIsNone(self.status()["drill_error"])

    def test_a_store_that_is_away_is_tried_again_and_no_verdict(self):
        self.assertEqual(self.run_drill().code, 0)
        self.forget_drills()
        os.rename(self.pack(), self.pack() + ".away")
        self.assertEqual(self.run_drill().code, 3)
        os.rename(self.pack() + ".away", self.pack())
        self.forget_drills()
        self.assertEqual(self.run_drill().code, 0)

    def test_the_last_backup_that_was_verified_is_kept(self):
        self.assertEqual(self.run_drill().code, 0)
        verified = self.newest()["id"]
        for number in range(3):
            with sqlite3.connect(self.path) as db:
                db.execute("INSERT INTO journal(note) VALUES(?)", (str(number),))
            self.assertEqual(self.call("run", self.path, "--all", "--keep-last", "1").code, 0)
        left = [b["id"] for b in json.loads(self.call("list", self.path, "--json").out)["backups"]]
        self.assertEqual(len(left), 2)
        self.assertIn(verified, left)

    def test_what_a_killed_drill_left_is_removed_by_the_next_one_and_nothing_else(self):
        other = os.path.join(self.dir, "holdfast-scratch-others")
        os.makedirs(other)
        with open(os.path.join(other, "x"), "w") as file:
            file.write("left by a kill")
        keep = os.path.join(self.dir, "app-data")
        os.makedirs(keep)
        testlib.make_database(self.path + "2", size=24 << 20)
        os.rename(self.path + "2", self.path)
        self.assertEqual(self.call("run", self.path).code, 0)
        process = self.start_until_it_restores("run", besides=(other,))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        left = glob.glob(self.dir + "/holdfast-scratch-*")
        self.assertEqual(len(left), 1)  # "others" was removed by that one
        self.assertEqual(stat.S_IMODE(os.stat(left[0]).st_mode), 0o700)
        self.assertEqual(self.run_drill().code, 0)
        self.assertEqual(os.listdir(self.dir), ["app-data"])

    def test_the_agent_drills_at_its_times_and_tells_of_it(self):
        self.assertEqual(self.call("run", self.path).code, 0)
        process = testlib.start(self.store, "agent", self.path, "--verify-cron", "* * * * *",
                                "--jitter", "0s", "--verify-dir", self.dir, state=self.state)
        self.addCleanup(testlib.end, process)
        testlib.wait_for(lambda: self.status()["verified_at"] is not None, seconds=30)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, err)
        self.assertIn("restore drill of backup", err)
        self.assertEqual(os.listdir(self.dir), [])

    def test_a_drill_under_way_does_not_delay_the_end(self):
        testlib.make_database(self.path + "2", size=48 << 20)
        os.rename(self.path + "2", self.path)
        self.assertEqual(self.call("run", self.path).code, 0)
        process = self.start_until_it_restores("agent")
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, err)
        self.assertLess(time.monotonic() - began, 10)
        self.assertEqual(os.listdir(self.dir), [])

    def test_a_schedule_that_is_none_is_refused(self):
        result = self.call("run", self.path, "--verify-cron", "61 * * * *")
        self.assertEqual(result.code, 2)
        self.assertIn("[verify]", result.err)


if __name__ == "__main__":
    unittest.main(verbosity=2)
