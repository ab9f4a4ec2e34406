"""Goal: program, manual pages, sample configuration and completions name the same things.

usage: test_documentation.py [unittest arguments]
"""
import os
import re
import shutil
import subprocess
import unittest

import testlib

TOP = os.path.dirname(os.path.dirname(testlib.HERE))
ETC = os.path.join(TOP, "etc")


class Documentation(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        def text(*args):
            return subprocess.run([testlib.HOLDFAST, *args], check=True, capture_output=True,
                                  text=True).stdout

        def etc(name):
            with open(os.path.join(ETC, name)) as file:
                return file.read()

        cls.commands = re.findall(r"^  (\w+) {3,}", text("help"), re.M)
        cls.flags, cls.settings = {}, []
        for command in cls.commands:
            own, _, settings = text("help", command).partition("\nSettings:")
            cls.flags[command] = re.findall(r"^  (?:-\w, |    )--([\w-]+)", own, re.M)
            cls.settings = re.findall(r"^  --([\w-]+)", settings, re.M) or cls.settings
        keys = {"store": "url", "log": "log_level", "verify-cron": "cron", "verify-dir": "dir",
                "notify-ca-file": "ca_file", "hook-before": "before", "hook-after": "after"}
        secret = (r"^(secret.*|session.*|ping.*|webhook.*|client-key-password|sse-customer-key"
                  r"|proxy)-file$")
        cls.keys = [keys.get(s, s.replace("-", "_")) for s in
                    (re.sub(secret, r"\1", s) for s in cls.settings)]
        cls.sample, cls.page, cls.ini_page = (etc("holdfast.ini"), etc("holdfast.1"),
                                              etc("holdfast.ini.5"))
        cls.completions = {name: etc("completions/" + name) for name in
                           ("holdfast.bash", "_holdfast", "holdfast.fish")}

    def test_there_is_something_to_compare(self):
        self.assertEqual(self.commands,
                         ["create", "list", "download", "restore", "diff", "verify", "repair",
                          "prune", "pin", "unpin", "run", "agent", "exec", "status", "health",
                          "doctor", "version", "help"])
        self.assertGreater(len(self.settings), 15)
        self.assertIn("secret_access_key", self.keys)

    def test_the_manual_names_every_command_and_flag(self):
        for command in self.commands:
            self.assertRegex(self.page, r"(?m)^\.B holdfast %s$" % command)
            self.assertRegex(self.page, r"(?m)^\.TP\n\.B %s$" % command)
        for flag in {f for flags in self.flags.values() for f in flags} | set(self.settings):
            self.assertIn("\\-\\-" + flag.replace("-", "\\-"), self.page)

    def test_the_manual_names_nothing_else(self):
        flags = {f for flags in self.flags.values() for f in flags} | set(self.settings)
        for flag in re.findall(r"\\-\\-((?:\w|\\-)+)", self.page):
            self.assertIn(flag.replace("\\-", "-"), flags | {"access-key-id-file"})

    def test_the_page_of_the_configuration_names_every_key(self):
        keys = re.findall(r"^\.TP\n\.B (\w+)$", self.ini_page, re.M)
        self.assertEqual(sorted(keys), sorted(self.keys + ["path"]))

    def test_the_sample_names_every_key(self):
        keys = set(re.findall(r"^;?(\w+) = ", self.sample, re.M))
        self.assertEqual({re.sub("^secret_access_key_file$", "secret_access_key", k)
                          for k in keys}, set(self.keys) | {"path"})

    def test_the_sample_is_accepted_as_it_is_and_with_every_key_in_use(self):
        scratch = testlib.Scratch()
        try:
            for number, text in enumerate((self.sample, self.all_in_use(scratch))):
                path = scratch / ("%d.ini" % number)
                with open(path, "w") as file:
                    file.write(text)
                os.chmod(path, 0o600)
                result = testlib.run(None, "list", "app", "-c", path, "--store",
                                     "file://" + scratch / "none")
                self.assertEqual(result.code, 10, result)
                self.assertIn("no backups of 'app'", result.err)
                self.assertNotIn("warning", result.err)
        finally:
            scratch.close()

    def all_in_use(self, scratch):
        lines, seen = [], set()
        for line in self.sample.splitlines():
            match = re.match(r";?(\w+) = ", line)
            if line.startswith(";["):
                seen = set()
                line = line[1:]
            elif match:
                key = match[1].replace("secret_access_key_file", "secret_access_key")
                if key in seen or key == "sse_customer_key":  # which no directory takes
                    continue
                seen.add(key)
                line = line.lstrip(";").replace("/run/secrets/s3", scratch / "s3")
            lines.append(line)
        with open(scratch / "s3", "w") as file:
            file.write("secret\n")
        return "\n".join(lines)

    def test_completions_name_every_command_flag_and_setting(self):
        flags = {f for flags in self.flags.values() for f in flags} | set(self.settings)
        for name, text in self.completions.items():
            for word in sorted(flags | set(self.commands)):
                self.assertRegex(text, r"(?<!\w)(?<!\w-)%s(?![\w-])" % word, name)

    def test_bash_completes(self):
        def complete(*words):
            script = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
                      '_holdfast; printf "%s\\n" "${COMPREPLY[@]}"')
            return subprocess.run(["bash", "-c", script, "-", ETC + "/completions/holdfast.bash",
                                   "holdfast", *words], check=True, capture_output=True,
                                  text=True).stdout.split()

        self.assertEqual(complete("res"), ["restore"])
        self.assertEqual(complete("restore", "app", "--und"), ["--undo"])
        self.assertEqual(complete("list", "app", "--und"), [])
        self.assertEqual(complete("list", "--log", "de"), ["debug"])

    @unittest.skipIf(shutil.which("mandoc") is None, "mandoc is not installed")
    def test_the_pages_are_well_formed(self):
        for name in ("holdfast.1", "holdfast.ini.5"):
            result = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", ETC + "/" + name],
                                    capture_output=True, text=True)
            self.assertEqual(result.stdout, "")


if __name__ == "__main__":
    unittest.main(verbosity=2)
