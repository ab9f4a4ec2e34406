"""Goal: exec is no more in an application's way than its shell is: it ends as the application ends,
gives it terminal, input and signals; a lost database is there at the start, and what was committed
last is in a backup at the end, whatever the end.

With a directory as the store; no server is needed.

usage: test_exec.py [unittest arguments]
"""
import fcntl
import json
import os
import pty
import select
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import termios
import textwrap
import time
import unittest

import testlib

ROW = """
    import os, signal, sqlite3, sys, time
    def insert(value):
        db = sqlite3.connect(%r)
        db.execute("INSERT INTO t VALUES(?)", (value,))
        db.commit()
        db.close()
    def say(text):
        print(text, flush=True)
"""


class Exec(unittest.TestCase):
    def setUp(self):
        self.scratch = testlib.Scratch()
        self.addCleanup(self.scratch.close)
        self.store = testlib.dir_store(self.scratch / "store")
        self.state = self.scratch / "state"
        self.path = self.scratch / "app.db"
        db = sqlite3.connect(self.path)
        db.execute("PRAGMA journal_mode = wal")
        db.execute("CREATE TABLE t(x)")
        db.commit()
        db.close()

    def application(self, body):
        """A command that runs this Python text, which has insert() and say()."""
        return [sys.executable, "-c",
                textwrap.dedent(ROW % self.path) + textwrap.dedent(body)]

    def command(self, program, *args, prefix=(), store=None):
        return [*prefix, testlib.HOLDFAST, "exec", self.path, "--store", (store or self.store).url,
                *args, "--", *program]

    def environment(self, **extra):
        return testlib.environment(self.store, HOLDFAST_STATE_DIR=self.state, **extra)

    def start(self, program, *args, prefix=(), store=None, **popen):
        process = subprocess.Popen(
            self.command(program, *args, prefix=prefix, store=store), env=self.environment(),
            **{"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE,
               "text": True, **popen})
        self.addCleanup(lambda: process.poll() is None and process.kill())
        return process

    def finish(self, process, text=None):
        out, err = process.communicate(text, timeout=60)
        return testlib.Result(process, out, err)

    def run_exec(self, program, *args, **options):
        return self.finish(self.start(program, *args, **options))

    def values(self):
        """What the newest backup holds."""
        copy = self.scratch / "copy.sqlite3"
        testlib.ok(self.store, "download", self.path, "latest", "-o", copy, "--force",
                   state=self.state)
        db = sqlite3.connect(copy)
        values = [x for (x,) in db.execute("SELECT x FROM t ORDER BY rowid")]
        db.close()
        return values

    def lose(self):
        for ending in ("", "-wal", "-shm"):
            if os.path.exists(self.path + ending):
                os.unlink(self.path + ending)

    def test_it_ends_as_the_program_does_and_has_its_last_rows(self):
        for number, code in enumerate((0, 1, 143, 255)):
            result = self.run_exec(self.application(
                "insert(%d)\nsys.stdout.write('out')\nsys.stderr.write('err')\nsys.exit(%d)"
                % (number, code)))
            self.assertEqual(result.code, code, result)
            self.assertEqual(result.out, "out")
            self.assertIn("err", result.err)
            self.assertEqual(self.values(), list(range(number + 1)))

    def test_it_dies_by_the_signal_that_the_program_died_by(self):
        for number, name in enumerate(("SIGTERM", "SIGKILL", "SIGSEGV", "SIGINT", "SIGPIPE")):
            result = self.run_exec(self.application(
                "insert(%d)\nsignal.signal(signal.SIGINT, signal.SIG_DFL)\n"
                "signal.signal(signal.SIGPIPE, signal.SIG_DFL)\n"
                "os.kill(os.getpid(), signal.%s)" % (number, name)))
            self.assertEqual(result.code, -getattr(signal, name), result)
            self.assertEqual(self.values(), list(range(number + 1)))

    def test_what_is_written_when_told_to_stop_is_in_the_last_backup(self):
        for number, (code, end) in enumerate(((0, "sys.exit(0)"), (1, "sys.exit(1)"),
                                              (143, "sys.exit(143)"),
                                              (-15, "signal.signal(15, signal.SIG_DFL);"
                                                    "os.kill(os.getpid(), 15)"))):
            process = self.start(self.application("""
                def on_term(*_):
                    insert(%d)
                    %s
                signal.signal(signal.SIGTERM, on_term)
                say("ready")
                while True:
                    signal.pause()
                """ % (number, end)))
            self.assertEqual(process.stdout.readline(), "ready\n")
            process.send_signal(signal.SIGTERM)
            result = self.finish(process)
            self.assertEqual(result.code, code, result)
            self.assertEqual(self.values(), list(range(number + 1)))

    def test_signals_go_to_the_program(self):
        process = self.start(self.application("""
            for n in (1, 2, 3, 10, 12, 14, 18, 23, 28, 34, 64):
                signal.signal(n, lambda n, _: say("got %d" % n))
            say("ready")
            while True:
                signal.pause()
            """))
        self.assertEqual(process.stdout.readline(), "ready\n")
        for number in (1, 2, 3, 10, 12, 14, 18, 23, 28, 34, 64):
            process.send_signal(number)
            self.assertEqual(process.stdout.readline(), "got %d\n" % number)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(self.finish(process).code, -signal.SIGTERM)

    def test_standard_input_is_the_programs(self):
        process = self.start(["cat"])
        result = self.finish(process, "one\ntwo\n")
        self.assertEqual((result.code, result.out), (0, "one\ntwo\n"))

    def test_nothing_of_ours_is_left_open_in_the_program(self):
        result = self.run_exec(["sh", "-c", "ls /proc/self/fd"])
        self.assertEqual(result.out.split(), ["0", "1", "2", "3"])  # 3: the directory itself

    def test_backups_are_made_meanwhile(self):
        process = self.start(["cat"])
        testlib.wait_for(lambda: testlib.run(self.store, "list", self.path).code == 0)
        self.assertEqual(self.finish(process, "").code, 0)

    def test_orphans_are_collected(self):
        """A zombie can still be signalled; one that was collected cannot."""
        result = self.run_exec(["sh", "-c", """
            for i in 1 2 3 4 5; do
                p=$( (sleep 0.1 >/dev/null & echo $!) )
                while kill -0 $p 2>/dev/null; do sleep 0.02; done
            done
            echo none is left"""])
        self.assertEqual((result.code, result.out), (0, "none is left\n"))

    def namespaces(self):
        for prefix in (["unshare", "--pid", "--fork", "--mount-proc"],
                       ["unshare", "--user", "--map-root-user", "--pid", "--fork",
                        "--mount-proc"]):
            if subprocess.run([*prefix, "true"], capture_output=True).returncode == 0:
                return prefix
        return self.skipTest("no PID namespaces here")

    def test_as_process_1_of_a_container(self):
        prefix = self.namespaces()
        process = self.start(self.application("""
            def on_term(*_):
                insert("last")
                for i in range(20):
                    if os.fork() == 0:
                        if os.fork() == 0:
                            time.sleep(0.05)
                        os._exit(0)
                    os.wait()
                deadline = time.monotonic() + 20
                while zombies() or len(processes()) > 2:
                    assert time.monotonic() < deadline, (processes(), zombies())
                    time.sleep(0.02)
                say("%d of %d" % (os.getpid(), os.getppid()))
                signal.signal(15, signal.SIG_DFL)
                os.kill(os.getpid(), 15)
            def processes():
                return [p for p in os.listdir("/proc") if p.isdigit()]
            def state(process):
                try:
                    return open("/proc/%s/stat" % process).read().rpartition(")")[2].split()[0]
                except OSError:  # gone meanwhile
                    return None
            def zombies():
                return [p for p in processes() if state(p) == "Z"]
            signal.signal(signal.SIGTERM, on_term)
            say("ready")
            while True:
                signal.pause()
            """), prefix=prefix)
        self.assertEqual(process.stdout.readline(), "ready\n")
        with open("/proc/%d/task/%d/children" % (process.pid, process.pid)) as children:
            os.kill(int(children.read().split()[0]), signal.SIGTERM)
        result = self.finish(process)
        self.assertIn(" of 1\n", result.out, result)
        self.assertEqual(result.code, 143, result)  # 1 cannot die by a signal of its own
        self.assertEqual(self.values(), ["last"])

    def on_terminal(self, program):
        """Its process, whose session it leads, and the other end of its terminal."""
        pid, terminal = pty.fork()
        if pid == 0:
            command = self.command(program)
            os.execvpe(command[0], command, self.environment(TERM="xterm"))
        self.addCleanup(os.close, terminal)
        return pid, terminal

    def read_until(self, terminal, text, seconds=30):
        seen, deadline = b"", time.monotonic() + seconds
        while text.encode() not in seen:
            ready, _, _ = select.select([terminal], [], [], max(0, deadline - time.monotonic()))
            assert ready, "never seen: %s in %r" % (text, seen)
            try:
                seen += os.read(terminal, 4096)
            except OSError:
                raise AssertionError("ended without %s: %r" % (text, seen))
        return seen.decode()

    def test_the_terminal_is_the_programs(self):
        pid, terminal = self.on_terminal(self.application("""
            interrupts = []
            signal.signal(signal.SIGINT, lambda *_: interrupts.append(1))
            signal.signal(signal.SIGWINCH, lambda *_: say("size %d" % os.get_terminal_size(0)[0]))
            say("terminal" if os.isatty(0) and os.tcgetpgrp(0) == os.getpgrp() else "none")
            say("read " + sys.stdin.readline().strip())
            deadline = time.monotonic() + 1.5
            while time.monotonic() < deadline:
                time.sleep(0.05)
            say("interrupts: %d" % len(interrupts))
            sys.exit(5)
            """))
        self.read_until(terminal, "terminal")
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 123, 0, 0))
        self.read_until(terminal, "size 123")
        os.write(terminal, b"typed\n")
        self.read_until(terminal, "read typed")
        os.write(terminal, b"\x03")
        self.assertIn("interrupts: 1\r", self.read_until(terminal, "interrupts: 1\r"))
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 5)

    def test_ctrl_c_ends_it_as_it_ends_the_program(self):
        pid, terminal = self.on_terminal(["sh", "-c", "echo ready; exec sleep 60"])
        self.read_until(terminal, "ready")
        os.write(terminal, b"\x03")
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), -signal.SIGINT)

    def test_a_terminal_that_goes_away_is_told_to_the_program(self):
        pid, terminal = pty.fork()
        if pid == 0:
            command = self.command(self.application(
                "signal.signal(1, lambda *_: (insert('gone'), os._exit(9)))\nsay('ready')\n"
                "while True: signal.pause()"))
            os.execvpe(command[0], command, self.environment())
        self.read_until(terminal, "ready")
        time.sleep(0.3)  # else what writes it may find no terminal, and fail of that
        os.close(terminal)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 9)
        self.assertEqual(self.values(), ["gone"])

    def test_ctrl_z_stops_both_and_fg_goes_on(self):
        pid, terminal = pty.fork()
        if pid == 0:  # a shell with job control is between us and the terminal
            os.execvpe("bash", ["bash", "--norc", "-i"], self.environment(PS1="$ ", TERM="dumb"))
        self.addCleanup(os.close, terminal)
        program = ["sh", "-c", "echo re\"\"ady; read x; exit 6"]
        command = " ".join("'%s'" % word for word in self.command(program))
        self.read_until(terminal, "$ ")
        os.write(terminal, command.encode() + b"\n")
        self.read_until(terminal, "ready\r")
        os.write(terminal, b"\x1a")
        self.read_until(terminal, "Stopped")
        os.write(terminal, b"fg\n")
        self.read_until(terminal, "exec")
        os.write(terminal, b"go\n")
        time.sleep(0.2)
        os.write(terminal, b"echo code=$?\n")
        self.read_until(terminal, "code=6")
        os.write(terminal, b"exit\n")
        os.waitpid(pid, 0)

    def test_a_missing_database_is_restored_first(self):
        self.run_exec(self.application("insert('kept')"))
        self.lose()
        seen = "db = sqlite3.connect(%r)\nsay(db.execute('SELECT x FROM t').fetchall())" % self.path
        result = self.run_exec(self.application(seen))
        self.assertEqual((result.code, result.out), (0, "[('kept',)]\n"))
        self.assertIn("was missing: restored from backup", result.err)
        result = self.run_exec(self.application(seen + "\ninsert('more')"))
        self.assertNotIn("was missing", result.err)
        self.lose()
        result = self.run_exec(["test", "-e", self.path], "--no-restore")
        self.assertEqual(result.code, 1, result)
        self.assertEqual(self.values(), ["kept", "more"])

    def test_a_store_without_backups_is_no_obstacle(self):
        self.lose()
        result = self.run_exec(self.application(
            "db = sqlite3.connect(%r)\ndb.execute('CREATE TABLE t(x)')\ninsert('first')"
            % self.path))
        self.assertEqual(result.code, 0, result)
        self.assertIn("has no backup of it yet", result.err)
        self.assertEqual(self.values(), ["first"])

    def test_a_store_that_cannot_be_asked_is_one_if_a_file_is_missing(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        nowhere = testlib.Store(
            "nowhere", "s3://bucket/x?endpoint=http://127.0.0.1:%d" % port, {})
        self.store.env.update(AWS_ACCESS_KEY_ID="k", AWS_SECRET_ACCESS_KEY="s")
        touch = ["touch", self.scratch / "started"]
        self.lose()
        result = self.run_exec(touch, "--attempts", "1", store=nowhere)
        self.assertEqual(result.code, 1, result)
        self.assertIn("--no-restore", result.err)
        self.assertFalse(os.path.exists(self.scratch / "started"))
        result = self.run_exec(touch, "--attempts", "1", "--no-restore", store=nowhere)
        self.assertEqual(result.code, 3, result)
        self.assertTrue(os.path.exists(self.scratch / "started"))

    def test_a_last_backup_that_fails_is_told_and_the_program_comes_first(self):
        with open(self.scratch / "file", "w"):
            pass
        nowhere = testlib.dir_store(self.scratch / "file" + "/store")
        for end, code in (("exit 0", 3), ("exit 4", 4), ("kill -9 $$", -9)):
            result = self.run_exec(["sh", "-c", end], store=nowhere)
            self.assertEqual(result.code, code, result)
            self.assertIn("'app': the last backup was not made", result.err)

    def test_a_last_backup_that_hangs_is_given_up_in_time_or_when_asked_twice(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            self.store.env.update(AWS_ACCESS_KEY_ID="k", AWS_SECRET_ACCESS_KEY="s")
            store = testlib.Store("silent", "s3://bucket/x?endpoint=http://127.0.0.1:%d"
                                  % silent.getsockname()[1], {})
            began = time.monotonic()
            result = self.run_exec(["true"], "--stop-timeout", "1s", store=store)
            self.assertEqual(result.code, 3, result)
            self.assertLess(time.monotonic() - began, 20)
            self.assertIn("the last backup was not made", result.err)
            process = self.start(["sh", "-c", "trap 'exit 0' TERM; echo $$; while :; do "
                                  "sleep 0.05; done"], "--stop-timeout", "10m", store=store)
            child = int(process.stdout.readline())
            process.send_signal(signal.SIGTERM)
            testlib.wait_for(lambda: not os.path.exists("/proc/%d" % child))
            process.send_signal(signal.SIGTERM)
            result = self.finish(process)
            self.assertEqual(result.code, 3, result)
            self.assertIn("asked once more to stop", result.err)

    def test_what_cannot_be_started(self):
        result = self.run_exec(["no-program-is-called-so"])
        self.assertEqual(result.code, 127, result)
        self.assertIn("no-program-is-called-so", result.err)
        result = self.run_exec([self.path])
        self.assertEqual(result.code, 126, result)
        self.assertEqual(self.run_exec(["/"]).code, 126)
        for args in (("exec", self.path), ("exec", self.path, "--"), ("exec",)):
            result = testlib.run(None, *args)
            self.assertEqual(result.code, 2, result)
        result = self.run_exec(["touch", self.scratch / "x"], "--schedule", "soon")
        self.assertEqual(result.code, 2, result)
        self.assertFalse(os.path.exists(self.scratch / "x"))

    def test_flags_of_the_program_are_its_own(self):
        result = self.run_exec(["echo", "--json", "--help", "--", "-x"])
        self.assertEqual((result.code, result.out), (0, "--json --help -- -x\n"))
        result = self.run_exec(["false"], "--json")
        self.assertEqual(result.code, 1)
        for line in result.err.splitlines():
            json.loads(line)


if __name__ == "__main__":
    unittest.main(verbosity=2)
