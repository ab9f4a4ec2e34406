/* Goal: slots come when the schedule says, also on the nights when clocks change, and are the same
 * after a restart.  Years of them are compared in tests/integ/test_schedule_croniter.py. */
#include "tests/harness/test.h"

#include "agent/schedule.h"
#include "agent/zone.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/parse.h"

#include <stdio.h>
#include <string.h>

#define MINUTE_MS  INT64_C(60000)
#define HOUR_MS    (60 * MINUTE_MS)
#define DAY_MS     (24 * HOUR_MS)
#define BERLIN     "CET-1CEST,M3.5.0,M10.5.0/3"
#define LORD_HOWE  "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0"
#define MIDNIGHT   "AAA3BBB,M3.2.0/0,M11.1.0/0" /* as in Cuba, where 0:00 becomes 1:00 */
#define COUNT(row) (sizeof(row) / sizeof((row)[0]))

static int64_t ms(const char *text)
{
    int64_t at_ms = 0;

    if (parse_time(text, 0, &at_ms, NULL) < 0)
        fail_msg("'%s' is no time", text);
    return at_ms;
}

static struct schedule parse(const char *text, const struct zone *zone)
{
    struct schedule schedule = { 0 };
    struct err err;

    err_clear(&err);
    if (schedule_parse(text, zone, &schedule, &err) < 0)
        fail_msg("%s: %s", text, err.msg);
    return schedule;
}

static void check_time(const char *what, int64_t at_ms, const char *wanted)
{
    char text[FORMAT_TIME_SIZE];

    format_time_utc(at_ms, false, text);
    if (at_ms != ms(wanted))
        fail_msg("%s: %s, not %s", what, text, wanted);
}

static void every_is_counted_from_the_epoch(void **state)
{
    const struct schedule quarter = parse("every 15m", NULL), week = parse("7d", NULL);

    (void)state;
    assert_int_equal(quarter.every_ms, 15 * MINUTE_MS);
    check_time("15m", schedule_next(&quarter, ms("2026-11-23T06:01:00Z")), "2026-11-23T06:15:00Z");
    check_time("15m", schedule_next(&quarter, ms("2026-11-23T06:15:00Z")), "2026-11-23T06:30:00Z");
    check_time("7d", schedule_next(&week, ms("2026-11-23T06:15:00Z")), "2026-11-26T00:00:00Z");
    check_time("7d", schedule_previous(&week, ms("2026-11-23T06:15:00Z")), "2026-11-19T00:00:00Z");
    check_time("7d", schedule_previous(&week, ms("2026-11-19T00:00:00Z")), "2026-11-19T00:00:00Z");
    assert_int_equal(schedule_next(&quarter, -1), 0);
    assert_int_equal(schedule_next(&quarter, INT64_MIN), 0);
    assert_int_equal(schedule_next(&quarter, INT64_MAX), SCHEDULE_NEVER);
    assert_int_equal(schedule_previous(&quarter, -1), SCHEDULE_NONE);
    assert_int_equal(schedule_previous(&quarter, 0), 0);
}

static void the_next_slot_is_after_and_the_previous_one_may_be_now(void **state)
{
    const struct schedule schedule = parse("0 3 * * *", NULL);
    const int64_t three = ms("2026-11-23T03:00:00Z");

    (void)state;
    assert_int_equal(schedule_next(&schedule, three), three + DAY_MS);
    assert_int_equal(schedule_next(&schedule, three - 1), three);
    assert_int_equal(schedule_next(&schedule, three + 1), three + DAY_MS);
    assert_int_equal(schedule_previous(&schedule, three), three);
    assert_int_equal(schedule_previous(&schedule, three - 1), three - DAY_MS);
    assert_int_equal(schedule_previous(&schedule, three + DAY_MS - 1), three);
}

