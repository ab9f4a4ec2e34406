#!/usr/bin/python3
"""In every text file: no unfinished marks, no path of somebody's machine, no trailing space; in
source at most 100 columns; and a NOLINT names its check and says why."""
import re

import lintlib

RULES = [  # the brackets keep a rule from finding itself
    (r"\b(TO[D]O|FIX[M]E|X[X]X|HA[C]K)\b", "unfinished: do it, or say in words what is missing"),
    (r"(?<![\w.*/-])/(wor[k]|hom[e]/\w+|User[s]/\w+|tmp/b[-])/?", "a path of one machine"),
    (r"[ \t]+$", "trailing space"),
]
COLUMNS = 100
REASON = r"\([\w.,* -]+\): *\S+( \S+)*"


def check(tree):
    for name in tree.files:
        if tree.binary(name) or name.startswith(("tests/data/", "tests/fuzz/corpus/")):
            continue
        text = tree.text(name)
        for pattern, why in RULES:
            for match in re.finditer(pattern, text, re.M):
                yield name, tree.line(name, match.start()), "'%s': %s" % (match[0].strip(), why)
        if name.endswith((".c", ".h", ".py", ".cmake", "CMakeLists.txt")):
            for number, line in enumerate(text.split("\n"), 1):
                if len(line) > COLUMNS:
                    yield name, number, "%d columns" % len(line)
        if name.endswith((".c", ".h")):
            for match in re.finditer(r"\bNOLINT(NEXTLINE|BEGIN)?\b(?!%s)" % REASON, text):
                yield name, tree.line(name, match.start()), "write NOLINT(check): and the reason"


if __name__ == "__main__":
    lintlib.run(check, __doc__)
