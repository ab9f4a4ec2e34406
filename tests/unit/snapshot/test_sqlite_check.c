/* Goal: integrity_check passes what is whole, names what is not, and leaves no file behind. */
#include "base/cancel.h"
#include "base/err.h"
#include "snapshot/sqlite_db.h"
#include "tests/harness/sqlite_fixture.h"
#include "tests/harness/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void passes_a_whole_database_in_any_mode(void **state)
{
    static const char *const modes[] = { "wal", "delete" };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct sqlite_fixture fixture;
        struct err err = { 0 };

        sqlite_fixture_make(&fixture, 4096, modes[i], 500);
        assert_int_equal(sqlite_db_integrity_check(fixture.path, NULL, &err), 0);
        assert_false(sqlite_fixture_has(&fixture, "-wal"));
        assert_false(sqlite_fixture_has(&fixture, "-shm"));
        sqlite_fixture_remove(&fixture);
    }
}

/* quick_check would not see this one: the index no longer matches its table. */
static void finds_an_index_that_does_not_match(void **state)
{
    struct sqlite_fixture fixture;
    struct err err = { 0 };
    sqlite3 *db;

    (void)state;
    sqlite_fixture_make(&fixture, 4096, "delete", 100);
    db = sqlite_fixture_open(&fixture);
    sqlite_fixture_exec(db, "PRAGMA writable_schema=1;"
                            "CREATE TABLE kept AS SELECT rootpage r FROM sqlite_schema"
                            " WHERE name = 't_body';"
                            "DELETE FROM sqlite_schema WHERE name = 't_body';");
    (void)sqlite3_close(db);
    db = sqlite_fixture_open(&fixture);
    sqlite_fixture_exec(db, "UPDATE t SET body = 'other' WHERE id = 50;"
                            "PRAGMA writable_schema=1;"
                            "INSERT INTO sqlite_schema SELECT 'index', 't_body', 't', r,"
                            " 'CREATE INDEX t_body ON t(body)' FROM kept;");
    (void)sqlite3_close(db);
    assert_int_equal(sqlite_db_integrity_check(fixture.path, NULL, &err), ERR_CORRUPT);
    assert_non_null(strstr(err.msg, "failed integrity_check: "));
    assert_non_null(strstr(err.msg, "t_body"));
    sqlite_fixture_remove(&fixture);
}

static void names_files_with_the_uris_special_characters(void **state)
{
    struct sqlite_fixture fixture;
    char path[128];

    (void)state;
    sqlite_fixture_make(&fixture, 4096, "delete", 10);
    (void)snprintf(path, sizeof(path), "%s/a%%41?b#c .db", fixture.dir);
    assert_int_equal(rename(fixture.path, path), 0);
    assert_int_equal(sqlite_db_integrity_check(path, NULL, NULL), 0);
    sqlite_fixture_remove(&fixture);
}

static void stops_when_canceled_and_says_what_is_no_database(void **state)
{
    struct sqlite_fixture fixture;
    struct cancel cancel = CANCEL_INIT;
    struct err err = { 0 };

    (void)state;
    sqlite_fixture_make(&fixture, 4096, "delete", 10);
    cancel_set(&cancel, 2);
    assert_int_equal(sqlite_db_integrity_check(fixture.path, &cancel, &err), ERR_CANCELED);
    sqlite_fixture_write(&fixture, "", "garbage, and not so little of it", 32);
    assert_int_equal(sqlite_db_integrity_check(fixture.path, NULL, &err), ERR_CORRUPT);
    assert_int_equal(unlink(fixture.path), 0);
    assert_int_equal(sqlite_db_integrity_check(fixture.path, NULL, &err), ERR_NOT_FOUND);
    sqlite_fixture_remove(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_a_whole_database_in_any_mode),
        cmocka_unit_test(finds_an_index_that_does_not_match),
        cmocka_unit_test(names_files_with_the_uris_special_characters),
        cmocka_unit_test(stops_when_canceled_and_says_what_is_no_database),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
