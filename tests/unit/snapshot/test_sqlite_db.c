/* Goal: a database that can be read is opened without leaving a trace; what cannot be read is said
 * in words, with what to do. */
#include "snapshot/sqlite_db.h"

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "tests/harness/sqlite_fixture.h"
#include "tests/harness/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct sqlite_db_options quick = { .busy_timeout_ms = 50 };

static int open_and_close(const struct sqlite_fixture *fixture, struct err *err)
{
    sqlite3 *db = NULL;
    int r = sqlite_db_open(fixture->path, &quick, &db, err);

    sqlite_db_close(db);
    return r;
}

static void refuses_to_write_when_only_reading(void **state)
{
    struct sqlite_fixture fixture;
    struct err err = { 0 };
    sqlite3 *db = NULL;

    (void)state;
    sqlite_fixture_make(&fixture, 4096, "wal", 10);
    assert_int_equal(sqlite_db_open(fixture.path, &quick, &db, &err), 0);
    assert_int_equal(sqlite_db_exec(db, "INSERT INTO u VALUES(1)", &err), ERR_DENIED);
    assert_non_null(strstr(err.msg, "INSERT INTO u VALUES(1): "));
    assert_non_null(strstr(err.msg, "(SQLITE_READONLY)"));
    sqlite_db_close(db);
    sqlite_fixture_remove(&fixture);
}

/* Seen from another process: whose locks these are does not matter to fork(), which passes none on.
 */
static bool is_locked(const char *path)
{
    const pid_t child = fork();
    int status = 0;

    if (child == 0) {
        struct flock lock = { .l_type = F_WRLCK, .l_start = 0x40000000, .l_len = 512 };
        const int fd = open(path, O_RDWR | O_CLOEXEC);

        _exit(fd >= 0 && fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status) != 0;
}

static void looks_at_a_file_without_dropping_the_locks_of_others(void **state)
{
    struct sqlite_fixture fixture;
    sqlite3 *db;

    (void)state;
    for (int i = 0; i < 2; i++) {
        sqlite_fixture_make(&fixture, 4096, i == 0 ? "delete" : "wal", 10);
        db = sqlite_fixture_open(&fixture);
        sqlite_fixture_exec(db, "BEGIN; SELECT count(*) FROM t");
        assert_true(is_locked(fixture.path));
        assert_true(sqlite_db_is_database(fixture.path));
        assert_true(is_locked(fixture.path));
        (void)sqlite3_close(db);
        assert_false(is_locked(fixture.path));
        sqlite_fixture_remove(&fixture);
    }
}

static void takes_for_a_database_what_begins_as_one_or_cannot_be_read(void **state)
{
    static const struct {
        const char *content;
        size_t len;
        bool is_one;
    } cases[] = {
        { "SQLite format 3", 16, true },
        { "SQLite format 3", 15, false },
        { "SQLite format 4 is something else", 33, false },
        { "", 0, false },
    };
    struct sqlite_fixture fixture;

    (void)state;
    sqlite_fixture_init(&fixture);
    assert_false(sqlite_db_is_database(fixture.path)); /* missing */
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const int fd = open(fixture.path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, cases[i].content, cases[i].len), (ssize_t)cases[i].len);
        (void)close(fd);
        assert_int_equal(sqlite_db_is_database(fixture.path), cases[i].is_one);
    }
    if (geteuid() != 0) {
        assert_int_equal(chmod(fixture.path, 0), 0);
        assert_true(sqlite_db_is_database(fixture.path));
    }
    sqlite_fixture_remove(&fixture);
}

static void writes_when_asked_to(void **state)
{
    const struct sqlite_db_options writing = { .write = true };
    struct sqlite_fixture fixture;
    struct err err = { 0 };
    sqlite3 *db = NULL;

    (void)state;
    sqlite_fixture_make(&fixture, 4096, "delete", 10);
    assert_int_equal(sqlite_db_open(fixture.path, &writing, &db, &err), 0);
    assert_int_equal(sqlite_db_exec(db, "INSERT INTO u VALUES(1)", &err), 0);
    sqlite_db_close(db);
    sqlite_fixture_remove(&fixture);
}

