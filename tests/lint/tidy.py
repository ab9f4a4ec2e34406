#!/usr/bin/python3
"""clang-tidy over the project's C files, in parallel; what has not changed is not looked at again.

usage: tidy.py BUILD_DIRECTORY sources|tests [ROOT]

A file that passed is remembered in BUILD_DIRECTORY/tidy by a hash of all that its result depends
on: itself, the project's headers it includes, how it is compiled, .clang-tidy and the version.
"""
import concurrent.futures
import hashlib
import json
import os
import shlex
import subprocess
import sys

import lintlib

TIDY = "clang-tidy"
MODEL = "tests/lint/tidy_model.h"
MODELLED = "base/err.c"  # defines what the model stands for


def compile_flags(build):
    """For each source, the part of its command that clang needs: the language, macros, includes."""
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        entries = json.load(file)
    flags = {}
    for entry in entries:
        words = shlex.split(entry["command"])
        kept = []
        for i, word in enumerate(words):
            if word.startswith(("-std=", "-D", "-I")):
                kept.append(word)
            elif word in ("-isystem", "-include"):
                kept += words[i:i + 2]
        flags[os.path.realpath(os.path.join(entry["directory"], entry["file"]))] = kept
    return flags


def fingerprint(tree, name, flags, salt):
    out = subprocess.run(["clang", "-MM", "-MT", "x", *flags, tree.path(name)], check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    digest = hashlib.sha256(salt)
    digest.update("\0".join(flags).encode())
    for path in out.replace("\\\n", " ").split()[1:]:
        with open(path, "rb") as file:
            digest.update(path.encode() + b"\0" + file.read())
    return digest.hexdigest()


def examine(tree, name, flags, salt, cache):
    """What clang-tidy says of one file; nothing when it is content."""
    try:
        passed = os.path.join(cache, fingerprint(tree, name, flags, salt))
    except subprocess.CalledProcessError:
        return "%s: does not compile with clang\n" % name
    if os.path.exists(passed):
        return ""
    result = subprocess.run([TIDY, "--quiet", tree.path(name), "--", *flags], cwd=tree.root,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if result.returncode == 0:
        with open(passed, "w", encoding="utf-8"):
            pass
        return ""
    return result.stdout or result.stderr


def wanted(tree, part):
    """The project's sources, or its tests."""
    tests = part == "tests"
    return [name for name in tree.named(".c") if name.startswith("tests/") == tests]


def main():
    if len(sys.argv) not in (3, 4) or sys.argv[2] not in ("sources", "tests"):
        sys.exit(__doc__)
    build, part = sys.argv[1:3]
    here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
    tree = lintlib.Tree(sys.argv[3] if len(sys.argv) == 4 else here)
    flags = compile_flags(build)
    cache = os.path.join(build, "tidy")
    os.makedirs(cache, exist_ok=True)
    salt = "".join(map(tree.text, tree.named(".clang-tidy"))).encode() + subprocess.run(
        [TIDY, "--version"], check=True, stdout=subprocess.PIPE).stdout
    names, failed = wanted(tree, part), 0
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        jobs = {}
        for name in names:
            command = flags.get(os.path.realpath(tree.path(name)))
            if command is not None and MODEL in tree.files and name != MODELLED:
                command += ["-include", tree.path(MODEL)]
            if command is None:
                print("%s: is not built, so it cannot be looked at" % name)
                failed += 1
            else:
                jobs[pool.submit(examine, tree, name, command, salt, cache)] = name
        for job in concurrent.futures.as_completed(jobs):
            if job.result():
                print(job.result())
                failed += 1
    print("%d of %d files failed" % (failed, len(names)))
    sys.exit(1 if failed or not names else 0)


if __name__ == "__main__":
    main()
