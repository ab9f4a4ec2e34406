"""Goal: whatever is damaged in a store, verify names exactly the backups that do not restore, the
others restore as ever, repair mends what can be mended, and nothing wrong is handed over as good.

usage: test_damage.py dir
"""
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import unittest

import testlib

PAGE_SIZE = 2048
BACKUPS = 6
READER = os.path.join(testlib.HERE, "reader.py")


def change(path, seed):
    db = sqlite3.connect(path)
    with db:
        db.execute("UPDATE filler SET body = randomblob(600) WHERE id BETWEEN ? AND ?",
                   (seed * 100 + 1, seed * 100 + 60))
        db.execute("INSERT INTO journal(at, note) VALUES(?, 'round ' || ?)", (seed, seed))
    db.close()


class Damage(unittest.TestCase):
    """One history for all tests; each damage is done to a copy of its store."""

    @classmethod
    def setUpClass(cls):
        cls.scratch = testlib.Scratch()
        cls.path = cls.scratch / "app.db"
        testlib.make_database(cls.path, PAGE_SIZE, "wal", 6 << 20)
        origin = testlib.dir_store(cls.scratch / "origin")
        cls.hashes = {}
        for i in range(BACKUPS):
            change(cls.path, i)
            made = testlib.last_json(testlib.ok(origin, "create", cls.path, "--json",
                                                *(["--force"] if i == 3 else []),
                                                state=cls.scratch / "state").out)
            cls.hashes[made["id"]] = testlib.content_hash(cls.path)
        cls.ids = list(cls.hashes)
        shutil.copy(cls.path, cls.scratch / "newest.db")
        with open(os.path.join(cls.scratch / "origin", "app", "manifest",
                               "%010d.json" % BACKUPS), encoding="utf-8") as file:
            cls.manifest = json.load(file)
        cls.packs = {pack["id"]: pack for pack in cls.manifest["packs"]}
        assert sum("base" in pack["map"] for pack in cls.packs.values()) >= 2

    @classmethod
    def tearDownClass(cls):
        cls.scratch.close()

    def setUp(self):
        self.store = testlib.dir_store(self.scratch / "store")
        shutil.rmtree(self.scratch / "store", ignore_errors=True)
        shutil.copytree(self.scratch / "origin", self.scratch / "store")

    def object(self, id_):
        return os.path.join(self.scratch / "store", "app", "packs", id_ + ".zst")

    def flip(self, path, at):
        with open(path, "r+b") as file:
            file.seek(at)
            byte = file.read(1)
            file.seek(at)
            file.write(bytes([byte[0] ^ 1 << at % 8]))

    def unlink(self, path):
        for name in (path, path + "-wal", path + "-shm"):
            if os.path.exists(name):
                os.unlink(name)

    def broken(self):
        """The backups that a download does not give.  What it does give must be right."""
        found = set()
        for id_ in self.ids:
            copy = self.scratch / "copy"
            self.unlink(copy)
            result = testlib.run(self.store, "download", "app", id_, "-o", copy)
            if result.code != 0:
                self.assertIn(result.code, (10, 13), result)
                found.add(id_)
            else:
                self.assertEqual(testlib.content_hash(copy), self.hashes[id_], id_)
        return found

    def named(self, *flags):
        result = testlib.run(self.store, "verify", "app", "--json", *flags)
        lines = [json.loads(line) for line in result.out.splitlines()]
        found = {line["id"] for line in lines if line.get("damaged")}
        self.assertEqual(result.code, 13 if found else 0, result)
        self.assertTrue(all(line["reason"] for line in lines if line.get("damaged")))
        return found

    def repair(self, path, *flags):
        """The backups that the command says are damaged still."""
        name = ["--name", "app"]
        result = testlib.run(self.store, "repair", path, *name, "--json", *flags)
        report = json.loads(result.out)
        found = {b["id"] for b in report["backups"] if b["damaged"]}
        self.assertEqual(result.code, 13 if found else 0, result)
        self.assertEqual(report["damaged_count"], len(found))
        for backup in report["backups"]:
            self.assertEqual(backup["lost_pages"] != 0, backup["damaged"], report)
        return found

    def read_independently(self, id_, *flags):
        copy = self.scratch / "read"
        self.unlink(copy)
        subprocess.run([sys.executable, READER, *flags, self.scratch / "store", "app", id_, copy],
                       check=True)
        self.assertEqual(testlib.content_hash(copy), self.hashes[id_])

    def check(self, what, path):
        """The whole round: what is broken is named, and mended as far as repair says."""
        before = self.broken()
        self.assertEqual(self.named("--read"), before, what)
        foreseen = self.repair(path, "--dry-run")
        self.assertEqual(self.broken(), before)
        left = self.repair(path)
        self.assertEqual(left, foreseen, what)
        self.assertEqual(self.broken(), left, what)
        self.assertEqual(self.named("--read"), left, what)
        states = {b["id"]: b["state"] for b in testlib.backups(self.store, "app")}
        self.assertEqual({id_ for id_ in states if states[id_] == "damaged"}, left)
        self.assertLessEqual(left, before)
        return before, left

    def parts(self, id_):
        """Name of each part of a pack, and where it begins and ends."""
        pack = self.packs[id_]
        hashes, page_map = pack["hashes"], pack["map"]
        map_end = page_map["offset"] + page_map["length"]
        parts = [("map", page_map["offset"], map_end), ("table", map_end, pack["size"])]
        if hashes["length"] > 0:
            parts += [("frame", 0, hashes["offset"]),
                      ("hashes", hashes["offset"], page_map["offset"])]
        return parts

    def test_an_object_that_is_gone_or_cut_short(self):
        mended = set()
        for id_ in self.ids:
            for cut in (True, False):
                self.setUp()
                if cut:
                    os.truncate(self.object(id_), self.packs[id_]["size"] // 2)
                else:
                    os.unlink(self.object(id_))
                before, left = self.check((id_, cut), self.scratch / "newest.db")
                self.assertIn(id_, before)
                mended |= before - left
                if not left:  # a pack that is gone is not missed any more
                    testlib.ok(self.store, "prune", "app", "--prune-grace", "0s", "--keep-last",
                               "100")
                    self.assertEqual(self.broken(), set())
        # The database is as the newest backup shows it: what that needs of other packs is there.
        self.assertIn(self.ids[-1], mended)

    def test_a_flipped_bit_in_each_part(self):
        rng = random.Random(7)
        mended = {}
        for id_ in self.ids:
            for part, begin, end in self.parts(id_):
                if part == "table":
                    continue
                self.setUp()
                self.flip(self.object(id_), rng.randrange(begin, end))
                before, left = self.check((id_, part), self.path)
                self.assertTrue(before)
                mended.setdefault(part, []).append(len(before - left))
                if part == "map":  # the other packs tell it, whatever backup it is of
                    self.assertEqual(left, set(), id_)
        print({part: sum(counts) for part, counts in mended.items()})
        for part in ("frame", "hashes", "map"):
            self.assertGreater(sum(mended[part]), 0, part)

    def test_a_flipped_bit_in_what_only_rebuilding_needs(self):
        for id_ in (self.ids[0], self.ids[2]):
            _, begin, end = self.parts(id_)[1]
            for at in (begin + 30, end - 4, end - 20):
                self.setUp()
                self.flip(self.object(id_), at)
                self.assertEqual(self.broken(), set())
                self.assertLessEqual(self.named("--read"), {id_})
                self.assertEqual(self.repair(self.path), set())
                self.assertEqual(self.named("--read"), set())
                shutil.rmtree(os.path.join(self.scratch / "store", "app", "manifest"))
                testlib.ok(self.store, "repair", "app")
                self.assertEqual(self.broken(), set())

    def test_a_page_map_that_was_made_again(self):
        """Who reads by the format has it, what builds upon it too, and a lost manifest."""
        for id_ in (self.ids[0], self.ids[2], self.ids[-1]):
            self.setUp()
            _, begin, end = self.parts(id_)[0]
            self.flip(self.object(id_), (begin + end) // 2)
            self.assertIn(id_, self.broken())
            self.assertEqual(self.repair(self.path), set())
            for other in self.ids:
                self.read_independently(other)
            path = self.scratch / "next.db"
            self.unlink(path)
            shutil.copy(self.scratch / "newest.db", path)
            for i in range(2):
                change(path, BACKUPS + i)
                state = self.scratch / ("state-%d" % i)  # none: the parent is read from the store
                shutil.rmtree(state, ignore_errors=True)
                made = testlib.last_json(testlib.ok(self.store, "create", path, "--name", "app",
                                                    "--json", state=state).out)
                self.assertEqual(made["kind"], "incremental", made)
                copy = self.scratch / "copy"
                self.unlink(copy)
                testlib.ok(self.store, "download", "app", made["id"], "-o", copy)
                self.assertEqual(testlib.content_hash(copy), testlib.content_hash(path))
            shutil.rmtree(os.path.join(self.scratch / "store", "app", "manifest"))
            testlib.ok(self.store, "repair", "app")
            self.assertEqual(self.broken(), set())
            self.assertEqual(self.named("--read"), set())

    def test_two_repairs_at_once_beside_other_work(self):
        """Whoever loses the race for the manifest does its part again; nobody undoes another's."""
        for round_ in range(3):
            self.setUp()
            path = self.scratch / "busy.db"
            self.unlink(path)
            shutil.copy(self.scratch / "newest.db", path)
            for id_ in (self.ids[2], self.ids[-1]):
                self.flip(self.object(id_), self.packs[id_]["hashes"]["offset"] // 2)
                self.flip(self.object(id_), self.packs[id_]["map"]["offset"] + 30)
            before = self.broken()
            self.assertIn(self.ids[-1], before)
            repairs = [testlib.start(self.store, "repair", self.scratch / "newest.db", "--name",
                                     "app") for _ in range(2)]
            state = self.scratch / ("busy-%d" % round_)
            made = []
            while any(repair.poll() is None for repair in repairs) or len(made) < 3:
                change(path, BACKUPS + len(made))
                made.append(testlib.last_json(testlib.ok(self.store, "create", path, "--name",
                                                         "app", "--json", state=state).out)["id"])
                pruned = testlib.run(self.store, "prune", "app", "--prune-grace", "1s",
                                     "--keep-last", "100", "--max-unused", "0")
                self.assertIn(pruned.code, (0, 13), pruned)
            for repair in repairs:
                out, err = repair.communicate(timeout=60)
                self.assertIn(repair.returncode, (0, 13), (out, err))
            left = self.repair(self.scratch / "newest.db")
            self.assertNotIn(self.ids[-1], left)  # the database has all of that one
            self.assertEqual(self.broken(), left)
            self.assertEqual(self.named("--read"), left)
            listed = [backup["id"] for backup in testlib.backups(self.store, "app")]
            self.assertEqual(listed, list(reversed(self.ids + made)))
            copy = self.scratch / "copy"
            self.unlink(copy)
            testlib.ok(self.store, "download", "app", made[-1], "-o", copy)
            self.assertEqual(testlib.content_hash(copy), testlib.content_hash(path))

    def test_what_was_mended_stays_so(self):
        """Through another damage, a prune, a lost manifest, and for who reads by the format."""
        full = self.ids[0]
        hashes = self.packs[full]["hashes"]["offset"]
        for at in (hashes // 3, hashes - 3000):
            self.flip(self.object(full), at)
            self.assertEqual(self.repair(self.scratch / "newest.db") & {self.ids[-1]}, set())
        left = self.broken()
        testlib.ok(self.store, "prune", "app", "--prune-grace", "0s", "--keep-last", "100")
        self.assertEqual(self.broken(), left)
        self.read_independently(self.ids[-1])
        self.read_independently(self.ids[-1], "--from-packs")
        target = self.scratch / "target.db"  # live: over a database that somebody uses
        shutil.copy(self.path, target)
        testlib.ok(self.store, "restore", target, self.ids[-1], "--name", "app", "--yes",
                   "--no-undo")
        self.assertEqual(testlib.content_hash(target), self.hashes[self.ids[-1]])
        with open(self.object(full), "r+b") as file:  # a mended pack, and what mends it
            file.write(bytes(hashes))
        shutil.rmtree(os.path.join(self.scratch / "store", "app", "manifest"))
        testlib.run(self.store, "repair", self.scratch / "newest.db", "--name", "app")
        self.assertNotIn(self.ids[-1], self.broken())
        self.assertNotIn(self.ids[-1], self.named("--read"))
        self.read_independently(self.ids[-1])
        change(self.path, 77)
        made = testlib.last_json(testlib.ok(self.store, "create", self.path, "--json",
                                            state=self.scratch / "other").out)
        self.assertEqual(made["kind"], "incremental")
        testlib.ok(self.store, "download", "app", made["id"], "-o", self.scratch / "fresh")
        self.assertEqual(testlib.content_hash(self.scratch / "fresh"),
                         testlib.content_hash(self.path))

    def test_a_flipped_bit_in_a_manifest(self):
        folder = os.path.join(self.scratch / "store", "app", "manifest")
        older, newest = sorted(os.listdir(folder))[-2:]
        size = os.path.getsize(os.path.join(folder, older))
        rng = random.Random(5)
        for at in [0, size - 1] + [rng.randrange(size) for _ in range(10)]:
            self.setUp()
            self.flip(os.path.join(folder, older), at)
            self.assertEqual(self.broken(), set())
            self.setUp()
            self.flip(os.path.join(folder, newest), at)
            result = testlib.run(self.store, "list", "app")
            if result.code != 0:
                self.assertEqual(result.code, 13, result)
                self.assertIn(newest, result.err)
            self.broken()  # nothing wrong is handed over
            testlib.run(self.store, "repair", "app", "--from-packs")
            self.assertEqual(self.broken(), set(), at)
            self.assertEqual(self.named("--read"), set(), at)


if __name__ == "__main__":
    testlib.main(__doc__, lambda store: {"dir": Damage}[store])
