/* Goal: an expression means what crontab(5) says, and what means nothing is refused with the field
 * and what it may hold. */
#include "tests/harness/test.h"

#include "agent/cron.h"
#include "base/buf.h"
#include "base/err.h"

#include <string.h>
#include <time.h>

static int64_t wall(int year, int month, int day, int hour, int minute)
{
    struct tm tm = { .tm_year = year - 1900,
                     .tm_mon = month - 1,
                     .tm_mday = day,
                     .tm_hour = hour,
                     .tm_min = minute };

    return (int64_t)timegm(&tm);
}

/* The first after Sunday, 1 November 2026, 00:00, as "YYYY-MM-DD hh:mm". */
static void find_text(const char *text, char out[32])
{
    struct cron cron;
    struct err err;
    int64_t found = 0;
    time_t at;
    struct tm tm;

    err_clear(&err);
    if (cron_parse(text, &cron, &err) < 0)
        fail_msg("%s: %s", text, err.msg);
    assert_true(cron_find(&cron, wall(2026, 11, 1, 0, 1), wall(2070, 1, 1, 0, 0), &found));
    at = (time_t)found;
    (void)gmtime_r(&at, &tm);
    (void)strftime(out, 32, "%Y-%m-%d %H:%M", &tm);
}

static void finds_the_first_minute_that_fits(void **state)
{
    static const struct {
        const char *text, *wanted;
    } rows[] = {
        { "* * * * *", "2026-11-01 00:01" },
        { "0 * * * *", "2026-11-01 01:00" },
        { "*/15 * * * *", "2026-11-01 00:15" },
        { "7-59/20 * * * *", "2026-11-01 00:07" },
        { "50/4 * * * *", "2026-11-01 00:50" },
        { "30,10,20 5 * * *", "2026-11-01 05:10" },
        { "0 22-23,4 * * *", "2026-11-01 04:00" },
        { "0 0 * * *", "2026-11-02 00:00" },
        { "0 0 31 * *", "2026-12-31 00:00" }, /* not in November */
        { "0 0 * feb *", "2027-02-01 00:00" },
        { "0 0 * DEC-dec *", "2026-12-01 00:00" },
        { "0 0 29 2 *", "2028-02-29 00:00" },
        { "0 0 29 Feb *", "2028-02-29 00:00" },
        { "0 0 * * 7", "2026-11-08 00:00" },
        { "0 0 * * 0", "2026-11-08 00:00" },
        { "0 0 * * Sun", "2026-11-08 00:00" },
        { "0 0 * * mon-fri", "2026-11-02 00:00" },
        { "0 0 * * fri-sun", "2026-11-06 00:00" }, /* Sunday ends a week, too */
        { "0 0 * * 6-7", "2026-11-07 00:00" },
        { "0 0 * * 7/3", "2026-11-04 00:00" }, /* Sunday, Wednesday, Saturday */
        { "0 0 * * 0-0", "2026-11-08 00:00" }, /* and not the whole week */
        { "\t 5  4\t* * * ", "2026-11-01 04:05" },
        { "@hourly", "2026-11-01 01:00" },
        { "@daily", "2026-11-02 00:00" },
        { "@Midnight ", "2026-11-02 00:00" },
        { " @weekly", "2026-11-08 00:00" },
        { "@monthly", "2026-12-01 00:00" },
        { "@yearly", "2027-01-01 00:00" },
        { "@ANNUALLY", "2027-01-01 00:00" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char found[32];

        find_text(rows[i].text, found);
        if (strcmp(found, rows[i].wanted) != 0)
            fail_msg("%s: %s, not %s", rows[i].text, found, rows[i].wanted);
    }
}

static void either_day_suffices_unless_one_field_begins_with_a_star(void **state)
{
    static const struct {
        const char *text, *wanted;
    } rows[] = {
        { "0 0 13 * fri", "2026-11-06 00:00" },   /* the first Friday */
        { "0 0 3 * fri", "2026-11-03 00:00" },    /* the third, a Tuesday */
        { "0 0 1-31 * 5", "2026-11-02 00:00" },   /* all days, but no star */
        { "0 0 */10 * 3", "2026-11-11 00:00" },   /* the 11th is a Wednesday; the 4th is no use */
        { "0 0 13 * */5", "2026-11-13 00:00" },   /* Friday the 13th; not Sunday the 8th */
        { "0 0 13,*/5 * 1", "2026-11-02 00:00" }, /* the star stands second */
        { "0 0 */7 * sat-sun", "2026-11-08 00:00" },
        { "0 0 */7 * 2/5", "2026-12-01 00:00" }, /* Tuesdays: a week ends before the next Sunday */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char found[32];

        find_text(rows[i].text, found);
        if (strcmp(found, rows[i].wanted) != 0)
            fail_msg("%s: %s, not %s", rows[i].text, found, rows[i].wanted);
    }
}

static void finds_nothing_outside_the_bounds(void **state)
{
    const int64_t noon = wall(2026, 11, 23, 12, 0);
    struct cron cron;
    int64_t found = 7;

    (void)state;
    assert_int_equal(cron_parse("0 12 * * *", &cron, NULL), 0);
    assert_false(cron_find(&cron, noon + 1, noon + 86400, &found));
    assert_false(cron_find(&cron, noon - 3600, noon, &found));
    assert_false(cron_find(&cron, noon, noon, &found));
    assert_int_equal(found, 7);
    assert_true(cron_find(&cron, noon, noon + 1, &found));
    assert_int_equal(found, noon);
    assert_true(cron_find(&cron, noon - 59, noon + 1, &found));
    assert_int_equal(found, noon);
    assert_true(cron_find(&cron, noon + 1, noon + 86401, &found));
    assert_int_equal(found, noon + 86400);
    assert_true(
        cron_find(&cron, INT64_C(-3) * 86400, noon, &found)); /* there is nothing before 1970 */
    assert_int_equal(found, 12 * 3600);
}

static void says_which_field_is_wrong_and_what_it_may_hold(void **state)
{
    static const struct {
        const char *text, *wanted, *hint;
    } rows[] = {
        { "61 * * * *", "minute field '61': 0 to 59", "" },
        { "5,60 * * * *", "minute field '60': 0 to 59", "" },
        { "99999999999 * * * *", "minute field '99999999999': 0 to 59", "" },
        { "-1 * * * *", "minute field '-1': 0 to 59", "" },
        { "1, * * * *", "minute field '': 0 to 59", "" },
        { "* 24 * * *", "hour field '24': 0 to 23", "" },
        { "* 1- * * *", "hour field '1-': 0 to 23", "" },
        { "* 1x * * *", "hour field '1x': 0 to 23", "" },
        { "* mon * * *", "hour field 'mon': 0 to 23", "" },
        { "* * 0 * *", "day of month field '0': 1 to 31", "" },
        { "* * L * *", "day of month field 'L': 1 to 31", "" },
        { "* * * 13 *", "month field '13': 1 to 12 or jan to dec", "" },
        { "* * * january *", "month field 'january': 1 to 12 or jan to dec", "" },
        { "* * * * 8", "day of week field '8': 0 to 7 or sun to sat", "" },
        { "* * * * 5#3", "day of week field '5#3': 0 to 7 or sun to sat", "" },
        { "*/0 * * * *", "minute field '*/0': a step is 1 to 59", "" },
        { "*/90 * * * *", "minute field '*/90': a step is 1 to 59", "" },
        { "* */ * * *", "hour field '*/': a step is 1 to 23", "" },
        { "*-5 * * * *", "minute field '*-5': 0 to 59", "" },
        { "* 22-4 * * *", "hour field '22-4': the range ends before it begins",
          "two ranges in a list go round the end: 22-23,0-4" },
        { "* * * *", "'* * * *' has 4 fields, not 5",
          "the fields are minute, hour, day of month, month, day of week" },
        { "@",
          "'@' is not one of @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually",
          "" },
        { "1", "'1' has 1 field, not 5",
          "the fields are minute, hour, day of month, month, day of week" },
        { "", "'' has 0 fields, not 5",
          "the fields are minute, hour, day of month, month, day of week" },
        { "0 0 * * * *", "'0 0 * * * *' has 6 fields, not 5",
          "the fields are minute, hour, day of month, month, day of week; there is none for "
          "seconds, a user or a command" },
        { "@Reboot",
          "'@Reboot' is not one of @hourly, @daily, @midnight, @weekly, @monthly, @yearly, "
          "@annually",
          "what was missed while the agent was not running is made up for at its start" },
        { "0 0 30 2 *", "'0 0 30 2 *' never comes: no such month has such a day", "" },
        { "0 0 31 4,6,feb *", "'0 0 31 4,6,feb *' never comes: no such month has such a day", "" },
        { "0 0 31 4 */2", "'0 0 31 4 */2' never comes: no such month has such a day", "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cron cron = { .minutes = 99 };
        struct err err;

        err_clear(&err);
        if (cron_parse(rows[i].text, &cron, &err) != ERR_CONFIG)
            fail_msg("'%s' was not refused", rows[i].text);
        assert_string_equal(err.msg, rows[i].wanted);
        assert_string_equal(err.hint, rows[i].hint);
        assert_int_equal(cron.minutes, 99); /* untouched */
    }
}

static void takes_what_comes_only_now_and_then(void **state)
{
    static const char *const texts[] = {
        "0 0 31 4 1", /* Mondays in April */
        "0 0 31 2-3 *", "0 0 29 2 */7", "0 0 */31 2 *", "0 0 30,1 2 *",
    };
    struct cron cron;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (cron_parse(texts[i], &cron, NULL) < 0)
            fail_msg("'%s' was refused", texts[i]);
    }
}

static void the_canonical_form_means_the_same(void **state)
{
    static const struct {
        const char *text, *wanted;
    } rows[] = {
        { "@hourly", "0 * * * *" },
        { "0-59 0-23 1-31 1-12 0-6", "* 0-23 1-31 * 0-6" }, /* there a star means more */
        { "*/15 */2 */10 */3 */2", "*/15 */2 */10 */3 */2" },
        { "0,15,30,45 0 1 1,4,7,10 0", "*/15 0 1 */3 0" },
        { "0,30 */12 * 6 mon-fri", "*/30 */12 * 6 1-5" },
        { "0 */5,2,3 */31 12 */7", "0 */5,2,3 */31 12 */7" },
        { "5,6 1-3,5,7 28,29,30,31 nov,dec 6-7", "5,6 1-3,5,7 28-31 11,12 0,6" },
        { "0,59 *,1 *,5 * *,mon", "0,59 * * * *" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf out = BUF_INIT(1000);
        struct cron cron = { 0 }, again = { 0 };

        assert_int_equal(cron_parse(rows[i].text, &cron, NULL), 0);
        cron_format(&cron, &out);
        assert_string_equal(out.ptr, rows[i].wanted);
        assert_int_equal(cron_parse(out.ptr, &again, NULL), 0);
        assert_int_equal(again.minutes, cron.minutes);
        assert_int_equal(again.hours, cron.hours);
        assert_int_equal(again.days, cron.days);
        assert_int_equal(again.months, cron.months);
        assert_int_equal(again.weekdays, cron.weekdays);
        assert_int_equal(again.hour_star, cron.hour_star);
        assert_int_equal(again.day_star, cron.day_star);
        assert_int_equal(again.weekday_star, cron.weekday_star);
        buf_dispose(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_first_minute_that_fits),
        cmocka_unit_test(either_day_suffices_unless_one_field_begins_with_a_star),
        cmocka_unit_test(finds_nothing_outside_the_bounds),
        cmocka_unit_test(says_which_field_is_wrong_and_what_it_may_hold),
        cmocka_unit_test(takes_what_comes_only_now_and_then),
        cmocka_unit_test(the_canonical_form_means_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
