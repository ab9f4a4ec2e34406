"""Goal: a clock that jumps an hour either way, and the night when summer time ends or begins,
neither lose a backup nor make one twice; after a jump, the next one is a slot away at most.

The real program, whose clock libfaketime sets while it runs.

usage: test_clock.py [unittest arguments]
"""
import datetime
import json
import os
import re
import sqlite3
import time
import unittest

import testlib

LEAD = 3.0  # seconds before the slot that the program is started at


def utc(text):
    return datetime.datetime.fromisoformat(text + "+00:00").timestamp()


class Scene:
    """An agent with a clock of its own, and one database."""

    def __init__(self, case, name, **settings):
        self.case = case
        self.directory = os.path.join(case.scratch / "", name)
        os.mkdir(self.directory)
        self.offset = os.path.join(self.directory, "offset")
        self.database = os.path.join(self.directory, "app.db")
        settings["keep-last"] = "10"  # or only one of an hour
        self.settings = [text for key, value in settings.items() for text in ("--" + key, value)]
        self.store = testlib.dir_store(os.path.join(self.directory, "store"))
        self.state = os.path.join(self.directory, "state")
        self.env = {"LD_PRELOAD": testlib.faketime(), "FAKETIME_TIMESTAMP_FILE": self.offset,
                    "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                    "NO_FAKE_STAT": "1",
                    "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0"}
        self.agent = None
        self.insert()

    def insert(self):
        connection = sqlite3.connect(self.database)
        connection.execute("CREATE TABLE IF NOT EXISTS t(x)")
        connection.execute("INSERT INTO t VALUES(1)")
        connection.commit()
        connection.close()

    def set_clock(self, now):
        with open(self.offset + ".new", "w") as file:
            file.write("%+.3f" % (now - time.time()))
        os.rename(self.offset + ".new", self.offset)

    def now(self):
        with open(self.offset) as file:
            return time.time() + float(file.read())

    def call(self, *args):
        return testlib.run(self.store, *args, self.database, *self.settings, state=self.state,
                           env=self.env)

    def start(self, now):
        """With a backup of that time behind it, and something new to back up."""
        self.set_clock(now)
        self.case.assertEqual(self.call("run", "--all").code, 0)
        self.insert()
        self.set_clock(now)
        self.agent = testlib.start(self.store, "agent", self.database, "--jitter", "0s",
                                   *self.settings, state=self.state, env=self.env)
        self.case.addCleanup(self.agent.communicate)
        self.case.addCleanup(self.agent.kill)

    def last_success(self):
        """In seconds since 1970."""
        result = self.call("status", "--json")
        text = json.loads(result.out)["databases"][0]["last_success"]
        return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()

    def expect(self, slot, within=30):
        """Another backup, within seconds of the slot and not before it."""
        def count():
            return len(testlib.backups(self.store, "app", state=self.state))
        testlib.wait_for(lambda: time.sleep(0.2) or count() > 1, seconds=60)
        self.case.assertEqual(count(), 2)
        self.case.assertGreaterEqual(self.last_success(), slot)
        self.case.assertLess(self.last_success() - slot, within)

    def end(self):
        """How many times it looked at the database in all, changed or not."""
        self.agent.terminate()
        _, err = self.agent.communicate(timeout=60)
        self.case.assertEqual(self.agent.returncode, 0, err)
        return len(re.findall("'app': (?:backup|nothing has changed)", err))


class Clock(unittest.TestCase):
    def setUp(self):
        self.scratch = testlib.Scratch()
        self.addCleanup(self.scratch.close)

    def test_put_forward_what_was_missed_is_made_up_for_once(self):
        scene = Scene(self, "forward", timezone="UTC")
        scene.start(utc("2026-03-10T11:00:00") - LEAD)
        time.sleep(1)
        scene.set_clock(scene.now() + 5 * 3600)
        scene.expect(utc("2026-03-10T16:00:00") - LEAD)
        time.sleep(2)
        self.assertEqual(scene.end(), 1)

    def test_put_back_the_next_slot_is_an_hour_away_at_most(self):
        scene = Scene(self, "back", timezone="UTC")
        scene.start(utc("2026-03-10T11:00:00") - LEAD)
        time.sleep(1)
        # By more than it still sleeps, or that slot is over when it looks at the clock.
        scene.set_clock(scene.now() - 3600 - LEAD)
        scene.expect(utc("2026-03-10T10:00:00"))
        self.assertEqual(scene.end(), 1)

    def test_the_night_when_summer_time_ends(self):
        hours = [(utc(slot), Scene(self, slot[11:13], timezone="Europe/Berlin"))
                 for slot in ("2026-10-25T00:00:00", "2026-10-25T01:00:00")]  # 02:00, and again
        daily = utc("2026-10-25T00:30:00")  # 02:30 for the first time
        once = Scene(self, "once", timezone="Europe/Berlin", schedule="30 2 * * *")
        scenes = hours + [(daily, once)]
        for slot, scene in scenes:
            scene.start(slot - LEAD)
        for slot, scene in scenes:
            scene.expect(slot)
        self.assertEqual([scene.end() for _, scene in scenes], [1, 1, 1])
        once.set_clock(daily + 3600 + 1)  # and for the second
        once.insert()
        lines = once.call("run", "--json").out
        self.assertEqual(json.loads(lines)["outcome"], "not due")

    def test_what_is_due_in_the_hour_that_does_not_exist_is_not_lost(self):
        scene = Scene(self, "gap", timezone="Europe/Berlin", schedule="30 2 * * *")
        scene.start(utc("2026-03-29T01:00:00") - LEAD)  # when 02:00 CET becomes 03:00 CEST
        scene.expect(utc("2026-03-29T01:00:00"))
        self.assertEqual(scene.end(), 1)


if __name__ == "__main__":
    unittest.main()
