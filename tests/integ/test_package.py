"""Goal: the Debian package holds what it should where it should be, says what it depends on, and
installs, leaves a changed configuration alone, and goes without a trace.

usage: test_package.py BUILD      BUILD: a directory in which everything is built
"""
import glob
import os
import re
import shutil
import stat
import subprocess
import sys
import unittest

import testlib

# $1: an empty directory on a file system that can hold an overlay's upper layer; then the command.
IN_OVERLAY = """set -e
top=$1
shift
mount -t tmpfs tmpfs "$top"
mkdir "$top/upper" "$top/work" "$top/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$top/upper,workdir=$top/work" "$top/root"
mount -t proc proc "$top/root/proc"
mount --rbind /dev "$top/root/dev"
cp "$DEB" "$top/root/holdfast.deb"
exec chroot "$top/root" "$@"
"""
INSTALL = """set -e
dpkg --force-depends -i /holdfast.deb >/dev/null 2>&1
holdfast version
id -u holdfast
stat -c '%U:%G %a' /etc/holdfast/holdfast.ini
echo '; mine' >> /etc/holdfast/holdfast.ini
dpkg --force-depends --force-confdef -i /holdfast.deb >/dev/null 2>&1
tail -n 1 /etc/holdfast/holdfast.ini
dpkg -r holdfast >/dev/null 2>&1
test -e /etc/holdfast/holdfast.ini && echo kept
test -e /usr/bin/holdfast || echo gone
mkdir -p /var/lib/holdfast/app
dpkg -P holdfast >/dev/null 2>&1
ls -d /etc/holdfast /var/lib/holdfast 2>/dev/null || echo purged
"""


class Package(unittest.TestCase):
    build = None

    @classmethod
    def setUpClass(cls):
        cls.dir = testlib.Scratch()
        subprocess.run(["cpack", "-G", "DEB", "-B", cls.dir.path, "--config",
                        os.path.join(cls.build, "CPackConfig.cmake")], check=True,
                       cwd=cls.build, stdout=subprocess.DEVNULL)
        cls.deb, = glob.glob(cls.dir / "*.deb")
        cls.root, cls.control = cls.dir / "root", cls.dir / "control"
        subprocess.run(["dpkg-deb", "-x", cls.deb, cls.root], check=True)
        subprocess.run(["dpkg-deb", "-e", cls.deb, cls.control], check=True)

    @classmethod
    def tearDownClass(cls):
        cls.dir.close()

    def text(self, path):
        with open(path) as file:
            return file.read()

    def field(self, name):
        return subprocess.run(["dpkg-deb", "-f", self.deb, name], check=True, capture_output=True,
                              text=True).stdout.strip()

    def test_it_is_named_and_described(self):
        self.assertRegex(os.path.basename(self.deb), r"^holdfast_[\d.]+_\w+\.deb$")
        self.assertEqual(self.field("Package"), "holdfast")
        self.assertRegex(self.field("Description"), r"^[a-z].{20,79}\n .*\n")
        for name in ("Maintainer", "Section", "Priority", "Installed-Size", "Architecture"):
            self.assertNotEqual(self.field(name), "", name)

    def test_it_depends_on_every_library_that_the_program_links(self):
        depends = self.field("Depends")
        for package in ("libc6", "libsqlite3-0", "libcurl4", "libssl3", "libexpat1", "libinih1",
                        "libzstd1", "libjansson4", "libmicrohttpd12"):
            self.assertRegex(depends, r"(^|, )%s( |,|$)" % re.escape(package))
        self.assertIn("ca-certificates", self.field("Recommends"))

    def test_every_file_is_in_its_place(self):
        files = {os.path.relpath(os.path.join(folder, name), self.root)
                 for folder, _, names in os.walk(self.root) for name in names}
        for path in ("usr/bin/holdfast", "usr/share/man/man1/holdfast.1",
                     "usr/share/man/man5/holdfast.ini.5", "etc/holdfast/holdfast.ini",
                     "usr/share/bash-completion/completions/holdfast",
                     "usr/share/zsh/site-functions/_holdfast",
                     "usr/share/fish/vendor_completions.d/holdfast.fish",
                     "usr/lib/systemd/system/holdfast.service",
                     "usr/lib/systemd/system/holdfast-run.service",
                     "usr/lib/systemd/system/holdfast-run.timer",
                     "usr/lib/sysusers.d/holdfast.conf", "usr/share/doc/holdfast/copyright"):
            self.assertIn(path, files)
        for path in files:  # nothing of the tests, of the build, or where packages have no business
            self.assertNotRegex(path, r"test|fuzz|harness|\.[ach]$|usr/local|include/")
        for path in files:
            status = os.stat(os.path.join(self.root, path))
            self.assertEqual((status.st_uid, status.st_gid), (0, 0), path)
            self.assertEqual(status.st_mode & (stat.S_IWOTH | stat.S_IWGRP), 0, path)
        self.assertEqual(os.stat(self.root + "/etc/holdfast/holdfast.ini").st_mode & 0o777, 0o640)

    def test_the_program_runs_and_knows_the_configuration(self):
        program = self.root + "/usr/bin/holdfast"
        said = subprocess.run([program, "version"], check=True, capture_output=True, text=True)
        self.assertIn(self.field("Version"), said.stdout)
        result = subprocess.run([program, "status", "-c", self.root + "/etc/holdfast/holdfast.ini"],
                                env=testlib.environment(), capture_output=True, text=True)
        self.assertIn(result.returncode, (0, 2), result.stderr)  # it may name no database
        self.assertNotIn("holdfast.ini:", result.stderr)

    def test_units_start_what_is_there(self):
        for name in ("holdfast.service", "holdfast-run.service"):
            unit = self.text(self.root + "/usr/lib/systemd/system/" + name)
            command = re.search(r"^ExecStart=(\S+) (\w+)", unit, re.M)
            self.assertTrue(os.access(self.root + command[1], os.X_OK))
            subprocess.run([self.root + command[1], command[2], "--help"], check=True,
                           stdout=subprocess.DEVNULL)

    def test_scripts_are_well_formed(self):
        self.assertEqual(self.text(self.control + "/conffiles"), "/etc/holdfast/holdfast.ini\n")
        for name in ("postinst", "prerm", "postrm"):
            path = os.path.join(self.control, name)
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o755)
            subprocess.run(["shellcheck", "-s", "sh", path], check=True)

    def test_it_installs_and_goes(self):
        """For real, by dpkg, in a file system of which nothing stays."""
        top = self.dir / "overlay"
        os.makedirs(top, exist_ok=True)
        result = subprocess.run(
            ["unshare", "--mount", "sh", "-c", IN_OVERLAY, "-", top, "sh", "-c", INSTALL],
            env={**os.environ, "DEB": self.deb}, capture_output=True, text=True)
        if "overlay" in result.stderr and "mount" in result.stderr:
            self.skipTest("overlays cannot be mounted here")
        lines = result.stdout.splitlines()
        self.assertEqual(result.returncode, 0, result)
        self.assertIn("holdfast", lines[0])
        uid = [line for line in lines if line.isdigit()][0]
        self.assertLess(int(uid), 1000)
        self.assertEqual(lines[lines.index(uid) + 1:],
                         ["root:holdfast 640", "; mine", "kept", "gone", "purged"])


if __name__ == "__main__":
    Package.build = sys.argv.pop(1) if len(sys.argv) > 1 else sys.exit(__doc__)
    assert shutil.which("dpkg-shlibdeps"), "dpkg-dev is not installed"
    unittest.main(verbosity=2)
