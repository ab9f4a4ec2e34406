/* Goal: waits double up to the cap, and any wait from none to that is possible. */
#include "base/backoff.h"

#include "tests/harness/test.h"

static void the_upper_end_doubles_up_to_the_cap(void **state)
{
    static const int64_t limits[] = { 200, 400, 800, 1600, 2000, 2000, 2000 };
    const struct backoff backoff = { 200, 2000 };

    (void)state;
    for (unsigned i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        assert_int_equal(backoff_delay_ms(&backoff, i + 1, (uint64_t)limits[i]), limits[i]);
        assert_int_equal(backoff_delay_ms(&backoff, i + 1, (uint64_t)limits[i] + 1), 0);
    }
}

static void any_number_of_attempts_stays_within_the_cap(void **state)
{
    const struct backoff backoff = { 1, INT64_MAX };

    (void)state;
    assert_in_range(backoff_delay_ms(&backoff, 4000000000u, UINT64_MAX), 0, INT64_MAX);
    assert_int_equal(backoff_delay_ms(&(struct backoff){ 50, 20 }, 1, 20), 20);
    assert_int_equal(backoff_delay_ms(&(struct backoff){ 50, 20 }, 1, 21), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_upper_end_doubles_up_to_the_cap),
        cmocka_unit_test(any_number_of_attempts_stays_within_the_cap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
