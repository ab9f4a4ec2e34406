"""Goal: every recipe in README and docs works as it stands there: its text is taken from the
document and run, in a file system of its own, with a real database and a real S3 server.

A block of shell in a document is either preceded by `<!-- recipe: NAME -->`, and then there is a
recipe of that name below, or by `<!-- not run: REASON -->`.

usage: test_recipes.py STORE
"""
import collections
import glob
import os
import re
import shlex
import socket
import socketserver
import subprocess
import threading
import unittest
from urllib.parse import parse_qs, urlsplit

import botocore.session

import testlib

TOP = os.path.dirname(os.path.dirname(testlib.HERE))
SERVER = "127.0.0.77"  # which the documents call minio

# $1: an empty directory; then the command.
SANDBOX = """set -e
top=$1
shift
mount -t tmpfs tmpfs "$top"
mkdir "$top/upper" "$top/work" "$top/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$top/upper,workdir=$top/work" "$top/root"
mount -t proc proc "$top/root/proc"
mount --rbind /dev "$top/root/dev"
mount -t tmpfs tmpfs "$top/root/tmp"
install "$HOLDFAST" "$top/root/usr/local/bin/holdfast"
printf '127.0.0.1 localhost\\n%s minio\\n' "$SERVER" >"$top/root/etc/hosts"
mkdir -p "$top/root/data" "$top/root/recipe" \\
    "$top/root/etc/holdfast"
install "$STAND_IN" "$top/root/usr/local/bin/aws"
exec chroot "$top/root" sh -c 'cd /recipe && exec bash -exo pipefail -c "$0"' "$@"
"""
# Stands in for AWS's own, of which every version takes another way to name an endpoint.
AWS = """#!/usr/bin/python3
import os, sys, botocore.session
from urllib.parse import urlsplit
words = sys.argv[1:]
endpoint = os.environ.get("AWS_ENDPOINT_URL")
if words[0] == "--endpoint-url":
    endpoint, words = words[1], words[2:]
url = urlsplit(words[2])
s3 = botocore.session.get_session().create_client("s3", "us-east-1", endpoint_url=endpoint)
if words[:2] == ["s3", "mb"]:
    s3.create_bucket(Bucket=url.netloc)
elif words[:2] == ["s3", "cp"] and words[3:] == ["-"]:
    body = s3.get_object(Bucket=url.netloc, Key=url.path[1:])["Body"]
    sys.stdout.buffer.write(body.read())
else:
    sys.exit("not a command that a recipe has: %s" % words)
"""
DATABASE = """
sqlite3 "$DB" 'PRAGMA journal_mode=wal; CREATE TABLE t(a, b);
               INSERT INTO t SELECT value, hex(randomblob(500))
                   FROM generate_series(1, 2000);' >/dev/null
count() { sqlite3 "${1-$DB}" 'SELECT count(*) FROM t'; }
"""
CONFIGURED = DATABASE + """
printf '[store]\\nurl = file:///backups\\n[database:app]\\npath = /data/app.db\\n' \\
    >/etc/holdfast/holdfast.ini
chmod 600 /etc/holdfast/holdfast.ini
"""
IN_S3 = """
export AWS_ACCESS_KEY_ID=$KEY AWS_SECRET_ACCESS_KEY=$SECRET
export AWS_ENDPOINT_URL=http://minio:9000
export HOLDFAST_STORE=s3://backups/prod
"""
LOST = DATABASE + """
export HOLDFAST_STORE=file:///backups
holdfast create "$DB" >/dev/null
rm "$DB"*
"""
# An agent goes on until it is told to stop.
AGENT = ("--final-backup yes",
         "--final-backup yes & agent=$!; until [ -e $HOLDFAST_STATE_DIR/app/status.json ]; "
         "do sleep 0.1; done")
STOPPED = """kill $agent; wait $agent
[ "$(count)" = 2000 ]
holdfast list app --json | grep -q '"trigger":"schedule"'
"""

Recipe = collections.namedtuple("Recipe", "before replaced after", defaults=("", (), ""))
RECIPES = {
    "first backups": Recipe(
        DATABASE,
        [("restore /data/app.db latest ", "restore /data/app.db latest --yes "),
         ("restore /data/app.db --undo ", "restore /data/app.db --undo --yes ")],
        '[ "$(count copy.sqlite3)" = 2000 ] && [ "$(count)" = 2000 ]'),
    "s3": Recipe(
        DATABASE, [("AWS_ACCESS_KEY_ID=...", 'AWS_ACCESS_KEY_ID="$KEY"'),
                   ("AWS_SECRET_ACCESS_KEY=...", 'AWS_SECRET_ACCESS_KEY="$SECRET"')],
        'holdfast list app --json | grep -q \'"label":null\''),
    "container": Recipe(LOST, [AGENT], STOPPED),
    "without holdfast": Recipe(
        DATABASE + IN_S3 +
        "id=$(holdfast create $DB --json | grep -oE '\"id\":\"[^\"]+' | cut -c7-)",
        [("ID", "$id")], '[ "$(count app.sqlite3)" = 2000 ]'),
    "doctor": Recipe(CONFIGURED),
    "status": Recipe(CONFIGURED + "holdfast run --all"),
    "what was lost": Recipe(
        CONFIGURED + "holdfast create app >/dev/null\nsqlite3 $DB 'DELETE FROM t WHERE a > 10'\n"
        "holdfast create app >/dev/null 2>&1\n"
        "id=$(holdfast list app --json | grep -oE '\"id\":\"[^\"]+' | cut -c7- | tail -n 1)",
        [("1b4e28ba", "$id")], ""),
    "init container": Recipe(LOST, [AGENT], STOPPED),
    "test set-up": Recipe(
        DATABASE + "cp $DB fixtures.db; sqlite3 fixtures.db 'PRAGMA journal_mode=delete'",
        [("AWS_ACCESS_KEY_ID=minioadmin", 'AWS_ACCESS_KEY_ID="$KEY"'),
         ("AWS_SECRET_ACCESS_KEY=minioadmin", 'AWS_SECRET_ACCESS_KEY="$SECRET"'),
         ("localhost", "minio")]),
}


