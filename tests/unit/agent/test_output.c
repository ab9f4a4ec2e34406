/* Goal: the tables and the JSON are these, to the letter. */
#include "tests/harness/test.h"

#include "agent/output.h"
#include "base/buf.h"
#include "base/err.h"
#include "snapshot/manifest.h"
#include "snapshot/restore.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NOW_MS (INT64_C(1795417200) * 1000) /* 2026-11-23T07:00:00Z */

static char label[] = "vor ü\n2.0";
static char bytes[] = "/data/\xff.db";
static char host[] = "web-1";
static const struct backup_record manual = {
    .id = "1b4e28ba-2fa1-41d2-883f-0016d3cca427",
    .created_at_ms = NOW_MS - 300000,
    .label = label,
    .size = 28086272,
    .page_size = 4096,
    .page_count = 6857,
    .num_tables = 5,
    .stored_bytes = 10841006,
    .changed_pages = 6857,
    .verified_at_ms = NOW_MS,
    .host = host,
    .path = bytes,
};
static const struct backup_record kept = {
    .id = "6ba7b810-9dad-41d1-80b4-00c04fd430c8",
    .created_at_ms = NOW_MS - INT64_C(3) * 86400000,
    .trigger = TRIGGER_PRE_RESTORE,
    .size = 4096,
    .num_tables = 120,
    .stored_bytes = 512,
};
static const struct backup_record plain = {
    .id = "00000000-9dad-41d1-80b4-00c04fd430c8",
    .created_at_ms = NOW_MS,
    .size = 1,
};

static void expect_table(const struct backup_record *const *rows, size_t count, size_t width,
                         const char *wanted)
{
    struct buf out = BUF_INIT(4096);

    backup_table_format(&out, rows, count, NOW_MS, width);
    assert_string_equal(out.ptr, wanted);
    buf_dispose(&out);
}

static void prints_one_row_a_backup(void **state)
{
    const struct backup_record *const rows[] = { &manual, &kept };

    (void)state;
    expect_table(
        rows, 2, SIZE_MAX,
        "created_at                               id                                    num_tables"
        "      size    stored  state  label\n"
        "2026-11-23 06:55:00 UTC (5 minutes ago)  1b4e28ba-2fa1-41d2-883f-0016d3cca427           5"
        "  26.8 MiB  10.3 MiB  done   vor ü\\n2.0\n"
        "2026-11-20 07:00:00 UTC (3 days ago)     6ba7b810-9dad-41d1-80b4-00c04fd430c8         120"
        "   4.0 KiB     512 B  done   (before a restore)\n");
}

static void has_no_column_of_labels_without_one(void **state)
{
    const struct backup_record *const rows[] = { &plain };

    (void)state;
    expect_table(
        rows, 1, SIZE_MAX,
        "created_at                          id                                    num_tables  size"
        "  stored  state\n"
        "2026-11-23 07:00:00 UTC (just now)  00000000-9dad-41d1-80b4-00c04fd430c8           0   1 B"
        "     0 B  done\n");
    expect_table(rows, 0, SIZE_MAX, "created_at  id  num_tables  size  stored  state\n");
}

static void cuts_ids_where_the_terminal_is_narrow(void **state)
{
    const struct backup_record *const rows[] = { &plain };

    (void)state;
    expect_table(rows, 1, 100,
                 "created_at                          id        num_tables  size  stored  state\n"
                 "2026-11-23 07:00:00 UTC (just now)  00000000           0   1 B     0 B  done\n");
}

static void expect_json(json_t *document, const char *wanted)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    assert_non_null(out);
    assert_int_equal(output_json(out, document, NULL), 0);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, wanted);
    free(text);
}

static void writes_the_json_that_programs_rely_on(void **state)
{
    (void)state;
    expect_json(backup_json(&manual),
                "{\"id\":\"1b4e28ba-2fa1-41d2-883f-0016d3cca427\","
                "\"created_at\":\"2026-11-23T06:55:00.000Z\",\"num_tables\":5,\"size\":28086272,"
                "\"stored_bytes\":10841006,\"state\":\"done\",\"label\":\"vor ü\\n2.0\","
                "\"trigger\":\"manual\",\"kind\":\"full\","
                "\"verified_at\":\"2026-11-23T07:00:00.000Z\",\"page_size\":4096,"
                "\"page_count\":6857,\"changed_pages\":6857,\"pinned\":false,\"guarded\":false,"
                "\"host\":\"web-1\","
                "\"path\":\"/data/\\\\xff.db\"}\n");
    expect_json(json_pack("{so so}", "a", time_json(0), "b", text_json(NULL)),
                "{\"a\":null,\"b\":null}\n");
}

static void says_where_bytes_came_from(void **state)
{
    const struct fetch_tally tally = { .copied_bytes = 3u << 20, .fetched_bytes = 2048 };
    struct buf text = BUF_INIT(1000);
    json_t *object = json_object();

    (void)state;
    tally_json(object, &tally);
    expect_json(object, "{\"copied_bytes\":3145728,\"fetched_bytes\":2048}\n");
    tally_json(NULL, &tally);
    tally_describe(&text, &tally);
    assert_string_equal(text.ptr, ", 3.0 MiB copied, 2.0 KiB fetched");
    buf_dispose(&text);
}

static void says_when_nobody_takes_the_output(void **state)
{
    struct buf text = BUF_INIT(16);
    FILE *full = fopen("/dev/full", "we");
    struct err err;

    (void)state;
    assert_non_null(full);
    buf_add_text(&text, "x");
    assert_int_equal(output_text(full, &text, &err), ERR_IO);
    assert_non_null(strstr(err.msg, "write standard output"));
    assert_int_equal(output_json(full, json_object(), &err), ERR_IO);
    assert_int_equal(output_json(full, NULL, &err), ERR_NOMEM);
    buf_dispose(&text);
    (void)fclose(full);
}

static void describes_a_backup_in_a_phrase(void **state)
{
    struct buf out = BUF_INIT(256);

    (void)state;
    backup_describe(&out, &manual, NOW_MS);
    assert_string_equal(out.ptr, "1b4e28ba of 2026-11-23 06:55:00 UTC (5 minutes ago)");
    buf_dispose(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints_one_row_a_backup),
        cmocka_unit_test(has_no_column_of_labels_without_one),
        cmocka_unit_test(cuts_ids_where_the_terminal_is_narrow),
        cmocka_unit_test(writes_the_json_that_programs_rely_on),
        cmocka_unit_test(says_where_bytes_came_from),
        cmocka_unit_test(says_when_nobody_takes_the_output),
        cmocka_unit_test(describes_a_backup_in_a_phrase),
    };

    (void)setenv("TZ", "UTC", 1);
    tzset();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
