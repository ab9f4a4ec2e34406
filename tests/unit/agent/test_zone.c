/* Goal: a zone's offsets are those of its data, wherever it was named, and bad data are refused.
 * Every zone of the machine is compared in tests/integ/test_schedule_croniter.py. */
#include "tests/harness/test.h"

#include "agent/zone.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "tests/harness/temp_dir.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HOUR   3600
#define BERLIN "CET-1CEST,M3.5.0,M10.5.0/3"

struct tzif_change {
    int64_t at_sec;
    uint8_t type;
};

struct tzif_spec {
    const struct tzif_change *changes;
    uint32_t change_count;
    const int32_t *offsets; /* one for each type */
    uint32_t type_count;
    uint32_t leap_count;
    char version;
    const char *footer;
};

static void add_be(struct buf *out, uint64_t value, int len)
{
    for (int i = len - 1; i >= 0; i--)
        buf_add_char(out, (char)(i < 8 ? value >> (8 * i) : 0));
}

static void add_header(struct buf *out, const struct tzif_spec *spec)
{
    buf_add_text(out, "TZif");
    buf_add_char(out, spec->version);
    add_be(out, 0, 15);
    add_be(out, 0, 4);
    add_be(out, 0, 4);
    add_be(out, spec->leap_count, 4);
    add_be(out, spec->change_count, 4);
    add_be(out, spec->type_count, 4);
    add_be(out, 4, 4);
}

static void add_block(struct buf *out, const struct tzif_spec *spec, int time_size)
{
    add_header(out, spec);
    for (size_t i = 0; i < spec->change_count; i++)
        add_be(out, (uint64_t)spec->changes[i].at_sec, time_size);
    for (size_t i = 0; i < spec->change_count; i++)
        add_be(out, spec->changes[i].type, 1);
    for (size_t i = 0; i < spec->type_count; i++) {
        add_be(out, (uint64_t)spec->offsets[i], 4);
        add_be(out, 0, 2);
    }
    buf_add(out, "ABC", 4);
    for (size_t i = 0; i < spec->leap_count; i++)
        add_be(out, 1, time_size + 4);
}

static void build(struct buf *out, const struct tzif_spec *spec)
{
    add_block(out, spec, 4);
    add_block(out, spec, 8);
    buf_addf(out, "\n%s\n", spec->footer);
    assert_int_equal(buf_check(out, NULL), 0);
}

/* Berlin since 1996, with the rule from 1998 on, and a change that leaves the offset as it was. */
static const struct tzif_change berlin_changes[] = {
    { INT64_C(828234000), 1 }, { INT64_C(846378000), 0 }, { INT64_C(852073200), 2 },
    { INT64_C(859683600), 1 }, { INT64_C(877827600), 0 },
};
static const int32_t berlin_offsets[] = { HOUR, 2 * HOUR, HOUR };
static const struct tzif_spec berlin = { .changes = berlin_changes,
                                         .change_count = 5,
                                         .offsets = berlin_offsets,
                                         .type_count = 3,
                                         .version = '2',
                                         .footer = BERLIN };

static struct zone *zone_of(const struct tzif_spec *spec)
{
    struct buf data = BUF_INIT(1 << 16);
    struct zone *zone = NULL;

    build(&data, spec);
    assert_int_equal(zone_parse("x", data.ptr, data.len, &zone, NULL), 0);
    buf_dispose(&data);
    return zone;
}

static int64_t utc(int year, int month, int day, int hour)
{
    struct tm tm = { .tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day, .tm_hour = hour };

    return (int64_t)timegm(&tm);
}

static void check_span(const struct zone *zone, int64_t at_sec, const struct zone_span *wanted)
{
    const struct zone_span span = zone_span(zone, at_sec);

    assert_int_equal(span.begin_sec, wanted->begin_sec);
    assert_int_equal(span.end_sec, wanted->end_sec);
    assert_int_equal(span.offset_sec, wanted->offset_sec);
    assert_int_equal(span.offset_before_sec, wanted->offset_before_sec);
}

static void spans_meet_at_the_changes(void **state)
{
    struct zone *zone = zone_of(&berlin);
    const struct zone_span first = { INT64_MIN, 828234000, HOUR, HOUR };
    const struct zone_span summer = { 828234000, 846378000, 2 * HOUR, HOUR };
    const struct zone_span winter = { 846378000, 859683600, HOUR, 2 * HOUR };

    (void)state;
    assert_string_equal(zone_name(zone), "x");
    check_span(zone, INT64_MIN, &first);
    check_span(zone, 828234000 - 1, &first);
    check_span(zone, 828234000, &summer);
    check_span(zone, 846378000 - 1, &summer);
    check_span(zone, 846378000, &winter); /* the change at 852073200 changes nothing */
    check_span(zone, 859683600 - 1, &winter);
    zone_free(zone);
}

