/* Goal: times, sizes and durations read as people expect them. */
#include "base/parse.h"

#include <stdlib.h>
#include <time.h>

#include "tests/harness/test.h"

#define NOW_MS INT64_C(1795413600123) /* 2026-11-23T06:00:00.123Z */

static void times_in_utc_basic_and_local_form(void **state)
{
    char text[FORMAT_TIME_SIZE];

    (void)state;
    assert_int_equal(setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1), 0);
    tzset();
    format_time_utc(NOW_MS, true, text);
    assert_string_equal(text, "2026-11-23T06:00:00.123Z");
    format_time_utc(NOW_MS, false, text);
    assert_string_equal(text, "2026-11-23T06:00:00Z");
    format_time_utc(-1, true, text);
    assert_string_equal(text, "1969-12-31T23:59:59.999Z");
    format_time_basic(NOW_MS, text);
    assert_string_equal(text, "20261123T060000Z");
    format_time_local(NOW_MS, text);
    assert_string_equal(text, "2026-11-23 07:00:00 CET");
    format_time_local(INT64_C(1782856800000), text);
    assert_string_equal(text, "2026-07-01 00:00:00 CEST");
}

static void sizes_in_binary_units(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = { { 0, "0 B" },
                  { 1023, "1023 B" },
                  { 1024, "1.0 KiB" },
                  { 97587, "95.3 KiB" },
                  { 1048575, "1.0 MiB" },
                  { UINT64_C(1) << 30, "1.0 GiB" },
                  { UINT64_MAX, "16.0 EiB" } };
    char text[FORMAT_SIZE_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        format_size(cases[i].bytes, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void ages_in_the_largest_whole_unit(void **state)
{
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = { { 0, "just now" },          { 59999, "just now" },
                  { 60000, "1 minute ago" },  { 3599999, "59 minutes ago" },
                  { 3600000, "1 hour ago" },  { 172800000, "2 days ago" },
                  { -7200000, "in 2 hours" }, { -59999, "in a moment" },
                  { -999, "just now" },       { INT64_MIN, "in 106751991167 days" } };
    char text[FORMAT_TIME_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        format_age(cases[i].ms, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void durations_as_exact_as_they_matter(void **state)
{
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {
        { 0, "0 ms" },          { 999, "999 ms" },        { 1000, "1.0 s" },
        { 2440, "2.4 s" },      { 59949, "59.9 s" },      { 59950, "1 min 0 s" },
        { 65000, "1 min 5 s" }, { 7380000, "2 h 3 min" }, { INT64_MAX, "2562047788015 h 12 min" }
    };
    char text[FORMAT_TIME_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        format_duration(cases[i].ms, text);
        assert_string_equal(text, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_in_utc_basic_and_local_form),
        cmocka_unit_test(sizes_in_binary_units),
        cmocka_unit_test(ages_in_the_largest_whole_unit),
        cmocka_unit_test(durations_as_exact_as_they_matter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
