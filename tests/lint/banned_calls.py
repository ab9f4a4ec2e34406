#!/usr/bin/python3
"""Calls that have a better one, descriptors that a child would inherit, output below agent/.

BANNED gives what to use instead.  Everything that opens a descriptor must close it on exec, since
the agent is multi-threaded and may run commands.  Only agent/ prints, exits and catches signals;
base/log.c is where the log leaves.
"""
import re

import lintlib

BANNED = {
    "sprintf": "snprintf", "vsprintf": "vsnprintf", "strcpy": "snprintf or struct buf",
    "strcat": "struct buf", "strncpy": "snprintf", "strncat": "struct buf", "gets": "fgets",
    "strtok": "strcspn", "strtok_r": "strcspn", "atoi": "base/parse.h", "atol": "base/parse.h",
    "atoll": "base/parse.h", "atof": "base/parse.h", "strtol": "base/parse.h",
    "strtoul": "base/parse.h", "strtoll": "base/parse.h", "strtoull": "base/parse.h",
    "scanf": "base/parse.h", "fscanf": "base/parse.h",
    "strerror": "err_set_errno", "localtime": "localtime_r", "gmtime": "gmtime_r",
    "ctime": "strftime", "asctime": "strftime", "system": "posix_spawn", "popen": "posix_spawn",
    "rand": "base/random.h", "srand": "base/random.h", "alloca": "malloc", "mktemp": "mkostemp",
    "tmpnam": "mkostemp", "tempnam": "mkostemp", "vfork": "posix_spawn",
    "mkstemp": "mkostemp with O_CLOEXEC", "creat": "open with O_CLOEXEC",
    "pipe": "pipe2 with O_CLOEXEC", "accept": "accept4 with SOCK_CLOEXEC",
    "dup": "fcntl with F_DUPFD_CLOEXEC", "dup2": "dup3 with O_CLOEXEC",
    "epoll_create": "epoll_create1", "inotify_init": "inotify_init1",
}
ALLOWED = {  # (file, call): the one place that wraps it
    ("base/parse.c", "strtol"), ("base/parse.c", "strtoul"), ("base/parse.c", "strtoll"),
    ("base/parse.c", "strtoull"),
}
CLOSES_ON_EXEC = {
    "open": "O_CLOEXEC", "openat": "O_CLOEXEC", "mkostemp": "O_CLOEXEC", "mkostemps": "O_CLOEXEC",
    "pipe2": "O_CLOEXEC", "dup3": "O_CLOEXEC", "socket": "SOCK_CLOEXEC",
    "socketpair": "SOCK_CLOEXEC", "accept4": "SOCK_CLOEXEC", "memfd_create": "MFD_CLOEXEC",
    "epoll_create1": "EPOLL_CLOEXEC", "eventfd": "EFD_CLOEXEC", "timerfd_create": "TFD_CLOEXEC",
    "signalfd": "SFD_CLOEXEC", "inotify_init1": "IN_CLOEXEC",
}
STREAM_MODE = {"fopen": 1, "freopen": 1}  # which argument is the mode
AGENT_ONLY = ("printf", "vprintf", "puts", "putchar", "perror", "exit", "_exit", "quick_exit",
              "signal", "sigaction", "atexit")
CALL = re.compile(r"(?<![\w.>])(\w+)\s*\(")


def arguments(tree, name, begin):
    """The text between a call's parentheses, the first of which is at begin."""
    code, depth = tree.code(name), 0
    for end in range(begin, len(code)):
        depth += {"(": 1, ")": -1}.get(code[end], 0)
        if depth == 0:
            return tree.uncommented(name)[begin + 1:end]
    return tree.uncommented(name)[begin + 1:]


def is_declaration(tree, name, begin):
    """int open(...): a type stands before it."""
    before = tree.code(name)[:begin].rstrip()
    word = re.search(r"(\w+|\*)$", before)
    return word is not None and word[1] not in ("return", "else", "do", "case", "sizeof")


def check_call(tree, name, call, begin):
    args = arguments(tree, name, begin)
    if call in BANNED and (name, call) not in ALLOWED:
        yield "use %s instead of %s" % (BANNED[call], call)
    if call in CLOSES_ON_EXEC and CLOSES_ON_EXEC[call] not in args:
        yield "%s without %s" % (call, CLOSES_ON_EXEC[call])
    if call in STREAM_MODE:
        mode = args.split(",")[STREAM_MODE[call]] if "," in args else ""
        if not re.search(r'"\w*e\w*"', mode):
            yield '%s without "e" in its mode' % call
    below_agent = lintlib.module(name) in lintlib.MODULES and lintlib.module(name) != "agent"
    if below_agent and name != "base/log.c" and call in AGENT_ONLY:
        yield "%s belongs to agent/: return the error" % call


def check(tree):
    for name in tree.named(".c", ".h"):
        for match in CALL.finditer(tree.code(name)):
            if is_declaration(tree, name, match.start(1)):
                continue
            for text in check_call(tree, name, match[1], match.end() - 1):
                yield name, tree.line(name, match.start(1)), text
        if lintlib.module(name) in lintlib.MODULES[:-1] and name != "base/log.c":
            for match in re.finditer(r"\b(stdout|stderr)\b", tree.code(name)):
                yield name, tree.line(name, match.start(1)), "only agent/ prints"


if __name__ == "__main__":
    lintlib.run(check, __doc__)
