/* Goal: runs overlap on no database, whoever else is at work; one that was killed holds nothing. */
#include "agent/pass_lock.h"

#include "agent/jobs.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "tests/harness/temp_dir.h"
#include "tests/harness/test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define MANY 1000

struct pass {
    struct job items[MANY];
    char titles[MANY][16];
    struct jobs jobs;
    struct pass_lock_options options;
};

/* Over the databases db<from> to db<from + count - 1>. */
static struct pass *pass_new(const char *state_dir, size_t from, size_t count)
{
    struct pass *pass = calloc(1, sizeof(*pass));

    assert_non_null(pass);
    assert_true(count <= MANY);
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(pass->titles[i], sizeof(pass->titles[i]), "'db%zu'", from + i);
        pass->items[i].title = pass->titles[i];
    }
    pass->jobs = (struct jobs){ .items = pass->items, .count = count };
    if (state_dir != NULL)
        pass->jobs.state_dir = strdup(state_dir);
    pass->options = (struct pass_lock_options){ .jobs = &pass->jobs, .clock = clock_system() };
    return pass;
}

static void pass_free(struct pass *pass)
{
    free(pass->jobs.state_dir);
    free(pass);
}

static int set_up(void **state)
{
    *state = temp_dir_new();
    return 0;
}

static int tear_down(void **state)
{
    temp_dir_free(*state);
    return 0;
}

/* All jobs are of one lane. */
static int try(const struct pass *pass, struct pass_lock *lock, struct err *err)
{
    if (lock->fd < 0)
        pass_lock_open(&pass->jobs, lock);
    return pass_lock_acquire(lock, &pass->options, err);
}

/* What a process of its own gets from trying, as these locks keep no thread out. */
static int try_elsewhere(const struct pass *pass)
{
    struct pass_lock lock = PASS_LOCK_INIT;
    int status;
    const pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0)
        _exit(-try(pass, &lock, NULL));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return -WEXITSTATUS(status);
}

/* One that has the lock, until it is killed. */
static pid_t hold_elsewhere(const struct pass *pass)
{
    struct pass_lock lock = PASS_LOCK_INIT;
    int pipes[2];
    char byte = 0;
    pid_t pid;

    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a check that fails ends it too */
        if (try(pass, &lock, NULL) == 0 && lock.fd >= 0)
            (void)!write(pipes[1], "y", 1);
        for (;;)
            (void)pause();
    }
    assert_int_equal(read(pipes[0], &byte, 1), 1);
    (void)close(pipes[0]);
    (void)close(pipes[1]);
    return pid;
}

