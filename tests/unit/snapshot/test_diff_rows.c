/* Goal: every row of one table that came, went or changed is counted, and none that did not; what
 * cannot be compared says why. */
#include "base/buf.h"
#include "base/cancel.h"
#include "base/err.h"
#include "snapshot/diff_internal.h"
#include "tests/harness/sqlite_fixture.h"
#include "tests/harness/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static sqlite3 *open_pair(void)
{
    sqlite3 *db = NULL;

    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    sqlite_fixture_exec(db, "ATTACH ':memory:' AS new");
    return db;
}

static bool has_rowid(sqlite3 *db, const char *schema, const char *name)
{
    sqlite3_stmt *statement = NULL;
    bool result;

    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT wr FROM pragma_table_list WHERE schema = ?1 AND "
                                        "name = ?2",
                                        -1, &statement, NULL),
                     SQLITE_OK);
    (void)sqlite3_bind_text(statement, 1, schema, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(statement, 2, name, -1, SQLITE_STATIC);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    result = sqlite3_column_int(statement, 0) == 0;
    (void)sqlite3_finalize(statement);
    return result;
}

static void add_texts(struct buf *out, char sign, const struct diff_texts *texts)
{
    for (size_t i = 0; i < texts->count; i++)
        buf_addf(out, " %c[%s]", sign, texts->texts[i]);
}

/* "changed by rowid +1 -0 ~2 +[7] ~[1] ~[2]"; the columns after that, as "new[c] gone[d]". */
static void describe(struct buf *out, const struct diff_table *table)
{
    static const char *const states[] = { "same", "changed", "added", "removed", "not compared" };

    buf_add_text(out, states[table->state]);
    if (table->reason != NULL)
        buf_addf(out, ": %s", table->reason);
    if (table->key != NULL && table->state == DIFF_CHANGED) {
        buf_addf(out, " by %s +%d -%d ~%d", table->key, (int)table->row_counts[DIFF_ROWS_ADDED],
                 (int)table->row_counts[DIFF_ROWS_REMOVED],
                 (int)table->row_counts[DIFF_ROWS_CHANGED]);
    }
    add_texts(out, '+', &table->row_keys[DIFF_ROWS_ADDED]);
    add_texts(out, '-', &table->row_keys[DIFF_ROWS_REMOVED]);
    add_texts(out, '~', &table->row_keys[DIFF_ROWS_CHANGED]);
    for (size_t i = 0; i < table->columns_added.count; i++)
        buf_addf(out, " new[%s]", table->columns_added.texts[i]);
    for (size_t i = 0; i < table->columns_removed.count; i++)
        buf_addf(out, " gone[%s]", table->columns_removed.texts[i]);
}

static void expect(sqlite3 *db, const char *name, size_t keys_max, const char *expected)
{
    const struct diff_pair pair = {
        .db = db,
        .name = name,
        .has_rowid = has_rowid(db, "main", name),
        .new_has_rowid = has_rowid(db, "new", name),
        .row_keys_max = keys_max,
    };
    struct diff_table table = { 0 };
    struct buf text = BUF_INIT(10000);

    assert_int_equal(diff_rows(&pair, &table, NULL), 0);
    describe(&text, &table);
    assert_string_equal(text.ptr, expected);
    buf_dispose(&text);
    diff_table_dispose(&table);
}

struct pair_case {
    const char *name, *sql, *expected;
};

/* Every table is named t, so that a case is the statements that make it in both. */
static void check(const struct pair_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sqlite3 *db = open_pair();

        print_message("  %s\n", cases[i].name);
        sqlite_fixture_exec(db, cases[i].sql);
        expect(db, "t", 10, cases[i].expected);
        (void)sqlite3_close(db);
    }
}

#define BOTH(columns) "CREATE TABLE main.t(" columns "); CREATE TABLE new.t(" columns ");"
#define BOTH_ROWLESS(columns)                                                                      \
    "CREATE TABLE main.t(" columns ") WITHOUT ROWID;"                                              \
    "CREATE TABLE new.t(" columns ") WITHOUT ROWID;"

