/* Goal: the first signal asks, the second one ends, and the exit status names it. */
#include "tests/harness/test.h"

#include "agent/signals.h"
#include "base/cancel.h"
#include "base/err.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* In a child, which handlers and deaths stay in: the way it ended. */
static int run_child(void (*body)(struct cancel *cancel))
{
    int status = 0;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        static struct cancel cancel = CANCEL_INIT;

        if (signals_install(&cancel, NULL) < 0)
            _exit(99);
        body(&cancel);
        _exit(signals_exit_status(&cancel));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void raise_once(struct cancel *cancel)
{
    (void)raise(SIGTERM);
    if (!cancel_is_set(cancel))
        _exit(98);
}

static void raise_two_kinds(struct cancel *cancel)
{
    (void)cancel;
    (void)raise(SIGINT);
    (void)raise(SIGTERM);
}

static void write_to_closed_pipe(struct cancel *cancel)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) < 0 || close(fds[0]) < 0)
        _exit(97);
    if (write(fds[1], "x", 1) >= 0)
        _exit(96);
    cancel_set(cancel, SIGHUP);
}

static void asks_first(void **state)
{
    int status = run_child(raise_once);

    (void)state;
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 143);
}

static void ends_at_the_second_signal_whichever_it_is(void **state)
{
    int status = run_child(raise_two_kinds);

    (void)state;
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGTERM);
}

static void survives_a_closed_pipe(void **state)
{
    int status = run_child(write_to_closed_pipe);

    (void)state;
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 129);
}

static void fails_plainly_when_no_signal_asked(void **state)
{
    struct cancel cancel = CANCEL_INIT;

    (void)state;
    cancel_set(&cancel, 0);
    assert_int_equal(signals_exit_status(&cancel), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asks_first),
        cmocka_unit_test(ends_at_the_second_signal_whichever_it_is),
        cmocka_unit_test(survives_a_closed_pipe),
        cmocka_unit_test(fails_plainly_when_no_signal_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