static void time_has_a_beginning_and_an_end(void **state)
{
    const struct schedule yearly = parse("@yearly", NULL), leap = parse("0 0 29 2 *", NULL);
    struct zone *zone = NULL;
    struct schedule eastern;

    (void)state;
    assert_int_equal(schedule_next(&yearly, INT64_MIN), 0);
    assert_int_equal(schedule_previous(&yearly, 0), 0);
    assert_int_equal(schedule_previous(&yearly, -1), SCHEDULE_NONE);
    assert_int_equal(schedule_previous(&leap, ms("1972-02-28T23:59:00Z")), SCHEDULE_NONE);
    check_time("1972", schedule_previous(&leap, ms("1976-02-28T23:59:00Z")),
               "1972-02-29T00:00:00Z");
    check_time("9999", schedule_next(&yearly, ms("9998-06-01T00:00:00Z")), "9999-01-01T00:00:00Z");
    assert_int_equal(schedule_next(&yearly, ms("9999-01-01T00:00:00Z")), SCHEDULE_NEVER);
    assert_int_equal(schedule_next(&yearly, INT64_MAX), SCHEDULE_NEVER);
    check_time("9999", schedule_previous(&yearly, INT64_MAX), "9999-01-01T00:00:00Z");

    assert_int_equal(zone_parse_rule("x", "AAA5", &zone, NULL), 0);
    eastern = parse("@yearly", zone);
    check_time("1970", schedule_next(&eastern, INT64_MIN), "1970-01-01T05:00:00Z");
    zone_free(zone);
}

/* 2100 is no leap year. */
static void leap_days_on_a_sunday_may_be_forty_years_apart(void **state)
{
    const struct schedule schedule = parse("0 0 29 2 */7", NULL);

    (void)state;
    check_time("2088", schedule_next(&schedule, ms("2060-02-29T00:00:00Z")),
               "2088-02-29T00:00:00Z");
    check_time("2128", schedule_next(&schedule, ms("2088-02-29T00:00:00Z")),
               "2128-02-29T00:00:00Z");
}

struct night {
    const char *zone, *text;
    const char *slots[6]; /* the first of them is asked for from an hour before */
};

static void check_night(const struct night *night)
{
    struct zone *zone = NULL;
    struct schedule schedule;
    int64_t at_ms;

    assert_int_equal(zone_parse_rule("x", night->zone, &zone, NULL), 0);
    schedule = parse(night->text, zone);
    at_ms = ms(night->slots[0]) - 1;
    for (size_t i = 0; i < COUNT(night->slots) && night->slots[i] != NULL; i++) {
        const int64_t next_ms = schedule_next(&schedule, at_ms);

        check_time(night->text, next_ms, night->slots[i]);
        if (i > 0) {
            assert_int_equal(schedule_previous(&schedule, next_ms - 1), at_ms);
        }
        assert_int_equal(schedule_previous(&schedule, next_ms), next_ms);
        at_ms = next_ms;
    }
    zone_free(zone);
}

static void hours_by_a_star_are_those_the_wall_shows(void **state)
{
    static const struct night nights[] = {
        { BERLIN,
          "@hourly",
          { "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z" } },
        { BERLIN,
          "0 * * * *",
          { "2026-10-24T23:00:00Z", "2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z",
            "2026-10-25T02:00:00Z" } },
        { BERLIN,
          "30 */2 * * *", /* 0:30, not 2:30, 4:30 */
          { "2026-03-28T23:30:00Z", "2026-03-29T02:30:00Z" } },
        { BERLIN,
          "30 */2 * * *", /* 2:30 twice */
          { "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T03:30:00Z" } },
        { LORD_HOWE,
          "0 * * * *", /* 1:00, not 2:00, 3:00 */
          { "2026-10-03T14:30:00Z", "2026-10-03T16:00:00Z" } },
        { LORD_HOWE,
          "45 * * * *", /* 1:45 twice */
          { "2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z", "2026-04-04T16:15:00Z" } },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(nights); i++)
        check_night(&nights[i]);
}

