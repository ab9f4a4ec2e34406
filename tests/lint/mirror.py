#!/usr/bin/python3
"""Every source has its unit test, and every file is built.

<module>/<name>.c is tested by tests/unit/<module>/test_<name>.c, which begins with its goal and is
listed in that folder's CMakeLists.txt; or it stands in untested.txt with the reason.
"""
import re

import lintlib

EXCEPTIONS = "tests/lint/untested.txt"


def exceptions(tree):
    """Path to (line, reason)."""
    found = {}
    if EXCEPTIONS in tree.files:
        for number, row in enumerate(tree.text(EXCEPTIONS).splitlines(), 1):
            if row.strip() and not row.startswith("#"):
                path, _, reason = row.partition(":")
                found[path.strip()] = number, reason.strip()
    return found


def listed(tree, folder, pattern):
    name = folder + "/CMakeLists.txt"
    return name in tree.files and re.search(pattern, tree.text(name)) is not None


def check_source(tree, name, excused):
    folder, stem = name[:-2].rsplit("/", 1)
    test = "tests/unit/%s/test_%s.c" % (folder, stem)
    if not listed(tree, folder, r"(?<![\w/])%s\.c\b" % re.escape(stem)):
        yield name, 1, "not listed in %s/CMakeLists.txt" % folder
    if name in excused:
        if test in tree.files:
            yield EXCEPTIONS, excused[name][0], "'%s' has a test: remove the exception" % name
    elif test not in tree.files:
        yield name, 1, "has no %s" % test
    elif not listed(tree, "tests/unit/" + folder,
                    r"(\b%s\s+%s\b|\btest_%s\b|(?<![\w/])%s\b)" % (
                        folder, re.escape(stem), re.escape(stem), re.escape(stem))):
        yield test, 1, "not listed in tests/unit/%s/CMakeLists.txt" % folder


def check(tree):
    excused = exceptions(tree)
    for path, (line, reason) in excused.items():
        if path not in tree.files:
            yield EXCEPTIONS, line, "'%s' is not there any more" % path
        if len(reason.split()) < 3:
            yield EXCEPTIONS, line, "say why '%s' has no test" % path
    for name in tree.named(".c"):
        if lintlib.module(name) in lintlib.MODULES:
            yield from check_source(tree, name, excused)
        elif name.startswith("tests/unit/"):
            parts = name.split("/")
            if not parts[-1].startswith("test_"):
                yield name, 1, "a unit test is called test_<source>.c"
            elif "%s/%s" % (parts[2], parts[-1][len("test_"):]) not in tree.files:
                yield name, 1, "mirrors no source of %s/" % parts[2]
            if not tree.text(name).startswith("/* Goal: "):
                yield name, 1, "begin with /* Goal: ... */"


if __name__ == "__main__":
    lintlib.run(check, __doc__)
