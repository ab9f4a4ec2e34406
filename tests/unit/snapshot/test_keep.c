/* Goal: what cannot be backed up is kept whole, with what SQLite would read together with it, or
 * nothing is left behind. */
#include "snapshot/keep.h"

#include "base/cancel.h"
#include "base/err.h"
#include "tests/harness/sqlite_fixture.h"
#include "tests/harness/temp_dir.h"
#include "tests/harness/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOW_MS INT64_C(1700000000000) /* 2023-11-14T22:13:20Z */
#define SUFFIX ".unreadable-20231114T221320Z"
#define LEN    3000000 /* more than one step of the copy */

static struct sqlite_fixture fixture;

static int setup(void **state)
{
    uint8_t *data = malloc(LEN);

    (void)state;
    assert_non_null(data);
    for (size_t i = 0; i < LEN; i++)
        data[i] = (uint8_t)(i * 31 + i / 251);
    sqlite_fixture_init(&fixture);
    sqlite_fixture_write(&fixture, "", data, LEN);
    sqlite_fixture_write(&fixture, "-wal", data, 1000);
    sqlite_fixture_write(&fixture, "-shm", data, 100);
    free(data);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sqlite_fixture_remove(&fixture);
    return 0;
}

static void expect_copy(const char *suffix)
{
    char copy_suffix[64];
    size_t len = 0, copy_len = 0;
    uint8_t *data = sqlite_fixture_read(&fixture, suffix, &len), *copy;

    (void)snprintf(copy_suffix, sizeof(copy_suffix), SUFFIX "%s", suffix);
    copy = sqlite_fixture_read(&fixture, copy_suffix, &copy_len);
    assert_int_equal(len, copy_len);
    assert_memory_equal(data, copy, len);
    free(data);
    free(copy);
}

static void copies_the_file_and_its_log(void **state)
{
    struct stat st;
    char *path = NULL;

    (void)state;
    assert_int_equal(chmod(fixture.path, 0640), 0);
    assert_int_equal(keep_files(fixture.path, NOW_MS, NULL, &path, NULL), 0);
    assert_string_equal(path + strlen(fixture.path), SUFFIX);
    expect_copy("");
    expect_copy("-wal");
    assert_false(sqlite_fixture_has(&fixture, SUFFIX "-shm"));
    assert_false(sqlite_fixture_has(&fixture, SUFFIX "-journal"));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_int_equal(temp_dir_count(fixture.dir), 5);
    free(path);
}

static void counts_what_it_will_copy(void **state)
{
    (void)state;
    assert_int_equal(keep_files_size(fixture.path), LEN + 1000);
}

static void never_replaces_what_was_kept_before(void **state)
{
    char *path = NULL;

    (void)state;
    sqlite_fixture_write(&fixture, SUFFIX "-wal", "older", 5);
    assert_int_equal(keep_files(fixture.path, NOW_MS, NULL, &path, NULL), ERR_EXISTS);
    assert_null(path);
    assert_false(sqlite_fixture_has(&fixture, SUFFIX)); /* what had been copied is gone */
    assert_true(sqlite_fixture_has(&fixture, SUFFIX "-wal"));
}

/* The limit stands for a full disk. */
static void leaves_nothing_when_a_write_fails(void **state)
{
    static const rlim_t limits[] = { 0, 500, LEN - 1 };
    struct rlimit old, limit;
    char *path = NULL;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    for (size_t i = 0; i < 3; i++) {
        struct err err = { 0 };

        limit = (struct rlimit){ limits[i], old.rlim_max };
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        assert_int_equal(keep_files(fixture.path, NOW_MS, NULL, &path, &err), ERR_IO);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        assert_int_equal(temp_dir_count(fixture.dir), 3);
    }
}

static void leaves_nothing_when_canceled(void **state)
{
    struct cancel cancel = CANCEL_INIT;
    char *path = NULL;

    (void)state;
    cancel_set(&cancel, SIGTERM);
    assert_int_equal(keep_files(fixture.path, NOW_MS, &cancel, &path, NULL), ERR_CANCELED);
    assert_int_equal(temp_dir_count(fixture.dir), 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(copies_the_file_and_its_log),         TEST(counts_what_it_will_copy),
        TEST(never_replaces_what_was_kept_before), TEST(leaves_nothing_when_a_write_fails),
        TEST(leaves_nothing_when_canceled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
