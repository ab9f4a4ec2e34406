/* Goal: times in the forms that people and servers write are read exactly, all others refused. */
#include "base/parse.h"

#include <stdlib.h>
#include <time.h>

#include "base/err.h"
#include "tests/harness/test.h"

#define NOW_MS INT64_C(1795413600000) /* 2026-11-23T06:00:00Z */
/* Berlin's rules, spelled out because not every machine has the names of zones. */
#define ZONE "CET-1CEST,M3.5.0,M10.5.0/3"

#define SPRING_MS INT64_C(1774746000000) /* 2026-03-29T01:00:00Z */
#define AUTUMN_MS INT64_C(1792890000000) /* 2026-10-25T01:00:00Z */
#define MINUTE_MS INT64_C(60000)

struct time_case {
    const char *text;
    int64_t ms;
    bool good;
};

static void check(const struct time_case *cases, size_t count,
                  int (*parse)(const char *text, int64_t *ret_ms))
{
    for (size_t i = 0; i < count; i++) {
        int64_t ms = 99;

        print_message("  '%s'\n", cases[i].text);
        assert_int_equal(parse(cases[i].text, &ms), cases[i].good ? 0 : ERR_CONFIG);
        assert_int_equal(ms, cases[i].good ? cases[i].ms : 99);
    }
}

static int parse_from_now(const char *text, int64_t *ret_ms)
{
    return parse_time(text, NOW_MS, ret_ms, NULL);
}

static int parse_http(const char *text, int64_t *ret_ms)
{
    return parse_http_date(text, ret_ms, NULL);
}

static void timestamps_with_and_without_a_zone(void **state)
{
    static const struct time_case cases[] = {
        { "2026-11-23T06:00:00Z", NOW_MS, true },
        { "2026-11-23 06:00:00Z", NOW_MS, true },
        { "2026-11-23T07:00:00+01:00", NOW_MS, true },
        { "2026-11-23T02:30:00-0330", NOW_MS, true },
        { "2026-11-23T06:00:00.123456Z", NOW_MS + 123, true },
        { "2026-11-23T06:00Z", NOW_MS, true },
        /* Berlin, an hour ahead in winter and two in summer. */
        { "2026-11-23 07:00:00", NOW_MS, true },
        { "2026-11-23 07:00", NOW_MS, true },
        { "2026-07-01", INT64_C(1782856800000), true },
        { "2026-11-23", NOW_MS - 7 * INT64_C(3600000), true },
        /* Clocks go from 2:00 to 3:00 at 01:00Z; what they skip counts as if they had not. */
        { "2026-03-29 01:59:59", SPRING_MS - 1000, true },
        { "2026-03-29 02:30", SPRING_MS + 30 * MINUTE_MS, true },
        { "2026-03-29 03:00", SPRING_MS, true },
        { "2026-03-29 03:30", SPRING_MS + 30 * MINUTE_MS, true },
        /* Clocks go back from 3:00 to 2:00 at 01:00Z; what comes twice is the first. */
        { "2026-10-25 01:59", AUTUMN_MS - 61 * MINUTE_MS, true },
        { "2026-10-25 02:30", AUTUMN_MS - 30 * MINUTE_MS, true },
        { "2026-10-25 03:00", AUTUMN_MS + 60 * MINUTE_MS, true },
        { "now", NOW_MS, true },
        { "2h", NOW_MS - 7200000, true },
        { "1h30m ago", NOW_MS - 5400000, true },
        { "1970-01-01T00:00:00+01:00", -60 * MINUTE_MS, true },
        { "2016-12-31T23:59:60Z", INT64_C(1483228800000), true }, /* a leap second */
        { "2024-02-29T00:00:00Z", INT64_C(1709164800000), true },
        { "2000-02-29T00:00:00Z", INT64_C(951782400000), true },
        { "2100-02-29T00:00:00Z", 0, false },
        { "2026-02-29T00:00:00Z", 0, false },
        { "1969-12-31T23:59:59Z", 0, false },
        { "2026-00-23", 0, false },
        { "2026-11-00", 0, false },
        { "2026-11-23T06:00:61Z", 0, false },
        { "2026-11-23T06:00:00.Z", 0, false },
        { "2026-11-23T06:00:00+01:60", 0, false },
        { "0000000000000000000000000000000000000000000000000002h", 0, false }, /* beyond reason */
        { "2026-13-01T00:00:00Z", 0, false },
        { "2026-11-31", 0, false },
        { "2026-11-23T24:00:00Z", 0, false },
        { "2026-11-23T06:60:00Z", 0, false },
        { "2026-11-23T06:00:00Zx", 0, false },
        { "2026-11-23T06:00:00+25:00", 0, false },
        { "2026-11-23T", 0, false },
        { "23.11.2026", 0, false },
        { "yesterday", 0, false },
        { "99999w ago", 0, false },
        { "ago", 0, false },
        { "", 0, false },
    };

    (void)state;
    assert_int_equal(setenv("TZ", ZONE, 1), 0);
    tzset();
    check(cases, sizeof(cases) / sizeof(cases[0]), parse_from_now);
}

/* RFC 9110 section 5.6.7 gives the three forms of one moment. */
static void http_dates_in_all_three_forms(void **state)
{
    static const struct time_case cases[] = {
        { "Sun, 06 Nov 1994 08:49:37 GMT", INT64_C(784111777000), true },
        { "Sunday, 06-Nov-94 08:49:37 GMT", INT64_C(784111777000), true },
        { "Sun Nov  6 08:49:37 1994", INT64_C(784111777000), true },
        { "Monday, 23-Nov-26 06:00:00 GMT", NOW_MS, true },
        { "Sun Nov 16 08:49:37 1994", INT64_C(784975777000), true },
        { "Sun Nov xx 08:49:37 1994", 0, false },
        { "Mon, 23 Nov 2026 06:00:00 GMT", NOW_MS, true },
        { "Mon, 23 Nov 2026 06:00:00 CET", 0, false },
        { "Mon, 23 Foo 2026 06:00:00 GMT", 0, false },
        { "Mon, 31 Feb 2026 06:00:00 GMT", 0, false },
        { "2026-11-23T06:00:00Z", 0, false },
        { "Sun,", 0, false },
        { "Sun, 06", 0, false },
        { "", 0, false },
    };

    (void)state;
    check(cases, sizeof(cases) / sizeof(cases[0]), parse_http);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timestamps_with_and_without_a_zone),
        cmocka_unit_test(http_dates_in_all_three_forms),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
