/* Goal: a staged file appears whole under its name or leaves nothing, and what a killed process
 * left is removed by the next one, while what a living one builds is not. */
#include "snapshot/stage.h"

#include "base/err.h"
#include "tests/harness/temp_dir.h"
#include "tests/harness/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char *dir;
static char target[256];

static int setup(void **state)
{
    (void)state;
    dir = temp_dir_new();
    (void)snprintf(target, sizeof(target), "%s/app.db", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    temp_dir_free(dir);
    return 0;
}

static void is_private_and_beside_its_target(void **state)
{
    struct stage stage = STAGE_INIT;
    struct stat st;

    (void)state;
    assert_int_equal(stage_new(target, &stage, NULL), 0);
    assert_int_equal(strncmp(stage.path, dir, strlen(dir)), 0);
    assert_int_equal(strncmp(stage.path + strlen(dir) + 1, STAGE_PREFIX, strlen(STAGE_PREFIX)), 0);
    assert_int_equal(fstat(stage.fd, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    stage_dispose(&stage);
    stage_dispose(&stage);
    assert_int_equal(temp_dir_count(dir), 0);
}

static void appears_whole(void **state)
{
    struct stage stage = STAGE_INIT;
    struct stat st;

    (void)state;
    assert_int_equal(stage_new(target, &stage, NULL), 0);
    assert_int_equal(stage_reserve(&stage, 5000, 0, NULL), 0);
    assert_int_equal(stage_publish(&stage, target, false, NULL), 0);
    assert_int_equal(stat(target, &st), 0);
    assert_int_equal(st.st_size, 5000);
    stage_dispose(&stage);
    assert_int_equal(temp_dir_count(dir), 1);
}

static void replaces_only_when_told(void **state)
{
    struct stage stage = STAGE_INIT;
    struct stat st;
    FILE *file = fopen(target, "we");

    (void)state;
    assert_non_null(file);
    assert_int_equal(fputs("old", file), 1);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(stage_new(target, &stage, NULL), 0);
    assert_int_equal(stage_reserve(&stage, 5000, 0, NULL), 0);
    assert_int_equal(stage_publish(&stage, target, false, NULL), ERR_EXISTS);
    assert_int_equal(stat(target, &st), 0);
    assert_int_equal(st.st_size, 3);
    assert_int_equal(stage_publish(&stage, target, true, NULL), 0);
    assert_int_equal(stat(target, &st), 0);
    assert_int_equal(st.st_size, 5000);
    stage_dispose(&stage);
    assert_int_equal(temp_dir_count(dir), 1);
}

/* A child that stages a file and goes on living. */
static pid_t stage_in_child(void)
{
    int ready[2];
    char byte;
    pid_t pid;

    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct stage stage = STAGE_INIT;

        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when the test fails */
        if (stage_new(target, &stage, NULL) < 0 || write(ready[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            (void)pause();
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    (void)close(ready[0]);
    (void)close(ready[1]);
    return pid;
}

static void end_child(pid_t pid)
{
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void removes_what_a_killed_process_left(void **state)
{
    struct stage stage = STAGE_INIT;

    (void)state;
    end_child(stage_in_child());
    assert_int_equal(temp_dir_count(dir), 1);
    assert_int_equal(stage_new(target, &stage, NULL), 0);
    assert_int_equal(temp_dir_count(dir), 1); /* ours */
    stage_dispose(&stage);
    assert_int_equal(temp_dir_count(dir), 0);
}

static void leaves_what_a_living_process_builds(void **state)
{
    struct stage stage = STAGE_INIT;
    pid_t pid = stage_in_child();

    (void)state;
    assert_int_equal(stage_new(target, &stage, NULL), 0);
    assert_int_equal(temp_dir_count(dir), 2);
    stage_dispose(&stage);
    assert_int_equal(temp_dir_count(dir), 1);
    end_child(pid);
}

static void says_how_much_room_is_missing(void **state)
{
    struct stage stage = STAGE_INIT;
    struct err err = { 0 };

    (void)state;
    assert_int_equal(stage_check_space(target, 1, NULL), 0);
    assert_int_equal(stage_check_space(target, UINT64_C(1) << 60, &err), ERR_IO);
    assert_int_equal(err.os_errno, ENOSPC);
    assert_non_null(strstr(err.msg, "are needed"));
    assert_true(err.hint[0] != '\0');
    assert_int_equal(stage_new(target, &stage, NULL), 0);
    assert_int_equal(stage_reserve(&stage, 1, UINT64_C(1) << 60, NULL), ERR_IO);
    stage_dispose(&stage);
}

static void needs_a_directory_it_can_write(void **state)
{
    struct stage stage = STAGE_INIT;
    char path[300];

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/nowhere/app.db", dir);
    assert_int_equal(stage_new(path, &stage, NULL), ERR_NOT_FOUND);
    assert_int_equal(stage_check_space(path, 1, NULL), ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(is_private_and_beside_its_target, setup, teardown),
        cmocka_unit_test_setup_teardown(appears_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(replaces_only_when_told, setup, teardown),
        cmocka_unit_test_setup_teardown(removes_what_a_killed_process_left, setup, teardown),
        cmocka_unit_test_setup_teardown(leaves_what_a_living_process_builds, setup, teardown),
        cmocka_unit_test_setup_teardown(says_how_much_room_is_missing, setup, teardown),
        cmocka_unit_test_setup_teardown(needs_a_directory_it_can_write, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
