/* Goal: every table of either database is compared, named as new or gone, or said not to be
 * compared; the two may differ in all that a database has. */
#include "base/buf.h"
#include "base/cancel.h"
#include "base/err.h"
#include "snapshot/diff_internal.h"
#include "tests/harness/sqlite_fixture.h"
#include "tests/harness/test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct pair {
    struct sqlite_fixture from, to;
};

static void make_pair(struct pair *pair, const char *from_sql, const char *to_sql)
{
    struct sqlite_fixture *fixtures[] = { &pair->from, &pair->to };
    const char *const sqls[] = { from_sql, to_sql };

    for (size_t i = 0; i < 2; i++) {
        sqlite3 *db;

        sqlite_fixture_init(fixtures[i]);
        db = sqlite_fixture_open(fixtures[i]);
        sqlite_fixture_exec(db, sqls[i]);
        (void)sqlite3_close(db);
    }
}

static void remove_pair(struct pair *pair)
{
    sqlite_fixture_remove(&pair->from);
    sqlite_fixture_remove(&pair->to);
}

static int compare(const struct pair *pair, struct diff_result *result, struct err *err)
{
    const struct diff_tables_options options = {
        .from_path = pair->from.path,
        .to_path = pair->to.path,
        .row_keys_max = 3,
    };

    return diff_tables(&options, result, err);
}

/* "new_table added +2; t changed +0 -0 ~1; same 3". */
static void expect(const struct pair *pair, const char *expected)
{
    static const char *const states[] = { "same", "changed", "added", "removed", "not compared" };
    struct diff_result result = { 0 };
    struct buf text = BUF_INIT(10000);

    assert_int_equal(compare(pair, &result, NULL), 0);
    for (size_t i = 0; i < result.table_count; i++) {
        const struct diff_table *table = &result.tables[i];

        buf_addf(&text, "%s %s +%d -%d ~%d; ", table->name, states[table->state],
                 (int)table->row_counts[DIFF_ROWS_ADDED], (int)table->row_counts[DIFF_ROWS_REMOVED],
                 (int)table->row_counts[DIFF_ROWS_CHANGED]);
        assert_int_equal(table->reason != NULL, table->state == DIFF_NOT_COMPARED);
    }
    buf_addf(&text, "same %d%s", (int)result.same_table_count,
             result.schema_changed ? ", schema changed" : "");
    assert_string_equal(text.ptr, expected);
    buf_dispose(&text);
    diff_result_dispose(&result);
}

static void check(const char *from_sql, const char *to_sql, const char *expected)
{
    struct pair pair;

    make_pair(&pair, from_sql, to_sql);
    expect(&pair, expected);
    remove_pair(&pair);
}

static void finds_tables_that_came_went_and_changed(void **state)
{
    (void)state;
    check("CREATE TABLE a(x); CREATE TABLE b(x); CREATE TABLE gone(x); INSERT INTO gone VALUES(1),"
          "(2),(3); INSERT INTO a VALUES(1)",
          "CREATE TABLE a(x); CREATE TABLE b(x); CREATE TABLE came(x); INSERT INTO came VALUES(1),"
          "(2); INSERT INTO a VALUES(2)",
          "a changed +0 -0 ~1; came added +2 -0 ~0; gone removed +0 -3 ~0; same 1, schema changed");
}

static void knows_a_table_whatever_the_case_of_its_name(void **state)
{
    (void)state;
    check("CREATE TABLE Orders(x); INSERT INTO Orders VALUES(1)",
          "CREATE TABLE ORDERS(x); INSERT INTO ORDERS VALUES(2)",
          "ORDERS changed +0 -0 ~1; same 0, schema changed");
}

static void leaves_internal_tables_and_views_out(void **state)
{
    (void)state;
    check("CREATE TABLE a(x INTEGER PRIMARY KEY AUTOINCREMENT, y); INSERT INTO a(y) VALUES(1), (2);"
          "DELETE FROM a; CREATE INDEX i ON a(y); CREATE VIEW v AS SELECT 1",
          "CREATE TABLE a(x INTEGER PRIMARY KEY AUTOINCREMENT, y); CREATE INDEX i ON a(y); ANALYZE;"
          "CREATE VIEW v AS SELECT 1",
          "same 1, schema changed");
    check("CREATE TABLE a(x); CREATE VIEW v AS SELECT 1",
          "CREATE TABLE a(x); CREATE VIEW v AS "
          "SELECT 1",
          "same 1");
    check("CREATE TABLE a(x); CREATE VIEW v AS SELECT 1",
          "CREATE TABLE a(x); CREATE VIEW v AS "
          "SELECT 2",
          "same 1, schema changed");
    check("CREATE TABLE v(x)", "CREATE VIEW v AS SELECT 1",
          "v removed +0 -0 ~0; same 0, schema changed");
}