static void a_slot_that_is_skipped_comes_at_the_change(void **state)
{
    static const struct night nights[] = {
        { BERLIN,
          "30 2 * * *",
          { "2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z" } },
        { BERLIN, "0 2 * * *", { "2026-03-28T01:00:00Z", "2026-03-29T01:00:00Z" } },
        { BERLIN, "0 3 * * *", { "2026-03-28T02:00:00Z", "2026-03-29T01:00:00Z" } },
        { BERLIN,
          "*/15 2 * * *", /* four, made up for by one */
          { "2026-03-28T01:45:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z" } },
        { BERLIN,
          "0 2,3 * * *", /* and that is the next one, too */
          { "2026-03-28T02:00:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z" } },
        { BERLIN, "30 2 29 3 *", { "2026-03-29T01:00:00Z", "2027-03-29T00:30:00Z" } },
        { BERLIN, "30 2 30 3 *", { "2026-03-30T00:30:00Z", "2027-03-30T00:30:00Z" } },
        { LORD_HOWE, "15 2 * * *", { "2026-10-02T15:45:00Z", "2026-10-03T15:30:00Z" } },
        { MIDNIGHT,
          "@daily",
          { "2026-03-07T03:00:00Z", "2026-03-08T03:00:00Z", "2026-03-09T02:00:00Z" } },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(nights); i++)
        check_night(&nights[i]);
}

static void a_slot_that_comes_twice_counts_once(void **state)
{
    static const struct night nights[] = {
        { BERLIN,
          "30 2 * * *",
          { "2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z" } },
        { BERLIN, "0 3 * * *", { "2026-10-24T01:00:00Z", "2026-10-25T02:00:00Z" } },
        { BERLIN,
          "*/30 2 * * *",
          { "2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:00:00Z" } },
        { BERLIN,
          "0 0-23 * * *", /* no star: two hours without one */
          { "2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z" } },
        { LORD_HOWE, "45 1 * * *", { "2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z" } },
        { MIDNIGHT,
          "30 23 * * *", /* on Saturday, and not again on Saturday */
          { "2026-11-01T01:30:00Z", "2026-11-02T02:30:00Z" } },
        { MIDNIGHT, "@daily", { "2026-10-31T02:00:00Z", "2026-11-01T03:00:00Z" } },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(nights); i++)
        check_night(&nights[i]);
}

/* Samoa went to the other side of the date line, and had no 30 December 2011. */
static void a_day_that_is_skipped_is_made_up_for(void **state)
{
    static const struct night samoa = { "AAA11BBB-13,J364/0,J365/24",
                                        "0 12 * * *",
                                        { "2011-12-29T23:00:00Z", "2011-12-30T11:00:00Z",
                                          "2011-12-30T23:00:00Z" } };

    (void)state;
    check_night(&samoa);
}

static void asked_during_a_change_it_knows_what_has_been(void **state)
{
    struct zone *zone = NULL;
    struct schedule schedule;

    (void)state;
    assert_int_equal(zone_parse_rule("x", BERLIN, &zone, NULL), 0);
    schedule = parse("30 2 * * *", zone);
    check_time("in the second hour", schedule_next(&schedule, ms("2026-10-25T01:10:00Z")),
               "2026-10-26T01:30:00Z");
    check_time("at the change", schedule_next(&schedule, ms("2026-03-29T01:00:00Z")),
               "2026-03-30T00:30:00Z");
    check_time("just before", schedule_next(&schedule, ms("2026-03-29T01:00:00Z") - 1),
               "2026-03-29T01:00:00Z");
    zone_free(zone);
}

