"""Goal: `diff` says what changed between two backups, as two other programs find it.

Random histories of random tables: Python holds both databases in memory and compares row by row,
type by type; `sqldiff --summary` counts; pages are compared in the downloaded files.

usage: test_diff.py
"""
import json
import random
import re
import sqlite3
import subprocess
import unittest

import testlib

ROUNDS = 12
SUMMARY = re.compile(r"^(.*): (\d+) changes, (\d+) inserts, (\d+) deletes, (\d+) unchanged$")


def random_value(rng):
    return rng.choice([None, rng.randrange(-100, 100), rng.random(), "x" * rng.randrange(5),
                       "it's %d" % rng.randrange(9), rng.randbytes(rng.randrange(40)),
                       "\u00fc" * rng.randrange(300)])


class Table:
    def __init__(self, rng, number):
        self.name = 'table %d "%s"' % (number, rng.choice("abc"))
        self.rowless = rng.random() < 0.4
        self.columns = rng.randrange(1, 6)

    @property
    def quoted(self):
        return '"%s"' % self.name.replace('"', '""')

    def create(self, db):
        columns = ", ".join("c%d" % i for i in range(self.columns))
        key = "k1, k2, PRIMARY KEY(k2, k1)" if self.rowless else "id INTEGER PRIMARY KEY"
        db.execute("CREATE TABLE %s(%s, %s)%s" % (self.quoted, columns, key,
                                                  " WITHOUT ROWID" if self.rowless else ""))

    def insert(self, db, rng, count):
        for _ in range(count):
            key = [rng.randrange(30), rng.randrange(30)] if self.rowless else [rng.randrange(900)]
            values = [random_value(rng) for _ in range(self.columns)] + key
            db.execute("INSERT OR REPLACE INTO %s VALUES(%s)" % (
                self.quoted, ", ".join("?" * len(values))), values)

    def change(self, db, rng):
        key = "k1" if self.rowless else "id"
        db.execute("DELETE FROM %s WHERE %s %% 13 = ?" % (self.quoted, key), (rng.randrange(13),))
        db.execute("UPDATE %s SET c0 = ? WHERE %s %% 11 = ?" % (self.quoted, key),
                   (random_value(rng), rng.randrange(11)))
        self.insert(db, rng, rng.randrange(40))


def content(path):
    """{table: (key's columns, {key as SQL literals: [value and type, ...]})}."""
    db = sqlite3.connect("file:%s?mode=ro&immutable=1" % path, uri=True)
    tables = {}
    for name, rowless in db.execute("SELECT name, wr FROM pragma_table_list WHERE schema = 'main' "
                                    "AND name NOT LIKE 'sqlite_%'").fetchall():
        keys = ["k2", "k1"] if rowless else ["rowid"]
        columns = [row[1] for row in db.execute("PRAGMA table_info(\"%s\")"
                                                % name.replace('"', '""'))]
        rows = db.execute("SELECT %s, %s FROM \"%s\"" % (
            " || ', ' || ".join("quote(%s)" % key for key in keys),
            ", ".join("%s, typeof(%s)" % (c, c) for c in columns), name.replace('"', '""')))
        tables[name] = (", ".join(keys), {row[0]: row[1:] for row in rows})
    db.close()
    return tables


def expected(old, new):
    """{table: (state, key, added, removed, changed)}, the keys as sorted lists."""
    tables = {}
    for name in old.keys() | new.keys():
        before = old.get(name, (None, {}))[1]
        after = new.get(name, (None, {}))[1]
        rows = (sorted(after.keys() - before.keys()), sorted(before.keys() - after.keys()),
                sorted(k for k in before.keys() & after.keys() if before[k] != after[k]))
        if name not in old:
            tables[name] = ("added", None) + rows
        elif name not in new:
            tables[name] = ("removed", None) + rows
        elif any(rows):
            tables[name] = ("changed", new[name][0]) + rows
    return tables


