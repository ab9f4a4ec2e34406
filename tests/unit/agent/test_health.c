/* Goal: a backup is too old when the second slot after it has passed, or when the setting says;
 * what is too old, never was, or does not restore is not healthy, and it is said which. */
#include "agent/health.h"

#include "agent/jobs.h"
#include "agent/schedule.h"
#include "base/buf.h"
#include "tests/harness/test.h"

#include <stdio.h>
#include <string.h>

#define MINUTE INT64_C(60000)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)
#define START  INT64_C(1772323200000) /* Sunday, 2026-03-01 00:00 UTC */

static int64_t deadline(const char *text, int64_t success_ms, int64_t max_age_ms)
{
    struct schedule schedule;

    assert_int_equal(schedule_parse(text, NULL, &schedule, NULL), 0);
    return health_deadline_ms(&schedule, success_ms, max_age_ms);
}

static void one_slot_may_be_missed(void **state)
{
    (void)state;
    assert_int_equal(deadline("@hourly", START + 3 * MINUTE, 0), START + 2 * HOUR + 10 * MINUTE);
    assert_int_equal(deadline("every 15m", START, 0), START + 40 * MINUTE);
    assert_int_equal(deadline("@daily", START + HOUR, 0), START + 2 * DAY + 10 * MINUTE);
}

static void a_weekend_without_slots_is_no_alarm(void **state)
{
    const int64_t friday_ms = START + 5 * DAY + 22 * HOUR;

    (void)state;
    assert_int_equal(deadline("0 22 * * mon-fri", friday_ms, 0), friday_ms + 4 * DAY + 10 * MINUTE);
}

static void the_setting_counts_before_the_schedule(void **state)
{
    (void)state;
    assert_int_equal(deadline("@hourly", START, 5 * DAY), START + 5 * DAY);
}

static void there_is_no_deadline_without_a_backup(void **state)
{
    (void)state;
    assert_int_equal(deadline("@hourly", 0, 0), 0);
    assert_int_equal(deadline("@hourly", 0, DAY), 0);
}

static void is_judged_by_the_last_good_one_first(void **state)
{
    static const struct {
        int64_t success_ms;
        unsigned failures, drill_failures;
        int64_t now_ms;
        enum health wanted;
        bool is_enough;
    } cases[] = {
        { 0, 0, 0, START, HEALTH_NEVER, false },
        { 0, 2, 0, START, HEALTH_NEVER, false },
        { START, 0, 0, START + HOUR, HEALTH_GOOD, true },
        { START, 1, 0, START + HOUR, HEALTH_FAILING, true },
        { START, 1, 1, START + HOUR, HEALTH_UNRESTORABLE, false },
        { START, 0, 7, START + HOUR, HEALTH_UNRESTORABLE, false },
        { START, 1, 1, START + HOUR + 1, HEALTH_LATE, false },
        { START, 0, 0, START + HOUR + 1, HEALTH_LATE, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct job_status status = { .success_ms = cases[i].success_ms,
                                           .failures = cases[i].failures };
        const struct drill_status drill = { .failures = cases[i].drill_failures };
        const enum health health = health_of(&status, &drill, START + HOUR, cases[i].now_ms);

        assert_int_equal(health, cases[i].wanted);
        assert_int_equal(health_is_enough(health), cases[i].is_enough);
    }
}

static void says_what_is_wrong(void **state)
{
    static const struct {
        int64_t success_ms;
        unsigned failures, drill_failures;
        const char *wanted;
    } cases[] = {
        { 0, 0, 0, "last good backup: never" },
        { 0, 2, 0, "last good backup: never, failed 2 times since: disk\\nfull" },
        { START, 0, 1, "restore drill failed: a frame is damaged" },
        { 0, 0, 3, "last good backup: never; restore drill failed: a frame is damaged" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct job_status status = { .success_ms = cases[i].success_ms,
                                     .failures = cases[i].failures };
        struct drill_status drill = { .failures = cases[i].drill_failures };
        struct buf why = BUF_INIT(4096);

        (void)snprintf(status.message, sizeof(status.message), "disk\nfull");
        (void)snprintf(drill.message, sizeof(drill.message), "a frame is damaged");
        health_explain(&why, &status, &drill, START + HOUR, START + HOUR);
        assert_string_equal(why.ptr, cases[i].wanted);
        buf_dispose(&why);
    }
}

static void a_loss_counts_where_that_is_asked_for(void **state)
{
    struct job_status status = { .success_ms = START, .shrunk = true };
    const struct drill_status drill = { 0 };
    struct buf why = BUF_INIT(4096);

    (void)state;
    (void)snprintf(status.shrunk_reason, sizeof(status.shrunk_reason), "tables lost: a");
    assert_int_equal(health_of(&status, &drill, START + HOUR, START), HEALTH_GOOD);
    health_explain(&why, &status, &drill, START + HOUR, START);
    assert_string_equal(why.ptr, "");
    status.shrunk_fails = true;
    assert_int_equal(health_of(&status, &drill, START + HOUR, START), HEALTH_SHRUNK);
    assert_false(health_is_enough(HEALTH_SHRUNK));
    health_explain(&why, &status, &drill, START + HOUR, START);
    assert_string_equal(why.ptr, "it lost much: tables lost: a");
    buf_dispose(&why);
}

static void says_how_old_it_is(void **state)
{
    const struct job_status status = { .success_ms = START };
    const struct drill_status drill = { 0 };
    struct buf why = BUF_INIT(4096);

    (void)state;
    health_explain(&why, &status, &drill, START + HOUR, START + 3 * HOUR);
    assert_non_null(strstr(why.ptr, "2026"));
    assert_non_null(strstr(why.ptr, "(3 hours ago)"));
    buf_dispose(&why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_slot_may_be_missed),
        cmocka_unit_test(a_weekend_without_slots_is_no_alarm),
        cmocka_unit_test(the_setting_counts_before_the_schedule),
        cmocka_unit_test(there_is_no_deadline_without_a_backup),
        cmocka_unit_test(says_what_is_wrong),
        cmocka_unit_test(says_how_old_it_is),
        cmocka_unit_test(a_loss_counts_where_that_is_asked_for),
        cmocka_unit_test(is_judged_by_the_last_good_one_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
