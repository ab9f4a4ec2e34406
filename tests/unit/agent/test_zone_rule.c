/* Goal: rules of POSIX are read whole or refused, and name the right moment of every year. */
#include "tests/harness/test.h"

#include "agent/zone_rule.h"
#include "base/err.h"
#include "base/parse.h"

#include <string.h>

#define HOUR 3600

static void check_moment(int64_t at_sec, const char *wanted)
{
    char text[FORMAT_TIME_SIZE];

    format_time_utc(at_sec * 1000, false, text);
    assert_string_equal(text, wanted);
}

static void knows_when_clocks_change(void **state)
{
    static const struct {
        const char *text;
        int year;
        const char *begins, *ends;
    } rows[] = {
        { "CET-1CEST,M3.5.0,M10.5.0/3", 2026, "2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z" },
        { "EST5EDT,M3.2.0,M11.1.0", 2026, "2026-03-08T07:00:00Z", "2026-11-01T06:00:00Z" },
        { "EST5EDT", 2026, "2026-03-08T07:00:00Z", "2026-11-01T06:00:00Z" },
        { "EST5EDT4:30", 2026, "2026-03-08T07:00:00Z", "2026-11-01T06:30:00Z" },
        { "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", 2026, "2026-10-03T15:30:00Z",
          "2026-04-04T15:00:00Z" },
        { "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", 2026, "2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z" },
        { "AAA+0BBB,J59/0,J60/0:30:15", 2028, "2028-02-28T00:00:00Z", "2028-02-29T23:30:15Z" },
        { "AAA+0BBB,J60/0,59/1", 2028, "2028-03-01T00:00:00Z", "2028-02-29T00:00:00Z" },
        { "AAA+0BBB,J60/0,59/1", 2027, "2027-03-01T00:00:00Z", "2027-03-01T00:00:00Z" },
        { "AAA0BBB,M12.5.6/0,M2.5.6/167", 2026, "2026-12-26T00:00:00Z", "2026-03-06T22:00:00Z" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct zone_rule rule;

        assert_int_equal(zone_rule_parse(rows[i].text, &rule, NULL), 0);
        assert_true(rule.has_summer);
        check_moment(zone_rule_summer_begins(&rule, rows[i].year), rows[i].begins);
        check_moment(zone_rule_summer_ends(&rule, rows[i].year), rows[i].ends);
    }
}

static void knows_offsets(void **state)
{
    static const struct {
        const char *text;
        int standard_sec, summer_sec;
        bool has_summer;
    } rows[] = {
        { "UTC0", 0, 0, false },
        { "CET-1", HOUR, HOUR, false },
        { "<-0330>3:30", -(3 * HOUR + 1800), -(3 * HOUR + 1800), false },
        { "LMT-0:53:28", 3208, 3208, false },
        { "IST-1GMT0,M10.5.0,M3.5.0/1", HOUR, 0, true }, /* Dublin, whose summer is in winter */
        { "AAA+24BBB", -24 * HOUR, -23 * HOUR, true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct zone_rule rule;

        assert_int_equal(zone_rule_parse(rows[i].text, &rule, NULL), 0);
        assert_int_equal(rule.standard_sec, rows[i].standard_sec);
        assert_int_equal(rule.summer_sec, rows[i].summer_sec);
        assert_int_equal(rule.has_summer, rows[i].has_summer);
    }
}

static void refuses_what_is_no_rule(void **state)
{
    static const char *const texts[] = {
        "",
        "UT0",
        "CET",
        "CET-",
        "<CET-1",
        "<+1>-1",
        "CET-25",
        "CET-1:60",
        "CET-1:00:60",
        "CET-1:",
        "CET-1CEST,",
        "CET-1CEST,M3.5.0",
        "CET-1CEST,M3.5.0,",
        "CET-1CEST,M13.5.0,M10.5.0",
        "CET-1CEST,M3.6.0,M10.5.0",
        "CET-1CEST,M3.0.0,M10.5.0",
        "CET-1CEST,M3.5.7,M10.5.0",
        "CET-1CEST,J0,J5",
        "CET-1CEST,366,5",
        "CET-1CEST,5,J366",
        "CET-1CEST,M3.5.0/168,M10.5.0",
        "CET-1CEST,M3.5.0/,M10.5.0",
        "CET-1CEST,M3.5.0,M10.5.0/3x",
        "CET-1,M3.5.0,M10.5.0",
        "CET-1C,M3.5.0,M10.5.0",
        "Europe/Berlin",
        "CET 1",
        "CET-99999999999999999999",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct zone_rule rule = { .standard_sec = 7 };
        struct err err;

        err_clear(&err);
        if (zone_rule_parse(texts[i], &rule, &err) != ERR_CONFIG)
            fail_msg("'%s' was not refused", texts[i]);
        assert_non_null(strstr(err.msg, "is not a rule such as CET-1CEST,M3.5.0,M10.5.0/3"));
        assert_int_equal(rule.standard_sec, 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_when_clocks_change),
        cmocka_unit_test(knows_offsets),
        cmocka_unit_test(refuses_what_is_no_rule),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
