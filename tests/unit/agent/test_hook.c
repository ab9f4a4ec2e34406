/* Goal: a hook is told the facts and no credentials, its output is logged, how it ended is known,
 * and none lasts longer than it may, nor what it has started. */
#include "agent/hook.h"

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "tests/harness/temp_dir.h"
#include "tests/harness/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char logged[16384];

static void take(void *context, enum log_level level, const char *line)
{
    const size_t len = strlen(logged);

    (void)context;
    (void)level;
    (void)snprintf(logged + len, sizeof(logged) - len, "%s\n", line);
}

static struct hook make(const char *command)
{
    logged[0] = '\0';
    log_set_sink(take, NULL, LOG_LEVEL_INFO);
    return (struct hook){
        .name = "before",
        .database = "app",
        .command = command,
        .facts = { { "HOLDFAST_DATABASE", "app" },
                   { "HOLDFAST_PATH", "/data/a b;$(x).db" },
                   { "HOLDFAST_ERROR", NULL } },
        .fact_count = 3,
        .timeout_ms = 20000,
        .clock = clock_system(),
    };
}

static void is_told_the_facts_and_no_credentials(void **state)
{
    struct hook hook =
        make("echo \"$HOLDFAST_DATABASE|$HOLDFAST_PATH|${HOLDFAST_ERROR-unset}|$KEPT\";"
             "env | grep -i secret; pwd >&2; cat");

    (void)state;
    assert_int_equal(setenv("AWS_SECRET_ACCESS_KEY", "secret-one", 1), 0);
    assert_int_equal(setenv("HOLDFAST_SECRET_ACCESS_KEY", "secret-two", 1), 0);
    assert_int_equal(setenv("HOLDFAST_SESSION_TOKEN", "secret-three", 1), 0);
    assert_int_equal(setenv("HOLDFAST_ERROR", "of somebody else", 1), 0);
    assert_int_equal(setenv("KEPT", "kept", 1), 0);
    assert_int_equal(hook_run(&hook, NULL), 0);
    assert_non_null(strstr(logged, "'app': before: app|/data/a b;$(x).db|unset|kept\n"));
    assert_null(strstr(logged, "secret"));
    assert_non_null(strstr(logged, "'app': before: /")); /* standard error is logged too */
}

static void how_it_ended_is_told(void **state)
{
    static const struct {
        const char *command, *message;
    } cases[] = {
        { "exit 0", NULL },
        { "exit 7", "before: it ended with status 7" },
        { "kill -KILL $$", "before: it was ended by signal 9" },
        { "no-such-command-at-all", "before: it ended with status 127" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct hook hook = make(cases[i].command);
        struct err err = { 0 };

        print_message("%s\n", cases[i].command);
        assert_int_equal(hook_run(&hook, &err), cases[i].message == NULL ? 0 : ERR_IO);
        if (cases[i].message != NULL)
            assert_string_equal(err.msg, cases[i].message);
    }
}

static bool is_there(const char *dir, const char *name)
{
    char path[512];

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    return access(path, F_OK) == 0;
}

/* What runs in the background of the hook is of its group, and would write the file later. */
static void ends_in_time_with_all_that_it_started(void **state)
{
    struct hook hook;
    struct err err = { 0 };
    char *dir = temp_dir_new(), command[512];
    int64_t begin_ms;

    (void)state;
    (void)snprintf(command, sizeof(command),
                   "trap '' TERM; (sleep 4; touch %s/late) & echo begun; sleep 30", dir);
    hook = make(command);
    hook.timeout_ms = 300;
    begin_ms = clock_mono_ms(hook.clock);
    assert_int_equal(hook_run(&hook, &err), ERR_TIMEOUT);
    assert_true(clock_mono_ms(hook.clock) - begin_ms < 10000);
    assert_non_null(strstr(err.msg, "had not ended after 300 ms"));
    assert_non_null(strstr(logged, "begun"));
    clock_sleep_ms(hook.clock, 2500, NULL);
    assert_false(is_there(dir, "late"));
    temp_dir_free(dir);
}

static void ends_when_it_is_canceled(void **state)
{
    struct hook hook = make("sleep 30");
    struct cancel cancel = CANCEL_INIT;

    (void)state;
    hook.cancel = &cancel;
    cancel_set(&cancel, SIGTERM);
    assert_int_equal(hook_run(&hook, NULL), ERR_CANCELED);
}

static void does_not_wait_for_what_it_leaves_running(void **state)
{
    struct hook hook = make("sleep 5 & echo done");
    const int64_t begin_ms = clock_mono_ms(hook.clock);

    (void)state;
    assert_int_equal(hook_run(&hook, NULL), 0);
    assert_true(clock_mono_ms(hook.clock) - begin_ms < 4000);
    assert_non_null(strstr(logged, "done"));
}

static void long_and_strange_output_is_logged_in_pieces(void **state)
{
    struct hook hook =
        make("head -c 200000 /dev/zero | tr '\\0' x; printf '\\033[2J\\n'; printf last");
    const char *at = logged;
    size_t lines = 0;

    (void)state;
    assert_int_equal(hook_run(&hook, NULL), 0);
    for (; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    assert_true(lines > 10);
    assert_null(strchr(logged, '\033'));
}

static void the_last_line_needs_no_end(void **state)
{
    struct hook hook = make("printf 'one\\ntwo'");

    (void)state;
    assert_int_equal(hook_run(&hook, NULL), 0);
    assert_string_equal(logged, "'app': before: one\n'app': before: two\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_told_the_facts_and_no_credentials),
        cmocka_unit_test(how_it_ended_is_told),
        cmocka_unit_test(ends_in_time_with_all_that_it_started),
        cmocka_unit_test(ends_when_it_is_canceled),
        cmocka_unit_test(does_not_wait_for_what_it_leaves_running),
        cmocka_unit_test(long_and_strange_output_is_logged_in_pieces),
        cmocka_unit_test(the_last_line_needs_no_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
