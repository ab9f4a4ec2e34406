#!/usr/bin/python3
"""Each folder has a README.md of at most 40 lines: six headings, in order, and every file named."""
import os
import re

import lintlib

HEADINGS = ["Purpose", "Contract", "Depends on", "Files", "Failure", "Tests"]
LINES = 40
EXEMPT = {"docs"}  # is text itself


def check_folder(tree, folder):
    name = folder + "/README.md"
    if name not in tree.files:
        yield name, 1, "missing"
        return
    text = tree.text(name)
    if text.count("\n") > LINES:
        yield name, text.count("\n"), "more than %d lines" % LINES
    found = re.findall(r"^(?:#+ *|\*\*)(%s)\b" % "|".join(HEADINGS), text, re.M)
    if found != HEADINGS:
        yield name, 1, "headings are %s, not %s" % (", ".join(found) or "none", ", ".join(HEADINGS))
    for entry in sorted({path.split("/")[1] for path in tree.files
                         if path.startswith(folder + "/")}):
        stem = os.path.splitext(entry)[0]
        if not entry.startswith(".") and entry not in ("README.md", "CMakeLists.txt") and \
                not re.search(r"(?<!\w)%s(?!\w)" % re.escape(stem), text):
            yield name, 1, "does not mention '%s'" % entry


def check(tree):
    for folder in sorted({name.split("/")[0] for name in tree.files if "/" in name}):
        if not folder.startswith(".") and folder not in EXEMPT:
            yield from check_folder(tree, folder)


if __name__ == "__main__":
    lintlib.run(check, __doc__)
