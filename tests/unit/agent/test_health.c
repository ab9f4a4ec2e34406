/* Goal: what is old, never was, or does not restore is not healthy, and it is said which. */
#include "agent/health.h"

#include "agent/jobs.h"
#include "base/buf.h"
#include "tests/harness/test.h"

#include <stdio.h>
#include <string.h>

#define HOUR_MS INT64_C(3600000)
#define NOW_MS  (HOUR_MS * 500000)

static void says_what_is_wrong(void **state)
{
    static const struct {
        const char *name;
        int64_t success_ms;
        unsigned drill_failures;
        const char *reason; /* NULL: it is healthy */
    } cases[] = {
        { "just in time", NOW_MS - 2 * HOUR_MS, 0, NULL },
        { "too old", NOW_MS - 2 * HOUR_MS - 1, 0, "2 hours ago" },
        { "never", 0, 0, "never" },
        { "does not restore", NOW_MS, 1, "restore drill failed: a frame is damaged" },
        { "both", 0, 3, "never; restore drill failed" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct job job = { .status = { .success_ms = cases[i].success_ms },
                           .drill = { .failures = cases[i].drill_failures } };
        struct buf why = BUF_INIT(4096);

        (void)snprintf(job.drill.message, sizeof(job.drill.message), "a frame is damaged");
        print_message("%s\n", cases[i].name);
        assert_int_equal(job_is_healthy(&job, 2 * HOUR_MS, NOW_MS, &why), cases[i].reason == NULL);
        if (cases[i].reason != NULL) {
            assert_non_null(strstr(why.ptr, cases[i].reason));
        } else {
            assert_int_equal(why.len, 0);
        }
        buf_dispose(&why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(says_what_is_wrong) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
