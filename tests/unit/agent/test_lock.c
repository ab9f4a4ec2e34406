/* Goal: one process at a time; who waits learns whom for; nothing that can be done fails for lack
 * of a place for the lock. */
#include "tests/harness/test.h"

#include "agent/lock.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
    char dir[64];
    struct lock_options options;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    if (fixture == NULL)
        return -1;
    (void)snprintf(fixture->dir, sizeof(fixture->dir), "/tmp/holdfast-test-XXXXXX");
    if (mkdtemp(fixture->dir) == NULL) {
        free(fixture);
        return -1;
    }
    fixture->options = (struct lock_options){
        .state_dir = fixture->dir,
        .database = "app",
        .timeout_ms = 1,
        .clock = clock_system(),
    };
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/app/lock", fixture->dir);
    (void)unlink(path);
    (void)snprintf(path, sizeof(path), "%s/app", fixture->dir);
    (void)rmdir(path);
    (void)rmdir(fixture->dir);
    free(fixture);
    return 0;
}

static void keeps_a_second_one_out_and_names_the_first(void **state)
{
    const struct fixture *fixture = *state;
    struct lock first = LOCK_INIT, second = LOCK_INIT;
    char wanted[64];
    struct err err;

    assert_int_equal(lock_acquire(&fixture->options, &first, &err), 0);
    assert_true(first.fd >= 0);
    assert_int_equal(lock_acquire(&fixture->options, &second, &err), ERR_BUSY);
    (void)snprintf(wanted, sizeof(wanted), "process %ld is at work on 'app'", (long)getpid());
    assert_string_equal(err.msg, wanted);
    assert_int_equal(second.fd, -1);
    lock_release(&first);
    lock_release(&first);
    assert_int_equal(lock_acquire(&fixture->options, &second, &err), 0);
    lock_release(&second);
}

static void waits_until_it_is_canceled(void **state)
{
    const struct fixture *fixture = *state;
    struct lock first = LOCK_INIT, second = LOCK_INIT;
    struct cancel cancel = CANCEL_INIT;
    struct lock_options options = fixture->options;
    struct err err;

    options.timeout_ms = 60000;
    options.cancel = &cancel;
    cancel_set(&cancel, SIGINT);
    assert_int_equal(lock_acquire(&fixture->options, &first, &err), 0);
    assert_int_equal(lock_acquire(&options, &second, &err), ERR_CANCELED);
    lock_release(&first);
}

static void count_warning(void *context, enum log_level level, const char *line)
{
    if (level == LOG_LEVEL_WARN && strstr(line, "two runs at a time") != NULL)
        ++*(int *)context;
}

static void goes_on_with_a_warning_where_nothing_can_be_written(void **state)
{
    struct fixture *fixture = *state;
    struct lock lock = LOCK_INIT;
    int warnings = 0;

    log_set_sink(count_warning, &warnings, LOG_LEVEL_WARN);
    fixture->options.state_dir = "/proc/holdfast"; /* even for root */
    assert_int_equal(lock_acquire(&fixture->options, &lock, NULL), 0);
    assert_int_equal(lock.fd, -1);
    fixture->options.state_dir = NULL;
    assert_int_equal(lock_acquire(&fixture->options, &lock, NULL), 0);
    assert_int_equal(warnings, 2);
    lock_release(&lock);
    log_set_sink(NULL, NULL, LOG_LEVEL_ERROR);
}

static void gives_the_directory_to_its_owner_alone(void **state)
{
    const struct fixture *fixture = *state;
    struct lock lock = LOCK_INIT;
    char path[128];
    struct stat st;

    assert_int_equal(lock_acquire(&fixture->options, &lock, NULL), 0);
    (void)snprintf(path, sizeof(path), "%s/app", fixture->dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 077, 0);
    lock_release(&lock);
}

static void knows_where_state_belongs(void **state)
{
    char *dir;

    (void)state;
    (void)setenv("XDG_STATE_HOME", "/x", 1);
    (void)setenv("HOME", "/h", 1);
    dir = state_dir_default();
    assert_string_equal(dir, geteuid() == 0 ? "/var/lib/holdfast" : "/x/holdfast");
    free(dir);
    if (geteuid() == 0)
        return;
    (void)setenv("XDG_STATE_HOME", "relative", 1);
    dir = state_dir_default();
    assert_string_equal(dir, "/h/.local/state/holdfast");
    free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keeps_a_second_one_out_and_names_the_first, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(waits_until_it_is_canceled, set_up, tear_down),
        cmocka_unit_test_setup_teardown(goes_on_with_a_warning_where_nothing_can_be_written, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(gives_the_directory_to_its_owner_alone, set_up, tear_down),
        cmocka_unit_test(knows_where_state_belongs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