static void refuses_what_is_no_schedule(void **state)
{
    static const struct {
        const char *text, *wanted;
    } rows[] = {
        { "", "the schedule is empty" },
        { " \t", "the schedule is empty" },
        { "15", "'15' is not a duration such as 500ms, 30s, 15m or 1h30m" },
        { "every 15", "'15' is not a duration such as 500ms, 30s, 15m or 1h30m" },
        { "every", "'every' has 1 field, not 5" },
        { "every ", "'' is not a duration such as 500ms, 30s, 15m or 1h30m" },
        { "59s", "'59s' is not whole seconds from 1m to 366d" },
        { "every 366d1s ", "'366d1s' is not whole seconds from 1m to 366d" },
        { "60500ms", "'60500ms' is not whole seconds from 1m to 366d" },
        { "15m 5", "'15m 5' has 2 fields, not 5" },
        { "61 * * * *", "minute field '61': 0 to 59" },
        { "hourly", "'hourly' has 1 field, not 5" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct schedule schedule = { .every_ms = 7 };
        struct err err;

        err_clear(&err);
        if (schedule_parse(rows[i].text, NULL, &schedule, &err) != ERR_CONFIG)
            fail_msg("'%s' was not refused", rows[i].text);
        assert_string_equal(err.msg, rows[i].wanted);
        assert_int_equal(schedule.every_ms, 7);
    }
}

static void what_is_formatted_means_the_same(void **state)
{
    static const struct {
        const char *text, *wanted;
    } rows[] = {
        { "@daily", "0 0 * * *" },    { " */5 * * * * ", "*/5 * * * *" },
        { "15m", "every 15m" },       { "Every 90m ", "every 1h30m" },
        { "every\t60s", "every 1m" }, { "61s", "every 1m1s" },
        { "8784h", "every 366d" },    { "1w1h", "every 7d1h" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct schedule schedule = parse(rows[i].text, NULL);
        struct buf out = BUF_INIT(1000);
        struct schedule again;

        schedule_format(&schedule, &out);
        assert_string_equal(out.ptr, rows[i].wanted);
        again = parse(out.ptr, NULL);
        assert_int_equal(again.every_ms, schedule.every_ms);
        buf_dispose(&out);
    }
}

static void jitter_is_the_same_for_a_seed_and_even_over_seeds(void **state)
{
    enum {
        SEEDS = 6000,
        PARTS = 60
    };
    int counts[PARTS] = { 0 };

    (void)state;
    for (int i = 0; i < SEEDS; i++) {
        char seed[32];
        int64_t jitter_ms;

        (void)snprintf(seed, sizeof(seed), "web-%d/app", i);
        jitter_ms = schedule_jitter_ms(seed, HOUR_MS - 1);
        assert_int_equal(jitter_ms, schedule_jitter_ms(seed, HOUR_MS - 1));
        assert_in_range(jitter_ms, 0, HOUR_MS - 1);
        counts[jitter_ms / MINUTE_MS]++;
    }
    for (int i = 0; i < PARTS; i++)
        assert_in_range(counts[i], 55, 150); /* 100 each; 4.5 standard deviations */
}

static void jitter_stays_within_its_bounds_and_what_it_was(void **state)
{
    int seen = 0;

    (void)state;
    assert_int_equal(schedule_jitter_ms("a", 0), 0);
    assert_int_equal(schedule_jitter_ms("a", -5), 0);
    assert_in_range(schedule_jitter_ms("a", INT64_MAX), 0, INT64_MAX);
    for (char seed[] = "a"; seed[0] <= 'z'; seed[0]++)
        seen |= 1 << schedule_jitter_ms(seed, 2);
    assert_int_equal(seen, 7); /* 0, 1 and 2, all of them */
    /* A version that gave others would have all agents change their times when it is installed. */
    assert_int_equal(schedule_jitter_ms("host/app", HOUR_MS), 1587060);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_is_counted_from_the_epoch),
        cmocka_unit_test(the_next_slot_is_after_and_the_previous_one_may_be_now),
        cmocka_unit_test(time_has_a_beginning_and_an_end),
        cmocka_unit_test(leap_days_on_a_sunday_may_be_forty_years_apart),
        cmocka_unit_test(hours_by_a_star_are_those_the_wall_shows),
        cmocka_unit_test(a_slot_that_is_skipped_comes_at_the_change),
        cmocka_unit_test(a_slot_that_comes_twice_counts_once),
        cmocka_unit_test(a_day_that_is_skipped_is_made_up_for),
        cmocka_unit_test(asked_during_a_change_it_knows_what_has_been),
        cmocka_unit_test(refuses_what_is_no_schedule),
        cmocka_unit_test(what_is_formatted_means_the_same),
        cmocka_unit_test(jitter_is_the_same_for_a_seed_and_even_over_seeds),
        cmocka_unit_test(jitter_stays_within_its_bounds_and_what_it_was),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
