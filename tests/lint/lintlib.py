"""What the lints share: the project's files, C without its comments and strings, the report.

A lint is a function from a Tree to findings (path, line, text); run() makes a program of it.
"""
import argparse
import functools
import os
import re
import subprocess
import sys

MODULES = ("base", "s3", "store", "snapshot", "retention", "agent")
TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def blank(text):
    """The same text with everything but its line ends made spaces, so that offsets stay."""
    return re.sub(r"[^\n]", " ", text)


class Tree:
    """The files below a directory: those that git tracks, or all where there is no git."""

    def __init__(self, root):
        self.root = os.path.abspath(root)
        self.files = sorted(self._list())

    def _list(self):
        if os.path.exists(os.path.join(self.root, ".git")):
            out = subprocess.run(["git", "-C", self.root, "ls-files", "-z"], check=True,
                                 stdout=subprocess.PIPE).stdout.decode()
            names = [name for name in out.split("\0") if name]
        else:
            names = [os.path.relpath(os.path.join(where, name), self.root)
                     for where, _, found in os.walk(self.root) for name in found]
        return [name for name in names if os.path.isfile(self.path(name))]

    def path(self, name):
        return os.path.join(self.root, name)

    def named(self, *endings):
        return [name for name in self.files if name.endswith(endings)]

    @functools.lru_cache(maxsize=None)
    def text(self, name):
        with open(self.path(name), encoding="utf-8", errors="replace") as file:
            return file.read()

    def binary(self, name):
        with open(self.path(name), "rb") as file:
            return b"\0" in file.read(8192)

    @functools.lru_cache(maxsize=None)
    def uncommented(self, name):
        """C text, its comments blanked."""
        return TOKEN.sub(lambda m: blank(m[0]) if m[0][0] == "/" else m[0], self.text(name))

    @functools.lru_cache(maxsize=None)
    def code(self, name):
        """C text, its comments and the insides of its strings blanked."""
        return TOKEN.sub(lambda m: blank(m[0]) if m[0][0] == "/" else
                         m[0][0] + blank(m[0][1:-1]) + m[0][0], self.text(name))

    def line(self, name, offset):
        return self.text(name).count("\n", 0, offset) + 1


def module(name):
    """The folder of the project that a file belongs to: base for base/err.h."""
    return name.split("/", 1)[0]


def run(check, doc):
    """Run one lint as a program: print what it finds, exit 1 if there was anything."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("root", nargs="?", default=os.path.join(os.path.dirname(__file__), "../.."),
                        help="the project's top directory (default: this one)")
    tree = Tree(parser.parse_args().root)
    findings = list(check(tree))
    for name, line, text in findings:
        print("%s:%d: %s" % (name, line, text))
    if not tree.files:
        sys.exit("no files found below %s" % tree.root)
    sys.exit(1 if findings else 0)
