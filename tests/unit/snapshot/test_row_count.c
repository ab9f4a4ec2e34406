/* Goal: tables and rows are counted as an application would, whatever the tables are called. */
#include "snapshot/row_count.h"

#include "tests/harness/sqlite_fixture.h"
#include "tests/harness/test.h"

static void counts_tables_and_rows(void **state)
{
    sqlite3 *db = NULL;
    int64_t tables = 0, rows = 0;

    (void)state;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    assert_int_equal(row_count(db, &tables, &rows, NULL), 0);
    assert_int_equal(tables, 0);
    assert_int_equal(rows, 0);
    sqlite_fixture_exec(db, "CREATE TABLE \"a \"\" b\"(x); INSERT INTO \"a \"\" b\" VALUES(1),(2);"
                            "CREATE TABLE w(k PRIMARY KEY) WITHOUT ROWID; INSERT INTO w VALUES(3);"
                            "CREATE TABLE n(i INTEGER PRIMARY KEY AUTOINCREMENT);"
                            "INSERT INTO n VALUES(NULL);" /* sqlite_sequence does not count */
                            "CREATE VIEW v AS SELECT * FROM w");
    assert_int_equal(row_count(db, &tables, &rows, NULL), 0);
    assert_int_equal(tables, 3);
    assert_int_equal(rows, 4);
    (void)sqlite3_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_tables_and_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
