/* Goal: the child gets every signal once, starts with signals as we were given them, and how it
 * ended is known; what cannot be started is told apart. */
#include "tests/harness/test.h"

#include "agent/supervisor.h"
#include "base/cancel.h"
#include "base/err.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_MS 20000

struct rig {
    struct cancel ended, impatient;
    struct supervisor *supervisor;
};

static char shell[] = "/bin/sh", flag[] = "-c";

static void start(struct rig *rig, char *script)
{
    char *argv[] = { shell, flag, script, NULL };
    struct err err;

    *rig = (struct rig){ .ended = CANCEL_INIT };
    assert_int_equal(supervisor_new(&rig->ended, &rig->impatient, &rig->supervisor, &err), 0);
    if (supervisor_start(rig->supervisor, argv, &err) < 0)
        fail_msg("%s", err.msg);
}

static int wait_for_end(struct rig *rig)
{
    for (int i = 0; i < WAIT_MS / 100 && !cancel_is_set(&rig->ended); i++)
        cancel_wait(&rig->ended, 100);
    assert_true(cancel_is_set(&rig->ended));
    return supervisor_status(rig->supervisor);
}

static void tells_how_the_child_ended(void **state)
{
    char code[] = "exit 7", killed[] = "kill -KILL $$";
    struct rig rig;

    (void)state;
    start(&rig, code);
    assert_int_equal(WEXITSTATUS(wait_for_end(&rig)), 7);
    supervisor_free(rig.supervisor);
    start(&rig, killed);
    assert_int_equal(WTERMSIG(wait_for_end(&rig)), SIGKILL);
    supervisor_free(rig.supervisor);
}

/* The script says when its traps are set. */
static void passes_signals_on(void **state)
{
    static const int numbers[] = { SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGTERM, SIGALRM };

    (void)state;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        char script[160], byte;
        struct rig rig;
        int status, fds[2];

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        assert_int_equal(fcntl(fds[1], F_SETFD, 0), 0); /* the child's, too */
        (void)snprintf(script, sizeof(script),
                       "for n in 1 2 3 10 12 15 14; do trap \"exit $((n + 100))\" $n; done;"
                       "echo >&%d; while :; do sleep 0.02; done",
                       fds[1]);
        start(&rig, script);
        assert_int_equal(read(fds[0], &byte, 1), 1);
        assert_int_equal(kill(getpid(), numbers[i]), 0);
        status = wait_for_end(&rig);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), numbers[i] + 100);
        assert_int_equal(close(fds[0]), 0);
        assert_int_equal(close(fds[1]), 0);
        supervisor_free(rig.supervisor);
    }
}

static void starts_it_with_signals_as_they_were(void **state)
{
    char script[] = "while read name value; do case $name in SigBlk:|SigIgn:)"
                    "[ $((0x$value & 0x5000)) = 0 ] || exit 1;; esac; done </proc/self/status";
    struct rig rig;

    (void)state;
    (void)signal(SIGPIPE, SIG_IGN); /* as signals_install() has it */
    start(&rig, script);
    assert_int_equal(WEXITSTATUS(wait_for_end(&rig)), 0);
    supervisor_free(rig.supervisor);
    (void)signal(SIGPIPE, SIG_DFL);
}

static void collects_orphans(void **state)
{
    char script[] = "p=$( (sleep 0.1 >/dev/null & echo $!) );"
                    "while kill -0 $p 2>/dev/null; do sleep 0.02; done";
    struct rig rig;

    (void)state;
    start(&rig, script); /* ends only when the orphan is not even a zombie */
    assert_int_equal(WEXITSTATUS(wait_for_end(&rig)), 0);
    supervisor_free(rig.supervisor);
}

