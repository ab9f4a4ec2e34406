#!/usr/bin/python3
"""No source file over 800 lines, no function over 100."""
import os
import subprocess

import lintlib

FILE_LINES = 800
FUNCTION_LINES = 100


def functions(tree, names):
    """(file, function, first line, lines) of each, by ctags."""
    out = subprocess.run(
        ["ctags", "--languages=C,Python", "--kinds-C=f", "--kinds-Python=fm", "--fields=+ne",
         "--sort=no", "-L", "-", "-o", "-"],
        input="\n".join(names), stdout=subprocess.PIPE, cwd=tree.root, check=True, text=True).stdout
    for row in out.splitlines():
        if row.startswith("!"):
            continue
        columns = row.split("\t")
        fields = dict(field.split(":", 1) for field in columns[3:] if ":" in field)
        if "line" in fields and "end" in fields:
            first = int(fields["line"])
            yield columns[1], columns[0], first, int(fields["end"]) - first + 1


def check(tree):
    names = tree.named(".c", ".h", ".py")
    for name in names:
        lines = tree.text(name).count("\n")
        if lines > FILE_LINES:
            yield name, lines, "%d lines; split it at %d" % (lines, FILE_LINES)
    for name, function, line, lines in functions(tree, names):
        if lines > FUNCTION_LINES:
            yield os.path.normpath(name), line, "%s has %d lines; split it at %d" % (
                function, lines, FUNCTION_LINES)


if __name__ == "__main__":
    lintlib.run(check, __doc__)
