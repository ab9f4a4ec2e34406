#!/usr/bin/python3
"""Goal: what is kept is what `restic forget` keeps, and for the same reasons.

    test_retention_restic.py PROGRAM POLICIES [SEED]

Random histories, also across changes of the clock, the ends of months and years; random policies.
The repositories are made here, not by `restic backup`, which would take an hour: a configuration, a
key whose derivation costs nothing, and snapshots.  Nothing else is read by `forget --dry-run`.

Format: restic.readthedocs.io/en/v0.14.0/100_references.html "Repository Format".
"""
import base64
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import unittest
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.poly1305 import Poly1305

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]
PASSWORD = b"password"
BATCH = 20
COUNTS = ["last", "hourly", "daily", "weekly", "monthly", "yearly"]
REASONS = {"last snapshot": 1, "hourly snapshot": 2, "daily snapshot": 4, "weekly snapshot": 8,
           "monthly snapshot": 16, "yearly snapshot": 32}
WITHIN, NO_POLICY = 64, 128


class Key:
    """AES-256-CTR and Poly1305-AES, as restic puts them together."""

    def __init__(self, data):
        self.encrypt, self.k, self.r = data[:32], data[32:48], data[48:64]

    def seal(self, plain):
        nonce = os.urandom(16)
        encryptor = Cipher(algorithms.AES(self.encrypt), modes.CTR(nonce)).encryptor()
        sealed = encryptor.update(plain) + encryptor.finalize()
        block = Cipher(algorithms.AES(self.k), modes.ECB()).encryptor()
        s = block.update(nonce) + block.finalize()
        return nonce + sealed + Poly1305.generate_tag(self.r + s, sealed)

    def document(self):
        b64 = lambda data: base64.b64encode(data).decode()
        return {"mac": {"k": b64(self.k), "r": b64(self.r)}, "encrypt": b64(self.encrypt)}


def write(directory, name, data):
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, name or hashlib.sha256(data).hexdigest()), "wb") as file:
        file.write(data)


class Repository:
    def __init__(self, path):
        self.path, self.master = path, Key(os.urandom(64))
        salt = os.urandom(64)
        user = Key(hashlib.scrypt(PASSWORD, salt=salt, n=2, r=1, p=1, dklen=64))
        write(os.path.join(path, "keys"), None, json.dumps({
            "hostname": "h", "username": "u", "kdf": "scrypt", "N": 2, "r": 1, "p": 1,
            "created": "2022-01-01T00:00:00Z", "salt": base64.b64encode(salt).decode(),
            "data": base64.b64encode(user.seal(json.dumps(
                self.master.document()).encode())).decode()}).encode())
        write(path, "config", self.master.seal(json.dumps({
            "version": 1, "id": os.urandom(32).hex(),
            "chunker_polynomial": "25b468838dcb75"}).encode()))
        for name in ("data", "index", "locks", "snapshots"):
            os.makedirs(os.path.join(path, name), exist_ok=True)

    def add(self, host, when):
        # The random tree makes two snapshots of one moment two files.
        write(os.path.join(self.path, "snapshots"), None, self.master.seal(json.dumps({
            "time": when.isoformat(), "tree": os.urandom(32).hex(), "paths": ["/p"],
            "hostname": host, "username": "u", "uid": 0, "gid": 0}).encode()))

    def forget(self, host, zone, policy):
        command = ["restic", "-r", self.path, "--no-cache", "--no-lock", "--json", "forget",
                   "--dry-run", "--group-by", "host", "--host", host]
        for name, value in policy.items():
            command += ["--keep-" + name, str(value)]
        result = subprocess.run(command, env=dict(os.environ, RESTIC_PASSWORD=PASSWORD.decode(),
                                                  TZ=zone), capture_output=True, text=True,
                                check=False)
        if result.returncode != 0:
            raise AssertionError("restic: %s" % result.stderr)
        (group,) = json.loads(result.stdout)
        kept = {}
        for reason in group["reasons"] or []:
            kept.setdefault(moment(reason["snapshot"]["time"]), []).append(
                sum(bits(match) for match in reason["matches"]))
        return {ms: sorted(values) for ms, values in kept.items()}


