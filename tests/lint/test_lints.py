#!/usr/bin/python3
"""Goal: each lint finds the fault it is there for, and is content with a project that has none.

Every test lays out a small project that all lints accept, puts one fault into it, and names the
lint that must find it and what it must say.
"""
import json
import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
README = "\n".join("## %s\n%s\n" % (heading, text) for heading, text in [
    ("Purpose", "To be small."), ("Contract", "None."), ("Depends on", "Nothing."),
    ("Files", "- `thing`: a thing."), ("Failure", "Never."), ("Tests", "`ctest`.")])
HEADER = """/*
 * thing.h - a thing.
 */
#ifndef BASE_THING_H
#define BASE_THING_H

int thing_open(const char *path);

#endif
"""
SOURCE = """#include "base/thing.h"

#include <fcntl.h>

int thing_open(const char *path)
{
    return open(path, O_RDONLY | O_CLOEXEC); /* as atoi() and strcpy() are named here */
}
"""
TEST = """/* Goal: a thing opens. */
#include "base/thing.h"

int main(void)
{
    return thing_open("/dev/null") >= 0 ? 0 : 1;
}
"""
CLEAN = {
    "base/README.md": README,
    "base/CMakeLists.txt": "holdfast_library(base SOURCES thing.c)\n",
    "base/thing.h": HEADER,
    "base/thing.c": SOURCE,
    "tests/README.md": README.replace("`thing`", "`unit`, `lint`"),
    "tests/unit/base/CMakeLists.txt": "holdfast_unit_test(base thing)\n",
    "tests/unit/base/test_thing.c": TEST,
    "tests/lint/untested.txt": "# path: reason\n",
}
LINTS = ("include_order", "banned_calls", "sizes", "readmes", "text", "mirror", "format")


