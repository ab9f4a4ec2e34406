"""An application with something to lose: ten orders a second into a SQLite database in WAL mode.

usage: writer.py DATABASE
"""
import random
import sqlite3
import sys
import time

db = sqlite3.connect(sys.argv[1], timeout=10, isolation_level=None)
db.execute("PRAGMA journal_mode=WAL")
db.execute("CREATE TABLE IF NOT EXISTS orders(id INTEGER PRIMARY KEY, at TEXT, amount INTEGER)")
print("%d orders so far" % db.execute("SELECT count(*) FROM orders").fetchone(), flush=True)
while True:
    db.execute("INSERT INTO orders(at, amount) VALUES(datetime('now'), ?)",
               (random.randrange(1, 1000),))
    time.sleep(0.1)
