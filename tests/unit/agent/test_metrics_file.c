/* Goal: the file follows what is known, and not so often that writing it is all that is done. */
#include "agent/metrics_file.h"

#include "agent/jobs.h"
#include "agent/watch.h"
#include "base/log.h"
#include "tests/harness/fake_clock.h"
#include "tests/harness/temp_dir.h"
#include "tests/harness/test.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static unsigned warnings;

static void count_warnings(void *context, enum log_level level, const char *line)
{
    (void)context;
    (void)line;
    warnings += level == LOG_LEVEL_WARN;
}

/* Whether an update has written it. */
static bool writes(struct metrics_file *file, bool is_busy)
{
    const bool was_there = unlink(file->path) == 0;

    (void)was_there;
    metrics_file_update(file, is_busy);
    return access(file->path, F_OK) == 0;
}

static void is_written_when_there_is_something_new(void **state)
{
    static char title[] = "'a'";
    const struct job job = { .title = title };
    struct fake_clock clock;
    struct metrics_file file = { .clock = &clock.clock };
    char *dir = temp_dir_new(), path[256];

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/holdfast.prom", dir);
    fake_clock_init(&clock, 1000);
    file.path = path;
    file.watch = watch_new(&clock.clock, true);
    assert_non_null(file.watch);
    assert_true(writes(&file, true));
    assert_false(writes(&file, false));
    watch_next(file.watch, &job, 1);
    assert_false(writes(&file, true));
    assert_true(writes(&file, false));
    watch_next(file.watch, &job, 1);
    clock.now_ms += METRICS_FILE_PAUSE_MS - 1;
    assert_false(writes(&file, true));
    clock.now_ms++;
    assert_true(writes(&file, true));
    watch_free(file.watch);
    temp_dir_free(dir);
}

static void what_goes_wrong_is_said_once(void **state)
{
    static char title[] = "'a'";
    const struct job job = { .title = title };
    struct fake_clock clock;
    struct metrics_file file = { .clock = &clock.clock };
    char *dir = temp_dir_new(), path[256], below[256];

    (void)state;
    (void)snprintf(below, sizeof(below), "%s/x", dir);
    (void)snprintf(path, sizeof(path), "%s/x/holdfast.prom", dir);
    fake_clock_init(&clock, 1000);
    file.path = path;
    file.watch = watch_new(&clock.clock, true);
    assert_non_null(file.watch);
    log_set_sink(count_warnings, NULL, LOG_LEVEL_WARN);
    warnings = 0;
    for (int i = 0; i < 3; i++) {
        watch_next(file.watch, &job, 1);
        metrics_file_update(&file, false);
    }
    assert_int_equal(warnings, 1);
    assert_int_equal(mkdir(below, 0700), 0);
    watch_next(file.watch, &job, 1);
    metrics_file_update(&file, false);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(warnings, 1);
    log_set_sink(NULL, NULL, LOG_LEVEL_ERROR);
    watch_free(file.watch);
    temp_dir_free(dir);
}

static void none_is_wanted(void **state)
{
    struct metrics_file file = { .path = NULL };

    (void)state;
    metrics_file_update(&file, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_written_when_there_is_something_new),
        cmocka_unit_test(what_goes_wrong_is_said_once),
        cmocka_unit_test(none_is_wanted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
