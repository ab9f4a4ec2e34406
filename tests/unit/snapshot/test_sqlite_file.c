/* Goal: what cannot be a database that is safe to read is refused by path alone, with a reason. */
#include "snapshot/sqlite_file.h"

#include "base/cancel.h"
#include "base/err.h"
#include "tests/harness/sqlite_fixture.h"
#include "tests/harness/test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void resolves_symlinks(void **state)
{
    struct sqlite_fixture fixture;
    char link[128], *path = NULL;

    (void)state;
    sqlite_fixture_make(&fixture, 4096, "wal", 1);
    (void)snprintf(link, sizeof(link), "%s/link.db", fixture.dir);
    assert_int_equal(symlink("app.db", link), 0);
    assert_int_equal(sqlite_file_check(link, false, NULL, &path, NULL), 0);
    assert_string_equal(path, fixture.path);
    free(path);
    sqlite_fixture_remove(&fixture);
}

static void refuses_what_is_no_regular_file(void **state)
{
    struct sqlite_fixture fixture;
    struct err err = { 0 };
    char *path = NULL;

    (void)state;
    sqlite_fixture_init(&fixture);
    assert_int_equal(sqlite_file_check(fixture.dir, false, NULL, &path, &err), ERR_REFUSED);
    assert_non_null(strstr(err.msg, "is a directory, not a database"));
    assert_true(err.hint[0] != '\0');
    assert_int_equal(mkfifo(fixture.path, 0600), 0);
    assert_int_equal(sqlite_file_check(fixture.path, false, NULL, &path, &err), ERR_REFUSED);
    assert_non_null(strstr(err.msg, "is not a regular file"));
    assert_null(path);
    sqlite_fixture_remove(&fixture);
}

static void says_what_is_missing(void **state)
{
    struct err err = { 0 };
    char *path = NULL;

    (void)state;
    assert_int_equal(sqlite_file_check("/nonexistent/app.db", false, NULL, &path, &err),
                     ERR_NOT_FOUND);
    assert_non_null(strstr(err.msg, "'/nonexistent/app.db'"));
    assert_non_null(strstr(err.hint, "never created"));
}

static void *write_later(void *argument)
{
    const struct sqlite_fixture *fixture = argument;

    (void)usleep(100 * 1000);
    sqlite_fixture_write(fixture, "", "x", 1);
    return NULL;
}

static void waits_for_a_database_that_is_being_created(void **state)
{
    struct sqlite_fixture fixture;
    char *path = NULL;
    pthread_t application;

    (void)state;
    sqlite_fixture_init(&fixture);
    sqlite_fixture_write(&fixture, "", "", 0);
    assert_int_equal(pthread_create(&application, NULL, write_later, &fixture), 0);
    assert_int_equal(sqlite_file_check(fixture.path, false, NULL, &path, NULL), 0);
    (void)pthread_join(application, NULL);
    free(path);
    sqlite_fixture_remove(&fixture);
}

static void takes_an_empty_file_as_the_target_of_a_restore(void **state)
{
    struct sqlite_fixture fixture;
    struct cancel canceled = CANCEL_INIT;
    struct err err = { 0 };
    char *path = NULL;

    (void)state;
    sqlite_fixture_init(&fixture);
    sqlite_fixture_write(&fixture, "", "", 0);
    assert_int_equal(sqlite_file_check(fixture.path, true, NULL, &path, NULL), 0);
    free(path);
    path = NULL;
    cancel_set(&canceled, 2);
    assert_int_equal(sqlite_file_check(fixture.path, false, &canceled, &path, &err), ERR_CANCELED);
    assert_null(path);
    sqlite_fixture_remove(&fixture);
}

static void knows_file_systems_on_which_locks_do_not_work(void **state)
{
    static const struct {
        long type;
        const char *name;
        bool refuse;
    } cases[] = {
        { 0x6969, "NFS", true },          { (long)0xFF534D42, "CIFS", true },
        { (int)0xFE534D42, "SMB", true }, /* as a 32-bit f_type has it, negative */
        { 0x65735546, "FUSE", false },    { 0x01021997, "9p", false },
        { 0xEF53, NULL, false },     /* ext4 */
        { 0x58465342, NULL, false }, /* XFS */
        { 0x01021994, NULL, false }, /* tmpfs */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool refuse = false;
        const char *name = sqlite_file_system_check(cases[i].type, &refuse);

        if (cases[i].name == NULL) {
            assert_null(name);
        } else {
            assert_string_equal(name, cases[i].name);
        }
        assert_int_equal(refuse, cases[i].refuse);
    }
}

static void tells_the_states_of_a_log(void **state)
{
    struct sqlite_fixture fixture;

    (void)state;
    sqlite_fixture_make(&fixture, 4096, "delete", 1);
    assert_int_equal(sqlite_file_wal_state(fixture.path), WAL_ABSENT);
    sqlite_fixture_write(&fixture, "-wal", "", 0);
    assert_int_equal(sqlite_file_wal_state(fixture.path), WAL_EMPTY);
    sqlite_fixture_write(&fixture, "-wal", "frames", 6);
    assert_int_equal(sqlite_file_wal_state(fixture.path), WAL_FILLED);
    sqlite_fixture_remove(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resolves_symlinks),
        cmocka_unit_test(refuses_what_is_no_regular_file),
        cmocka_unit_test(says_what_is_missing),
        cmocka_unit_test(waits_for_a_database_that_is_being_created),
        cmocka_unit_test(takes_an_empty_file_as_the_target_of_a_restore),
        cmocka_unit_test(knows_file_systems_on_which_locks_do_not_work),
        cmocka_unit_test(tells_the_states_of_a_log),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
