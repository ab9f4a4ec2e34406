/* Goal: a download is a whole, verified database under its name, or nothing; it never replaces what
 * it was not told to, nor a database that is in use. */
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "snapshot/restore.h"
#include "tests/harness/restore_rig.h"
#include "tests/harness/temp_dir.h"
#include "tests/harness/test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct restore_rig rig;
static char path[160];

static int setup(void **state)
{
    (void)state;
    restore_rig_init(&rig, 4096, 2);
    (void)snprintf(path, sizeof(path), "%s/out.db", rig.work);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    restore_rig_dispose(&rig);
    return 0;
}

static int download(bool overwrite, struct err *err)
{
    const struct download_options options = { .path = path, .overwrite = overwrite };

    return download_to_file(rig.store, &rig.packs.manifest, restore_rig_backup(&rig, 1), &options,
                            NULL, err);
}

static void put_file(const char *name, const char *text)
{
    assert_int_equal(file_write_atomic(name, text, strlen(text), 0644, NULL), 0);
}

static void writes_the_database(void **state)
{
    struct stat st;

    (void)state;
    assert_int_equal(download(false, NULL), 0);
    assert_true(restore_rig_same(&rig, path, 1));
    assert_int_equal(restore_rig_count(&rig), 1);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void replaces_a_file_only_when_told(void **state)
{
    (void)state;
    put_file(path, "mine");
    assert_int_equal(download(false, NULL), ERR_EXISTS);
    assert_false(restore_rig_same(&rig, path, 1));
    assert_int_equal(download(true, NULL), 0);
    assert_true(restore_rig_same(&rig, path, 1));
    assert_int_equal(restore_rig_count(&rig), 1);
}

static void fetches_only_what_the_file_it_replaces_has_not(void **state)
{
    struct download_options options = { .path = path };
    struct fetch_tally whole = { 0 }, tally = { 0 };
    struct err err = { 0 };

    (void)state;
    assert_int_equal(download_to_file(rig.store, &rig.packs.manifest, restore_rig_backup(&rig, 0),
                                      &options, &whole, NULL),
                     0);
    assert_int_equal(whole.copied_bytes, 0);
    options.overwrite = true;
    options.seed_path = path;
    assert_int_equal(download_to_file(rig.store, &rig.packs.manifest, restore_rig_backup(&rig, 1),
                                      &options, &tally, NULL),
                     0);
    assert_true(restore_rig_same(&rig, path, 1));
    assert_int_equal(restore_rig_count(&rig), 1);
    assert_true(tally.copied_bytes > 0 && tally.fetched_bytes < whole.fetched_bytes);
    options.seed_path = "/nowhere/at/all";
    assert_int_equal(download_to_file(rig.store, &rig.packs.manifest, restore_rig_backup(&rig, 0),
                                      &options, &tally, &err),
                     ERR_NOT_FOUND);
    assert_non_null(strstr(err.msg, "/nowhere/at/all"));
    assert_true(restore_rig_same(&rig, path, 1));
}

/* SQLite would apply them to the new file. */
static void refuses_beside_the_log_of_another_database(void **state)
{
    static const char *const suffixes[] = { "-wal", "-shm", "-journal" };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct err err = { 0 };
        char side[180];

        (void)snprintf(side, sizeof(side), "%s%s", path, suffixes[i]);
        put_file(side, "a log");
        assert_int_equal(download(false, &err), ERR_REFUSED);
        assert_non_null(strstr(err.msg, side));
        assert_int_equal(download(true, NULL), ERR_REFUSED);
        assert_int_equal(unlink(side), 0);
        assert_int_equal(restore_rig_count(&rig), 0);
    }
}

