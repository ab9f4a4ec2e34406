/* Goal: the policy beyond what restic does, and the text it is written in.  What restic does is
 * compared with restic: tests/integ/test_retention_restic.py. */
#include "retention/policy.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "tests/harness/test.h"

#define HOUR_MS INT64_C(3600000)
#define DAY_MS  (24 * HOUR_MS)
#define NOW_MS  (20000 * DAY_MS)

static void within_is_read_as_restic_writes_it(void **state)
{
    static const char *const bad[] = { "", "5", "d", "5x", "1d ", "-1d", "1.5h", "99999999999d" };
    struct retention_within within;
    struct err err = { 0 };

    (void)state;
    assert_int_equal(retention_within_parse("1y5m7d2h", &within, NULL), 0);
    assert_int_equal(within.years, 1);
    assert_int_equal(within.months, 5);
    assert_int_equal(within.days, 7);
    assert_int_equal(within.hours, 2);
    assert_int_equal(retention_within_parse("36h", &within, NULL), 0);
    assert_int_equal(within.years + within.months + within.days, 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(retention_within_parse(bad[i], &within, &err), ERR_CONFIG);
    assert_non_null(strstr(err.hint, "90d"));
}

static void an_empty_policy_keeps_everything(void **state)
{
    static const struct retention_policy empty;
    const struct retention_item items[3] = { { .created_at_ms = 1 }, { .created_at_ms = 2 } };
    unsigned reasons[3];

    (void)state;
    assert_true(retention_policy_is_empty(&empty));
    assert_false(retention_policy_is_empty(&retention_policy_default));
    retention_apply(&empty, items, 3, NOW_MS, reasons);
    for (size_t i = 0; i < 3; i++)
        assert_true((reasons[i] & RETENTION_NO_POLICY) != 0);
    retention_apply(&empty, items, 0, NOW_MS, reasons);
}

static void some_are_kept_whatever_the_policy_says(void **state)
{
    static const struct retention_policy last = { .last = 1 };
    static const struct {
        struct retention_item item;
        unsigned reasons;
    } cases[] = {
        { { .created_at_ms = NOW_MS - 40 * DAY_MS }, 0 },
        { { .created_at_ms = NOW_MS - 39 * DAY_MS, .pinned = true }, RETENTION_PINNED },
        { { .created_at_ms = NOW_MS - 39 * DAY_MS, .guarded = true }, RETENTION_GUARDED },
        { { .created_at_ms = NOW_MS - 38 * DAY_MS, .verified = true }, 0 },
        { { .created_at_ms = NOW_MS - 37 * DAY_MS, .verified = true }, RETENTION_VERIFIED },
        { { .created_at_ms = NOW_MS - 36 * DAY_MS, .verified = true, .damaged = true }, 0 },
        { { .created_at_ms = NOW_MS - 8 * DAY_MS, .pre_restore = true }, 0 },
        { { .created_at_ms = NOW_MS - 6 * DAY_MS, .pre_restore = true }, RETENTION_UNDO },
        { { .created_at_ms = NOW_MS - 5 * DAY_MS, .damaged = true }, RETENTION_DAMAGED },
        { { .created_at_ms = NOW_MS - 2 * DAY_MS }, RETENTION_LAST },
        /* Neither is the newest that counts. */
        { { .created_at_ms = NOW_MS - DAY_MS, .pre_restore = true }, RETENTION_UNDO },
        { { .created_at_ms = NOW_MS, .damaged = true }, RETENTION_DAMAGED },
    };
    struct retention_item items[sizeof(cases) / sizeof(cases[0])];
    unsigned reasons[sizeof(cases) / sizeof(cases[0])];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        items[i] = cases[i].item;
    retention_apply(&last, items, sizeof(cases) / sizeof(cases[0]), NOW_MS, reasons);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        print_message("  case %zu\n", i);
        assert_int_equal(reasons[i], cases[i].reasons);
    }
}

/* Whatever the policy: the newest, what is pinned, and the newest verified one stay; and who keeps
 * more of everything keeps all that who keeps less does. */
static void properties_hold_for_random_policies(void **state)
{
    unsigned seed = 3;

    (void)state;
    for (int round = 0; round < 500; round++) {
        struct retention_item items[40] = { 0 };
        unsigned less[40], more[40];
        struct retention_policy policy = { (unsigned)rand_r(&seed) % 3,
                                           (unsigned)rand_r(&seed) % 5,
                                           (unsigned)rand_r(&seed) % 4,
                                           1,
                                           (unsigned)rand_r(&seed) % 2,
                                           0,
                                           { 0, 0, (unsigned)rand_r(&seed) % 3, 0 } };
        struct retention_policy generous = policy;
        int64_t at = NOW_MS - 60 * DAY_MS;
        size_t newest_verified = 40;

        for (size_t i = 0; i < 40; i++) {
            at += rand_r(&seed) % (2 * (int)DAY_MS);
            items[i].created_at_ms = at;
            items[i].pinned = rand_r(&seed) % 9 == 0;
            items[i].verified = rand_r(&seed) % 5 == 0;
            if (items[i].verified)
                newest_verified = i;
        }
        generous.last += 2;
        generous.hourly += 3;
        generous.daily += 1;
        generous.yearly += 1;
        generous.within.days += 5;
        retention_apply(&policy, items, 40, NOW_MS, less);
        retention_apply(&generous, items, 40, NOW_MS, more);
        assert_true(less[39] != 0);
        if (newest_verified < 40)
            assert_true((less[newest_verified] & RETENTION_VERIFIED) != 0);
        for (size_t i = 0; i < 40; i++) {
            assert_true(less[i] != 0 || !items[i].pinned);
            assert_true(less[i] == 0 || more[i] != 0);
        }
    }
}

static void reasons_are_told_in_words(void **state)
{
    struct buf text = BUF_INIT(256);

    (void)state;
    retention_reasons_format(0, &text);
    buf_add_char(&text, '|');
    retention_reasons_format(RETENTION_HOURLY | RETENTION_PINNED, &text);
    buf_add_char(&text, '|');
    retention_reasons_format(RETENTION_NEWEST, &text);
    assert_string_equal(text.ptr, "expires|hourly, pinned|newest");
    buf_dispose(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(within_is_read_as_restic_writes_it),
        cmocka_unit_test(an_empty_policy_keeps_everything),
        cmocka_unit_test(some_are_kept_whatever_the_policy_says),
        cmocka_unit_test(properties_hold_for_random_policies),
        cmocka_unit_test(reasons_are_told_in_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
