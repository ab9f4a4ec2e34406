/* Goal: a comparison is shown so that nothing in a database's names can disturb a terminal, and as
 * JSON that programs can rely on. */
#include "agent/diff_output.h"

#include "base/buf.h"
#include "snapshot/diff.h"
#include "tests/harness/test.h"

#include <stdlib.h>
#include <string.h>

#define NOW_MS INT64_C(1795417200000) /* 2026-11-23 07:00:00 UTC */

static const struct backup_record from = {
    .id = "1b4e28ba-2fa1-41d2-883f-0016d3cca427",
    .created_at_ms = NOW_MS - 3600000,
    .size = 28086272,
    .page_size = 4096,
    .page_count = 6857,
    .num_tables = 5,
};
static const struct backup_record to = {
    .id = "9c0d1e2f-2fa1-41d2-883f-0016d3cca428",
    .created_at_ms = NOW_MS,
    .size = 28090368,
    .page_size = 4096,
    .page_count = 6858,
    .num_tables = 6,
};
static const struct diff_options options = { .from = &from, .to = &to };
static const struct diff_options with_rows = { .from = &from, .to = &to, .row_keys_max = 2 };

static char text_a[] = "accounts", text_n[] = "new\x1b[31m\n", text_o[] = "old",
            text_v[] = "search", text_reason[] = "it is virtual", text_rowid[] = "rowid",
            text_7[] = "7", text_8[] = "8", text_quoted[] = "'it''s'", text_column[] = "co\nl";
static char *added[] = { text_7, text_8 }, *changed[] = { text_quoted },
            *columns[] = { text_column };

static struct diff_table tables[] = {
    { .name = text_a,
      .state = DIFF_CHANGED,
      .key = text_rowid,
      .row_counts = { [DIFF_ROWS_ADDED] = 12, [DIFF_ROWS_CHANGED] = 1 },
      .row_keys = { [DIFF_ROWS_ADDED] = { added, 2 }, [DIFF_ROWS_CHANGED] = { changed, 1 } },
      .columns_added = { columns, 1 } },
    { .name = text_n, .state = DIFF_ADDED, .row_counts = { [DIFF_ROWS_ADDED] = 100000 } },
    { .name = text_o, .state = DIFF_REMOVED, .row_counts = { [DIFF_ROWS_REMOVED] = 3 } },
    { .name = text_v, .state = DIFF_NOT_COMPARED, .reason = text_reason },
};

static const struct diff_result result = {
    .pages = { .changed = 3, .added = 1, .bytes = 16384 },
    .has_tables = true,
    .tables = tables,
    .table_count = 4,
    .same_table_count = 1,
    .schema_changed = true,
    .tally = { 5000, 6000 },
};

static void check(const struct diff_options *of, const struct diff_result *what,
                  const char *expected)
{
    struct buf text = BUF_INIT(10000);

    diff_format(&text, of, what, NOW_MS);
    assert_string_equal(text.ptr, expected);
    buf_dispose(&text);
}

#define HEAD                                                                                       \
    "from  1b4e28ba of 2026-11-23 06:00:00 UTC (1 hour ago), 26.8 MiB\n"                           \
    "to    9c0d1e2f of 2026-11-23 07:00:00 UTC (just now), 26.8 MiB\n"

static void shows_a_row_a_table_that_is_not_the_same(void **state)
{
    (void)state;
    check(&options, &result,
          HEAD "pages 3 changed, 1 added, 0 removed: 16.0 KiB\n"
               "\n"
               "table           added  removed  changed\n"
               "accounts           12        0        1  new columns: co\\nl\n"
               "  + rowid 7\n"
               "  + rowid 8\n"
               "  + and 10 more\n"
               "  ~ rowid 'it''s'\n"
               "new\\x1b[31m\\n  100000        -        -  new table\n"
               "old                 -        3        -  table is gone\n"
               "search              -        -        -  rows not compared: it is virtual\n"
               "\n"
               "1 table is the same; the schema has changed\n");
}

static void is_short_where_nothing_changed(void **state)
{
    const struct diff_result same = { .has_tables = true, .same_table_count = 5 };
    const struct diff_result pages_only = { .pages = { .removed = 1 } };

    (void)state;
    check(&options, &same, HEAD "pages all the same\n5 tables are the same\n");
    check(&options, &pages_only, HEAD "pages 0 changed, 0 added, 1 removed: 0 B\n");
}

static void check_json(const struct diff_options *of, const struct diff_result *what,
                       const char *name, const char *expected)
{
    json_t *document = diff_json(of, what);
    char *text = json_dumps(json_object_get(document, name), JSON_COMPACT | JSON_ENCODE_ANY);

    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
    json_decref(document);
}

static void writes_the_json_that_programs_rely_on(void **state)
{
    const struct diff_result pages_only = { .pages = { .removed = 1 } };
    json_t *document = diff_json(&with_rows, &result);

    (void)state;
    assert_string_equal(json_string_value(json_object_get(json_object_get(document, "from"), "id")),
                        from.id);
    assert_string_equal(json_string_value(json_object_get(json_object_get(document, "to"), "id")),
                        to.id);
    json_decref(document);
    check_json(&options, &result, "pages",
               "{\"changed\":3,\"added\":1,\"removed\":0,\"bytes\":16384}");
    check_json(
        &with_rows, &result, "tables",
        "[{\"name\":\"accounts\",\"state\":\"changed\",\"columns_added\":[\"co\\nl\"],"
        "\"columns_removed\":[],\"reason\":null,\"key\":\"rowid\",\"added\":12,\"removed\":0,"
        "\"changed\":1,\"rows\":{\"added\":[\"7\",\"8\"],\"removed\":[],\"changed\":[\"'it''s'\"]}}"
        ",{\"name\":\"new\\u001B[31m\\n\",\"state\":\"added\",\"columns_added\":[],"
        "\"columns_removed\":[],\"reason\":null,\"key\":null,\"added\":100000,\"removed\":0,"
        "\"changed\":0,\"rows\":{\"added\":[],\"removed\":[],\"changed\":[]}}"
        ",{\"name\":\"old\",\"state\":\"removed\",\"columns_added\":[],\"columns_removed\":[],"
        "\"reason\":null,\"key\":null,\"added\":0,\"removed\":3,\"changed\":0,"
        "\"rows\":{\"added\":[],\"removed\":[],\"changed\":[]}}"
        ",{\"name\":\"search\",\"state\":\"not-compared\",\"columns_added\":[],"
        "\"columns_removed\":[],\"reason\":\"it is virtual\",\"key\":null,\"added\":null,"
        "\"removed\":null,\"changed\":null,"
        "\"rows\":{\"added\":[],\"removed\":[],\"changed\":[]}}]");
    check_json(&options, &result, "same_tables", "1");
    check_json(&options, &result, "schema_changed", "true");
    check_json(&options, &result, "copied_bytes", "5000");
    check_json(&options, &result, "fetched_bytes", "6000");
    check_json(&options, &pages_only, "tables", "null");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shows_a_row_a_table_that_is_not_the_same),
        cmocka_unit_test(is_short_where_nothing_changed),
        cmocka_unit_test(writes_the_json_that_programs_rely_on),
    };

    assert_int_equal(setenv("TZ", "UTC", 1), 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
