"""Goal: commands run around each backup, know the facts, can call it off, and cannot do it harm.

With a directory as the store; no server is needed.

usage: test_hooks.py [unittest arguments]
"""
import json
import os
import signal
import time
import unittest

import testlib

FACTS = ("HOOK", "DATABASE", "PATH", "OUTCOME", "BACKUP_ID", "STORED_BYTES", "SIZE", "DURATION_MS",
         "ERROR", "SHRUNK")


class Hooks(unittest.TestCase):
    def setUp(self):
        self.scratch = testlib.Scratch()
        self.addCleanup(self.scratch.close)
        self.store = testlib.dir_store(self.scratch / "store")
        self.state = self.scratch / "state"
        self.path = self.scratch / "it's a db.sqlite3"
        testlib.make_database(self.path)
        self.notes = self.scratch / "notes"
        self.script("note", "env >> '%s'; echo =end= >> '%s'" % (self.notes, self.notes))

    def script(self, name, text):
        path = self.scratch / name
        with open(path, "w") as file:
            file.write("#!/bin/sh\n" + text + "\n")
        os.chmod(path, 0o755)
        return path

    def configure(self, **keys):
        self.config = self.scratch / "holdfast.ini"
        with open(self.config, "w") as file:
            file.write("[database:app]\npath = %s\n" % self.path)
            for key, value in keys.items():
                file.write("%s = %s\n" % (key, value))

    def run_pass(self, *flags, **options):
        return testlib.run(self.store, "run", "-c", self.config, "--all", *flags, state=self.state,
                           **options)

    def facts(self):
        """Of each hook that took notes."""
        with open(self.notes) as file:
            blocks = file.read().split("=end=\n")[:-1]
        found = []
        for block in blocks:
            pairs = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
            found.append({f: pairs["HOLDFAST_" + f] for f in FACTS if "HOLDFAST_" + f in pairs})
            self.assertNotIn(testlib.SECRET_MARK, block)
        return found

    def backups(self):
        result = testlib.run(self.store, "list", "app", "--json", state=self.state)
        return json.loads(result.out)["backups"] if result.code == 0 else []

    def test_both_know_the_facts_and_no_secret(self):
        note = self.scratch / "note"
        self.configure(before=note, after=note)
        secrets = {"AWS_SECRET_ACCESS_KEY": testlib.SECRET_MARK,
                   "HOLDFAST_SESSION_TOKEN": testlib.SECRET_MARK}
        for outcome in ("backed-up", "unchanged"):
            def was_seen():
                self.assertEqual(self.run_pass(env=secrets).code, 0)
                return self.facts()[-1]["OUTCOME"] == outcome
            testlib.wait_for(was_seen)  # the time stamps of a new file are not believed at once
            before, after = self.facts()[-2:]
            self.assertEqual(before, {"HOOK": "before", "DATABASE": "app", "PATH": self.path})
            newest = self.backups()[0]
            self.assertGreaterEqual(int(after.pop("DURATION_MS")), 0)
            self.assertEqual(after, {"HOOK": "after", "DATABASE": "app", "PATH": self.path,
                                     "OUTCOME": outcome, "BACKUP_ID": newest["id"],
                                     "STORED_BYTES": str(newest["stored_bytes"]),
                                     "SIZE": str(newest["size"])})

    def test_a_failing_before_calls_the_backup_off_and_after_comes_all_the_same(self):
        self.configure(before="echo not now; exit 5", after=self.scratch / "note")
        result = self.run_pass("--log", "info")
        self.assertEqual(result.code, 3)
        self.assertIn("before: it ended with status 5", result.err)
        self.assertIn("'app': before: not now", result.err)
        self.assertEqual(self.backups(), [])
        after, = self.facts()
        self.assertEqual(after["OUTCOME"], "failed")
        self.assertIn("status 5", after["ERROR"])
        self.assertNotIn("BACKUP_ID", after)
        status = json.loads(testlib.run(self.store, "status", "-c", self.config, "--json",
                                        state=self.state).out)["databases"][0]
        self.assertIn("before", status["error"])

    def test_a_failing_after_is_a_warning(self):
        self.configure(after="exit 1")
        result = self.run_pass()
        self.assertEqual(result.code, 0)
        self.assertIn("warning: 'app': after: it ended with status 1", result.err)
        self.assertEqual(len(self.backups()), 1)

    def test_a_failing_backup_is_told_to_after(self):
        self.configure(after=self.scratch / "note")
        with open(self.path, "w") as file:
            file.write("no database" * 100)
        self.assertEqual(self.run_pass().code, 3)
        self.assertIn("not a SQLite database", self.facts()[0]["ERROR"])

    def test_a_hook_that_hangs_is_ended_with_its_children(self):
        mark = self.scratch / "survivor"
        self.configure(before="(sleep 3; touch '%s') & sleep 60" % mark, hook_timeout="300ms")
        began = time.monotonic()
        result = self.run_pass()
        self.assertLess(time.monotonic() - began, 20)
        self.assertEqual(result.code, 3)
        self.assertIn("had not ended after 300 ms", result.err)
        time.sleep(max(0, 4 - (time.monotonic() - began)))
        self.assertFalse(os.path.exists(mark))

    def test_create_runs_them_too(self):
        result = testlib.run(self.store, "create", self.path, "--name", "app", "--hook-before",
                             "exit 3", state=self.state)
        self.assertEqual(result.code, 1)
        self.assertIn("status 3", result.err)

    def test_they_work_beside_an_application_whose_orphans_are_collected(self):
        note = self.scratch / "note"
        self.configure(before="true & exit 0", after=note)
        result = testlib.run(None, "exec", "-c", self.config, "--", "sh", "-c",
                             "(sleep 0.1 &) ; sleep 2; exit 5", state=self.state,
                             env={"HOLDFAST_STORE": self.store.url})
        self.assertEqual(result.code, 5, result)
        self.assertNotIn("how it ended is not known", result.err)
        self.assertIn(self.facts()[-1]["OUTCOME"], ("backed-up", "unchanged"))

    def test_after_comes_also_when_the_program_is_stopped_meanwhile(self):
        ready = self.scratch / "ready"
        self.configure(before="touch '%s'; sleep 60" % ready, after=self.scratch / "note")
        process = testlib.start(self.store, "run", "-c", self.config, "--all", state=self.state)
        testlib.wait_for(lambda: os.path.exists(ready))
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
        self.assertEqual(process.returncode, 143)
        self.assertEqual(self.facts()[-1]["OUTCOME"], "failed")


if __name__ == "__main__":
    unittest.main(verbosity=2)
