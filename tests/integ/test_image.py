"""Goal: the image that docker/Dockerfile describes is small, and does its work as a sidecar:
without root, on a root file system that nobody can write, with nothing but its volumes.

No container engine is needed: buildah builds it, and its file system is run with chroot, in a mount
namespace of its own.  Needs root, buildah and, where the base image is not there yet, debootstrap.

usage: test_image.py STORE
"""
import json
import os
import shutil
import subprocess
import tempfile
import time
import unittest

import testlib

TOP = os.path.dirname(os.path.dirname(testlib.HERE))
BASE = "docker.io/library/debian:bookworm-slim"
TAG = "localhost/holdfast-test:%d" % os.getpid()
OVER_BASE_MAX = 40 << 20  # bytes of files
USER = 65532
BUILDAH = dict(os.environ, BUILDAH_ISOLATION="chroot")

# $1: the root file system, $2: /data, $3: the volume of the state; then the command.
SIDECAR = """set -e
root=$1 data=$2 state=$3
shift 3
mount --bind "$root" "$root"
mount --bind /dev "$root/dev"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/tmp"
mount --bind "$data" "$root/mnt"
mount --bind "$state" "$root/var/lib/holdfast"
mount -o remount,bind,ro "$root"
exec chroot --userspec=%d:%d "$root" "$@"
""" % (USER, USER)


def buildah(*args):
    result = subprocess.run(["buildah", *args], env=BUILDAH, capture_output=True, text=True)
    assert result.returncode == 0, "buildah %s: %s" % (args, result.stdout + result.stderr)
    return result.stdout.strip()


def make_base():
    """The distribution's own, where no registry can be asked."""
    if subprocess.run(["buildah", "inspect", "--type", "image", BASE], env=BUILDAH,
                      capture_output=True).returncode == 0:
        return
    root = tempfile.mkdtemp(prefix="holdfast-base-")
    try:
        subprocess.run(["debootstrap", "--variant=minbase", "bookworm", root], check=True,
                       stdout=subprocess.DEVNULL)
        container = buildah("from", "scratch")
        buildah("copy", "-q", container, root, "/")
        buildah("commit", "-q", "--rm", container, BASE)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def files(root):
    """Sizes by path, of what is an image's own."""
    sizes = {}
    for folder, names, others in os.walk(root):
        for name in others:
            path = os.path.join(folder, name)
            status = os.lstat(path)
            sizes[os.path.relpath(path, root)] = (status.st_size, int(status.st_mtime))
    return sizes


