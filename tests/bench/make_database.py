#!/usr/bin/python3
"""Make a database as an application would have it, always the same one.

usage: make_database.py PATH MIB

Text that compresses (messages, JSON), numbers (measurements with two indexes) and random blobs
(pictures, already compressed), in about equal parts; some rows deleted again, so that pages are
partly empty.  In WAL mode, checkpointed.
"""
import json
import random
import sqlite3
import sys

SCHEMA = """
PRAGMA page_size = 4096;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = OFF;
CREATE TABLE message(id INTEGER PRIMARY KEY, thread INTEGER, sent_at TEXT, author TEXT, body TEXT);
CREATE INDEX message_by_thread ON message(thread, sent_at);
CREATE TABLE event(id INTEGER PRIMARY KEY, at TEXT, detail TEXT);
CREATE TABLE measurement(sensor INTEGER, at INTEGER, celsius REAL, pascal INTEGER,
                         PRIMARY KEY(sensor, at));
CREATE INDEX measurement_by_time ON measurement(at);
CREATE TABLE picture(id INTEGER PRIMARY KEY, name TEXT, data BLOB);
"""
WORDS = """time person year way day thing man world life hand part child eye woman place work week
    case point company number group problem fact order ship invoice reply tomorrow morning please
    thanks regards question answer before after because about which could should""".split()
BATCH = 2000  # rows of each kind in a transaction


def text(rng, count):
    return " ".join(rng.choices(WORDS, k=count)).capitalize() + "."


def moment(n):
    return "2026-%02d-%02dT%02d:%02d:%02dZ" % (
        n // 2419200 % 12 + 1, n // 86400 % 28 + 1, n // 3600 % 24, n // 60 % 60, n % 60)


def add_batch(db, rng, first):
    """One batch of every kind, about 3 MiB in all."""
    ids = range(first, first + BATCH)
    db.executemany("INSERT INTO message VALUES(?, ?, ?, ?, ?)", (
        (i, rng.randrange(i // 20 + 1), moment(i * 11), "user%d@example.com" % rng.randrange(5000),
         " ".join(text(rng, rng.randrange(4, 20)) for _ in range(rng.randrange(1, 5))))
        for i in ids))
    db.executemany("INSERT INTO event VALUES(?, ?, ?)", (
        (i, moment(i * 7), json.dumps({
            "kind": rng.choice(WORDS), "user": rng.randrange(5000), "ok": rng.random() < 0.9,
            "session": "%016x" % rng.getrandbits(64), "path": "/".join(rng.choices(WORDS, k=4)),
            "agent": "Mozilla/5.0 (X11; Linux x86_64)", "ms": rng.randrange(900)}))
        for i in ids))
    db.executemany("INSERT INTO measurement VALUES(?, ?, ?, ?)", (
        (i % 200, first * 60 + i, round(rng.gauss(20, 5), 2), int(rng.gauss(101325, 800)))
        for i in range(10 * BATCH)))
    db.executemany("INSERT INTO picture(name, data) VALUES(?, ?)", (
        ("%s-%d.jpg" % (rng.choice(WORDS), i), rng.randbytes(rng.randrange(2000, 40000)))
        for i in ids[:BATCH // 40]))
    db.execute("DELETE FROM message WHERE id BETWEEN ? AND ? AND id % 23 = 0", (first, ids[-1]))


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    path, size = sys.argv[1], int(sys.argv[2]) << 20
    rng = random.Random(20260101)
    db = sqlite3.connect(path, isolation_level=None)
    db.executescript(SCHEMA)
    first, pages = 1, 0
    while pages * 4096 < size:
        db.execute("BEGIN")
        add_batch(db, rng, first)
        db.execute("COMMIT")
        first += BATCH
        pages = db.execute("PRAGMA page_count").fetchone()[0]
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


if __name__ == "__main__":
    main()
