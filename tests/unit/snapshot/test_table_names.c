/* Goal: the tables that are counted are named, in order, and those of SQLite itself are not. */
#include "snapshot/table_names.h"

#include "base/buf.h"
#include "base/err.h"
#include "snapshot/sqlite_db.h"
#include "tests/harness/test.h"

#include <string.h>

static sqlite3 *make(const char *schema)
{
    sqlite3 *db = NULL;

    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    assert_int_equal(sqlite_db_exec(db, schema, NULL), 0);
    return db;
}

static void names_tables_in_order(void **state)
{
    static const char expected[] = "a\"b\0notes\0users";
    sqlite3 *db = make("CREATE TABLE users(id INTEGER PRIMARY KEY AUTOINCREMENT);"
                       "CREATE TABLE notes(x);"
                       "CREATE TABLE \"a\"\"b\"(x); CREATE INDEX i ON notes(x);"
                       "CREATE VIEW v AS SELECT 1");
    struct buf names = BUF_INIT(1024);

    (void)state;
    buf_add_text(&names, "what was there");
    assert_int_equal(table_names(db, &names, NULL), 0);
    assert_int_equal(names.len, sizeof(expected));
    assert_memory_equal(names.ptr, expected, sizeof(expected));
    buf_dispose(&names);
    (void)sqlite3_close(db);
}

static void too_many_are_none(void **state)
{
    sqlite3 *db = make("CREATE TABLE users(x); CREATE TABLE notes(x)");
    struct buf names = BUF_INIT(8);

    (void)state;
    assert_int_equal(table_names(db, &names, NULL), ERR_LIMIT);
    assert_int_equal(names.len, 0);
    buf_dispose(&names);
    (void)sqlite3_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_tables_in_order),
        cmocka_unit_test(too_many_are_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