static void finds_the_rows_that_differ(void **state)
{
    static const struct pair_case cases[] = {
        { "empty", BOTH("a"), "same" },
        { "the same, with nulls",
          BOTH("a, b") "INSERT INTO main.t VALUES(1, NULL), (NULL, NULL);"
                       "INSERT INTO new.t SELECT * FROM main.t",
          "same" },
        { "all new", BOTH("a") "INSERT INTO new.t VALUES(1), (2)",
          "changed by rowid +2 -0 ~0 +[1] +[2]" },
        { "all gone", BOTH("a") "INSERT INTO main.t VALUES(1), (2)",
          "changed by rowid +0 -2 ~0 -[1] -[2]" },
        { "some of each",
          BOTH("id INTEGER PRIMARY KEY, a") "INSERT INTO main.t VALUES(1, 1), (2, 2), (-3, 3);"
                                            "INSERT INTO new.t VALUES(1, 1), (2, 0), (4, 4)",
          "changed by rowid +1 -1 ~1 +[4] -[-3] ~[2]" },
        { "to null and from null",
          BOTH("a") "INSERT INTO main.t VALUES(1), (NULL); INSERT INTO new.t VALUES(NULL), (1)",
          "changed by rowid +0 -0 ~2 ~[1] ~[2]" },
        { "by primary key",
          BOTH_ROWLESS("a, b, c, PRIMARY KEY(b, a)") "INSERT INTO main.t VALUES(1,'x',1),(2,'x',2);"
                                                     "INSERT INTO new.t VALUES(1,'x',3),(1,'y',1)",
          "changed by b, a +1 -1 ~1 +['y', 1] -['x', 2] ~['x', 1]" },
        { "blobs as keys", BOTH_ROWLESS("k PRIMARY KEY") "INSERT INTO main.t VALUES(x'00ff')",
          "changed by k +0 -1 ~0 -[X'00FF']" },
    };

    (void)state;
    check(cases, sizeof(cases) / sizeof(cases[0]));
}

/* What SQLite's comparison takes for the same is not the same content. */
static void compares_bytes_and_types(void **state)
{
    static const struct pair_case cases[] = {
        { "upper case where case does not count",
          BOTH("a COLLATE NOCASE") "INSERT INTO main.t VALUES('x'); INSERT INTO new.t VALUES('X')",
          "changed by rowid +0 -0 ~1 ~[1]" },
        { "a blank where blanks do not count",
          BOTH("a COLLATE RTRIM") "INSERT INTO main.t VALUES('x'); INSERT INTO new.t VALUES('x ')",
          "changed by rowid +0 -0 ~1 ~[1]" },
        { "in the key",
          BOTH_ROWLESS("k TEXT PRIMARY KEY COLLATE NOCASE") "INSERT INTO main.t VALUES('x');"
                                                            "INSERT INTO new.t VALUES('X')",
          "changed by k +0 -0 ~1 ~['x']" },
        { "an integer and a real",
          BOTH("a") "INSERT INTO main.t VALUES(1); INSERT INTO new.t VALUES(1.0)",
          "changed by rowid +0 -0 ~1 ~[1]" },
        { "a text and a blob",
          BOTH("a") "INSERT INTO main.t VALUES('a'); INSERT INTO new.t VALUES(x'61')",
          "changed by rowid +0 -0 ~1 ~[1]" },
        { "columns of other types",
          "CREATE TABLE main.t(a TEXT); CREATE TABLE new.t(a INTEGER);"
          "INSERT INTO main.t VALUES('1'); INSERT INTO new.t VALUES(1)",
          "changed by rowid +0 -0 ~1 ~[1]" },
    };

    (void)state;
    check(cases, sizeof(cases) / sizeof(cases[0]));
}

static void compares_columns_that_both_have(void **state)
{
    static const struct pair_case cases[] = {
        { "a new column",
          "CREATE TABLE main.t(a); CREATE TABLE new.t(a, \"b \"\"c\");"
          "INSERT INTO main.t VALUES(1), (2); INSERT INTO new.t VALUES(1, 5), (3, 5)",
          "changed by rowid +0 -0 ~1 ~[2] new[b \"c]" },
        { "none in common",
          "CREATE TABLE main.t(a); CREATE TABLE new.t(b);"
          "INSERT INTO main.t VALUES(1); INSERT INTO new.t VALUES(2), (3)",
          "changed by rowid +1 -0 ~0 +[2] new[b] gone[a]" },
        { "in another order and case",
          "CREATE TABLE main.t(a, b); CREATE TABLE new.t(B, A);"
          "INSERT INTO main.t VALUES(1, 2); INSERT INTO new.t VALUES(2, 1)",
          "same" },
        { "a generated one",
          "CREATE TABLE main.t(a, g AS (a + 1));"
          "CREATE TABLE new.t(a, g AS (a + 2) STORED);"
          "INSERT INTO main.t VALUES(1); INSERT INTO new.t VALUES(1)",
          "same" },
    };

    (void)state;
    check(cases, sizeof(cases) / sizeof(cases[0]));
}

