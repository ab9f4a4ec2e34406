"""Goal: the commands do what their help says: output, JSON, exit codes, questions, progress, and a
clear line with a hint for every kind of bad input.

With a directory as the store; no server is needed.

usage: test_cli.py [unittest arguments]
"""
import fcntl
import glob
import hashlib
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import termios
import time
import unittest

import testlib

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
BACKUP_KEYS = {"id", "created_at", "num_tables", "size", "stored_bytes", "state", "label",
               "trigger", "kind", "verified_at", "page_size", "page_count", "changed_pages",
               "pinned", "guarded", "host",
               "path"}
NOBODY = 65534


def tree(path):
    """Every file below a directory, with what is in it."""
    found = {}
    for where, _, names in os.walk(path):
        for name in names:
            with open(os.path.join(where, name), "rb") as file:
                found[os.path.join(where, name)] = hashlib.sha256(file.read()).hexdigest()
    return found


class Terminal:
    """The program on a terminal of its own."""

    def __init__(self, *args, env=None, columns=100, **popen):
        self.user, side = pty.openpty()
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.process = subprocess.Popen([testlib.HOLDFAST, *args], stdin=side, stdout=side,
                                        stderr=side, env={"TERM": "xterm", **env}, **popen)
        os.close(side)
        self.text = ""

    def read(self, seconds):
        """Some output, or nothing at the end or after that time."""
        if not select.select([self.user], [], [], seconds)[0]:
            return ""
        try:
            text = os.read(self.user, 65536).decode()
        except OSError:  # the other side is closed
            text = ""
        self.text += text
        return text

    def wait_for(self, word, seconds=60):
        deadline = time.monotonic() + seconds
        while word not in self.text:
            assert time.monotonic() < deadline, "no %r in %r" % (word, self.text)
            if not self.read(1) and self.process.poll() is not None:
                assert word in self.text, "no %r in %r" % (word, self.text)

    def type(self, text):
        os.write(self.user, text.encode())

    def end(self):
        """(exit code, everything that was shown)."""
        while self.read(60):
            pass
        code = self.process.wait(timeout=60)
        os.close(self.user)
        return code, self.text


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = testlib.Scratch()
        self.addCleanup(self.dir.close)
        self.store = testlib.dir_store(self.dir / "store")
        self.state = self.dir / "state"
        self.source = self.dir / "app.db"
        testlib.make_database(self.source, 4096, "wal", 100_000)

    def env(self, **more):
        return testlib.environment(self.store, HOLDFAST_STATE_DIR=self.state,
                                   HOLDFAST_STORE=self.store.url, **more)

    def run_cli(self, *args, store=True, **options):
        return testlib.run(self.store if store else None, *args, state=self.state, **options)

    def ok(self, *args, **options):
        result = self.run_cli(*args, **options)
        self.assertEqual(result.code, 0, "%s: %r" % (args, result))
        self.assertEqual(result.err, "")
        return result.out

    def json(self, *args):
        return json.loads(self.ok(*args, "--json"))

    def create(self, *args):
        return self.json("create", self.source, *args)

    def fails(self, code, words, *args, **options):
        """With this exit code, nothing on standard output, one line of error and one of hint."""
        result = self.run_cli(*args, **options)
        self.assertEqual(result.code, code, "%s: %r" % (args, result))
        self.assertEqual(result.out, "")
        self.assertRegex(result.err, r"\Aholdfast: error: [^\n]+\nhint: [^\n]+\n\Z")
        for word in [words] if isinstance(words, str) else words:
            self.assertIn(word, result.err, args)
        return result