static void leaves_every_file_as_it_was(void **state)
{
    static const char *const modes[] = { "wal", "delete" };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct sqlite_fixture fixture;
        uint8_t *before, *after;
        size_t before_len, after_len;

        sqlite_fixture_make(&fixture, 4096, modes[i], 500);
        before = sqlite_fixture_read(&fixture, "", &before_len);
        assert_int_equal(open_and_close(&fixture, NULL), 0);
        after = sqlite_fixture_read(&fixture, "", &after_len);
        assert_int_equal(before_len, after_len);
        assert_memory_equal(before, after, before_len);
        assert_false(sqlite_fixture_has(&fixture, "-wal"));
        assert_false(sqlite_fixture_has(&fixture, "-shm"));
        assert_false(sqlite_fixture_has(&fixture, "-journal"));
        free(before);
        free(after);
        sqlite_fixture_remove(&fixture);
    }
}

/* A log that its application left behind, as after a crash, is the application's to checkpoint. */
static void never_checkpoints_a_log_that_was_left_behind(void **state)
{
    struct sqlite_fixture fixture;
    uint8_t *wal, *db_bytes, *wal_after, *db_after;
    size_t wal_len, db_len, len;
    sqlite3 *db;

    (void)state;
    sqlite_fixture_make(&fixture, 4096, "wal", 500);
    db = sqlite_fixture_open(&fixture);
    sqlite_fixture_exec(db, "PRAGMA wal_autocheckpoint=0; UPDATE t SET body = 'x' || body");
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    (void)sqlite3_close(db);
    wal = sqlite_fixture_read(&fixture, "-wal", &wal_len);
    db_bytes = sqlite_fixture_read(&fixture, "", &db_len);
    assert_true(wal_len > 4096);

    assert_int_equal(open_and_close(&fixture, NULL), 0);
    wal_after = sqlite_fixture_read(&fixture, "-wal", &len);
    assert_int_equal(len, wal_len);
    assert_memory_equal(wal, wal_after, wal_len);
    db_after = sqlite_fixture_read(&fixture, "", &len);
    assert_int_equal(len, db_len);
    assert_memory_equal(db_bytes, db_after, db_len);
    free(wal);
    free(wal_after);
    free(db_bytes);
    free(db_after);
    sqlite_fixture_remove(&fixture);
}

static void does_not_checkpoint_what_was_written_while_it_was_open(void **state)
{
    struct sqlite_fixture fixture;
    sqlite3 *db = NULL, *writer;
    uint8_t *wal;
    size_t len;

    (void)state;
    sqlite_fixture_make(&fixture, 4096, "wal", 500);
    assert_int_equal(sqlite_db_open(fixture.path, &quick, &db, NULL), 0);
    writer = sqlite_fixture_open(&fixture);
    sqlite_fixture_exec(writer, "UPDATE t SET body = 'x' || body");
    (void)sqlite3_close(writer); /* not the last one: ours is open */
    sqlite_db_close(db);
    wal = sqlite_fixture_read(&fixture, "-wal", &len);
    assert_true(len > 4096);
    free(wal);
    sqlite_fixture_remove(&fixture);
}

struct bad {
    const char *name;
    const char *bytes;
    size_t len;
    int code;
    const char *message, *hint;
};

