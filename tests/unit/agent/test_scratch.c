/* Goal: a scratch directory is its owner's alone, goes with what is in it, and what killed
 * processes left goes with the next one; what is in use, or is something else, stays. */
#include "agent/scratch.h"

#include "base/err.h"
#include "base/file.h"
#include "tests/harness/temp_dir.h"
#include "tests/harness/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void put_file(const char *dir, const char *name)
{
    char path[512];

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    assert_int_equal(file_write_atomic(path, "x", 1, 0600, NULL), 0);
}

static void goes_with_what_is_in_it(void **state)
{
    struct scratch scratch = SCRATCH_INIT;
    char *dir = temp_dir_new();
    struct stat st;

    (void)state;
    assert_int_equal(scratch_make(dir, &scratch, NULL), 0);
    assert_int_equal(stat(scratch.path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    put_file(scratch.path, "a");
    put_file(scratch.path, ".b");
    scratch_remove(&scratch);
    scratch_remove(&scratch);
    assert_null(scratch.path);
    assert_int_equal(temp_dir_count(dir), 0);
    temp_dir_free(dir);
}

static void removes_what_the_killed_left_and_spares_what_is_in_use(void **state)
{
    struct scratch first = SCRATCH_INIT, second = SCRATCH_INIT;
    char *dir = temp_dir_new(), left[256], other[256];

    (void)state;
    (void)snprintf(left, sizeof(left), "%s/holdfast-scratch-killed", dir);
    (void)snprintf(other, sizeof(other), "%s/holdfast-other", dir);
    assert_int_equal(mkdir(left, 0700), 0);
    assert_int_equal(mkdir(other, 0700), 0);
    put_file(left, "half a database");
    assert_int_equal(scratch_make(dir, &first, NULL), 0);
    assert_int_equal(access(left, F_OK), -1);
    put_file(first.path, "in use");
    assert_int_equal(scratch_make(dir, &second, NULL), 0);
    assert_string_not_equal(first.path, second.path);
    assert_int_equal(temp_dir_count(first.path), 1);
    assert_int_equal(access(other, F_OK), 0);
    scratch_remove(&first);
    scratch_remove(&second);
    assert_int_equal(temp_dir_count(dir), 1);
    temp_dir_free(dir);
}

static void leaves_alone_what_a_link_points_to(void **state)
{
    struct scratch scratch = SCRATCH_INIT;
    char *dir = temp_dir_new(), *precious = temp_dir_new(), trap[256];

    (void)state;
    put_file(precious, "data");
    (void)snprintf(trap, sizeof(trap), "%s/holdfast-scratch-trap", dir);
    assert_int_equal(symlink(precious, trap), 0);
    assert_int_equal(scratch_make(dir, &scratch, NULL), 0);
    assert_int_equal(temp_dir_count(precious), 1);
    scratch_remove(&scratch);
    temp_dir_free(dir);
    temp_dir_free(precious);
}

static void makes_the_directory_that_it_is_in(void **state)
{
    struct scratch scratch = SCRATCH_INIT;
    char *dir = temp_dir_new(), deep[256];

    (void)state;
    (void)snprintf(deep, sizeof(deep), "%s/a/b", dir);
    assert_int_equal(scratch_make(deep, &scratch, NULL), 0);
    assert_int_equal(strncmp(scratch.path, deep, strlen(deep)), 0);
    scratch_remove(&scratch);
    assert_int_equal(temp_dir_count(deep), 0);
    temp_dir_free(dir);
}

static void says_how_much_room_is_missing(void **state)
{
    struct scratch scratch = SCRATCH_INIT;
    struct err err = { 0 };
    char *dir = temp_dir_new();

    (void)state;
    assert_int_equal(scratch_make(dir, &scratch, NULL), 0);
    assert_int_equal(scratch_check_room(&scratch, 1, &err), 0);
    assert_int_equal(scratch_check_room(&scratch, UINT64_C(1) << 60, &err), ERR_IO);
    assert_non_null(strstr(err.msg, "are free there"));
    scratch_remove(&scratch);
    temp_dir_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_with_what_is_in_it),
        cmocka_unit_test(removes_what_the_killed_left_and_spares_what_is_in_use),
        cmocka_unit_test(leaves_alone_what_a_link_points_to),
        cmocka_unit_test(makes_the_directory_that_it_is_in),
        cmocka_unit_test(says_how_much_room_is_missing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
