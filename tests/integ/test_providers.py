"""Goal: Holdfast works on every server that docs/providers.md names, as that says.

usage: test_providers.py CONFORMANCE [--write] [rgw] [swift]

Runs the conformance suite of the store and the commands against our strict server in each
provider's clothes, and against the real servers named; compares with the table in
docs/providers.md, or, with --write, writes that.
"""
import base64
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import unittest

import testlib

sys.path.insert(0, os.path.join(testlib.HERE, "..", "harness"))
from s3_server.quirks import PROVIDERS  # noqa: E402
from s3_server.server import KEY_ID, SECRET, Server  # noqa: E402

DOCUMENT = os.path.join(testlib.HERE, "..", "..", "docs", "providers.md")
BEGIN, END = "<!-- table: begin -->\n", "<!-- table: end -->\n"
COLUMNS = ("Server", "suite", "create", "multipart", "list", "download", "restore", "verify",
           "prune", "conditional writes", "`sse`", "`sse_customer_key`", "`tags`")
# One setting each of how objects are stored.
STORAGE = {"sse": "AES256", "tags": "team=data base",
           "sse_customer_key": base64.b64encode(bytes(range(32))).decode()}
CONFORMANCE, WRITE, REAL = None, False, []


def own_settings(server):
    return {"ENDPOINT": server.endpoint, "BUCKET": "bucket", "ACCESS_KEY_ID": KEY_ID,
            "SECRET_ACCESS_KEY": SECRET, "REGION": server.quirks.region,
            "ADDRESSING": "virtual" if server.quirks.virtual_host else "auto"}


def commands(path, out):
    return {
        "create": [("create", path), ("create", path, "--force")],
        "multipart": [("create", path, "--full", "--force", "--part-size", "5MiB",
                       "--compression", "1")],
        "list": [("list", "app")],
        "download": [("download", "app", "latest", "-o", out)],
        "restore": [("restore", path, "latest", "--yes")],
        "verify": [("verify", "app", "--read")],
        "prune": [("prune", "app", "--keep-last", "1", "--prune-grace", "0s")],
    }


def row(name, settings, quirks=None):
    """What the table says of one server, by trying."""
    told = {} if quirks is None else {
        "HOLDFAST_TEST_CONDITIONAL": quirks.conditional,
        "HOLDFAST_TEST_UPLOADS": "by-key" if quirks.exact_upload_prefix else "by-prefix"}
    scratch = testlib.Scratch()
    cells = {"Server": name}
    try:
        env = dict(os.environ, **told, **{"HOLDFAST_TEST_S3_" + k: v for k, v in settings.items()})
        result = subprocess.run([CONFORMANCE, "s3"], env=env, capture_output=True, text=True,
                                timeout=120, check=False)
        cells["suite"] = "yes" if result.returncode == 0 else "no"
        if result.returncode != 0:
            print(name, result.stdout[-3000:], result.stderr[-3000:])
        store = testlib.s3_store(name, settings).fresh()
        path = scratch / "app.db"
        testlib.make_database(path, 4096, "wal", 11 << 20)
        for command, runs in commands(path, scratch / "out.db").items():
            results = [testlib.run(store, *args, state=scratch / "state") for args in runs]
            cells[command] = "yes" if all(r.code == 0 for r in results) else "no"
            if cells[command] == "no":
                print(name, command, results)
        document = testlib.ok(store, "doctor", "--json", state=scratch / "state").out
        cells["conditional writes"] = conditional(document)
        for setting, value in STORAGE.items():
            cells["`%s`" % setting] = stored(testlib.s3_store(name, settings).fresh(), path,
                                             setting, value)
    finally:
        scratch.close()
    return cells


def stored(store, path, setting, value):
    """Whether objects are stored as a setting says; a refusal is to name it."""
    result = testlib.run(store, "create", path, env={"HOLDFAST_" + setting.upper(): value})
    if result.code == 0:
        return "works"
    if result.code in (1, 2) and re.search(r"hint: .*\b%s\b" % setting, result.err):
        return "refused"
    print(store.name, setting, result)
    return "no"


def in_clothes(name):
    with Server(PROVIDERS[name]) as server:
        return row("strict, as " + name, own_settings(server), PROVIDERS[name])


def conditional(text):
    """From what doctor says of them."""
    for line in text.splitlines():
        for found in json.loads(line).get("checks", []):
            if found["check"] == "conditional writes":
                message = found["message"]
                return next((word for word in ("works", "ignored") if word in message), "refused")
    return "?"


def table(rows):
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + " --- |" * len(COLUMNS)]
    lines += ["| " + " | ".join(cells[column] for column in COLUMNS) + " |" for cells in rows]
    return "\n".join(lines) + "\n"


class Providers(unittest.TestCase):
    def test_the_table_is_what_happens(self):
        rows = [row(name, testlib.settings(name)) for name in REAL]
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            rows += pool.map(in_clothes, PROVIDERS)
        with open(DOCUMENT, encoding="utf-8") as file:
            before, _, rest = file.read().partition(BEGIN)
        written, _, after = rest.partition(END)
        kept = "".join(line + "\n" for line in written.splitlines() for name in ("rgw", "swift")
                       if name not in REAL and line.startswith("| %s |" % name))
        made = table(rows).replace("| strict", kept + "| strict", 1)
        print(made)
        if WRITE:
            with open(DOCUMENT, "w", encoding="utf-8") as file:
                file.write(before + BEGIN + made + END + after)
            return
        for line in made.splitlines():
            self.assertIn(line, written.splitlines())
        self.assertNotIn(" no ", made)


if __name__ == "__main__":
    CONFORMANCE = sys.argv.pop(1)
    WRITE = "--write" in sys.argv
    REAL = [name for name in sys.argv[1:] if name in ("rgw", "swift", "env")]
    del sys.argv[1:]
    unittest.main(verbosity=2)