static void says_what_is_wrong_with_a_file(void **state)
{
    static const struct bad cases[] = {
        { "text",
          "this is a text of more than a hundred bytes, so that SQLite reads a whole "
          "header of it and finds that it is not one of its own databases at all",
          144, ERR_CORRUPT, "is not a SQLite database, or it is encrypted (SQLITE_NOTADB)",
          "SQLCipher" },
        { "ten bytes", "0123456789", 10, ERR_CORRUPT, "is not a SQLite database", "path" },
        { "0 bytes", "", 0, ERR_REFUSED, "is empty (0 bytes)", "has not written to it yet" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sqlite_fixture fixture;
        struct err err = { 0 };

        print_message("%s\n", cases[i].name);
        sqlite_fixture_init(&fixture);
        sqlite_fixture_write(&fixture, "", cases[i].bytes, cases[i].len);
        assert_int_equal(open_and_close(&fixture, &err), cases[i].code);
        assert_non_null(strstr(err.msg, cases[i].message));
        assert_non_null(strstr(err.msg, fixture.path));
        assert_non_null(strstr(err.hint, cases[i].hint));
        sqlite_fixture_remove(&fixture);
    }
}

static void says_that_a_database_is_truncated(void **state)
{
    struct sqlite_fixture fixture;
    struct err err = { 0 };

    (void)state;
    sqlite_fixture_make(&fixture, 4096, "delete", 500);
    assert_int_equal(truncate(fixture.path, 12288), 0);
    assert_int_equal(open_and_close(&fixture, &err), ERR_CORRUPT);
    assert_non_null(strstr(err.msg, "is damaged: database disk image is malformed"));
    assert_non_null(strstr(err.hint, "integrity_check"));
    sqlite_fixture_remove(&fixture);
}

static void says_that_there_is_no_database_and_makes_none(void **state)
{
    struct sqlite_fixture fixture;
    struct err err = { 0 };

    (void)state;
    sqlite_fixture_init(&fixture);
    assert_int_equal(open_and_close(&fixture, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.msg, fixture.path));
    assert_true(err.hint[0] != '\0');
    assert_false(sqlite_fixture_has(&fixture, ""));
    sqlite_fixture_remove(&fixture);
}

static void gives_up_on_an_exclusive_application_after_the_timeout(void **state)
{
    static const char *const modes[] = { "wal", "delete" };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct sqlite_fixture fixture;
        struct err err = { 0 };
        sqlite3 *app;
        int64_t began_ms;

        sqlite_fixture_make(&fixture, 4096, modes[i], 10);
        app = sqlite_fixture_open(&fixture);
        sqlite_fixture_exec(app, "PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE;"
                                 "INSERT INTO u VALUES(1); COMMIT");
        began_ms = clock_mono_ms(clock_system());
        assert_int_equal(open_and_close(&fixture, &err), ERR_BUSY);
        assert_in_range(clock_mono_ms(clock_system()) - began_ms, 50, 5000);
        assert_non_null(strstr(err.msg, "stayed locked for 50 ms"));
        assert_non_null(strstr(err.hint, "locking_mode=EXCLUSIVE"));
        (void)sqlite3_close(app);
        sqlite_fixture_remove(&fixture);
    }
}

static void ends_a_wait_for_a_lock_when_canceled(void **state)
{
    struct cancel cancel = CANCEL_INIT;
    const struct sqlite_db_options patient = { .busy_timeout_ms = 60000, .cancel = &cancel };
    struct sqlite_fixture fixture;
    struct err err = { 0 };
    sqlite3 *app, *db = NULL;

    (void)state;
    sqlite_fixture_make(&fixture, 4096, "delete", 10);
    app = sqlite_fixture_open(&fixture);
    sqlite_fixture_exec(app, "BEGIN EXCLUSIVE");
    cancel_set(&cancel, 15);
    assert_int_equal(sqlite_db_open(fixture.path, &patient, &db, &err), ERR_CANCELED);
    assert_null(db);
    (void)sqlite3_close(app);
    sqlite_fixture_remove(&fixture);
}

static void reads_one_integer(void **state)
{
    struct sqlite_fixture fixture;
    struct err err = { 0 };
    sqlite3 *db = NULL;
    int64_t value = -1;

    (void)state;
    sqlite_fixture_make(&fixture, 8192, "delete", 10);
    assert_int_equal(sqlite_db_open(fixture.path, &quick, &db, &err), 0);
    assert_int_equal(sqlite_db_get_int(db, "PRAGMA page_size", &value, &err), 0);
    assert_int_equal(value, 8192);
    assert_int_equal(sqlite_db_get_int(db, "SELECT id FROM u", &value, &err), ERR_CORRUPT);
    assert_int_equal(sqlite_db_get_int(db, "SELECT nowhere", &value, &err), ERR_IO);
    assert_non_null(strstr(err.msg, "no such column"));
    assert_int_equal(value, 8192); /* untouched by failures */
    sqlite_db_close(db);
    sqlite_fixture_remove(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_to_write_when_only_reading),
        cmocka_unit_test(looks_at_a_file_without_dropping_the_locks_of_others),
        cmocka_unit_test(takes_for_a_database_what_begins_as_one_or_cannot_be_read),
        cmocka_unit_test(writes_when_asked_to),
        cmocka_unit_test(leaves_every_file_as_it_was),
        cmocka_unit_test(never_checkpoints_a_log_that_was_left_behind),
        cmocka_unit_test(does_not_checkpoint_what_was_written_while_it_was_open),
        cmocka_unit_test(says_what_is_wrong_with_a_file),
        cmocka_unit_test(says_that_a_database_is_truncated),
        cmocka_unit_test(says_that_there_is_no_database_and_makes_none),
        cmocka_unit_test(gives_up_on_an_exclusive_application_after_the_timeout),
        cmocka_unit_test(ends_a_wait_for_a_lock_when_canceled),
        cmocka_unit_test(reads_one_integer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