static void after_the_data_the_rule_goes_on(void **state)
{
    struct zone *zone = zone_of(&berlin);
    const struct zone_span meeting = { 877827600, utc(1998, 3, 29, 1), HOUR, 2 * HOUR };
    const struct zone_span far = { utc(2399, 3, 28, 1), utc(2399, 10, 31, 1), 2 * HOUR, HOUR };
    const struct zone_span last = { utc(2399, 10, 31, 1), INT64_MAX, HOUR, 2 * HOUR };

    (void)state;
    check_span(zone, 877827600, &meeting);
    check_span(zone, utc(2399, 7, 1, 0), &far);
    check_span(zone, INT64_MAX, &last);
    zone_free(zone);
}

static void a_rule_alone_is_a_zone(void **state)
{
    struct zone *zone = NULL;
    const struct zone_span summer = { utc(2026, 10, 3, 16), utc(2027, 4, 3, 16), 11 * HOUR,
                                      10 * HOUR };
    const struct zone_span new_year = { utc(1969, 10, 4, 16), utc(1970, 4, 4, 16), 11 * HOUR,
                                        10 * HOUR };

    (void)state;
    assert_int_equal(zone_parse_rule("s", "AEST-10AEDT,M10.1.0,M4.1.0/3", &zone, NULL), 0);
    check_span(zone, utc(2026, 12, 31, 23), &summer);
    check_span(zone, 0, &new_year);
    zone_free(zone);
}

static void summer_all_year_has_no_changes(void **state)
{
    struct zone *zone = NULL;

    (void)state;
    assert_int_equal(zone_parse_rule("s", "XXX3EDT4,0/0,J365/23", &zone, NULL), 0);
    for (int year = 1970; year < 2399; year++) {
        const struct zone_span span = zone_span(zone, utc(year, 7, 1, 0));

        assert_int_equal(span.offset_sec, -4 * HOUR);
        assert_true(span.begin_sec < 0);
    }
    zone_free(zone);
}

static void without_a_zone_it_is_utc(void **state)
{
    const struct zone_span always = { INT64_MIN, INT64_MAX, 0, 0 };
    struct zone *zone = NULL;

    (void)state;
    check_span(NULL, 0, &always);
    assert_int_equal(zone_load("utc", &zone, NULL), 0);
    check_span(zone, INT64_C(1795413600), &always);
    assert_string_equal(zone_name(zone), "utc");
    zone_free(zone);
}

static void refuses_data_cut_off_anywhere(void **state)
{
    struct buf data = BUF_INIT(1 << 16);

    (void)state;
    build(&data, &berlin);
    for (size_t len = 0; len < data.len; len++) {
        struct zone *zone = NULL;
        char *copy = malloc(len + 1); /* of that size, for the sanitizer to see one byte more */

        assert_non_null(copy);
        memcpy(copy, data.ptr, len);
        copy = realloc(copy, len > 0 ? len : 1);
        assert_int_equal(zone_parse("x", copy, len, &zone, NULL), ERR_CORRUPT);
        assert_null(zone);
        free(copy);
    }
    buf_dispose(&data);
}

static void refuses_data_that_make_no_sense(void **state)
{
    static const struct tzif_change unordered[] = { { 100, 1 }, { 100, 0 } };
    static const struct tzif_change unknown_type[] = { { 100, 3 } };
    static const int32_t far[] = { HOUR, 93600, HOUR };
    const struct {
        struct tzif_spec spec;
        const char *wanted;
    } rows[] = {
        { { unordered, 2, berlin_offsets, 3, 0, '2', BERLIN }, "changes are not in order" },
        { { unknown_type, 1, berlin_offsets, 3, 0, '2', BERLIN },
          "names a type of local time that it has not" },
        { { NULL, 0, NULL, 0, 0, '2', BERLIN }, "names a type of local time that it has not" },
        { { berlin_changes, 5, far, 3, 0, '2', BERLIN }, "more than a day from UTC" },
        { { berlin_changes, 5, berlin_offsets, 3, 1, '2', BERLIN },
          "counts leap seconds, which clocks do not" },
        { { berlin_changes, 5, berlin_offsets, 3, 0, '\0', BERLIN },
          "version 1, without times after 2037" },
        { { berlin_changes, 5, berlin_offsets, 3, 0, '2', "CET" }, "its footer is not a rule" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf data = BUF_INIT(1 << 16);
        struct zone *zone = NULL;
        struct err err;

        err_clear(&err);
        build(&data, &rows[i].spec);
        assert_int_equal(zone_parse("x", data.ptr, data.len, &zone, &err), ERR_CORRUPT);
        assert_non_null(strstr(err.msg, "time zone 'x': "));
        assert_string_equal(err.msg + strlen("time zone 'x': "), rows[i].wanted);
        buf_dispose(&data);
    }
}

struct folder {
    char *path;
    char *file; /* path/Europe/Testburg */
};

static int folder_setup(void **state)
{
    struct folder *folder = calloc(1, sizeof(*folder));
    struct buf data = BUF_INIT(1 << 16);
    char *sub;

    assert_non_null(folder);
    folder->path = temp_dir_new();
    sub = path_join(folder->path, "Europe");
    assert_non_null(sub);
    assert_int_equal(file_mkdirs(sub, 0700, NULL), 0);
    folder->file = path_join(sub, "Testburg");
    build(&data, &berlin);
    assert_int_equal(file_write_atomic(folder->file, data.ptr, data.len, 0600, NULL), 0);
    buf_dispose(&data);
    free(sub);
    assert_int_equal(setenv("TZDIR", folder->path, 1), 0);
    *state = folder;
    return 0;
}

static int folder_teardown(void **state)
{
    struct folder *folder = *state;

    assert_int_equal(unsetenv("TZDIR"), 0);
    assert_int_equal(unsetenv("TZ"), 0);
    temp_dir_free(folder->path);
    free(folder->file);
    free(folder);
    return 0;
}

static void check_summer(const char *name, int wanted_sec)
{
    struct zone *zone = NULL;
    struct err err;

    err_clear(&err);
    if (zone_load(name, &zone, &err) < 0)
        fail_msg("%s: %s", name, err.msg);
    assert_string_equal(zone_name(zone), name);
    assert_int_equal(zone_span(zone, utc(2026, 7, 1, 0)).offset_sec, wanted_sec);
    zone_free(zone);
}

static void finds_a_zone_by_its_name(void **state)
{
    (void)state;
    check_summer("Europe/Testburg", 2 * HOUR);
}

static void refuses_names_that_are_none(void **state)
{
    static const char *const names[] = { "",       "Europe",         "Europe/Testbourg",
                                         "CET-1",  "Eu rope",        "Europe/Testburg/x",
                                         "locale", "/etc/localtime", "../../etc/localtime",
                                         BERLIN };

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct zone *zone = NULL;
        struct err err;
        char wanted[100];

        err_clear(&err);
        if (zone_load(names[i], &zone, &err) != ERR_CONFIG)
            fail_msg("'%s' was not refused, or otherwise: %s", names[i], err.msg);
        (void)snprintf(wanted, sizeof(wanted), "time zone '%s' is not known", names[i]);
        assert_string_equal(err.msg, wanted);
        assert_non_null(strstr(err.hint, "tzdata"));
    }
}

