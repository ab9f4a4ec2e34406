"""Goal: a database that lost much since its last backup is told of, and the backup from before
stays, whatever the policy, until somebody has let it go.

With a directory as the store; no server is needed.

usage: test_guard.py [unittest arguments]
"""
import json
import sqlite3
import unittest

import testlib


class Guard(unittest.TestCase):
    def setUp(self):
        self.scratch = testlib.Scratch()
        self.addCleanup(self.scratch.close)
        self.store = testlib.dir_store(self.scratch / "store")
        self.state = self.scratch / "state"
        self.path = self.scratch / "app.db"
        testlib.make_database(self.path, size=4 << 20)
        self.back_up()
        self.big = self.backups()[0]["id"]

    def call(self, *args, state=None, **options):
        return testlib.run(self.store, *args, state=state or self.state, **options)

    def back_up(self, *args):
        result = self.call("run", self.path, "--all", "--keep-last", "1", "--prune-grace", "0s",
                           *args)
        self.assertEqual(result.code, 0, result)
        return result

    def is_unchanged(self):
        return json.loads(self.back_up("--json").out)["outcome"] == "unchanged"

    def backups(self):
        return json.loads(self.call("list", self.path, "--json").out)["backups"]

    def status(self):
        return json.loads(self.call("status", self.path, "--json").out)["databases"][0]

    def change(self, *statements):
        db = sqlite3.connect(self.path, isolation_level=None)
        for statement in statements:
            db.execute(statement)
        db.close()

    def lose(self):
        self.change("DROP TABLE filler", "DELETE FROM savings", "VACUUM")

    def test_what_was_lost_is_told_and_the_backup_from_before_is_kept(self):
        self.lose()
        result = self.back_up()
        self.assertIn("warning", result.err)
        self.assertIn("tables lost: filler", result.err)
        self.assertIn("holdfast unpin app " + self.big[:8], result.err)
        status = self.status()
        self.assertTrue(status["shrunk"])
        self.assertRegex(status["shrunk_reason"], "of .* MiB are left")
        self.assertEqual(status["shrunk_kept"], self.big)
        self.assertIn("HAS LOST MUCH", self.call("status", self.path).out)
        for number in range(3):  # which would have removed it
            self.change("INSERT INTO journal(note) VALUES('%d')" % number)
            self.assertEqual(self.back_up().err, "")
        kept = self.backups()
        self.assertEqual([b["id"] for b in kept[1:]], [self.big])
        self.assertTrue(kept[1]["guarded"])
        self.assertIn("guarded", self.call("list", self.path).out)
        self.assertIn("before a loss", self.call("prune", self.path, "--dry-run", "--keep-last",
                                                 "1").out)
        copy = self.scratch / "copy"
        self.assertEqual(self.call("download", self.path, self.big, "-o", copy).code, 0)
        testlib.check_database(copy)

        self.assertEqual(self.call("unpin", "app", self.big[:8]).code, 0)
        self.assertFalse(self.status()["shrunk"])
        self.change("INSERT INTO journal(note) VALUES('more')")
        self.back_up()
        self.assertNotIn(self.big, [b["id"] for b in self.backups()])
        self.assertFalse(self.status()["shrunk"])

    def test_health_fails_only_where_that_is_asked_for(self):
        self.lose()
        self.back_up()
        self.assertEqual(self.call("health", self.path).code, 0)
        result = self.call("health", self.path, "--shrink-guard", "fail")
        self.assertEqual(result.code, 3)
        self.assertIn("it lost much", result.err)

    def test_an_acknowledgement_from_elsewhere_is_seen_although_nothing_changes(self):
        self.lose()
        self.back_up()
        testlib.wait_for(self.is_unchanged)  # of a new file that is not believed at once
        self.assertTrue(self.status()["shrunk"])
        elsewhere = self.scratch / "elsewhere"
        self.assertEqual(self.call("unpin", "app", self.big[:8], state=elsewhere).code, 0)
        self.assertTrue(self.status()["shrunk"])
        self.assertTrue(self.is_unchanged())
        self.assertFalse(self.status()["shrunk"])

    def test_create_warns_too_and_needs_no_state(self):
        self.lose()
        result = self.call("create", self.path, state=self.scratch / "fresh")
        self.assertEqual(result.code, 0)
        self.assertIn("has lost much", result.err)
        self.assertIn("tables lost: 1 of 4", result.err)
        self.assertTrue(self.backups()[1]["guarded"])
        self.change("INSERT INTO journal(note) VALUES('x')")
        self.back_up()  # and so the agent, which was not there, knows
        self.assertEqual(self.status()["shrunk_kept"], self.big)

    def test_rows_that_are_deleted_are_noticed_although_the_file_stays_large(self):
        self.change("DELETE FROM filler", "DELETE FROM checking WHERE id > 100")
        self.assertRegex(self.back_up().err, r"\d+ of \d+ rows are left")

    def test_growing_and_small_changes_are_no_loss(self):
        self.change("CREATE TABLE more(x)", "DELETE FROM checking WHERE id < 100")
        self.assertEqual(self.back_up().err, "")
        self.assertFalse(self.status()["shrunk"])

    def test_off_is_off(self):
        self.lose()
        self.assertEqual(self.back_up("--shrink-guard", "off").err, "")
        self.assertFalse(self.status()["shrunk"])
        self.assertEqual(len(self.backups()), 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
