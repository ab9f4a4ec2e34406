/* Goal: however bytes are taken, in whatever pieces and by however many, they take as long as the
 * rate says, and neither a pause nor a crowd makes it more or less. */
#include "tests/harness/test.h"

#include "base/cancel.h"
#include "base/err.h"
#include "base/rate_limit.h"
#include "tests/harness/fake_clock.h"

#define RATE (UINT64_C(1) << 20)

static struct rate_limit *limit_of(uint64_t rate, struct fake_clock *clock)
{
    struct rate_limit *limit = NULL;

    fake_clock_init(clock, 1000000);
    assert_int_equal(rate_limit_new(rate, &clock->clock, &limit, NULL), 0);
    return limit;
}

static void bytes_take_as_long_as_the_rate_says(void **state)
{
    static const struct {
        uint64_t rate, piece, total;
        int64_t wanted_ms;
    } rows[] = {
        { RATE, 1024, 10 * RATE, 10000 },
        { RATE, 64 << 10, 10 * RATE, 10000 },
        { RATE, 3 * RATE, 9 * RATE, 9000 },
        { RATE_LIMIT_MIN, 1000, 64 << 10, 4000 },
        { UINT64_C(5) << 30, 64 << 10, UINT64_C(20) << 30, 4000 },
        { RATE_LIMIT_MAX, RATE_LIMIT_MAX, 3 * RATE_LIMIT_MAX, 3000 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fake_clock clock;
        struct rate_limit *limit = limit_of(rows[i].rate, &clock);
        const int64_t begin_ms = clock.now_ms;

        for (uint64_t done = 0; done < rows[i].total; done += rows[i].piece)
            (void)rate_limit_wait(limit, rows[i].piece, NULL);
        assert_in_range(clock.now_ms - begin_ms, rows[i].wanted_ms - 20, rows[i].wanted_ms + 100);
        rate_limit_free(limit);
    }
}

static void what_was_not_used_is_kept_for_a_moment_only(void **state)
{
    struct fake_clock clock;
    struct rate_limit *limit = limit_of(RATE, &clock);

    (void)state;
    assert_int_equal(rate_limit_wait(limit, RATE / 10, NULL), 100); /* nothing at the start */
    clock.now_ms += INT64_C(3600) * 1000;
    assert_int_equal(rate_limit_wait(limit, RATE / 4, NULL), 0); /* RATE_LIMIT_BURST_MS of it */
    assert_int_equal(rate_limit_wait(limit, RATE / 2, NULL), 500);
    clock.now_ms += 100;
    assert_int_equal(rate_limit_wait(limit, RATE / 2, NULL), 400);
    rate_limit_free(limit);
}

static void pieces_fit_a_crowd(void **state)
{
    static const struct {
        uint64_t rate;
        size_t piece;
    } rows[] = {
        { RATE_LIMIT_MIN, 1024 },
        { 512 << 10, 32 << 10 },
        { RATE_LIMIT_MAX, 64 << 10 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fake_clock clock;
        struct rate_limit *limit = limit_of(rows[i].rate, &clock);

        assert_int_equal(rate_limit_piece(limit), rows[i].piece);
        rate_limit_free(limit);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_take_as_long_as_the_rate_says),
        cmocka_unit_test(what_was_not_used_is_kept_for_a_moment_only),
        cmocka_unit_test(pieces_fit_a_crowd),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
