/* Goal: a policy's span is that of the longest thing that it keeps. */
#include "retention/span.h"

#include "retention/policy.h"
#include "tests/harness/test.h"

static void is_that_of_the_longest(void **state)
{
    static const struct {
        struct retention_policy policy;
        int64_t days;
    } rows[] = {
        { { .last = 100 }, 1 },
        { { .hourly = 24 }, 1 },
        { { .hourly = 25 }, 2 },
        { { .hourly = 24, .daily = 7, .weekly = 4 }, 28 },
        { { .daily = 40, .weekly = 4 }, 40 },
        { { .daily = 7, .monthly = 12 }, 365 },
        { { .monthly = 1 }, 31 },
        { { .yearly = 2 }, 732 },
        { { .yearly = 1000000 }, 36500 },
        { { .daily = 7, .within = { .months = 1, .days = 2, .hours = 1 } }, 34 },
        { { 0 }, 36500 }, /* which keeps everything */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(retention_span_days(&rows[i].policy), rows[i].days);
    assert_int_equal(retention_span_days(&retention_policy_default), 365);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_that_of_the_longest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