class Create(Case):
    def test_prints_the_new_backup(self):
        out = self.ok("create", self.source)
        head, row = out.splitlines()
        self.assertEqual(head.split(),
                         ["created_at", "id", "num_tables", "size", "stored", "state"])
        self.assertRegex(row, r"\A\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S+ \(just now\)  %s +4 +"
                              r"[\d.]+ KiB +[\d.]+ KiB  done\Z" % UUID)

    def test_json(self):
        backup = self.create("--label", "Grüße\n\x1b[31m")
        self.assertEqual(set(backup), BACKUP_KEYS | {"database", "store", "store_name", "unchanged",
                                                      "sent_bytes", "retries"})
        self.assertRegex(backup["id"], UUID)
        self.assertRegex(backup["created_at"], r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z")
        self.assertEqual(backup["label"], "Grüße\n\x1b[31m")
        self.assertEqual((backup["database"], backup["store"]), ("app", self.store.url))
        self.assertEqual((backup["state"], backup["trigger"], backup["kind"]),
                         ("done", "manual", "full"))
        self.assertEqual((backup["num_tables"], backup["size"]),
                         (4, os.path.getsize(self.source)))

    def test_the_source_stays_as_it_is(self):
        before = tree(self.dir.path)
        self.create()
        after = tree(self.dir.path)
        self.assertEqual({p: h for p, h in after.items() if not p.startswith(
            (self.dir / "store", self.state))}, before)

    def test_dry_run_writes_nothing(self):
        before = tree(self.dir.path)
        out = self.ok("create", self.source, "--dry-run")
        self.assertIn("would back up", out)
        self.assertIn("as 'app'", out)
        plan = self.json("create", self.source, "--dry-run")
        self.assertEqual(set(plan), {"dry_run", "database", "store", "path", "size"})
        self.assertEqual(tree(self.dir.path), before)
        self.assertFalse(os.path.exists(self.dir / "store"))
        self.fails(10, "missing.db", "create", self.dir / "missing.db", "--dry-run")

    def test_names(self):
        self.assertEqual(self.create("--name", "prod")["database"], "prod")
        self.assertEqual(len(testlib.backups(self.store, "prod")), 1)
        odd = self.dir / "my app.db"
        shutil.copy(self.source, odd)
        self.fails(2, ["'my app'", "--name"], "create", odd)
        self.ok("create", odd, "--name", "my-app")

    def test_bad_labels(self):
        env = self.env()
        result = subprocess.run([testlib.HOLDFAST, "create", self.source, "--label", b"\xff"],
                                env=env, capture_output=True)
        self.assertEqual(result.returncode, 2)
        self.assertIn(b"UTF-8", result.stderr)
        self.fails(2, "1024", "create", self.source, "--label", "x" * 1025)

    def test_a_path_that_no_manifest_can_name(self):
        folder = os.fsencode(self.source) + b"-\xff"
        os.mkdir(folder)
        path, link = folder + b"/app.db", os.fsencode(self.source) + b"-link.db"
        with open(self.source, "rb") as source, open(path, "wb") as copy:
            copy.write(source.read())
        os.symlink(path, link)
        for argument in (path, link):
            result = subprocess.run([testlib.HOLDFAST, "create", argument, "--name", "odd"],
                                    env=self.env(), capture_output=True)
            self.assertEqual(result.returncode, 2, result)
            self.assertIn(b"UTF-8", result.stderr)
            self.assertIn(b"hint", result.stderr)

    def test_without_a_place_for_state(self):
        result = testlib.run(self.store, "create", self.source, state="/proc/holdfast")
        self.assertEqual(result.code, 0, result)
        self.assertEqual(result.err.count("warning:"), 1)
        self.assertIn("no state directory", result.err)


class List(Case):
    def test_newest_first_one_row_each(self):
        ids = [self.create("--label", str(i))["id"] for i in range(3)]
        rows = self.ok("list", self.source).splitlines()
        self.assertEqual(rows[0].split()[-1], "label")
        self.assertEqual([re.search(UUID, row)[0] for row in rows[1:]], ids[::-1])
        document = self.json("list", "app")
        self.assertEqual(list(document), ["database", "store", "backups"])
        self.assertEqual([b["id"] for b in document["backups"]], ids[::-1])
        for backup in document["backups"]:
            self.assertEqual(set(backup), BACKUP_KEYS)

    def test_labels_cannot_harm_a_terminal(self):
        self.create("--label", "Grüße, 世界\n\x1b[31m\u202e")
        out = self.ok("list", "app")
        self.assertIn("Grüße, 世界\\n\\x1b[31m\\u202e", out)
        self.assertEqual(len(out.splitlines()), 2)

    def test_a_database_by_every_name_it_has(self):
        self.create()
        for name in (self.source, "app", "app.db", "./elsewhere/app.sqlite3"):
            self.assertEqual(len(self.json("list", name)["backups"]), 1, name)
        self.fails(10, ["no backups of 'ap'", "hint"], "list", "ap")

    def test_narrow_terminals_get_short_ids(self):
        backup = self.create()
        code, text = Terminal("list", "app", env=self.env(), columns=90).end()
        self.assertEqual(code, 0)
        self.assertIn(backup["id"][:8], text)
        self.assertNotIn(backup["id"], text)

    def test_output_that_nobody_takes(self):
        self.create()
        with open("/dev/full", "w") as full:
            result = subprocess.run([testlib.HOLDFAST, "list", "app"], env=self.env(), stdout=full,
                                    stderr=subprocess.PIPE, text=True)
        self.assertEqual(result.returncode, 1)
        self.assertIn("write standard output", result.stderr)


class Download(Case):
    def setUp(self):
        super().setUp()
        self.backup = self.create()
        self.id = self.backup["id"]
        self.here = self.dir / "here"
        os.mkdir(self.here)
        testlib.sqlite_backup(self.source, self.dir / "oracle.db")
        self.content = testlib.content_hash(self.dir / "oracle.db")

    def test_to_the_default_name(self):
        out = self.ok("download", "app", self.id[:4], cwd=self.here)
        name = "app.%s.sqlite3" % self.id[:8]
        self.assertEqual(os.listdir(self.here), [name])
        self.assertIn("'%s'" % name, out)
        self.assertIn("verified", out)
        self.assertEqual(testlib.content_hash(os.path.join(self.here, name)), self.content)

    def test_json(self):
        out = self.dir / "out.db"
        document = self.json("download", "app", "latest", "-o", out)
        self.assertEqual(set(document), BACKUP_KEYS | {"database", "store", "output", "dry_run",
                                                       "copied_bytes", "fetched_bytes"})
        self.assertEqual((document["output"], document["id"], document["dry_run"]),
                         (out, self.id, False))

    def test_to_standard_output(self):
        result = subprocess.run([testlib.HOLDFAST, "download", "app", "latest", "-o", "-"],
                                env=self.env(), capture_output=True)
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        with open(self.dir / "copy.db", "wb") as file:
            file.write(result.stdout)
        self.assertEqual(testlib.content_hash(self.dir / "copy.db"), self.content)
        result = self.run_cli("download", "app", "latest", "-o", "-", "--json")
        self.assertEqual((result.code, result.out), (2, ""))

    def test_never_to_a_terminal(self):
        code, text = Terminal("download", "app", "latest", "-o", "-", env=self.env()).end()
        self.assertEqual(code, 14)
        self.assertNotIn("SQLite format", text)

    def test_keeps_a_file_that_exists(self):
        out = self.dir / "out.db"
        with open(out, "w") as file:
            file.write("mine")
        self.fails(14, ["exists", "--force"], "download", "app", "latest", "-o", out)
        with open(out) as file:
            self.assertEqual(file.read(), "mine")
        self.ok("download", "app", "latest", "-o", out, "--force")
        self.assertEqual(testlib.content_hash(out), self.content)

    def test_fetches_only_what_an_older_copy_has_not(self):
        out = self.dir / "out.db"
        with sqlite3.connect(self.source) as db:
            db.executemany("INSERT INTO filler(body) VALUES(?)",
                           ((os.urandom(4000),) for _ in range(1000)))
        self.create()
        whole = self.json("download", "app", "latest", "-o", out)
        self.assertEqual(whole["copied_bytes"], 0)
        with sqlite3.connect(self.source) as db:
            db.execute("UPDATE filler SET body = zeroblob(4000) WHERE id = 1000")
        db.close()
        self.create()
        self.fails(10, "nowhere.db", "download", "app", "latest", "-o", out, "--force", "--seed",
                   self.dir / "nowhere.db")
        self.fails(2, "--seed", "download", "app", "latest", "-o", "-", "--seed", out)
        again = self.json("download", "app", "latest", "-o", out, "--force", "--seed", out)
        self.assertGreater(again["copied_bytes"], again["size"] * 9 // 10)
        self.assertLess(again["fetched_bytes"], whole["fetched_bytes"] // 4)
        testlib.sqlite_backup(self.source, self.dir / "oracle.db")
        self.assertEqual(testlib.content_hash(out), testlib.content_hash(self.dir / "oracle.db"))
        text = self.ok("download", "app", "latest", "-o", self.dir / "b.db", "--seed", out)
        self.assertIn(" copied, ", text)
        result = self.run_cli("download", "app", "latest", "-o", self.dir / "c.db", "--seed",
                              testlib.HOLDFAST)
        self.assertEqual(result.code, 0)
        self.assertIn("no database", result.err)

    def test_dry_run_writes_nothing(self):
        before = tree(self.dir.path)
        self.assertIn("would write", self.ok("download", "app", "latest", "-n", cwd=self.here))
        self.assertIs(self.json("download", "app", "latest", "-n")["dry_run"], True)
        self.assertEqual(tree(self.dir.path), before)

    def test_ids_that_mean_no_backup_or_two(self):
        self.fails(10, "'ffffffff'", "download", "app", "ffffffff", "-o", self.dir / "x")
        self.fails(2, "too short", "download", "app", self.id[:3], "-o", self.dir / "x")
        manifest = glob.glob(self.dir / "store/app/manifest/*.json")[0]
        with open(manifest) as file:
            document = json.load(file)
        twin = self.id[:9] + "ffff" + self.id[13:]
        for records in (document["backups"], document["packs"]):
            records.append(json.loads(json.dumps(records[0]).replace(self.id, twin)))
        with open(manifest, "w") as file:
            json.dump(document, file)
        self.fails(2, "ambiguous", "download", "app", self.id[:8], "-o", self.dir / "x")


class Restore(Case):
    def setUp(self):
        super().setUp()
        self.good = self.create("--label", "good")
        self.good_hash = testlib.content_hash(self.source)
        self.damage()

    def damage(self):
        db = sqlite3.connect(self.source)
        db.execute("DELETE FROM checking")
        db.commit()
        db.close()
        self.bad_hash = testlib.content_hash(self.source)

    def content(self):
        return testlib.content_hash(self.source)

    def test_and_back(self):
        out = self.ok("restore", self.source, "latest", "--yes")
        self.assertEqual(self.content(), self.good_hash)
        self.assertIn("restored '%s'" % self.source, out)
        # What it prints brings back what was there.
        command = out.splitlines()[-1].strip()
        self.assertTrue(command.startswith("holdfast restore "), out)
        result = subprocess.run(command.replace("holdfast", testlib.HOLDFAST, 1) + " --yes",
                                shell=True, env=self.env(), capture_output=True, text=True)
        self.assertEqual(result.returncode, 0, result)
        self.assertEqual(self.content(), self.bad_hash)
        self.assertEqual([b["trigger"] for b in testlib.backups(self.store, "app")],
                         ["pre-restore", "pre-restore", "manual"])

    def test_latest_twice_is_not_an_undo(self):
        self.ok("restore", self.source, "latest", "--yes")
        self.ok("restore", self.source, "latest", "--yes")
        self.assertEqual(self.content(), self.good_hash)

    def test_json(self):
        document = self.json("restore", self.source, self.good["id"], "--yes")
        self.assertEqual(set(document), {"dry_run", "database", "store", "path", "backup", "method",
                                         "undo_id", "kept_path", "locked_us", "copied_bytes",
                                         "fetched_bytes"})
        self.assertEqual(set(document["backup"]), BACKUP_KEYS)
        self.assertEqual((document["method"], document["path"], document["dry_run"]),
                         ("live", self.source, False))
        self.assertRegex(document["undo_id"], UUID)

    def test_by_time(self):
        moment = self.good["created_at"]
        self.create()
        self.ok("restore", self.source, "--at", moment, "--yes")
        self.assertEqual(self.content(), self.good_hash)
        self.fails(10, "oldest", "restore", self.source, "--at", "1h ago", "--yes")
        self.fails(2, "--at", "restore", self.source, "--at", "soon", "--yes")

    def test_to_a_new_file(self):
        new = self.dir / "new.db"
        self.ok("restore", "app", "latest", "--output", new)
        self.assertEqual(testlib.content_hash(new), self.good_hash)
        self.assertEqual(self.content(), self.bad_hash)
        self.fails(14, "exists", "restore", "app", "latest", "--output", new)
        self.assertEqual(len(testlib.backups(self.store, "app")), 1)

    def test_a_database_that_is_gone(self):
        for name in glob.glob(self.source + "*"):
            os.unlink(name)
        document = self.json("restore", self.source, "latest")  # nothing to ask about
        self.assertEqual(document["method"], "new-file")
        self.assertEqual(self.content(), self.good_hash)

    def test_if_missing(self):
        self.assertIn("nothing to restore", self.ok("restore", self.source, "latest",
                                                    "--if-missing"))
        self.assertEqual(self.content(), self.bad_hash)
        document = self.json("restore", self.source, "latest", "--if-missing")
        self.assertEqual((document["method"], document["backup"]), ("none", None))
        for name in glob.glob(self.source + "*"):
            os.unlink(name)
        self.ok("restore", self.source, "latest", "--if-missing")
        self.assertEqual(self.content(), self.good_hash)

    def test_if_missing_without_any_backup_yet(self):
        absent = self.dir / "new.db"
        self.assertIn("no backup of it yet", self.ok("restore", absent, "latest", "--if-missing"))
        document = self.json("restore", absent, "latest", "--if-missing")
        self.assertEqual((document["method"], document["backup"]), ("none", None))
        self.assertFalse(os.path.exists(absent))
        self.fails(10, "no backups of 'new'", "restore", absent, "latest")
        for name in glob.glob(self.source + "*"):
            os.unlink(name)
        self.fails(10, "1234abcd", "restore", self.source, "1234abcd", "--if-missing")

    def test_swap(self):
        document = self.json("restore", self.source, "latest", "--swap", "--yes")
        self.assertEqual(document["method"], "swap")
        self.assertEqual(self.content(), self.good_hash)

    def test_without_undo(self):
        document = self.json("restore", self.source, "latest", "--no-undo", "--yes")
        self.assertIsNone(document["undo_id"])
        self.fails(10, "restore", "restore", self.source, "--undo", "--yes")

    def test_dry_run_writes_nothing(self):
        before = tree(self.dir.path)
        self.assertIn("would overwrite the live database",
                      self.ok("restore", self.source, "latest", "--dry-run"))
        document = self.json("restore", self.source, "latest", "--dry-run")
        self.assertEqual((document["dry_run"], document["method"]), (True, "live"))
        self.assertIn("would create", self.ok("restore", "app", "latest", "-n", "--output",
                                              self.dir / "new.db"))
        after = tree(self.dir.path)
        self.assertEqual({p: h for p, h in after.items() if not p.endswith(("-wal", "-shm"))},
                         {p: h for p, h in before.items() if not p.endswith(("-wal", "-shm"))})

    def test_asks_on_a_terminal_and_no_is_the_default(self):
        for answer in ("\n", "n\n", "nope\n", "\x04"):
            terminal = Terminal("restore", self.source, "latest", env=self.env())
            terminal.wait_for("[y/N]")
            terminal.type(answer)
            code, text = terminal.end()
            self.assertEqual(code, 14, text)
            self.assertIn("not confirmed", text)
        self.assertEqual(self.content(), self.bad_hash)
        terminal = Terminal("restore", self.source, "latest", env=self.env())
        terminal.wait_for("Overwrite the live database")
        terminal.wait_for("[y/N]")
        terminal.type("y\n")
        self.assertEqual(terminal.end()[0], 0)
        self.assertEqual(self.content(), self.good_hash)

    def test_does_nothing_where_nobody_can_be_asked(self):
        self.fails(14, "--yes", "restore", self.source, "latest")
        self.assertEqual(self.content(), self.bad_hash)

    def test_json_skips_no_question(self):
        result = self.run_cli("restore", self.source, "latest", "--json")
        self.assertEqual((result.code, result.out), (14, ""))
        self.assertEqual(json.loads(result.err)["error"]["code"], "refused")
        terminal = Terminal("restore", self.source, "latest", "--json", env=self.env())
        terminal.wait_for("[y/N]")
        terminal.type("\n")
        self.assertEqual(terminal.end()[0], 14)
        self.assertEqual(self.content(), self.bad_hash)

    def test_ctrl_c_at_the_question(self):
        terminal = Terminal("restore", self.source, "latest", env=self.env(),
                            start_new_session=True)
        terminal.wait_for("[y/N]")
        terminal.process.send_signal(signal.SIGINT)
        self.assertEqual(terminal.end()[0], 130)
        self.assertEqual(self.content(), self.bad_hash)

    def test_which_backup(self):
        self.fails(2, ["which backup", "--undo"], "restore", self.source, "--yes")
        self.fails(2, "more than one", "restore", self.source, "latest", "--undo", "--yes")
        self.fails(2, "more than one", "restore", self.source, "--at", "now", "--undo", "--yes")
        self.fails(2, "--swap", "restore", self.source, "latest", "--swap", "--output", "x")
        self.fails(10, ["no database 'ap'", "--output"], "restore", "ap", "latest", "--yes")


class Settings(Case):
    def config(self, text):
        path = self.dir / "holdfast.ini"
        with open(path, "w") as file:
            file.write(text)
        return path

    def test_everything_from_a_file(self):
        path = self.config("[store]\nurl = %s\n[agent]\nstate_dir = %s\n"
                           "[database:prod]\npath = %s\n" %
                           (self.store.url, self.state, self.source))
        for args in (("create", "prod"), ("create", self.source)):
            backup = json.loads(self.ok(*args, "--json", "-c", path, store=False))
            self.assertEqual(backup["database"], "prod")
        self.ok("list", "prod", "--config", path, store=False)
        self.ok("list", "prod", store=False, env={"HOLDFAST_CONFIG": path})
        self.fails(10, ["'prd'", "'prod'"], "create", "prd", "-c", path, store=False)

    def test_flag_before_environment_before_file(self):
        stores = {name: "file://" + self.dir / name for name in ("flag", "env", "own", "file")}
        path = self.config("[store]\nurl = %s\n[database:app]\npath = %s\nurl = %s\n" %
                           (stores["file"], self.source, stores["own"]))
        where = lambda *args, **env: json.loads(self.ok(
            "create", "app", "--json", "-c", path, *args, store=False, env=env))["store"]
        self.assertEqual(where(), stores["own"])
        self.assertEqual(where(HOLDFAST_STORE=stores["env"]), stores["env"])
        self.assertEqual(where("--store", stores["flag"], HOLDFAST_STORE=stores["env"]),
                         stores["flag"])
        other = self.dir / "other.db"
        shutil.copy(self.source, other)
        self.assertEqual(json.loads(self.ok("create", other, "--json", "-c", path, store=False))
                         ["store"], stores["file"])

    def test_a_value_from_a_file_of_its_own(self):
        secret = self.dir / "url"
        with open(secret, "w") as file:
            file.write(self.store.url + "\n")
        self.ok("create", self.source, store=False, env={"HOLDFAST_STORE_FILE": secret})
        self.ok("list", "app", "--store-file", secret, store=False)
        self.ok("list", "app", "-c", self.config("[store]\nurl_file = %s\n" % secret), store=False)
        self.fails(2, "HOLDFAST_STORE_FILE", "list", "app", store=False,
                   env={"HOLDFAST_STORE_FILE": "/nonexistent"})

    def test_mistakes_are_named_with_file_and_line(self):
        path = self.config("[store]\n\nulr = x\n")
        self.fails(2, [path + ":3: no key 'ulr' in [store]", "'url'"], "list", "app", "-c", path)
        path = self.config("[stor]\n")
        self.fails(2, [path + ":1: no section [stor]", "'store'"], "list", "app", "-c", path)
        path = self.config("[backup]\nthreads = 99\n")
        self.fails(2, path + ":2: threads", "list", "app", "-c", path)
        self.fails(2, "HOLDFAST_THREADS", "list", "app", env={"HOLDFAST_THREADS": "x"})
        self.fails(2, "/nonexistent.ini", "list", "app", "-c", "/nonexistent.ini")

    def test_no_secret_on_the_command_line(self):
        result = self.fails(2, "HOLDFAST_SECRET_ACCESS_KEY", "list", "app",
                            "--secret-access-key", testlib.SECRET_MARK)
        self.assertNotIn(testlib.SECRET_MARK, result.err)

    def test_no_store(self):
        self.fails(2, ["no store", "--store"], "list", "app", store=False)

    def test_stores_that_are_none(self):
        for url in ("app", "http://x", "s3://", "file://relative", "s3://key:secret@bucket",
                    "s3://b?nonsense=1", "file:///x?y=1", "s3://b?addressing=odd"):
            result = self.run_cli("list", "app", "--store", url, store=False,
                                  env={"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"})
            self.assertEqual(result.code, 2, "%s: %r" % (url, result))
            self.assertIn("hint:", result.err)

    def test_log(self):
        out = self.run_cli("create", self.source, "--log", "trace")
        self.assertEqual(out.code, 0)
        quiet = self.run_cli("list", "app", "--log", "error")
        self.assertEqual((quiet.code, quiet.err), (0, ""))
        self.fails(2, "'loud' is none of", "list", "app", "--log", "loud")


class BadInput(Case):
    def nobody(self, *args):
        """As a user who owns nothing."""
        os.chmod(self.dir.path, 0o755)
        store = self.dir / "open"
        os.makedirs(store, mode=0o777, exist_ok=True)
        os.chmod(store, 0o777)
        return subprocess.run([testlib.HOLDFAST, *args, "--store", "file://" + store],
                              user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True,
                              text=True, cwd="/",
                              env={"HOLDFAST_STATE_DIR": store, "HOLDFAST_CONFIG": "/dev/null"})

    def test_files_that_are_no_database(self):
        def write(name, data):
            with open(self.dir / name, "wb") as file:
                file.write(data)
            return self.dir / name

        self.fails(10, "missing.db", "create", self.dir / "missing.db")
        self.fails(14, "directory", "create", self.dir.path + "/")
        self.fails(13, "encrypted", "create", write("text.db", b"not a database " * 999))
        self.fails(13, "encrypted", "create", write("noise.db", os.urandom(65536)))
        self.fails(14, "0 bytes", "create", write("empty.db", b""))
        fifo = self.dir / "fifo.db"
        os.mkfifo(fifo)
        self.fails(14, "fifo.db", "create", fifo)
        self.assertFalse(glob.glob(self.dir / "store/*/manifest/*"))

    def test_a_database_cut_short(self):
        db = sqlite3.connect(self.source)
        db.execute("PRAGMA journal_mode=delete")
        db.close()
        os.truncate(self.source, os.path.getsize(self.source) // 2 // 4096 * 4096)
        self.fails(13, "malformed", "create", self.source)

    @unittest.skipIf(os.geteuid() != 0, "needs root, to become somebody else")
    def test_files_that_may_not_be_read(self):
        os.chmod(self.source, 0o600)
        result = self.nobody("create", self.source)
        self.assertEqual(result.returncode, 12, result)
        self.assertIn("hint:", result.stderr)
        config = self.dir / "secret.ini"
        open(config, "w").close()
        os.chmod(config, 0o600)
        result = self.nobody("list", "app", "-c", config)
        self.assertEqual(result.returncode, 12, result)

    @unittest.skipIf(os.geteuid() != 0, "needs root, to become somebody else")
    def test_a_wal_database_in_a_directory_that_cannot_be_written(self):
        folder = self.dir / "readonly"
        os.mkdir(folder)
        shutil.copy(self.source, folder)
        os.chmod(os.path.join(folder, "app.db"), 0o644)
        os.chmod(folder, 0o755)
        result = self.nobody("create", os.path.join(folder, "app.db"))
        self.assertIn(result.returncode, (0, 12), result)
        if result.returncode == 12:
            self.assertIn("hint:", result.stderr)

    def test_a_damaged_pack(self):
        self.create()
        pack = glob.glob(self.dir / "store/app/packs/*.zst")[0]
        os.chmod(pack, 0o600)
        with open(pack, "r+b") as file:
            file.seek(3000)
            byte = file.read(1)
            file.seek(3000)
            file.write(bytes([byte[0] ^ 1]))
        self.fails(13, "download 'app'", "download", "app", "latest", "-o", self.dir / "x")
        self.assertFalse(os.path.exists(self.dir / "x"))

    def test_a_store_that_cannot_be_written(self):
        result = self.run_cli("create", self.source, "--store", "file:///proc/holdfast",
                              store=False)
        self.assertIn(result.code, (1, 10, 12), result)
        self.assertIn("hint:", result.err)

    def test_commands_and_flags_that_are_none(self):
        self.fails(2, ["'creat'", "'create'"], "creat", store=False)
        self.fails(2, "no command 'launch'", "launch", store=False)
        self.fails(2, "'--thread'", "list", "app", "--thread", "1")
        self.fails(2, "'list' has no flag '--force'", "list", "app", "--force")
        self.fails(2, "DB", "create", store=False)
        self.fails(2, "no command", store=False)


class Locks(Case):
    def test_a_second_one_waits_and_then_says_whom_for(self):
        self.create()
        with open(self.state + "/app/lock", "r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            lock.truncate(0)
            lock.write("4242\n")
            lock.flush()
            began = time.monotonic()
            self.fails(11, "process 4242", "create", self.source, "--busy-timeout", "700ms")
            self.assertGreaterEqual(time.monotonic() - began, 0.7)
            self.fails(11, "process 4242", "restore", self.source, "latest", "--yes",
                       "--busy-timeout", "1ms")
            self.ok("list", "app")
        self.ok("create", self.source)

    def test_a_database_that_somebody_locks(self):
        db = sqlite3.connect(self.source, isolation_level=None)
        db.execute("PRAGMA journal_mode=delete")
        db.execute("BEGIN EXCLUSIVE")
        self.fails(11, "app", "create", self.source, "--busy-timeout", "300ms")
        db.execute("ROLLBACK")
        db.close()
        self.ok("create", self.source)


class Signals(Case):
    def interrupted(self, number, *args):
        """Exit code and standard error of a command that waits for a server which is silent."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            url = "s3://bucket?endpoint=http://127.0.0.1:%d&region=r" % server.getsockname()[1]
            process = subprocess.Popen(
                [testlib.HOLDFAST, *args, "--store", url], stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL,
                env=self.env(AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="y"))
            server.settimeout(30)
            connection, _ = server.accept()
            process.send_signal(number)
            began = time.monotonic()
            _, err = process.communicate(timeout=60)
            connection.close()
        self.assertLess(time.monotonic() - began, 5)
        return process.returncode, err

    def test_an_orderly_end(self):
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)):
            got, err = self.interrupted(number, "create", self.source)
            self.assertEqual(got, code, err)
            self.assertIn("cancel", err)
        self.assertEqual(os.listdir(self.state + "/app"), ["lock"])
        self.ok("create", self.source)  # the lock is free again

    def test_while_it_waits_for_the_lock(self):
        self.create()
        with open(self.state + "/app/lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            process = testlib.start(self.store, "create", self.source, "--busy-timeout", "1m",
                                    state=self.state)
            time.sleep(1)
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=10)
        self.assertEqual(process.returncode, 143)


class Progress(Case):
    def setUp(self):
        super().setUp()
        testlib.make_database(self.dir / "big.db", 4096, "wal", 12_000_000)

    def create_on_terminal(self, *args, **env):
        return Terminal("create", self.dir / "big.db", "--compression", "19", "--threads", "1",
                        *args, env=self.env(**env)).end()

    def test_a_bar_on_a_terminal(self):
        os.unlink(self.dir / "big.db")  # not enough for what takes a second to be shown
        testlib.make_database(self.dir / "big.db", 4096, "wal", 48_000_000)
        code, text = self.create_on_terminal()
        self.assertEqual(code, 0, text)
        self.assertRegex(text, r"backup 'big': \w+ +\[=*>? *\] +\d+%  [\d.]+ \w+ of [\d.]+ MiB")
        self.assertRegex(text, r"[\d.]+ .iB/s  [\d.]+ s left")
        self.assertIn("\r\x1b[K", text)
        self.assertNotIn("\x1b", text[text.rindex("\x1b[K") + 3:])  # erased before the result

    def test_none_with_no_color(self):
        code, text = self.create_on_terminal(NO_COLOR="1")
        self.assertEqual(code, 0)
        self.assertNotIn("\x1b", text)

    def test_none_with_json(self):
        code, text = self.create_on_terminal("--json")
        self.assertEqual(code, 0)
        self.assertNotIn("\x1b", text)
        json.loads(text)

    def test_none_elsewhere(self):
        result = self.run_cli("create", self.dir / "big.db", "--compression", "19", "--threads",
                              "1")
        self.assertEqual((result.code, result.err), (0, ""))


class Json(Case):
    def test_errors_are_one_object_on_standard_error(self):
        for args, code, name in ((("list", "nobody"), 10, "not_found"),
                                 (("list", "app", "--nonsense"), 2, "config"),
                                 (("nonsense",), 2, "config")):
            result = self.run_cli(*args, "--json")
            self.assertEqual((result.code, result.out), (code, ""))
            error = json.loads(result.err)["error"]
            self.assertEqual(set(error), {"code", "exit_status", "message", "hint"})
            self.assertEqual((error["code"], error["exit_status"]), (name, code))

    def test_warnings_too(self):
        result = testlib.run(self.store, "create", self.source, "--json", state="/proc/holdfast")
        self.assertEqual(json.loads(result.err)["log"]["level"], "warn")
        json.loads(result.out)

    def test_version(self):
        document = json.loads(self.ok("version", "--json", store=False))
        self.assertRegex(document["version"], r"\A\d+\.\d+\.\d+\Z")
        self.assertEqual(set(document["libraries"]), {"sqlite", "curl", "openssl", "zstd"})


if __name__ == "__main__":
    if not os.access(testlib.HOLDFAST, os.X_OK) and shutil.which(testlib.HOLDFAST) is None:
        sys.exit("no program to test: set HOLDFAST_BIN")
    unittest.main(verbosity=2)