class Image(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        make_base()
        begin = time.monotonic()
        buildah("bud", "-q", "--pull-never", "-f", TOP + "/docker/Dockerfile", "-t", TAG, TOP)
        print("built in %.0f s" % (time.monotonic() - begin))
        cls.containers = [buildah("from", "--pull-never", image) for image in (BASE, TAG)]
        cls.base, cls.root = [buildah("mount", c) for c in cls.containers]
        cls.config = json.loads(buildah("inspect", "--type", "image", TAG))["Docker"]["config"]

    @classmethod
    def tearDownClass(cls):
        for container in cls.containers:
            buildah("umount", container)
            buildah("rm", container)
        buildah("rmi", "-f", TAG)

    def setUp(self):
        self.dir = testlib.Scratch()
        self.addCleanup(self.dir.close)
        os.chmod(self.dir.path, 0o755)
        self.data, self.state = self.dir / "data", self.dir / "state"
        for path in (self.data, self.state):
            os.mkdir(path)
        testlib.make_database(self.data + "/app.db", size=1 << 20)
        for folder in (self.data, self.state):
            os.chown(folder, USER, USER)
            for name in os.listdir(folder):
                os.chown(os.path.join(folder, name), USER, USER)
        self.store = testlib.STORE.fresh()

    def start(self, *command):
        env = {"PATH": "/usr/local/bin:/usr/bin:/bin", **self.store.env}
        env.update(e.split("=", 1) for e in self.config["Env"])
        env["HOLDFAST_STORE"] = self.store.url
        return subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", SIDECAR, "-", self.root, self.data, self.state,
             *command], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run_in(self, *command, code=0):
        process = self.start(*command)
        out, err = process.communicate(timeout=120)
        self.assertEqual(process.returncode, code, out + err)
        return out + err

    def backups(self):
        return json.loads(self.run_in("holdfast", "list", "app", "--json"))["backups"]

    def test_it_is_small(self):
        base = files(self.base)
        added = {p: s[0] for p, s in files(self.root).items() if base.get(p) != s}
        total = sum(added.values())
        print("%.1f MB over its base; the largest: %s" % (
            total / 1e6, ", ".join("%s %.1f" % (os.path.basename(p), added[p] / 1e6)
                                   for p in sorted(added, key=added.get)[-4:])))
        self.assertGreater(total, 1 << 20)
        self.assertLessEqual(total, OVER_BASE_MAX)
        left = [p for p in added if p.startswith(("src/", "build/", "var/lib/apt/lists/", "root/"))]
        self.assertEqual(left, [])

    def test_it_says_how_it_is_run(self):
        self.assertEqual(self.config["User"], "%d:%d" % (USER, USER))
        self.assertEqual(self.config["Entrypoint"], ["holdfast"])
        self.assertEqual(self.config["Cmd"], ["agent"])
        with open(TOP + "/docker/Dockerfile") as file:  # buildah's own format has no health check
            self.assertIn('CMD ["holdfast", "health"]', file.read())

    def test_everything_that_it_links_is_there(self):
        self.assertIn("holdfast", self.run_in("holdfast", "version"))
        self.assertNotIn("not found", self.run_in("ldd", "/usr/local/bin/holdfast"))

    def test_it_cannot_write_anywhere_else(self):
        for path in ("/x", "/usr/local/bin/holdfast", "/etc/x", "/root/x"):
            said = self.run_in("sh", "-c", "(: >> %s) 2>&1 || echo refused" % path)
            self.assertIn("refused", said)

    def test_the_doctor_finds_it_well(self):
        report = json.loads(self.run_in("holdfast", "doctor", "/mnt/app.db", "--json"))
        self.assertEqual([c for c in report["checks"] if c["result"] == "failure"], [])
        self.assertEqual([c for c in report["checks"] if c["result"] == "warning"
                          and c["check"] != "certificate"], [])

    def test_as_a_sidecar(self):
        with testlib.Writers(self.data + "/app.db", count=1):
            agent = self.start("holdfast", "agent", "/mnt/app.db", "--final-backup", "yes")
            try:
                testlib.wait_for(lambda: os.path.exists(self.state + "/app/status.json"))
                self.run_in("holdfast", "health", "/mnt/app.db", "--max-age", "2h")
                first = self.backups()[0]["id"]
            finally:
                agent.terminate()
                out, err = agent.communicate(timeout=60)
        self.assertEqual(agent.returncode, 0, out + err)
        # There is a last one; those of the same hour before it have expired.
        self.assertNotEqual(self.backups()[0]["id"], first)
        self.run_in("holdfast", "restore", "/mnt/app.db", "latest", "--output", "/mnt/copy.db")
        testlib.check_database(self.data + "/copy.db")

    def test_an_empty_volume_is_filled(self):
        self.run_in("holdfast", "create", "/mnt/app.db")
        wanted = testlib.content_hash(self.data + "/app.db")
        for name in os.listdir(self.data):
            os.unlink(os.path.join(self.data, name))
        self.run_in("holdfast", "restore", "/mnt/app.db", "latest", "--if-missing")
        self.assertEqual(testlib.content_hash(self.data + "/app.db"), wanted)


if __name__ == "__main__":
    testlib.main(__doc__, lambda name: Image)
