/* Goal: the last backup of a day, week and month stands on the last one of the day, week and month
 * before, and no other does on anything. */
#include "retention/merge.h"

#include "tests/harness/test.h"

#include <stdlib.h>
#include <time.h>

#define HOUR_MS INT64_C(3600000)
/* Sunday, 2026-03-01 00:05 UTC. */
#define START_MS INT64_C(1772323500000)
#define HOURS    ((size_t)31 * 24)

static struct retention_item items[HOURS];

static void fill(void)
{
    for (size_t i = 0; i < HOURS; i++)
        items[i] = (struct retention_item){ .created_at_ms = START_MS + (int64_t)i * HOUR_MS };
}

/* The bases of the backup that is made after `hour` others, one an hour. */
static size_t bases_at(const struct retention_policy *policy, size_t hour, size_t *bases)
{
    return retention_merge_bases(policy, items, hour, START_MS + (int64_t)hour * HOUR_MS, bases);
}

static void an_hour_in_the_day_stands_on_nothing(void **state)
{
    size_t bases[MERGE_BASES_MAX];
    const struct retention_policy daily = { .daily = 7, .weekly = 4 };

    (void)state;
    for (size_t hour = 0; hour < 23; hour++)
        assert_int_equal(bases_at(&daily, 48 + hour, bases), 0);
}

static void the_last_of_a_day_stands_on_the_last_of_the_day_before(void **state)
{
    size_t bases[MERGE_BASES_MAX];
    const struct retention_policy daily = { .daily = 7, .weekly = 4 };

    (void)state;
    assert_int_equal(bases_at(&daily, 48 + 23, bases), 1); /* Tuesday, 23:05 */
    assert_int_equal(bases[0], 47);
}

static void the_last_of_a_week_stands_on_the_week_before_or_else_on_the_day_before(void **state)
{
    size_t bases[MERGE_BASES_MAX];
    const struct retention_policy daily = { .daily = 7, .weekly = 4 };

    (void)state;
    assert_int_equal(bases_at(&daily, (size_t)14 * 24 + 23, bases), 2); /* Sunday, 15th */
    assert_int_equal(bases[0], (size_t)7 * 24 + 23);
    assert_int_equal(bases[1], (size_t)13 * 24 + 23);
}

static void the_last_of_the_first_month_stands_on_the_first(void **state)
{
    size_t bases[MERGE_BASES_MAX];

    (void)state;
    assert_int_equal(bases_at(&retention_policy_default, HOURS - 1, bases), 3);
    assert_int_equal(bases[0], 0);          /* Tuesday, 31st */
    assert_int_equal(bases[1], HOURS - 25); /* the day */
    assert_int_equal(bases[2], HOURS - 2);  /* the hour */
}

static void the_same_base_is_named_but_once(void **state)
{
    size_t bases[MERGE_BASES_MAX];

    (void)state; /* the first hour's is the only one: of the day, of the week */
    assert_int_equal(
        retention_merge_bases(&retention_policy_default, items, 1, START_MS + 23 * HOUR_MS, bases),
        1);
    assert_int_equal(bases[0], 0);
}

static void what_no_policy_keeps_is_merged_for_nothing(void **state)
{
    size_t bases[MERGE_BASES_MAX];
    const struct retention_policy last = { .last = 10 };

    (void)state;
    for (size_t hour = 0; hour < HOURS; hour++)
        assert_int_equal(bases_at(&last, hour, bases), 0);
}

static void damaged_ones_and_undos_are_no_base(void **state)
{
    size_t bases[MERGE_BASES_MAX];
    const struct retention_policy daily = { .daily = 7 };

    (void)state;
    items[47].damaged = true;
    items[46].pre_restore = true;
    assert_int_equal(bases_at(&daily, 48 + 23, bases), 1);
    assert_int_equal(bases[0], 45);
    fill();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_hour_in_the_day_stands_on_nothing),
        cmocka_unit_test(the_last_of_a_day_stands_on_the_last_of_the_day_before),
        cmocka_unit_test(the_last_of_a_week_stands_on_the_week_before_or_else_on_the_day_before),
        cmocka_unit_test(the_last_of_the_first_month_stands_on_the_first),
        cmocka_unit_test(the_same_base_is_named_but_once),
        cmocka_unit_test(what_no_policy_keeps_is_merged_for_nothing),
        cmocka_unit_test(damaged_ones_and_undos_are_no_base),
    };

    (void)setenv("TZ", "UTC", 1);
    tzset();
    fill();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
