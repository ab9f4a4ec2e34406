/* Goal: a run ends with the status that tells what happened, results on standard output and all
 * else on standard error. */
#include "tests/harness/test.h"

#include "agent/run.h"
#include "base/cancel.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ERROR_SIZE 4096

struct outcome {
    int status;
    char *out;
    char err[ERROR_SIZE];
};

static struct outcome run(char *const *argv, struct cancel *cancel)
{
    struct outcome outcome = { 0 };
    size_t out_len = 0;
    FILE *out = open_memstream(&outcome.out, &out_len);
    int fds[2], argc = 0;
    ssize_t len;

    assert_non_null(out);
    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    while (argv[argc] != NULL)
        argc++;
    outcome.status = holdfast_run(argc, argv, out, fds[1], cancel);
    assert_int_equal(fclose(out), 0);
    len = read(fds[0], outcome.err, ERROR_SIZE - 1);
    outcome.err[len > 0 ? len : 0] = '\0';
    assert_int_equal(close(fds[0]), 0);
    assert_int_equal(close(fds[1]), 0);
    return outcome;
}

static char program[] = "holdfast", version[] = "version", json[] = "--json", lst[] = "lst";
static char help[] = "help", list[] = "list", app[] = "app", dash_help[] = "--help";
static char store[] = "--store=file:///nonexistent/backups";

static void prints_results_on_standard_output(void **state)
{
    char *const rows[][4] = {
        { program, version, NULL },
        { program, version, json, NULL },
        { program, help, NULL },
        { program, help, list, NULL },
        { program, list, dash_help, NULL },
        { program, dash_help, NULL },
    };
    struct cancel cancel = CANCEL_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct outcome outcome = run(rows[i], &cancel);

        assert_int_equal(outcome.status, 0);
        assert_true(strlen(outcome.out) > 10);
        assert_string_equal(outcome.err, "");
        free(outcome.out);
    }
}

static void explains_failures_on_standard_error(void **state)
{
    char *const usage[] = { program, lst, NULL };
    char *const usage_json[] = { program, lst, json, NULL };
    char *const absent[] = { program, list, app, store, NULL };
    struct cancel cancel = CANCEL_INIT;
    struct outcome outcome;

    (void)state;
    outcome = run(usage, &cancel);
    assert_int_equal(outcome.status, 2);
    assert_string_equal(outcome.out, "");
    assert_string_equal(outcome.err,
                        "holdfast: error: no command 'lst'\nhint: did you mean 'list'? "
                        "'holdfast help' lists all commands\n");
    free(outcome.out);
    outcome = run(usage_json, &cancel);
    assert_int_equal(outcome.status, 2);
    assert_int_equal(strncmp(outcome.err, "{\"error\":{\"code\":\"config\",", 26), 0);
    free(outcome.out);
    outcome = run(absent, &cancel);
    assert_int_equal(outcome.status, 10);
    assert_int_equal(strncmp(outcome.err, "holdfast: error: list 'app': ", 29), 0);
    free(outcome.out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints_results_on_standard_output),
        cmocka_unit_test(explains_failures_on_standard_error),
    };

    (void)setenv("HOLDFAST_CONFIG", "/dev/null", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