static void end(pid_t pid)
{
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void runs_with_a_database_in_common_do_not_overlap(void **state)
{
    struct pass *one = pass_new(*state, 0, 2), *common = pass_new(*state, 1, 2),
                *other = pass_new(*state, 2, 2);
    struct pass_lock lock = PASS_LOCK_INIT;

    assert_int_equal(try(one, &lock, NULL), 0);
    assert_int_equal(try_elsewhere(one), ERR_BUSY);
    assert_int_equal(try_elsewhere(common), ERR_BUSY);
    assert_int_equal(try_elsewhere(other), 0);
    pass_lock_close(&lock);
    pass_lock_close(&lock);
    assert_int_equal(try_elsewhere(common), 0);
    pass_free(one);
    pass_free(common);
    pass_free(other);
}

static void who_is_kept_out_learns_by_whom_and_holds_nothing(void **state)
{
    struct pass *holder = pass_new(*state, 1, 1), *both = pass_new(*state, 0, 2),
                *free_one = pass_new(*state, 0, 1);
    struct pass_lock lock = PASS_LOCK_INIT;
    const pid_t pid = hold_elsewhere(holder);
    char wanted[64];
    struct err err;

    err_clear(&err);
    assert_int_equal(try(both, &lock, &err), ERR_BUSY);
    (void)snprintf(wanted, sizeof(wanted), "another run is under way with 'db1', process %ld",
                   (long)pid);
    assert_string_equal(err.msg, wanted);
    assert_non_null(strstr(err.hint, "--wait-lock"));
    assert_int_equal(try_elsewhere(free_one), 0);
    end(pid);
    pass_lock_close(&lock);
    pass_free(holder);
    pass_free(both);
    pass_free(free_one);
}

static void a_killed_run_holds_nothing(void **state)
{
    struct pass *pass = pass_new(*state, 0, 3);
    struct pass_lock lock = PASS_LOCK_INIT;
    const pid_t pid = hold_elsewhere(pass);

    assert_int_equal(try(pass, &lock, NULL), ERR_BUSY);
    end(pid);
    assert_int_equal(try(pass, &lock, NULL), 0);
    pass_lock_close(&lock);
    pass_free(pass);
}

static void waits_as_long_as_it_may_or_until_it_is_canceled(void **state)
{
    struct pass *pass = pass_new(*state, 0, 1);
    struct pass_lock lock = PASS_LOCK_INIT;
    struct cancel cancel = CANCEL_INIT;
    const pid_t pid = hold_elsewhere(pass);
    const int64_t begin_ms = clock_mono_ms(clock_system());

    pass->options.timeout_ms = 250;
    assert_int_equal(try(pass, &lock, NULL), ERR_BUSY);
    assert_true(clock_mono_ms(clock_system()) - begin_ms >= 250);
    pass->options.timeout_ms = 5000;
    pass->options.cancel = &cancel;
    cancel_set(&cancel, SIGINT);
    assert_int_equal(try(pass, &lock, NULL), ERR_CANCELED);
    end(pid);
    pass_free(pass);
}

static void one_descriptor_does_for_a_thousand(void **state)
{
    struct pass *pass = pass_new(*state, 0, MANY), *last = pass_new(*state, MANY - 1, 1);
    struct pass_lock lock = PASS_LOCK_INIT;
    const int before = fcntl(0, F_DUPFD_CLOEXEC, 0);

    (void)close(before);
    assert_int_equal(try(pass, &lock, NULL), 0);
    assert_int_equal(lock.fd, before);
    assert_int_equal(try_elsewhere(last), ERR_BUSY);
    pass_lock_close(&lock);
    pass_free(pass);
    pass_free(last);
}

static void each_store_is_locked_by_itself(void **state)
{
    struct pass *both = pass_new(*state, 0, 2), *first = pass_new(*state, 0, 1),
                *second = pass_new(*state, 1, 1);
    struct pass_lock lock = PASS_LOCK_INIT;
    const pid_t pid = hold_elsewhere(first);

    both->items[1].lane = 1;
    assert_int_equal(try(both, &lock, NULL), ERR_BUSY);
    both->options.lane = 1;
    assert_int_equal(try(both, &lock, NULL), 0);
    assert_int_equal(try_elsewhere(second), ERR_BUSY);
    both->options.lane = 0;
    assert_int_equal(try(both, &lock, NULL), ERR_BUSY); /* and keeps the other's */
    assert_int_equal(try_elsewhere(second), ERR_BUSY);
    pass_lock_release(&lock, &both->jobs, 1);
    assert_int_equal(try_elsewhere(second), 0);
    end(pid);
    assert_int_equal(try(both, &lock, NULL), 0);
    assert_int_equal(try_elsewhere(first), ERR_BUSY);
    pass_lock_close(&lock);
    pass_free(both);
    pass_free(first);
    pass_free(second);
}

static void count_warning(void *context, enum log_level level, const char *line)
{
    if (level == LOG_LEVEL_WARN && strstr(line, "not kept apart") != NULL)
        ++*(int *)context;
}

static void goes_on_with_a_warning_where_nothing_can_be_written(void **state)
{
    static const char *const places[] = { NULL, "/proc/holdfast" /* even for root */ };
    int warnings = 0;

    (void)state;
    log_set_sink(count_warning, &warnings, LOG_LEVEL_WARN);
    for (size_t i = 0; i < 2; i++) {
        struct pass *pass = pass_new(places[i], 0, 1);
        struct pass_lock lock = PASS_LOCK_INIT;

        assert_int_equal(try(pass, &lock, NULL), 0);
        assert_int_equal(lock.fd, -1);
        pass_lock_close(&lock);
        pass_free(pass);
    }
    assert_int_equal(warnings, 2);
    log_set_sink(NULL, NULL, LOG_LEVEL_ERROR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(runs_with_a_database_in_common_do_not_overlap, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(who_is_kept_out_learns_by_whom_and_holds_nothing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_killed_run_holds_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(waits_as_long_as_it_may_or_until_it_is_canceled, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(one_descriptor_does_for_a_thousand, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_store_is_locked_by_itself, set_up, tear_down),
        cmocka_unit_test(goes_on_with_a_warning_where_nothing_can_be_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