class Lints(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        for name in (".clang-format", ".clang-tidy"):
            with open(os.path.join(HERE, "../..", name), encoding="utf-8") as file:
                self.write(name, file.read())
        for name, text in CLEAN.items():
            self.write(name, text)

    def write(self, name, text):
        path = os.path.join(self.dir.name, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def run_lint(self, lint, *args):
        return subprocess.run([sys.executable, os.path.join(HERE, lint + ".py"), *args],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def finds(self, lint, expected, files):
        """With these files changed, the lint fails and says what is expected of it."""
        for name, text in files.items():
            self.write(name, text)
        result = self.run_lint(lint, self.dir.name)
        self.assertEqual(result.returncode, 1, result.stdout)
        self.assertIn(expected, result.stdout)

    def finds_in_source(self, lint, expected, statement):
        before = "    %s\n    return" % statement
        self.finds(lint, expected, {"base/thing.c": SOURCE.replace("    return", before)})

    def test_a_clean_project_passes_all(self):
        for lint in LINTS:
            result = self.run_lint(lint, self.dir.name)
            self.assertEqual((result.returncode, result.stdout), (0, ""), lint)

    def test_an_empty_directory_is_not_clean(self):
        with tempfile.TemporaryDirectory() as empty:
            self.assertNotEqual(self.run_lint("sizes", empty).returncode, 0)

    def test_include_against_the_order(self):
        self.finds("include_order", "base/thing.h:7: base/ must not include from store/",
                   {"base/thing.h": HEADER.replace("int", '#include "store/object_store.h"\nint')})

    def test_product_code_includes_no_test(self):
        self.finds("include_order", "base/ must not include from tests/",
                   {"base/thing.h": HEADER.replace("int", '#include "tests/harness/x.h"\nint')})

    def test_include_relative_to_the_folder(self):
        self.finds("include_order", "by its path from the root",
                   {"base/thing.h": HEADER.replace("int", '#include "other.h"\nint')})

    def test_library_of_another_folder(self):
        self.finds("include_order", "<sqlite3.h> belongs to agent/, snapshot/",
                   {"base/thing.c": SOURCE.replace("<fcntl.h>", "<fcntl.h>\n#include <sqlite3.h>")})

    def test_own_header_is_not_first(self):
        self.finds("include_order", "include 'base/thing.h' first",
                   {"base/thing.c": '#include "base/err.h"\n' + SOURCE})

    def test_guard_is_not_the_path(self):
        self.finds("include_order", "guard the whole header with BASE_THING_H",
                   {"base/thing.h": HEADER.replace("BASE_THING_H", "THING_H")})

    def test_banned_calls(self):
        for call in ("strcpy(a, b)", "atoi(path)", "sprintf(a, path)", "strtok(a, b)",
                     "system(path)", "rand()", "localtime(&t)", "strtol(path, 0, 10)"):
            with self.subTest(call=call):
                self.finds_in_source("banned_calls", "instead of " + call.split("(")[0],
                                     "(void)%s;" % call)

    def test_descriptors_that_a_child_inherits(self):
        for call, expected in (
                ("open(path, 0)", "open without O_CLOEXEC"),
                ("socket(1, 2, 0)", "socket without SOCK_CLOEXEC"),
                ('fopen(path, "r")', 'fopen without "e"'),
                ("openat(fd, f(path), O_RDONLY)", "openat without O_CLOEXEC"),
                ("mkostemp(path, 0)", "mkostemp without O_CLOEXEC"),
                ("dup(0)", "use fcntl with F_DUPFD_CLOEXEC")):
            with self.subTest(call=call):
                self.finds_in_source("banned_calls", expected, "(void)%s;" % call)

    def test_a_member_of_that_name_is_no_call(self):
        self.write("base/thing.c", SOURCE.replace("    return", "    x->open(a);\n    return"))
        self.assertEqual(self.run_lint("banned_calls", self.dir.name).returncode, 0)

    def test_library_code_that_prints_or_exits(self):
        for statement, expected in (
                ('printf("x");', "printf belongs to agent/"),
                ("exit(1);", "exit belongs to agent/"),
                ('fputs("x", stderr);', "only agent/ prints")):
            with self.subTest(statement=statement):
                self.finds_in_source("banned_calls", expected, statement)

    def test_file_too_long(self):
        self.finds("sizes", "801 lines", {"base/long.c": "\n" * 801})

    def test_function_too_long(self):
        self.finds("sizes", "f has 101 lines",
                   {"base/long.c": "int f(void)\n{%s}\n" % ("\n" * 99)})

    def test_folder_without_a_readme(self):
        self.finds("readmes", "store/README.md:1: missing", {"store/CMakeLists.txt": "\n"})

    def test_readme_too_long(self):
        self.finds("readmes", "more than 40 lines", {"base/README.md": README + "\n" * 40})

    def test_readme_without_a_heading(self):
        self.finds("readmes", "headings are",
                   {"base/README.md": README.replace("## Failure", "## Errors")})

    def test_readme_that_forgets_a_file(self):
        self.finds("readmes", "does not mention 'other.c'", {"base/other.c": SOURCE})

    def test_unfinished_marks(self):
        for mark in ("TO" + "DO", "FIX" + "ME", "XX" + "X"):
            with self.subTest(mark=mark):
                self.finds("text", "unfinished", {"docs/x.md": "later: %s\n" % mark})

    def test_a_template_of_a_temporary_name_is_no_mark(self):
        self.write("docs/x.md", "name." + "X" * 6 + "\n")
        self.assertEqual(self.run_lint("text", self.dir.name).returncode, 0)

    def test_path_of_one_machine(self):
        for path in ("/wo" + "rk/main", "/ho" + "me/ann/x", "/tmp/" + "b-ann"):
            with self.subTest(path=path):
                self.finds("text", "a path of one machine", {"docs/x.md": "cd %s\n" % path})

    def test_trailing_space(self):
        self.finds("text", "trailing space", {"docs/x.md": "word \n"})

    def test_link_to_nowhere(self):
        self.finds("text", "docs/x.md:2: 'gone.md' is not there",
                   {"docs/x.md": "[a](../base/thing.h) [b](https://example.com)\n[c](gone.md#x)\n"})

    def test_line_too_long(self):
        self.finds("text", "101 columns", {"base/thing.c": SOURCE + "/*" + "-" * 97 + "*/\n"})

    def test_nolint_without_its_reason(self):
        for comment in ("NOLINT", "NOLINT(bugprone-x)", "NOLINTNEXTLINE", "NOLINT: because",
                        "NOLINT(bugprone-x): "):
            with self.subTest(comment=comment):
                self.finds_in_source("text", "write NOLINT(check)", "/* %s */" % comment)
        for good in ("/* NOLINT(bugprone-x): one thread */", "/* One. */\n    /* NOLINT(a-b) */"):
            self.write("base/thing.c", SOURCE.replace("    return", "    %s\n    return" % good))
            self.assertEqual(self.run_lint("text", self.dir.name).returncode, 0, good)

    def test_source_without_a_test(self):
        self.finds("mirror", "base/other.c:1: has no tests/unit/base/test_other.c",
                   {"base/other.c": SOURCE,
                    "base/CMakeLists.txt": "holdfast_library(base SOURCES thing.c other.c)\n"})

    def test_source_that_is_not_built(self):
        self.finds("mirror", "not listed in base/CMakeLists.txt", {"base/other.c": SOURCE})

    def test_test_that_is_not_built(self):
        self.finds("mirror", "not listed in tests/unit/base/CMakeLists.txt",
                   {"tests/unit/base/CMakeLists.txt": "\n"})

    def test_test_of_nothing(self):
        self.finds("mirror", "mirrors no source", {"tests/unit/base/test_gone.c": TEST})

    def test_test_without_its_goal(self):
        self.finds("mirror", "begin with /* Goal",
                   {"tests/unit/base/test_thing.c": TEST.replace("/* Goal: ", "/* ")})

    def test_exception_without_a_reason_or_a_need(self):
        for row, expected in (("base/gone.c: no longer there now", "not there any more"),
                              ("base/thing.c: why", "say why"),
                              ("base/thing.c: it is too small", "has a test: remove")):
            with self.subTest(row=row):
                self.finds("mirror", expected, {"tests/lint/untested.txt": row + "\n"})

    def test_c_that_is_not_formatted(self):
        self.finds("format", "base/thing.c:6: ",
                   {"base/thing.c": SOURCE.replace("    return", "  return")})

    def test_shell_script_at_fault(self):
        self.finds("format", "SC2086", {"run": "#!/bin/bash\nrm $1\n"})
        self.finds("format", "error", {"run": "#!/bin/bash\nif true; then\n"})

    def run_tidy(self, part="sources"):
        command = "gcc -D_GNU_SOURCE -I%s -std=c17 -ftrivial-auto-var-init=zero" % self.dir.name
        self.write("build/compile_commands.json", json.dumps(
            [{"directory": self.dir.name, "file": "base/thing.c", "command": command}]))
        return self.run_lint("tidy", os.path.join(self.dir.name, "build"), part, self.dir.name)

    def test_tidy_finds_a_fault_also_after_a_pass(self):
        self.write("build/.keep", "")
        first = self.run_tidy()
        self.assertEqual((first.returncode, first.stdout), (0, "0 of 1 files failed\n"))
        self.assertEqual(len(os.listdir(os.path.join(self.dir.name, "build/tidy"))), 1)
        self.assertEqual(self.run_tidy().returncode, 0)  # from its memory
        for name, clean, fault in (
                ("base/thing.h", HEADER, HEADER.replace("*path", "*wrong_name")),
                ("base/thing.c", SOURCE, SOURCE.replace("    return", "    if (path);\n return"))):
            self.write(name, fault)
            result = self.run_tidy()
            self.assertEqual(result.returncode, 1, name)
            self.assertIn("1 of 1 files failed", result.stdout)
            self.write(name, clean)
            self.assertEqual(self.run_tidy().returncode, 0)

    def test_tidy_says_what_it_cannot_see(self):
        result = self.run_tidy("tests")
        self.assertEqual(result.returncode, 1)
        self.assertIn("tests/unit/base/test_thing.c: is not built", result.stdout)


if __name__ == "__main__":
    unittest.main()