static void says_what_keeps_it_from_comparing(void **state)
{
    static const struct pair_case cases[] = {
        { "without a rowid now",
          "CREATE TABLE main.t(a PRIMARY KEY);"
          "CREATE TABLE new.t(a PRIMARY KEY) WITHOUT ROWID",
          "not compared: it has become WITHOUT ROWID" },
        { "with a rowid now",
          "CREATE TABLE main.t(a PRIMARY KEY) WITHOUT ROWID;"
          "CREATE TABLE new.t(a PRIMARY KEY)",
          "not compared: it is no longer WITHOUT ROWID" },
        { "another key",
          "CREATE TABLE main.t(a, b, PRIMARY KEY(a, b)) WITHOUT ROWID;"
          "CREATE TABLE new.t(a, b, PRIMARY KEY(b, a)) WITHOUT ROWID",
          "not compared: it has another primary key" },
        { "a longer key",
          "CREATE TABLE main.t(a, b, PRIMARY KEY(a)) WITHOUT ROWID;"
          "CREATE TABLE new.t(a, b, PRIMARY KEY(a, b)) WITHOUT ROWID",
          "not compared: it has another primary key" },
        { "no name for the rowid", BOTH("rowid, \"OID\", _rowid_"),
          "not compared: its columns have all names of the rowid" },
        { "another name for the rowid",
          BOTH("rowid, oid") "INSERT INTO main.t VALUES(7, 8); INSERT INTO new.t VALUES(7, 9)",
          "changed by rowid +0 -0 ~1 ~[1]" },
    };

    (void)state;
    check(cases, sizeof(cases) / sizeof(cases[0]));
}

static int collate(void *context, int left_len, const void *left, int right_len, const void *right)
{
    (void)context;
    (void)right_len;
    return memcmp(left, right, (size_t)left_len);
}

static void needs_no_collation_of_the_applications_but_for_keys(void **state)
{
    sqlite3 *db = open_pair();

    (void)state;
    assert_int_equal(sqlite3_create_collation(db, "mine", SQLITE_UTF8, NULL, collate), SQLITE_OK);
    sqlite_fixture_exec(db,
                        "CREATE TABLE main.t(a COLLATE mine); CREATE TABLE new.t(a COLLATE mine)"
                        ";INSERT INTO main.t VALUES('x'); INSERT INTO new.t VALUES('y');"
                        "CREATE TABLE main.k(a PRIMARY KEY COLLATE mine) WITHOUT ROWID;"
                        "CREATE TABLE new.k(a PRIMARY KEY COLLATE mine) WITHOUT ROWID;"
                        "INSERT INTO main.k VALUES('x'); INSERT INTO new.k VALUES('y');");
    assert_int_equal(sqlite3_create_collation(db, "mine", SQLITE_UTF8, NULL, NULL), SQLITE_OK);
    expect(db, "t", 10, "changed by rowid +0 -0 ~1 ~[1]");
    expect(db, "k", 10, "not compared: no such collation sequence: mine");
    (void)sqlite3_close(db);
}

static void quotes_every_name(void **state)
{
    static const char name[] = "a \"table\"; DROP TABLE t; --";
    sqlite3 *db = open_pair();

    (void)state;
    sqlite_fixture_exec(db,
                        "CREATE TABLE main.\"a \"\"table\"\"; DROP TABLE t; --\"(\"a\"\"b] '\", k, "
                        "PRIMARY KEY(k)) WITHOUT ROWID;"
                        "CREATE TABLE new.\"a \"\"table\"\"; DROP TABLE t; --\"(\"a\"\"b] '\", k, "
                        "PRIMARY KEY(k)) WITHOUT ROWID;"
                        "INSERT INTO main.\"a \"\"table\"\"; DROP TABLE t; --\" VALUES(1, 'it''s');"
                        "INSERT INTO new.\"a \"\"table\"\"; DROP TABLE t; --\" VALUES(2, 'it''s')");
    expect(db, name, 10, "changed by k +0 -0 ~1 ~['it''s']");
    (void)sqlite3_close(db);
}

