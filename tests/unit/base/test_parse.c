/* Goal: numbers, sizes and durations are read whole and within range, or refused. */
#include "base/parse.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "tests/harness/test.h"

static void whole_numbers_within_bounds(void **state)
{
    static const struct {
        const char *text;
        uint64_t min, max, value;
        bool good;
    } cases[] = {
        { "0", 0, 10, 0, true },
        { "10", 0, 10, 10, true },
        { "007", 0, 10, 7, true },
        { "11", 0, 10, 0, false },
        { "4", 5, 10, 0, false },
        { "18446744073709551615", 0, UINT64_MAX, UINT64_MAX, true },
        { "18446744073709551616", 0, UINT64_MAX, 0, false },
        { "", 0, 10, 0, false },
        { "-1", 0, 10, 0, false },
        { "+1", 0, 10, 0, false },
        { " 1", 0, 10, 0, false },
        { "1 ", 0, 10, 0, false },
        { "0x1", 0, 10, 0, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t value = 99;
        const int r = parse_u64(cases[i].text, cases[i].min, cases[i].max, &value, NULL);

        print_message("  '%s'\n", cases[i].text);
        assert_int_equal(r, cases[i].good ? 0 : ERR_CONFIG);
        assert_int_equal(value, cases[i].good ? cases[i].value : 99);
    }
}

static void sizes_with_binary_and_decimal_units(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes;
        bool good;
    } cases[] = {
        { "0", 0, true },
        { "1048576", 1048576, true },
        { "64k", 65536, true },
        { "64K", 65536, true },
        { "64KiB", 65536, true },
        { "64kb", 64000, true },
        { "64MB", 64000000, true },
        { "1.5GiB", UINT64_C(1610612736), true },
        { "2 TiB", UINT64_C(2199023255552), true },
        { "512b", 512, true },
        { "0.125KiB", 128, true },
        { "0.000001TB", 1000000, true },
        { "1.9999999KiB", 0, false },
        { "18446744073709551615", UINT64_MAX, true },
        { "16777215.999999T", UINT64_C(18446744073708452104), true },
        { "16777216T", 0, false },
        { "1.5", 0, false },
        { "1.", 0, false },
        { ".5M", 0, false },
        { "-1M", 0, false },
        { "12Q", 0, false },
        { "12Mi", 0, false },
        { "12MiBs", 0, false },
        { "", 0, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t bytes = 99;

        print_message("  '%s'\n", cases[i].text);
        assert_int_equal(parse_size(cases[i].text, &bytes, NULL), cases[i].good ? 0 : ERR_CONFIG);
        assert_int_equal(bytes, cases[i].good ? cases[i].bytes : 99);
    }
}

static void durations_of_one_or_more_units(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
        bool good;
    } cases[] = {
        { "500ms", 500, true },
        { "30s", 30000, true },
        { "15m", 900000, true },
        { "1h30m", 5400000, true },
        { "2h", 7200000, true },
        { "1d", 86400000, true },
        { "1w", 604800000, true },
        { "0s", 0, true },
        { "30", 0, false },
        { "", 0, false },
        { "s", 0, false },
        { "1x", 0, false },
        { "1h 30m", 0, false },
        { "1hour", 0, false },
        { "-1s", 0, false },
        { "99999999999w", 0, false },
        { "9223372036854775807ms1ms", 0, false },
        { "1hs", 0, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t ms = 99;

        print_message("  '%s'\n", cases[i].text);
        assert_int_equal(parse_duration(cases[i].text, &ms, NULL), cases[i].good ? 0 : ERR_CONFIG);
        assert_int_equal(ms, cases[i].good ? cases[i].ms : 99);
    }
}

static void truth_in_every_spelling(void **state)
{
    bool value;

    (void)state;
    assert_int_equal(parse_bool("Yes", &value, NULL), 0);
    assert_true(value);
    assert_int_equal(parse_bool("off", &value, NULL), 0);
    assert_false(value);
    assert_int_equal(parse_bool("1", &value, NULL), 0);
    assert_true(value);
    assert_int_equal(parse_bool("maybe", &value, NULL), ERR_CONFIG);
    assert_int_equal(parse_bool("", &value, NULL), ERR_CONFIG);
}

static void hex_digits_of_an_exact_length(void **state)
{
    uint8_t bytes[3] = { 9, 9, 9 };

    (void)state;
    assert_int_equal(parse_hex("00fFA5", bytes, 3, NULL), 0);
    assert_memory_equal(bytes, "\x00\xff\xa5", 3);
    assert_int_equal(parse_hex("00ff", bytes, 3, NULL), ERR_CONFIG);
    assert_int_equal(parse_hex("00ffaa0", bytes, 3, NULL), ERR_CONFIG);
    assert_int_equal(parse_hex("00ffag", bytes, 3, NULL), ERR_CONFIG);
    assert_memory_equal(bytes, "\x00\xff\xa5", 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers_within_bounds),
        cmocka_unit_test(sizes_with_binary_and_decimal_units),
        cmocka_unit_test(durations_of_one_or_more_units),
        cmocka_unit_test(truth_in_every_spelling),
        cmocka_unit_test(hex_digits_of_an_exact_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