def bits(match):
    if match.startswith("within"):
        return WITHIN
    return NO_POLICY if match == "policy is empty" else REASONS[match]


def moment(text):
    return round(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


def random_history(rng):
    """Moments in seconds, in no order."""
    start = rng.choice([
        datetime(2022, 10, 29, 20, tzinfo=timezone.utc), datetime(2022, 3, 26, 20,
                                                                  tzinfo=timezone.utc),
        datetime(2020, 2, 28, 3, tzinfo=timezone.utc), datetime(2020, 12, 27, tzinfo=timezone.utc),
        datetime(2021, 11, 6, 12, tzinfo=timezone.utc), datetime(2021, 1, 31, 7,
                                                                 tzinfo=timezone.utc),
        datetime(2015, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=rng.randrange(10 ** 8))])
    moments, at = [], start
    step = rng.choice([600, 1800, 3600, 3600, 7200, 86400, 86400 * 10, 86400 * 90])
    for _ in range(rng.randrange(1, 70)):
        moments.append(int(at.timestamp()))
        at += timedelta(seconds=step * rng.choice([1, 1, 1, 1, 2, 30])
                        if rng.random() < 0.7 else rng.randrange(2 * step))
    return moments


def random_policy(rng):
    policy = {}
    for name in COUNTS:
        if rng.random() < 0.4:
            policy[name] = rng.choice([1, 2, 3, 5, 7, 24])
    if rng.random() < 0.35:
        policy["within"] = rng.choice(["%dh" % rng.randrange(1, 60), "%dd" % rng.randrange(1, 90),
                                       "%dm" % rng.randrange(1, 14), "1y%dm%dd" % (
                                           rng.randrange(12), rng.randrange(31)),
                                       "%dm%dd%dh" % (rng.randrange(3), rng.randrange(9),
                                                      rng.randrange(1, 30))])
    return policy or {"last": 1}


def ours(zone, questions):
    result = subprocess.run([PROGRAM], input="".join(json.dumps(q) + "\n" for q in questions),
                            env=dict(os.environ, TZ=zone), capture_output=True, text=True,
                            check=True)
    return [json.loads(line) for line in result.stdout.splitlines()]


class Restic(unittest.TestCase):
    def compare(self, rng, zone, now):
        """A batch of histories in a repository of their own, for each forget reads all of it."""
        kept_total, cases = 0, []
        with tempfile.TemporaryDirectory() as scratch:
            repository = Repository(scratch)
            for case in range(BATCH):
                moments = sorted(random_history(rng))
                for at in moments:
                    repository.add("h%d" % case, datetime.fromtimestamp(at, ZoneInfo(zone)))
                cases.append(("h%d" % case, moments, random_policy(rng)))
            answers = ours(zone, [{"policy": policy, "now": now * 1000,
                                   "times": [at * 1000 for at in moments]}
                                  for _, moments, policy in cases])
            for (host, moments, policy), reasons in zip(cases, answers):
                kept = {}
                for at, why in zip(moments, reasons):
                    if why != 0:
                        kept.setdefault(at * 1000, []).append(why)
                kept = {ms: sorted(values) for ms, values in kept.items()}
                kept_total += len(kept)
                self.assertEqual(kept, repository.forget(host, zone, policy),
                                 "seed %d, %s, %s, %s" % (SEED, zone, policy, moments))
        return kept_total

    def test_keeps_what_restic_keeps(self):
        rng = random.Random(SEED)
        now = int(datetime.now().timestamp())
        kept_total = 0
        for number in range(0, COUNT, BATCH):
            kept_total += self.compare(rng, ZONES[number // BATCH % len(ZONES)], now)
        print("%d policies and histories, %d moments kept" % (COUNT, kept_total))


if __name__ == "__main__":
    PROGRAM, COUNT = sys.argv[1], int(sys.argv[2])
    SEED = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(10 ** 9)
    unittest.main(argv=sys.argv[:1])
