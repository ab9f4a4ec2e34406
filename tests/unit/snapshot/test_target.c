/* Goal: what is there is told apart, by path and by SQLite, and nothing of it is changed. */
#include "snapshot/target.h"

#include "base/err.h"
#include "tests/harness/sqlite_fixture.h"
#include "tests/harness/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct sqlite_fixture fixture;

static int teardown(void **state)
{
    (void)state;
    sqlite_fixture_remove(&fixture);
    return 0;
}

static struct target examine(void)
{
    struct target target = TARGET_INIT;
    struct err err = { 0 };

    if (target_examine(fixture.path, 100, NULL, &target, &err) < 0)
        fail_msg("%s", err.msg);
    return target;
}

static void tells_page_size_and_journal_mode(void **state)
{
    static const struct {
        unsigned page_size;
        const char *journal_mode;
    } rows[] = { { 512, "DELETE" }, { 4096, "WAL" }, { 65536, "TRUNCATE" } };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct target target;

        if (i > 0)
            sqlite_fixture_remove(&fixture);
        sqlite_fixture_make(&fixture, rows[i].page_size, rows[i].journal_mode, 10);
        target = examine();
        assert_int_equal(target.kind, TARGET_DATABASE);
        assert_int_equal(target.page_size, rows[i].page_size);
        assert_int_equal(target.wal, strcmp(rows[i].journal_mode, "WAL") == 0);
        assert_false(sqlite_fixture_has(&fixture, "-wal")); /* looking left nothing behind */
        target_dispose(&target);
    }
}

static void tells_apart_what_is_no_database(void **state)
{
    static const struct {
        const char *name;
        size_t len;
        enum target_kind kind;
    } rows[] = {
        { "0 bytes", 0, TARGET_EMPTY },        { "one byte", 1, TARGET_EMPTY },
        { "two bytes", 2, TARGET_UNREADABLE }, { "one page", 4096, TARGET_UNREADABLE },
        { "many", 100000, TARGET_UNREADABLE },
    };
    uint8_t garbage[100000];

    (void)state;
    memset(garbage, 'x', sizeof(garbage));
    sqlite_fixture_init(&fixture);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct target target;

        sqlite_fixture_write(&fixture, "", garbage, rows[i].len);
        target = examine();
        if (target.kind != rows[i].kind)
            fail_msg("%s", rows[i].name);
        target_dispose(&target);
    }
}

static void finds_a_truncated_database(void **state)
{
    struct target target;

    (void)state;
    sqlite_fixture_make(&fixture, 4096, "DELETE", 1000);
    assert_int_equal(truncate(fixture.path, 8192), 0);
    target = examine();
    assert_int_equal(target.kind, TARGET_UNREADABLE);
    target_dispose(&target);
}

static void finds_where_a_missing_file_would_be(void **state)
{
    struct target target;
    char expected[128], *real;

    (void)state;
    sqlite_fixture_init(&fixture);
    real = realpath(fixture.dir, NULL);
    (void)snprintf(expected, sizeof(expected), "%s/app.db", real);
    free(real);
    target = examine();
    assert_int_equal(target.kind, TARGET_MISSING);
    assert_string_equal(target.path, expected);
    target_dispose(&target);
}

static void says_when_the_directory_is_missing(void **state)
{
    struct target target = TARGET_INIT;
    char path[128];

    (void)state;
    sqlite_fixture_init(&fixture);
    (void)snprintf(path, sizeof(path), "%s/nowhere/app.db", fixture.dir);
    assert_int_equal(target_examine(path, 100, NULL, &target, NULL), ERR_NOT_FOUND);
    assert_null(target.path);
}

/* Root may write everywhere, so somebody else tries. */
static void says_what_cannot_be_written(void **state)
{
    pid_t pid;
    int status = -1;

    (void)state;
    sqlite_fixture_make(&fixture, 4096, "DELETE", 10);
    assert_int_equal(chmod(fixture.dir, 0755), 0);
    if (geteuid() != 0)
        skip();
    pid = fork();
    if (pid == 0) {
        struct target target = TARGET_INIT;
        struct err err = { 0 };

        if (setgid(65534) != 0 || setuid(65534) != 0)
            _exit(2);
        if (target_examine(fixture.path, 100, NULL, &target, &err) != ERR_DENIED ||
            err.hint[0] == '\0')
            _exit(1);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void locks_as_sqlite_does(void **state)
{
    sqlite3 *db;
    int fd = -1;

    (void)state;
    sqlite_fixture_make(&fixture, 4096, "DELETE", 10);
    assert_int_equal(target_lock_file(fixture.path, &fd, NULL), 0);
    db = sqlite_fixture_open(&fixture);
    (void)sqlite3_busy_timeout(db, 0);
    assert_int_equal(sqlite3_exec(db, "SELECT count(*) FROM t", NULL, NULL, NULL), SQLITE_BUSY);
    (void)close(fd);
    (void)sqlite3_close(db);

    db = sqlite_fixture_open(&fixture); /* and the other way round */
    sqlite_fixture_exec(db, "BEGIN; SELECT count(*) FROM t");
    assert_int_equal(target_lock_file(fixture.path, &fd, NULL), ERR_BUSY);
    (void)sqlite3_close(db);
}

static void removes_what_belongs_to_the_old_file(void **state)
{
    struct target target = { .path = fixture.path, .kind = TARGET_UNREADABLE };

    (void)state;
    sqlite_fixture_init(&fixture);
    for (size_t i = 0; i < TARGET_SIDE_FILE_COUNT; i++) {
        assert_false(target_has_side_file(fixture.path, target_side_files[i]));
        sqlite_fixture_write(&fixture, target_side_files[i], "x", 1);
        assert_true(target_has_side_file(fixture.path, target_side_files[i]));
    }
    assert_int_equal(target_remove_side_files(&target, NULL), 0);
    for (size_t i = 0; i < TARGET_SIDE_FILE_COUNT; i++)
        assert_false(target_has_side_file(fixture.path, target_side_files[i]));

    target.kind = TARGET_DATABASE; /* whose log may hold transactions */
    sqlite_fixture_write(&fixture, "-journal", "", 0);
    assert_int_equal(target_remove_side_files(&target, NULL), 0);
    sqlite_fixture_write(&fixture, "-wal", "x", 1);
    assert_int_equal(target_remove_side_files(&target, NULL), ERR_BUSY);
    assert_true(target_has_side_file(fixture.path, "-wal"));
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(tells_page_size_and_journal_mode),
        TEST(tells_apart_what_is_no_database),
        TEST(finds_a_truncated_database),
        TEST(finds_where_a_missing_file_would_be),
        TEST(says_when_the_directory_is_missing),
        TEST(says_what_cannot_be_written),
        TEST(locks_as_sqlite_does),
        TEST(removes_what_belongs_to_the_old_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