def pages_that_differ(old, new, size):
    with open(old, "rb") as file:
        a = file.read()
    with open(new, "rb") as file:
        b = file.read()
    both = min(len(a), len(b))
    changed = sum(a[i:i + size] != b[i:i + size] for i in range(0, both, size))
    return {"changed": changed, "added": (len(b) - both) // size,
            "removed": (len(a) - both) // size, "bytes": changed * size + len(b) - both}


class Diff(unittest.TestCase):
    def setUp(self):
        self.dir = testlib.Scratch()
        self.addCleanup(self.dir.close)
        self.store = testlib.dir_store(self.dir / "store")
        self.source = self.dir / "app.db"

    def diff(self, *args):
        return json.loads(testlib.ok(self.store, "diff", self.source, *args, "--json").out)

    def back_up(self, number):
        """The id, and where it is downloaded to."""
        backup = json.loads(testlib.ok(self.store, "create", self.source, "--json", "--force").out)
        path = self.dir / ("%d.db" % number)
        testlib.ok(self.store, "download", self.source, backup["id"], "-o", path)
        return backup["id"], path, content(path)

    def compare(self, old, new, page_size):
        document = self.diff(old[0], new[0], "--rows", "--limit", "1000000")
        wanted = expected(old[2], new[2])
        self.assertEqual(set(wanted), {table["name"] for table in document["tables"]})
        for table in document["tables"]:
            state, key, *rows = wanted[table["name"]]
            self.assertEqual((table["state"], table["reason"]), (state, None), table["name"])
            for kind, keys in zip(("added", "removed", "changed"), rows):
                self.assertEqual(table[kind], len(keys), (table["name"], kind))
                if state == "changed":
                    self.assertEqual(sorted(table["rows"][kind]), keys)
            if state == "changed":
                self.assertEqual(table["key"], key)
        same = len(new[2]) - sum(state != "removed" for state, *_ in wanted.values())
        self.assertEqual(document["same_tables"], same)
        self.assertEqual(document["pages"], pages_that_differ(old[1], new[1], page_size))
        self.assertEqual(self.diff(old[0], new[0], "--pages")["pages"], document["pages"])
        self.check_summary(old[1], new[1], document)

    def check_summary(self, old, new, document):
        """sqldiff lists every table that both have, also those that are the same."""
        tables = {table["name"]: table for table in document["tables"]}
        result = subprocess.run(["sqldiff", "--summary", old, new], check=True,
                                capture_output=True, text=True)
        compared = 0
        for line in result.stdout.splitlines():
            match = SUMMARY.match(line)
            if match is None:
                continue
            name, counts = match[1], [int(n) for n in match.groups()[1:4]]
            if name.startswith('"'):
                name = name[1:-1].replace('""', '"')
            table = tables.get(name, {"changed": 0, "added": 0, "removed": 0})
            self.assertEqual([table[k] for k in ("changed", "added", "removed")], counts, line)
            compared += 1
        self.assertEqual(compared, document["same_tables"] + sum(
            table["state"] == "changed" for table in document["tables"]))

    def history(self, seed, page_size, journal):
        rng = random.Random(seed)
        db = sqlite3.connect(self.source, isolation_level=None)
        db.execute("PRAGMA page_size=%d" % page_size)
        db.execute("PRAGMA journal_mode=%s" % journal)
        db.execute("PRAGMA synchronous=OFF")
        tables, number, backups = [], 0, []
        for step in range(ROUNDS):
            db.execute("BEGIN")
            while len(tables) < 3 or rng.random() < 0.3:
                tables.append(Table(rng, number))
                number += 1
                tables[-1].create(db)
                tables[-1].insert(db, rng, rng.randrange(300))
            if len(tables) > 4:
                db.execute("DROP TABLE %s" % tables.pop(rng.randrange(len(tables))).quoted)
            for table in rng.sample(tables, rng.randrange(len(tables))):
                table.change(db, rng)
            db.execute("COMMIT")
            if rng.random() < 0.2:
                db.execute("VACUUM")
            backups.append(self.back_up(step))
            old = rng.choice(backups)
            self.compare(old, backups[-1], page_size)
        self.compare(backups[-1], backups[0], page_size)
        db.close()

    def test_a_history_in_wal_mode(self):
        self.history(1, 512, "wal")

    def test_a_history_with_a_rollback_journal(self):
        self.history(2, 4096, "delete")

    def test_the_latest_is_compared_with_unless_another_is_named(self):
        testlib.make_database(self.source, 4096, "wal", 100_000)
        first = self.back_up(0)[0]
        with sqlite3.connect(self.source) as db:
            db.execute("DELETE FROM checking WHERE id = 7")
        db.close()
        second = self.back_up(1)[0]
        document = self.diff(first[:8])
        self.assertEqual((document["from"]["id"], document["to"]["id"]), (first, second))
        self.assertEqual([(t["name"], t["removed"]) for t in document["tables"]], [("checking", 1)])
        self.assertNotIn("rows", document["tables"][0])
        back = self.diff("latest", first, "--limit", "5")
        self.assertEqual(back["tables"][0]["rows"]["added"], ["7"])
        text = testlib.ok(self.store, "diff", self.source, first, "--rows").out
        self.assertRegex(text, r"(?m)^checking +0 +1 +0$")
        self.assertIn("\n  - rowid 7\n", text)
        self.assertTrue(text.endswith("\n3 tables are the same\n"), text)
        same = testlib.ok(self.store, "diff", self.source, second).out
        self.assertTrue(same.endswith("pages all the same\n4 tables are the same\n"), same)

    def test_what_it_does_not_take(self):
        testlib.make_database(self.source, 4096, "wal", 1000)
        first = self.back_up(0)[0]
        for code, words, args in ((10, "ffffffff", ("ffffffff",)), (2, "FROM", ()),
                                  (2, "--pages", (first, "--pages", "--rows")),
                                  (2, "--limit", (first, "--limit", "0"))):
            result = testlib.run(self.store, "diff", self.source, *args)
            self.assertEqual((result.code, result.out), (code, ""), result)
            self.assertRegex(result.err, r"\Aholdfast: error: [^\n]+\nhint: [^\n]+\n\Z")
            self.assertIn(words, result.err)


if __name__ == "__main__":
    unittest.main(verbosity=2)
