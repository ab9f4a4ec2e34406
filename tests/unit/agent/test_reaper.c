/* Goal: every child is collected, and whoever waits for one of its own still learns how it ended.
 */
#include "tests/harness/test.h"

#include "agent/reaper.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t child_that_ends_with(int code)
{
    siginfo_t info;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0)
        _exit(code);
    assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
    return child;
}

static void count(void *context, pid_t pid, int status)
{
    int *codes = context;

    assert_true(pid > 0);
    *codes += WEXITSTATUS(status);
}

static void collects_all_that_have_ended(void **state)
{
    int codes = 0;

    (void)state;
    (void)child_that_ends_with(1);
    (void)child_that_ends_with(2);
    (void)child_that_ends_with(4);
    reaper_collect(count, &codes);
    assert_int_equal(codes, 7);
    reaper_collect(count, &codes);
    assert_int_equal(codes, 7);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static void tells_of_a_child_that_was_collected_once(void **state)
{
    const pid_t child = child_that_ends_with(5);
    int codes = 0, status = 0;

    (void)state;
    reaper_collect(count, &codes);
    assert_int_equal(reaper_wait(child, &status), child);
    assert_int_equal(WEXITSTATUS(status), 5);
    assert_int_equal(reaper_wait(child, &status), -1);
}

static void waits_for_a_child_that_nobody_collected(void **state)
{
    const pid_t child = child_that_ends_with(6);
    int status = 0;

    (void)state;
    assert_int_equal(reaper_wait(child, &status), child);
    assert_int_equal(WEXITSTATUS(status), 6);
}

static void says_when_a_child_is_still_there(void **state)
{
    int fds[2], status = 0;
    char byte;
    pid_t child;

    (void)state;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    child = fork();
    if (child == 0) {
        (void)close(fds[1]);
        _exit((int)read(fds[0], &byte, 1));
    }
    assert_int_equal(reaper_wait(child, &status), 0);
    assert_int_equal(close(fds[1]), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(close(fds[0]), 0);
}

static void remembers_the_newest(void **state)
{
    pid_t first = child_that_ends_with(1), last = 0;
    int codes = 0, status = 0;

    (void)state;
    reaper_collect(count, &codes);
    for (int i = 0; i < REAPER_KEPT_COUNT; i++) {
        last = child_that_ends_with(2);
        reaper_collect(count, &codes);
    }
    assert_int_equal(reaper_wait(first, &status), -1);
    assert_int_equal(reaper_wait(last, &status), last);
    assert_int_equal(WEXITSTATUS(status), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(collects_all_that_have_ended),
        cmocka_unit_test(tells_of_a_child_that_was_collected_once),
        cmocka_unit_test(waits_for_a_child_that_nobody_collected),
        cmocka_unit_test(says_when_a_child_is_still_there),
        cmocka_unit_test(remembers_the_newest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
