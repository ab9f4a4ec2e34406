"""Write to a database until SIGTERM: transfers between its two tables of accounts, each in one
transaction that keeps the sum, and a note of each in the journal.

usage: writer.py DATABASE PAUSE_SECONDS SEED
"""
import json
import random
import signal
import sqlite3
import sys
import time

path, pause, seed = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
rng = random.Random(seed)
stopping = False


def stop(*_):
    global stopping
    stopping = True


signal.signal(signal.SIGTERM, stop)
db = sqlite3.connect(path, isolation_level=None, timeout=120)
db.execute("PRAGMA synchronous=NORMAL")
accounts = db.execute("SELECT count(*) FROM checking").fetchone()[0]
commits, longest = 0, 0.0
while not stopping:
    began = time.monotonic()
    amount = rng.randrange(1, 50)
    db.execute("BEGIN IMMEDIATE")
    db.execute("UPDATE checking SET balance = balance - ? WHERE id = ?",
               (amount, rng.randrange(accounts)))
    db.execute("UPDATE savings SET balance = balance + ? WHERE id = ?",
               (amount, rng.randrange(accounts)))
    db.execute("INSERT INTO journal(at, note) VALUES(?, ?)",
               (time.time(), "writer %d moved %d: %s" % (seed, amount, rng.random())))
    if commits % 7 == 0:
        db.execute("DELETE FROM journal WHERE id = (SELECT min(id) FROM journal)")
    db.execute("COMMIT")
    longest = max(longest, time.monotonic() - began)
    commits += 1
    if commits == 1:
        print("writing", flush=True)
    time.sleep(pause)
db.close()
print(json.dumps({"commits": commits, "longest": longest}))