/* What an index of words keeps beside its content depends on SQLite's version. */
static void compares_what_a_virtual_table_keeps(void **state)
{
    struct diff_result result = { 0 };
    struct pair pair;

    (void)state;
    check("CREATE TABLE a(x)", "CREATE TABLE a(x); CREATE VIRTUAL TABLE r USING rtree(i, x, y)",
          "r added +0 -0 ~0; r_node added +1 -0 ~0; r_parent added +0 -0 ~0; r_rowid added +0 -0 "
          "~0; same 1, schema changed");
    make_pair(&pair, "CREATE VIRTUAL TABLE f USING fts5(x); INSERT INTO f VALUES('one')",
              "CREATE VIRTUAL TABLE f USING fts5(x); INSERT INTO f VALUES('two')");
    assert_int_equal(compare(&pair, &result, NULL), 0);
    assert_true(result.table_count > 2);
    assert_string_equal(result.tables[0].name, "f");
    assert_int_equal(result.tables[0].state, DIFF_NOT_COMPARED);
    assert_non_null(strstr(result.tables[0].reason, "virtual"));
    assert_string_equal(result.tables[1].name, "f_content");
    assert_int_equal(result.tables[1].state, DIFF_CHANGED);
    assert_int_equal(result.tables[1].row_counts[DIFF_ROWS_CHANGED], 1);
    diff_result_dispose(&result);
    remove_pair(&pair);
}

static void compares_databases_of_other_pages_and_modes(void **state)
{
    (void)state;
    check("PRAGMA page_size=512; CREATE TABLE a(x); INSERT INTO a VALUES(1)",
          "PRAGMA page_size=65536; PRAGMA journal_mode=WAL; CREATE TABLE a(x);"
          "INSERT INTO a VALUES(2)",
          "a changed +0 -0 ~1; same 0");
    check("PRAGMA page_size=1024; PRAGMA auto_vacuum=FULL; CREATE TABLE a(x)", "CREATE TABLE a(x)",
          "same 1");
}

static void fails_where_there_is_no_database_to_compare(void **state)
{
    static const char garbage[] = "this is not a database, though it is long enough to be opened";
    struct diff_result result = { 0 };
    struct err err = { 0 };
    struct pair pair;

    (void)state;
    make_pair(&pair, "CREATE TABLE a(x)", "PRAGMA encoding='UTF-16'; CREATE TABLE a(x)");
    assert_true(compare(&pair, &result, &err) < 0); /* SQLite attaches only those of one encoding */
    assert_non_null(strstr(err.msg, "encoding"));
    diff_result_dispose(&result);
    sqlite_fixture_write(&pair.to, "", garbage, sizeof(garbage));
    assert_int_equal(compare(&pair, &result, &err), ERR_CORRUPT);
    diff_result_dispose(&result);
    sqlite_fixture_write(&pair.from, "", garbage, sizeof(garbage));
    assert_int_equal(compare(&pair, &result, &err), ERR_CORRUPT);
    diff_result_dispose(&result);
    remove_pair(&pair);
}

/* The root page of b, which is page 3. */
static void goes_on_after_a_table_that_is_damaged(void **state)
{
    static const char sql[] = "PRAGMA page_size=1024; CREATE TABLE a(x); CREATE TABLE b(x);"
                              "CREATE TABLE c(x); INSERT INTO b VALUES(1); INSERT INTO c VALUES(1)";
    char zeros[1024] = { 0 };
    struct pair pair;
    int fd;

    (void)state;
    make_pair(&pair, sql, sql);
    fd = open(pair.to.path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, zeros, sizeof(zeros), 2048), sizeof(zeros));
    (void)close(fd);
    expect(&pair, "b not compared +0 -0 ~0; same 2");
    remove_pair(&pair);
}

static void stops_when_canceled(void **state)
{
    static const char sql[] = "CREATE TABLE a(x); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT"
                              " i + 1 FROM n WHERE i < 5000) INSERT INTO a SELECT i FROM n";
    struct cancel cancel = CANCEL_INIT;
    struct diff_tables_options options = { .cancel = &cancel };
    struct diff_result result = { 0 };
    struct pair pair;

    (void)state;
    make_pair(&pair, sql, sql);
    options.from_path = pair.from.path;
    options.to_path = pair.to.path;
    cancel_set(&cancel, SIGTERM);
    assert_int_equal(diff_tables(&options, &result, NULL), ERR_CANCELED);
    diff_result_dispose(&result);
    remove_pair(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_tables_that_came_went_and_changed),
        cmocka_unit_test(knows_a_table_whatever_the_case_of_its_name),
        cmocka_unit_test(leaves_internal_tables_and_views_out),
        cmocka_unit_test(compares_what_a_virtual_table_keeps),
        cmocka_unit_test(compares_databases_of_other_pages_and_modes),
        cmocka_unit_test(fails_where_there_is_no_database_to_compare),
        cmocka_unit_test(goes_on_after_a_table_that_is_damaged),
        cmocka_unit_test(stops_when_canceled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