static void ends_what_follows_only_when_asked_again(void **state)
{
    char script[] = "exit 0";
    struct rig rig;

    (void)state;
    start(&rig, script);
    (void)wait_for_end(&rig);
    assert_int_equal(kill(getpid(), SIGTERM), 0);
    assert_int_equal(kill(getpid(), SIGHUP), 0);
    cancel_wait(&rig.impatient, 200);
    assert_false(cancel_is_set(&rig.impatient));
    assert_int_equal(kill(getpid(), SIGTERM), 0);
    for (int i = 0; i < WAIT_MS / 100 && !cancel_is_set(&rig.impatient); i++)
        cancel_wait(&rig.impatient, 100);
    assert_true(cancel_is_set(&rig.impatient));
    supervisor_free(rig.supervisor);
}

static void tells_apart_what_cannot_be_started(void **state)
{
    static const struct {
        const char *program;
        int code;
    } rows[] = {
        { "/nonexistent/program", ERR_NOT_FOUND },
        { "no-program-is-called-so", ERR_NOT_FOUND },
        { "/etc/passwd", ERR_DENIED },
        { "/etc", ERR_DENIED },
    };
    struct rig rig = { .ended = CANCEL_INIT };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *name = strdup(rows[i].program);
        char *argv[] = { name, NULL };
        struct err err;

        assert_non_null(name);
        assert_int_equal(supervisor_new(&rig.ended, &rig.impatient, &rig.supervisor, &err), 0);
        assert_int_equal(supervisor_start(rig.supervisor, argv, &err), rows[i].code);
        assert_int_equal(err.code, rows[i].code);
        assert_non_null(strstr(err.msg, rows[i].program));
        supervisor_free(rig.supervisor);
        free(name);
    }
}

static void knows_what_a_terminal_has_sent_to_all(void **state)
{
    static const struct {
        const char *name;
        int number, code;
        bool same_group, leader, shared;
    } rows[] = {
        { "Ctrl-C", SIGINT, SI_KERNEL, true, false, true },
        { "Ctrl-C, as the leader", SIGINT, SI_KERNEL, true, true, true },
        { "Ctrl-C, when the child is elsewhere", SIGINT, SI_KERNEL, false, false, false },
        { "kill -INT", SIGINT, SI_USER, true, false, false },
        { "Ctrl-\\", SIGQUIT, SI_KERNEL, true, false, true },
        { "Ctrl-Z", SIGTSTP, SI_KERNEL, true, false, true },
        { "a new window size", SIGWINCH, SI_KERNEL, true, false, true },
        { "a new window size, by kill", SIGWINCH, SI_USER, true, false, false },
        { "the terminal is gone", SIGHUP, SI_KERNEL, true, false, true },
        { "the terminal is gone, told to the leader", SIGHUP, SI_KERNEL, true, true, false },
        { "an alarm", SIGALRM, SI_KERNEL, true, false, false },
        { "SIGTERM", SIGTERM, SI_USER, true, false, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const siginfo_t info = { .si_signo = rows[i].number, .si_code = rows[i].code };

        if (supervisor_is_shared(&info, rows[i].same_group, rows[i].leader) != rows[i].shared)
            fail_msg("%s", rows[i].name);
    }
}

static void gives_signals_back(void **state)
{
    struct rig rig = { .ended = CANCEL_INIT };
    sigset_t before, after;

    (void)state;
    (void)sigprocmask(SIG_SETMASK, NULL, &before);
    assert_int_equal(supervisor_new(&rig.ended, &rig.impatient, &rig.supervisor, NULL), 0);
    supervisor_free(rig.supervisor);
    (void)sigprocmask(SIG_SETMASK, NULL, &after);
    assert_int_equal(sigismember(&before, SIGTERM), sigismember(&after, SIGTERM));
    assert_int_equal(sigismember(&after, SIGTERM), 0);
    supervisor_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_how_the_child_ended),
        cmocka_unit_test(passes_signals_on),
        cmocka_unit_test(starts_it_with_signals_as_they_were),
        cmocka_unit_test(collects_orphans),
        cmocka_unit_test(ends_what_follows_only_when_asked_again),
        cmocka_unit_test(tells_apart_what_cannot_be_started),
        cmocka_unit_test(knows_what_a_terminal_has_sent_to_all),
        cmocka_unit_test(gives_signals_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