static void local_is_what_tz_says(void **state)
{
    const struct folder *folder = *state;

    assert_int_equal(setenv("TZ", "Europe/Testburg", 1), 0);
    check_summer("local", 2 * HOUR);
    assert_int_equal(setenv("TZ", ":Europe/Testburg", 1), 0);
    check_summer("local", 2 * HOUR);
    assert_int_equal(setenv("TZ", folder->file, 1), 0);
    check_summer("local", 2 * HOUR);
    assert_int_equal(setenv("TZ", "EST5EDT,M3.2.0,M11.1.0", 1), 0);
    check_summer("local", -4 * HOUR);
    assert_int_equal(setenv("TZ", "", 1), 0);
    check_summer("local", 0);
    assert_int_equal(setenv("TZ", "UTC", 1), 0);
    check_summer("local", 0);
}

static void local_without_tz_is_that_of_the_c_library(void **state)
{
    const time_t at = (time_t)utc(2026, 7, 1, 0);
    struct tm tm;

    (void)state;
    assert_int_equal(unsetenv("TZ"), 0);
    assert_int_equal(unsetenv("TZDIR"), 0);
    tzset();
    (void)localtime_r(&at, &tm);
    check_summer("local", (int)tm.tm_gmtoff);
}

static void a_tz_that_means_nothing_is_an_error(void **state)
{
    struct zone *zone = NULL;
    struct err err;

    (void)state;
    err_clear(&err);
    assert_int_equal(setenv("TZ", "Europe/Testbourg", 1), 0);
    assert_int_equal(zone_load("local", &zone, &err), ERR_CONFIG);
    assert_string_equal(err.msg, "TZ: time zone 'Europe/Testbourg' is not known");
}

static void a_file_that_is_no_zone_is_an_error(void **state)
{
    const struct folder *folder = *state;
    struct zone *zone = NULL;
    struct err err;

    err_clear(&err);
    assert_int_equal(file_write_atomic(folder->file, "hello", 5, 0600, NULL), 0);
    assert_int_equal(zone_load("Europe/Testburg", &zone, &err), ERR_CORRUPT);
    assert_string_equal(err.msg, "time zone 'Europe/Testburg': not a TZif file");
}

#define WITH_FOLDER(name) cmocka_unit_test_setup_teardown(name, folder_setup, folder_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_meet_at_the_changes),
        cmocka_unit_test(after_the_data_the_rule_goes_on),
        cmocka_unit_test(a_rule_alone_is_a_zone),
        cmocka_unit_test(summer_all_year_has_no_changes),
        cmocka_unit_test(without_a_zone_it_is_utc),
        cmocka_unit_test(refuses_data_cut_off_anywhere),
        cmocka_unit_test(refuses_data_that_make_no_sense),
        WITH_FOLDER(finds_a_zone_by_its_name),
        WITH_FOLDER(refuses_names_that_are_none),
        WITH_FOLDER(local_is_what_tz_says),
        WITH_FOLDER(local_without_tz_is_that_of_the_c_library),
        WITH_FOLDER(a_tz_that_means_nothing_is_an_error),
        WITH_FOLDER(a_file_that_is_no_zone_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