static void compares_as_many_columns_as_there_can_be(void **state)
{
    struct buf columns = BUF_INIT(1u << 20), sql = BUF_INIT(1u << 20);
    sqlite3 *db = open_pair();

    (void)state;
    buf_add_text(&columns, "c0");
    for (unsigned i = 1; i < 2000; i++)
        buf_addf(&columns, ", c%u", i);
    buf_addf(&sql,
             "CREATE TABLE main.t(%s); CREATE TABLE new.t(%s); INSERT INTO main.t(c0) VALUES(1);"
             "INSERT INTO new.t SELECT * FROM main.t; UPDATE new.t SET c1999 = 1",
             columns.ptr, columns.ptr);
    sqlite_fixture_exec(db, sql.ptr);
    expect(db, "t", 10, "changed by rowid +0 -0 ~1 ~[1]");
    buf_dispose(&columns);
    buf_dispose(&sql);
    (void)sqlite3_close(db);
}

static void keeps_no_more_keys_than_wanted_and_cuts_long_ones(void **state)
{
    char expected[DIFF_KEY_LEN_MAX + 100], umlauts[2 * DIFF_KEY_LEN_MAX];
    struct buf sql = BUF_INIT(10000);
    sqlite3 *db = open_pair();
    size_t len = 0;

    (void)state;
    sqlite_fixture_exec(db, BOTH("a") "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM"
                                      " n WHERE i < 50) INSERT INTO new.t SELECT i FROM n");
    expect(db, "t", 2, "changed by rowid +50 -0 ~0 +[1] +[2]");
    expect(db, "t", 0, "changed by rowid +50 -0 ~0");
    /* The quote before them makes the limit fall into the middle of a character. */
    while (len + 2 < sizeof(umlauts)) {
        memcpy(umlauts + len, "\xc3\xbc", 2);
        len += 2;
    }
    umlauts[len] = '\0';
    buf_addf(&sql,
             "CREATE TABLE main.k(a PRIMARY KEY) WITHOUT ROWID; CREATE TABLE new.k(a PRIMARY"
             " KEY) WITHOUT ROWID; INSERT INTO main.k VALUES('%s')",
             umlauts);
    sqlite_fixture_exec(db, sql.ptr);
    (void)snprintf(expected, sizeof(expected), "changed by a +0 -1 ~0 -['%.*s...]",
                   (int)DIFF_KEY_LEN_MAX - 2, umlauts);
    expect(db, "k", 1, expected);
    buf_dispose(&sql);
    (void)sqlite3_close(db);
}

static int interrupt(void *context)
{
    (void)context;
    return 1;
}

static void stops_when_canceled(void **state)
{
    struct cancel cancel = CANCEL_INIT;
    sqlite3 *db = open_pair();
    const struct diff_pair pair = {
        .db = db, .name = "t", .has_rowid = true, .new_has_rowid = true, .cancel = &cancel
    };
    struct diff_table table = { 0 };

    (void)state;
    sqlite_fixture_exec(db, BOTH("a") "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM"
                                      " n WHERE i < 5000) INSERT INTO new.t SELECT i FROM n");
    cancel_set(&cancel, SIGTERM);
    sqlite3_progress_handler(db, 1000, interrupt, NULL);
    assert_int_equal(diff_rows(&pair, &table, NULL), ERR_CANCELED);
    diff_table_dispose(&table);
    (void)sqlite3_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_rows_that_differ),
        cmocka_unit_test(compares_bytes_and_types),
        cmocka_unit_test(compares_columns_that_both_have),
        cmocka_unit_test(says_what_keeps_it_from_comparing),
        cmocka_unit_test(needs_no_collation_of_the_applications_but_for_keys),
        cmocka_unit_test(quotes_every_name),
        cmocka_unit_test(compares_as_many_columns_as_there_can_be),
        cmocka_unit_test(keeps_no_more_keys_than_wanted_and_cuts_long_ones),
        cmocka_unit_test(stops_when_canceled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
