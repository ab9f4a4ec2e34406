#!/usr/bin/python3
"""Dependencies run one way, and each folder keeps its libraries to itself.

A folder includes from itself and from the folders named for it in EDGES; a library's header is
included only in the folders named for it in LIBRARIES.  A source includes its own header first.
A header's guard is its path.
"""
import re

import lintlib

EDGES = {
    "base": set(),
    "s3": {"base"},
    "store": {"base", "s3"},
    "snapshot": {"base", "store"},
    "retention": {"base", "store", "snapshot"},
    "agent": {"base", "s3", "store", "snapshot", "retention"},
}
LIBRARIES = {
    "sqlite3.h": {"snapshot", "agent"},  # agent: the version it was linked to
    "zstd.h": {"snapshot", "agent"},
    "xxhash.h": {"snapshot", "agent"},
    "jansson.h": {"snapshot", "agent", "s3"},  # s3: credentials
    "curl/": {"s3", "agent"},
    "expat.h": {"s3", "agent"},
    "ini.h": {"s3", "agent"},  # s3: the shared credentials file
    "openssl/": {"base", "s3", "snapshot", "agent"},
    "microhttpd.h": {"agent"},
}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.M)


def includes(tree, name):
    for match in INCLUDE.finditer(tree.uncommented(name)):
        yield tree.line(name, match.start(1)), match[1], match[2]


def check_direction(tree, name):
    own = lintlib.module(name)
    for line, kind, header in includes(tree, name):
        if kind == '"':
            other = lintlib.module(header)
            if "/" not in header or other not in set(EDGES) | {"tests"}:
                yield name, line, "include '%s' by its path from the root" % header
            elif own in EDGES and other != own and other not in EDGES[own]:
                yield name, line, "%s/ must not include from %s/" % (own, other)
        elif own in EDGES:
            for library, folders in LIBRARIES.items():
                if header.startswith(library) and own not in folders:
                    yield name, line, "<%s> belongs to %s/" % (header, "/, ".join(sorted(folders)))


def check_own_header(tree, name):
    own = name[:-2] + ".h"
    if own in tree.files:
        first = next(includes(tree, name), (1, "", ""))
        if first[2] != own:
            yield name, first[0], "include '%s' first: it must stand on its own" % own


def check_guard(tree, name):
    guard = re.sub(r"[^A-Z0-9]", "_", name.upper())
    match = re.match(r"\s*#ifndef (\w+)\n#define (\w+)\n.*#endif\s*\Z", tree.uncommented(name),
                     re.S)
    if match is None or match[1] != guard or match[2] != guard:
        yield name, 1, "guard the whole header with %s" % guard


def check(tree):
    for name in tree.named(".c", ".h"):
        yield from check_direction(tree, name)
    for name in tree.named(".c"):
        yield from check_own_header(tree, name)
    for name in tree.named(".h"):
        yield from check_guard(tree, name)


if __name__ == "__main__":
    lintlib.run(check, __doc__)
