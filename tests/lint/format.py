#!/usr/bin/python3
"""C files are as clang-format writes them; shell scripts parse, and shellcheck is content.

To repair: clang-format -i FILE.
"""
import subprocess

import lintlib


def tool(tree, command, names):
    """Findings of a compiler-like tool that writes file:line:..., one for each such line."""
    result = subprocess.run(command + names, cwd=tree.root, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)
    rows = [row.split(":", 2) for row in result.stdout.splitlines() if row.split(":")[0] in names]
    for row in rows:
        yield row[0], int(row[1]), row[2].strip()
    if result.returncode != 0 and not rows:
        yield command[0], result.returncode, result.stdout.strip() or "failed"


def is_shell(tree, name):
    return not tree.binary(name) and tree.text(name).startswith(("#!/bin/bash", "#!/bin/sh",
                                                                 "#!/usr/bin/env bash"))


def check(tree):
    sources = tree.named(".c", ".h")
    if sources:
        yield from tool(tree, ["clang-format", "--dry-run", "-Werror"], sources)
    shells = [name for name in tree.files if is_shell(tree, name)]
    if shells:
        yield from tool(tree, ["shellcheck", "--format=gcc", "--external-sources"], shells)


if __name__ == "__main__":
    lintlib.run(check, __doc__)
