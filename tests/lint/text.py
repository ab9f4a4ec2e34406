#!/usr/bin/python3
"""In every text file: no unfinished marks, no path of somebody's machine, no trailing space; in
source at most 100 columns; a NOLINT names its check and says why; a page's links lead somewhere."""
import os
import re

import lintlib

RULES = [  # the brackets keep a rule from finding itself
    (r"\b(TO[D]O|FIX[M]E|X[X]X|HA[C]K)\b", "unfinished: do it, or say in words what is missing"),
    (r"(?<![\w.*/>}-])/(wor[k]|hom[e]/\w+|User[s]/\w+|tmp/b[-])/?", "a path of one machine"),
    (r"[ \t]+$", "trailing space"),
]
COLUMNS = 100
WIDE = r"[^\n]{%d,}" % (COLUMNS + 1)
NOLINT = r"\bNOLINT(NEXTLINE|BEGIN)?\b(\([\w.,* -]+\))?(: *\w)?"
LINK = r"\]\((?!https?:|#)([^)#\s]+)"
EXEMPT = ("tests/data/", "tests/fuzz/corpus/")


def find(tree, name, pattern):
    for match in re.finditer(pattern, tree.text(name), re.M):
        yield tree.line(name, match.start()), match


def check_file(tree, name):
    for pattern, why in RULES:
        for line, match in find(tree, name, pattern):
            yield name, line, "'%s': %s" % (match[0].strip(), why)
    if name.endswith((".c", ".h", ".py", ".cmake", "CMakeLists.txt")):
        for line, match in find(tree, name, WIDE):
            yield name, line, "%d columns" % len(match[0])
    if name.endswith((".c", ".h")):
        for line, match in find(tree, name, NOLINT):
            above = tree.text(name).split("\n")[line - 2] if line > 1 else ""
            if not match[2] or not (match[3] or above.endswith("*/")):
                yield name, line, "write NOLINT(check): and the reason, or the reason just above"
    if name.endswith(".md"):
        for line, match in find(tree, name, LINK):
            if not os.path.exists(tree.path(os.path.join(os.path.dirname(name), match[1]))):
                yield name, line, "'%s' is not there" % match[1]


def check(tree):
    for name in tree.files:
        if not name.startswith(EXEMPT) and not tree.binary(name):
            yield from check_file(tree, name)


if __name__ == "__main__":
    lintlib.run(check, __doc__)
