/* Goal: the staged file takes the target's place at once, with its owner and mode and nothing
 * beside it that SQLite would apply; or the target stays. */
#include "base/err.h"
#include "snapshot/publish.h"
#include "snapshot/stage.h"
#include "snapshot/target.h"
#include "tests/harness/sqlite_fixture.h"
#include "tests/harness/temp_dir.h"
#include "tests/harness/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STAGED "what takes its place"

static struct sqlite_fixture fixture;
static struct stage stage;
static struct target target;

static void begin(const char *journal_mode)
{
    sqlite_fixture_make(&fixture, 4096, journal_mode, 100);
    assert_int_equal(target_examine(fixture.path, 100, NULL, &target, NULL), 0);
    assert_int_equal(stage_new(fixture.path, &stage, NULL), 0);
    assert_int_equal(pwrite(stage.fd, STAGED, strlen(STAGED), 0), (ssize_t)strlen(STAGED));
}

static void end(void)
{
    stage_dispose(&stage);
    target_dispose(&target);
    sqlite_fixture_remove(&fixture);
}

static const struct publish options = {
    .target = &target,
    .stage = &stage,
    .busy_timeout_ms = 100,
};

static bool is_staged_content(const char *suffix)
{
    size_t len = 0;
    uint8_t *bytes = sqlite_fixture_read(&fixture, suffix, &len);
    bool is = len == strlen(STAGED) && memcmp(bytes, STAGED, len) == 0;

    free(bytes);
    return is;
}

static void takes_the_place_in_every_journal_mode(void **state)
{
    static const char *const modes[] = { "WAL", "DELETE", "TRUNCATE", "PERSIST" };

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        uint64_t locked_us = 0;

        begin(modes[i]);
        assert_int_equal(chmod(fixture.path, 0664), 0);
        assert_int_equal(stat(fixture.path, &target.st), 0);
        assert_int_equal(publish_swap(&options, &locked_us, NULL), 0);
        assert_true(is_staged_content(""));
        for (size_t j = 0; j < TARGET_SIDE_FILE_COUNT; j++)
            assert_false(sqlite_fixture_has(&fixture, target_side_files[j]));
        assert_int_equal(stat(fixture.path, &target.st), 0);
        assert_int_equal(target.st.st_mode & 07777, 0664);
        assert_int_equal(temp_dir_count(fixture.dir), 2); /* the old file, until the end */
        stage_dispose(&stage);
        assert_int_equal(temp_dir_count(fixture.dir), 1);
        end();
    }
}

/* Our own connection does not show among the users, as another container's would not; its lock
 * does. */
static void leaves_a_locked_database_alone(void **state)
{
    static const char *const modes[] = { "WAL", "DELETE" };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        uint64_t locked_us = 0;
        sqlite3 *db;

        begin(modes[i]);
        db = sqlite_fixture_open(&fixture);
        sqlite_fixture_exec(db, "BEGIN; SELECT count(*) FROM t");
        assert_int_equal(publish_swap(&options, &locked_us, NULL), ERR_BUSY);
        assert_false(is_staged_content(""));
        sqlite_fixture_exec(db, "COMMIT");
        (void)sqlite3_close(db);
        end();
    }
}

static void brings_the_old_log_into_the_old_file(void **state)
{
    uint64_t locked_us = 0;
    size_t len = 0;
    uint8_t *old;
    sqlite3 *db;
    int wal_fd;

    (void)state;
    begin("WAL");
    db = sqlite_fixture_open(&fixture);
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite_fixture_exec(db, "PRAGMA wal_autocheckpoint=0; CREATE TABLE in_the_log(x)");
    (void)sqlite3_close(db);
    assert_true(sqlite_fixture_has(&fixture, "-wal"));
    assert_int_equal(publish_swap(&options, &locked_us, NULL), 0);
    assert_false(sqlite_fixture_has(&fixture, "-wal"));

    wal_fd = open(stage.path, O_RDONLY | O_CLOEXEC); /* which is the old file now */
    assert_true(wal_fd >= 0);
    old = malloc(1u << 20);
    assert_non_null(old);
    len = (size_t)read(wal_fd, old, 1u << 20);
    assert_non_null(memmem(old, len, "in_the_log", strlen("in_the_log")));
    free(old);
    (void)close(wal_fd);
    end();
}

static void takes_a_name_that_is_free(void **state)
{
    (void)state;
    begin("DELETE");
    assert_int_equal(unlink(fixture.path), 0);
    assert_int_equal(publish_new(&options, NULL), 0);
    assert_true(is_staged_content(""));
    end();
}

static void does_not_take_a_name_that_is_not_free(void **state)
{
    (void)state;
    begin("DELETE");
    assert_int_equal(publish_new(&options, NULL), ERR_EXISTS);
    assert_false(is_staged_content(""));
    end();
}

static void does_not_take_a_name_beside_an_old_log(void **state)
{
    (void)state;
    begin("DELETE");
    assert_int_equal(unlink(fixture.path), 0);
    for (size_t i = 0; i < TARGET_SIDE_FILE_COUNT; i++) {
        struct err err = { 0 };
        char path[128];

        sqlite_fixture_write(&fixture, target_side_files[i], "x", 1);
        assert_int_equal(publish_new_check(&target, &err), ERR_REFUSED);
        assert_non_null(strstr(err.msg, target_side_files[i]));
        assert_int_equal(publish_new(&options, NULL), ERR_REFUSED);
        (void)snprintf(path, sizeof(path), "%s%s", fixture.path, target_side_files[i]);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(publish_new(&options, NULL), 0);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_the_place_in_every_journal_mode),
        cmocka_unit_test(leaves_a_locked_database_alone),
        cmocka_unit_test(brings_the_old_log_into_the_old_file),
        cmocka_unit_test(takes_a_name_that_is_free),
        cmocka_unit_test(does_not_take_a_name_that_is_not_free),
        cmocka_unit_test(does_not_take_a_name_beside_an_old_log),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
