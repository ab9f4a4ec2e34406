/* Goal: the wal-index tells how many frames the log has, and how many of them the file has too. */
#include "snapshot/wal_index.h"

#include <string.h>

#include "tests/harness/sqlite_fixture.h"
#include "tests/harness/test.h"

static void counts_frames_and_what_was_copied_back(void **state)
{
    struct sqlite_fixture fixture;
    struct wal_index before, after;
    sqlite3 *db;

    (void)state;
    sqlite_fixture_make(&fixture, 4096, "wal", 10);
    db = sqlite_fixture_open(&fixture);
    sqlite_fixture_exec(db, "PRAGMA wal_autocheckpoint = 0");
    sqlite_fixture_exec(db, "PRAGMA wal_checkpoint(TRUNCATE)");
    sqlite_fixture_exec(db, "UPDATE t SET body = 'x'");
    assert_true(wal_index_read(db, &before));
    assert_true(before.frame_count > 0);
    assert_int_equal(before.backfilled_count, 0);
    sqlite_fixture_exec(db, "PRAGMA wal_checkpoint(PASSIVE)");
    assert_true(wal_index_read(db, &after));
    assert_memory_equal(before.header, after.header, sizeof(before.header));
    assert_int_equal(after.backfilled_count, before.frame_count);
    sqlite_fixture_exec(db, "UPDATE t SET body = 'y'");
    assert_true(wal_index_read(db, &after));
    assert_int_not_equal(memcmp(before.header, after.header, sizeof(before.header)), 0);
    (void)sqlite3_close(db);
    sqlite_fixture_remove(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_frames_and_what_was_copied_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