class Forward(socketserver.BaseRequestHandler):
    """From the address in the documents to the server that there is."""

    target = None

    def handle(self):
        with socket.create_connection(self.target) as server:
            back = threading.Thread(target=self.pump, args=(server, self.request), daemon=True)
            back.start()
            self.pump(self.request, server)
            back.join()

    @staticmethod
    def pump(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


class Forwarder(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True


def documents():
    return [os.path.join(TOP, n) for n in ("README.md", "CONTRIBUTING.md")] + sorted(
        glob.glob(TOP + "/docs/*.md"))


def blocks(path):
    """(line, mark before it or "", text) of each block of shell."""
    with open(path) as file:
        lines = file.read().split("\n")
    number = 0
    while number < len(lines):
        if re.fullmatch(r"```(sh|bash|shell|console)", lines[number]):
            end = lines.index("```", number)
            mark = re.fullmatch(r"<!-- (.*) -->", lines[number - 1])
            yield number + 1, mark[1] if mark else "", "\n".join(lines[number + 1:end])
            number = end
        number += 1


class Recipes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.env = testlib.STORE.env
        Forward.target = testlib.host_port(testlib.STORE)
        cls.server = Forwarder((SERVER, 9000), Forward)
        threading.Thread(target=cls.server.serve_forever, daemon=True).start()
        endpoint = parse_qs(urlsplit(testlib.STORE.url).query)["endpoint"][0]
        s3 = botocore.session.get_session().create_client(
            "s3", "us-east-1", endpoint_url=endpoint,
            aws_access_key_id=cls.env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=cls.env["AWS_SECRET_ACCESS_KEY"])
        s3.create_bucket(Bucket="backups")

    @classmethod
    def tearDownClass(cls):
        cls.server.shutdown()
        cls.server.server_close()

    def sandbox(self, script):
        scratch = testlib.Scratch()
        self.addCleanup(scratch.close)
        stand_in = scratch / "aws"
        with open(stand_in, "w") as file:
            file.write(AWS)
        os.mkdir(scratch / "top")
        env = testlib.environment(
            PATH="/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            HOLDFAST=testlib.HOLDFAST, SERVER=SERVER, STAND_IN=stand_in, HOME="/root",
            HOLDFAST_STATE_DIR="/state", DB="/data/app.db",
            KEY=self.env["AWS_ACCESS_KEY_ID"], SECRET=self.env["AWS_SECRET_ACCESS_KEY"])
        return subprocess.run(["unshare", "--mount", "sh", "-c", SANDBOX, "-", scratch / "top",
                               script], env=env, capture_output=True, text=True, timeout=120)

    def test_every_block_is_run_or_says_why_not(self):
        names = []
        for path in documents():
            for line, mark, _ in blocks(path):
                where = "%s:%d" % (os.path.relpath(path, TOP), line)
                self.assertRegex(mark, r"^(recipe: \S.*|not run: \S.{10,})$", where)
                if mark.startswith("recipe: "):
                    names.append(mark[8:])
        self.assertEqual(sorted(names), sorted(RECIPES))

    def test_every_recipe_works(self):
        for path in documents():
            for line, mark, text in blocks(path):
                if not mark.startswith("recipe: "):
                    continue
                with self.subTest(recipe=mark[8:]):
                    self.run_recipe(RECIPES[mark[8:]], text)

    def run_recipe(self, recipe, text):
        for old, new in recipe.replaced:
            self.assertIn(old, text)
            text = text.replace(old, new)
        result = self.sandbox("\n".join((recipe.before, text, recipe.after)))
        if "overlay" in result.stderr and "mount:" in result.stderr:
            self.skipTest("overlays cannot be mounted here")
        self.assertEqual(result.returncode, 0, "%s\n%s\n%s" % (text, result.stdout, result.stderr))
        self.assertNotIn("error:", result.stderr)

    def test_a_recipe_that_fails_is_noticed(self):
        self.assertEqual(self.sandbox("holdfast list none --store file:///none").returncode, 10)
        self.assertNotEqual(self.sandbox("false | true").returncode, 0)

    def test_what_is_to_be_installed_is_what_the_tests_install(self):
        with open(TOP + "/README.md") as file:
            named = re.search(r"apt-get install ((?:.*\\\n)*.*)", file.read())[1]
        script = ". %s/tests/packages.sh; echo ${build_packages[@]}" % shlex.quote(TOP)
        wanted = subprocess.run(["bash", "-c", script], check=True, capture_output=True, text=True)
        self.assertLessEqual(set(named.replace("\\", "").split()), set(wanted.stdout.split()))
        self.assertLessEqual({p for p in wanted.stdout.split() if p.endswith("-dev")},
                             set(named.replace("\\", "").split()) | {"libc6-dev"})


if __name__ == "__main__":
    testlib.main(__doc__, lambda name: Recipes)