static void refuses_to_replace_what_a_process_has_open(void **state)
{
    struct err err = { 0 };
    int ready[2];
    char byte, text[32];
    pid_t pid;

    (void)state;
    put_file(path, "in use");
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when the test fails */
        if (open(path, O_RDONLY | O_CLOEXEC) < 0 || write(ready[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            (void)pause();
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(download(true, &err), ERR_REFUSED);
    (void)snprintf(text, sizeof(text), "process %d (", (int)pid);
    assert_non_null(strstr(err.msg, text));
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(download(true, NULL), 0);
    (void)close(ready[0]);
    (void)close(ready[1]);
}

static void leaves_nothing_when_any_call_of_the_store_fails(void **state)
{
    unsigned n = 0;
    int r;

    (void)state;
    do {
        atomic_store(&rig.counters.calls, 0);
        atomic_store(&rig.counters.fail_at, ++n);
        r = download(false, NULL);
        assert_int_equal(restore_rig_count(&rig), r == 0 ? 1 : 0);
    } while (r != 0);
    assert_true(restore_rig_same(&rig, path, 1));
}

/* The limit stands for a full disk. */
static void leaves_nothing_when_the_disk_is_full(void **state)
{
    uint64_t size = restore_rig_backup(&rig, 1)->size;
    struct rlimit old, limit;
    struct err err = { 0 };

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    limit = (struct rlimit){ size - 1, old.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(download(false, &err), ERR_IO);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(restore_rig_count(&rig), 0);
}

static void leaves_nothing_when_the_backup_is_damaged(void **state)
{
    (void)state;
    restore_rig_cut(&rig, 1, 100);
    assert_int_equal(download(false, NULL), ERR_CORRUPT);
    assert_int_equal(restore_rig_count(&rig), 0);
}

/* Every page is what was backed up; what was backed up is no sound database. */
static void checks_the_database_unless_told_not_to(void **state)
{
    struct download_options options = { .path = path };
    const struct pack_fixture_options full = { .incremental = false };
    const struct backup_record *backup;
    struct buf file = BUF_INIT(64u << 20);
    struct err err = { 0 };

    (void)state;
    assert_int_equal(file_read(rig.source.path, &file, NULL), 0);
    memset(file.ptr + 4096 + 200, 0, file.len - 4096 - 200);
    assert_int_equal(file_write_atomic(rig.source.path, file.ptr, file.len, 0644, NULL), 0);
    buf_dispose(&file);
    backup = pack_fixture_add(&rig.packs, rig.source.path, &full);
    assert_int_equal(download_to_file(rig.store, &rig.packs.manifest, backup, &options, NULL, &err),
                     ERR_CORRUPT);
    assert_non_null(strstr(err.msg, "integrity_check"));
    assert_null(strstr(err.msg, ".holdfast-stage"));
    assert_int_equal(restore_rig_count(&rig), 0);
    options.skip_check = true;
    assert_int_equal(download_to_file(rig.store, &rig.packs.manifest, backup, &options, NULL, NULL),
                     0);
}

static void streams_to_a_descriptor(void **state)
{
    const struct fetch_options options = { .thread_count = 0 };
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(download_to_fd(rig.store, &rig.packs.manifest, restore_rig_backup(&rig, 1), fd,
                                    &options, NULL),
                     0);
    (void)close(fd);
    assert_true(restore_rig_same(&rig, path, 1));
}

static void says_that_the_output_is_full(void **state)
{
    const struct fetch_options options = { .thread_count = 0 };
    struct err err = { 0 };
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(download_to_fd(rig.store, &rig.packs.manifest, restore_rig_backup(&rig, 1), fd,
                                    &options, &err),
                     ERR_IO);
    assert_non_null(strstr(err.msg, "No space left"));
    (void)close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(writes_the_database),
        TEST(replaces_a_file_only_when_told),
        TEST(fetches_only_what_the_file_it_replaces_has_not),
        TEST(refuses_beside_the_log_of_another_database),
        TEST(refuses_to_replace_what_a_process_has_open),
        TEST(leaves_nothing_when_any_call_of_the_store_fails),
        TEST(leaves_nothing_when_the_disk_is_full),
        TEST(leaves_nothing_when_the_backup_is_damaged),
        TEST(checks_the_database_unless_told_not_to),
        TEST(streams_to_a_descriptor),
        TEST(says_that_the_output_is_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
