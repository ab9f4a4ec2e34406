/* Goal: whatever is there, a restore leaves the backup in its place and the old state kept, or says
 * why not and leaves what was there. */
#include "snapshot/restore.h"

#include "base/buf.h"
#include "base/cancel.h"
#include "base/err.h"
#include "base/file.h"
#include "snapshot/catalog.h"
#include "tests/harness/restore_rig.h"
#include "tests/harness/temp_dir.h"
#include "tests/harness/test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE_SIZE 4096

static struct restore_rig rig;
static char target[160];

static int setup(void **state)
{
    (void)state;
    restore_rig_init(&rig, PAGE_SIZE, 2);
    (void)snprintf(target, sizeof(target), "%s/app.db", rig.work);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    restore_rig_dispose(&rig);
    return 0;
}

static void exec_on(const char *path, const char *sql)
{
    sqlite3 *db = NULL;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite_fixture_exec(db, sql);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* The first column of the first row, in storage of its own until the next call. */
static const char *query(const char *path, const char *sql)
{
    static char text[256];
    sqlite3_stmt *statement = NULL;
    sqlite3 *db = NULL;
    int rc;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    (void)sqlite3_busy_timeout(db, 10000);
    rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    (void)snprintf(text, sizeof(text), "%s",
                   rc == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0)
                                    : sqlite3_errmsg(db));
    (void)sqlite3_finalize(statement);
    (void)sqlite3_close(db);
    return text;
}

/* Backup 1 holds one row in u; what make_database() makes holds the table old. */
static bool is_restored(void)
{
    return strcmp(query(target, "PRAGMA integrity_check"), "ok") == 0 &&
           strcmp(query(target, "SELECT count(*) FROM u"), "1") == 0 &&
           strcmp(query(target, "SELECT count(*) FROM t"), "2000") == 0;
}

static bool is_old(void)
{
    return strcmp(query(target, "PRAGMA integrity_check"), "ok") == 0 &&
           strcmp(query(target, "SELECT x FROM old"), "old") == 0;
}

static void make_database(unsigned page_size, const char *journal_mode)
{
    char sql[300];

    (void)snprintf(sql, sizeof(sql),
                   "PRAGMA page_size=%u; PRAGMA journal_mode=%s; CREATE TABLE old(x);"
                   "INSERT INTO old VALUES('old'); CREATE TABLE filler(x);"
                   "INSERT INTO filler VALUES(randomblob(300000));",
                   page_size, journal_mode);
    exec_on(target, sql);
}

static void write_at(off_t offset, size_t len)
{
    uint8_t *data = malloc(len);
    int fd = open(target, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

    assert_true(data != NULL && fd >= 0);
    memset(data, 'x', len);
    assert_int_equal(pwrite(fd, data, len, offset), (ssize_t)len);
    (void)close(fd);
    free(data);
}

static void copy_file(const char *from, const char *to)
{
    struct buf data = BUF_INIT(64u << 20);

    assert_int_equal(file_read(from, &data, NULL), 0);
    assert_int_equal(file_write_atomic(to, data.ptr, data.len, 0644, NULL), 0);
    buf_dispose(&data);
}

/* A database with a log that holds its last transactions, as a killed application leaves it. */
static void make_with_log(unsigned page_size)
{
    char other[170], from[180], to[180];
    sqlite3 *db = NULL;

    make_database(page_size, "WAL");
    assert_int_equal(sqlite3_open(target, &db), SQLITE_OK);
    sqlite_fixture_exec(db, "PRAGMA wal_autocheckpoint=0; INSERT INTO filler VALUES(1)");
    (void)snprintf(other, sizeof(other), "%s.copy", target);
    copy_file(target, other);
    (void)snprintf(from, sizeof(from), "%s-wal", target);
    (void)snprintf(to, sizeof(to), "%s-wal", other);
    copy_file(from, to);
    (void)sqlite3_close(db);
    assert_int_equal(rename(other, target), 0);
    assert_int_equal(rename(to, from), 0);
}

static void make_nothing(void)
{
}

static void make_empty(void)
{
    int fd = open(target, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    (void)close(fd);
}

static void make_one_byte(void)
{
    write_at(0, 1);
}

static void make_garbage(void)
{
    write_at(0, 10000);
}

static void make_short_garbage(void)
{
    write_at(0, 10);
}

static void make_truncated(void)
{
    make_database(PAGE_SIZE, "DELETE");
    assert_int_equal(truncate(target, 5L * PAGE_SIZE), 0);
}

static void make_odd_size(void)
{
    struct stat st;

    make_database(PAGE_SIZE, "DELETE");
    assert_int_equal(stat(target, &st), 0);
    write_at(st.st_size, 100);
}

static void make_rollback(void)
{
    make_database(PAGE_SIZE, "DELETE");
}

static void make_wal(void)
{
    make_database(PAGE_SIZE, "WAL");
}

static void make_truncate_mode(void)
{
    make_database(PAGE_SIZE, "TRUNCATE");
}

static void make_persist_mode(void)
{
    make_database(PAGE_SIZE, "PERSIST");
}

static void make_smaller_pages(void)
{
    make_database(512, "DELETE");
}

static void make_larger_pages(void)
{
    make_database(65536, "DELETE");
}

static void make_larger_pages_wal(void)
{
    make_database(65536, "WAL");
}

static void make_auto_vacuum(void)
{
    exec_on(target, "PRAGMA auto_vacuum=1");
    exec_on(target, "PRAGMA auto_vacuum=1; CREATE TABLE old(x); INSERT INTO old VALUES('old')");
}

static void make_log(void)
{
    make_with_log(PAGE_SIZE);
}

static void make_log_and_garbage_page(void)
{
    make_with_log(PAGE_SIZE);
    write_at(0, PAGE_SIZE);
}

static void make_log_of_other_page_size_and_garbage_page(void)
{
    make_with_log(1024);
    write_at(0, 1024);
}

struct target_case {
    const char *name;
    void (*make)(void);
    bool kept_as_file; /* no database that could be backed up */
    bool live_refused; /* what --swap is for */
};

static const struct target_case target_cases[] = {
    { "missing", make_nothing, false, false },
    { "0 bytes", make_empty, false, false },
    { "1 byte", make_one_byte, false, false },
    { "garbage", make_garbage, true, false },
    { "10 bytes of garbage", make_short_garbage, true, false },
    { "truncated", make_truncated, true, false },
    { "odd size", make_odd_size, false, false },
    { "rollback journal", make_rollback, false, false },
    { "WAL", make_wal, false, false },
    { "journal mode TRUNCATE", make_truncate_mode, false, false },
    { "journal mode PERSIST", make_persist_mode, false, false },
    { "smaller pages", make_smaller_pages, false, false },
    { "larger pages", make_larger_pages, false, false },
    { "larger pages in WAL mode", make_larger_pages_wal, false, true },
    { "auto_vacuum", make_auto_vacuum, false, false },
    { "left-over log", make_log, false, false },
    { "left-over log, first page garbage", make_log_and_garbage_page, true, false },
    { "left-over log of other pages, first page garbage",
      make_log_of_other_page_size_and_garbage_page, true, false },
};

static int restore(enum restore_method method, struct restore_result *result, struct err *err)
{
    const struct restore_options options = {
        .database = "app",
        .path = target,
        .method = method,
        .busy_timeout_ms = 200,
    };

    return restore_run(rig.store, &rig.packs.manifest, restore_rig_backup(&rig, 1), &options,
                       result, err);
}

static void check_kept(const struct target_case *row, const struct restore_result *result)
{
    bool made_new = result->method == RESTORE_AUTO;

    assert_int_equal(result->kept_path != NULL, row->kept_as_file);
    if (result->kept_path != NULL)
        assert_int_equal(access(result->kept_path, R_OK), 0);
    assert_int_equal(result->undo_id[0] != '\0', !made_new && !row->kept_as_file &&
                                                     row->make != make_empty &&
                                                     row->make != make_one_byte);
}

static void restore_over(const struct target_case *row, enum restore_method method)
{
    struct restore_result result = { 0 };
    struct err err = { 0 };
    int r;

    row->make();
    r = restore(method, &result, &err);
    if (method == RESTORE_AUTO && row->live_refused) {
        assert_int_equal(r, ERR_REFUSED);
        assert_non_null(strstr(err.hint, "--swap"));
        assert_true(is_old());
    } else {
        if (r < 0 || !is_restored())
            fail_msg("%s, method %u: %s", row->name, (unsigned)method, err.msg);
        check_kept(row, &result);
    }
    restore_result_dispose(&result);
}

static void restores_over_whatever_is_there(void **state)
{
    for (size_t i = 0; i < sizeof(target_cases) / sizeof(target_cases[0]); i++) {
        (void)setup(state);
        restore_over(&target_cases[i], RESTORE_AUTO);
        (void)teardown(state);
        (void)setup(state);
        restore_over(&target_cases[i], RESTORE_SWAP);
        (void)teardown(state);
    }
}

static void leaves_nothing_but_the_database(void **state)
{
    static const enum restore_method methods[] = { RESTORE_AUTO, RESTORE_SWAP };

    (void)state;
    make_rollback();
    for (size_t m = 0; m < 2; m++) {
        struct restore_result result = { 0 };

        assert_int_equal(restore(methods[m], &result, NULL), 0);
        assert_int_equal(restore_rig_count(&rig), 1);
        restore_result_dispose(&result);
    }
}

static void goes_back_to_what_it_replaced(void **state)
{
    const struct backup_record *backup = NULL;
    struct manifest manifest = MANIFEST_INIT;
    struct restore_options options = { .database = "app", .path = target };
    struct restore_result result = { 0 };

    (void)state;
    make_rollback();
    assert_int_equal(restore(RESTORE_AUTO, &result, NULL), 0);
    assert_true(is_restored());
    assert_int_equal(catalog_load(rig.store, "app", false, &manifest, NULL), 0);
    assert_int_equal(restore_find_undo(&manifest, &backup, NULL), 0);
    assert_string_equal(backup->id, result.undo_id);
    restore_result_dispose(&result);

    assert_int_equal(restore_run(rig.store, &manifest, backup, &options, &result, NULL), 0);
    assert_true(is_old());
    restore_result_dispose(&result);
    manifest_dispose(&manifest);
}

/* The state before is backed up whole; the way back is fetched, but for what both have. */
static void fetches_only_what_the_target_has_not(void **state)
{
    static const enum restore_method methods[] = { RESTORE_LIVE, RESTORE_SWAP };
    static const char *const modes[] = { "PRAGMA journal_mode=DELETE", "PRAGMA journal_mode=WAL" };

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct restore_result result = { 0 };
        uint64_t size = restore_rig_backup(&rig, 1)->size;

        copy_file(rig.source.path, target);
        exec_on(target, modes[i / 2]);
        exec_on(target, "DELETE FROM u; UPDATE t SET body = 'other' WHERE id % 400 = 0");
        assert_int_equal(restore(methods[i % 2], &result, NULL), 0);
        assert_true(is_restored());
        assert_in_range(result.tally.copied_bytes, size / 2, size - 1);
        assert_in_range(result.tally.fetched_bytes, 1, size / 2);
        restore_result_dispose(&result);
        assert_int_equal(unlink(target), 0);
    }
}

static void has_nothing_to_undo_at_first(void **state)
{
    const struct backup_record *backup = NULL;
    struct err err = { 0 };

    (void)state;
    assert_int_equal(restore_find_undo(&rig.packs.manifest, &backup, &err), ERR_NOT_FOUND);
    assert_true(err.hint[0] != '\0');
}

static void keeps_nothing_when_told_so(void **state)
{
    const struct restore_options options = { .database = "app", .path = target, .no_undo = true };
    struct restore_result result = { 0 };

    (void)state;
    make_garbage();
    assert_int_equal(restore_run(rig.store, &rig.packs.manifest, restore_rig_backup(&rig, 1),
                                 &options, &result, NULL),
                     0);
    assert_null(result.kept_path);
    assert_int_equal(restore_rig_count(&rig), 1);
    restore_result_dispose(&result);
}

static void keeps_what_is_unreadable_byte_for_byte(void **state)
{
    struct restore_result result = { 0 };
    struct buf kept = BUF_INIT(1u << 20);

    (void)state;
    make_garbage();
    assert_int_equal(restore(RESTORE_AUTO, &result, NULL), 0);
    assert_int_equal(file_read(result.kept_path, &kept, NULL), 0);
    assert_int_equal(kept.len, 10000);
    for (size_t i = 0; i < kept.len; i++)
        assert_int_equal(kept.ptr[i], 'x');
    buf_dispose(&kept);
    restore_result_dispose(&result);
}

/* Where backup 1 still uses the pack of backup 0. */
static uint64_t used_offset(void)
{
    const struct page_map *map = &rig.packs.backups[1].map;

    for (size_t i = 0; i < map->run_count; i++) {
        if (strcmp(map->pack_ids[map->runs[i].pack], rig.packs.backups[0].id) == 0)
            return map->runs[i].frame_offset + map->runs[i].frame_len / 2;
    }
    fail();
    return 0;
}

static void touches_nothing_when_the_backup_is_damaged(void **state)
{
    static const enum restore_method methods[] = { RESTORE_AUTO, RESTORE_SWAP };
    struct err err = { 0 };

    (void)state;
    make_rollback();
    restore_rig_flip(&rig, 0, used_offset());
    for (size_t m = 0; m < 2; m++) {
        struct restore_result result = { 0 };

        assert_int_equal(restore(methods[m], &result, &err), ERR_CORRUPT);
        assert_non_null(strstr(err.msg, rig.packs.backups[0].id));
        assert_true(is_old());
        assert_int_equal(restore_rig_count(&rig), 1);
    }
}

/* Beside the requests that fetch, those of the pre-restore backup. */
static void touches_nothing_when_any_call_of_the_store_fails(void **state)
{
    unsigned n = 0;
    int r;

    (void)state;
    make_rollback();
    do {
        struct restore_result result = { 0 };

        atomic_store(&rig.counters.calls, 0);
        atomic_store(&rig.counters.fail_at, ++n);
        r = restore(RESTORE_AUTO, &result, NULL);
        if (r < 0)
            assert_true(is_old());
        assert_int_equal(restore_rig_count(&rig), 1);
        restore_result_dispose(&result);
    } while (r < 0);
    assert_true(is_restored());
    assert_true(n > 8);
}

static void says_what_it_would_do(void **state)
{
    struct restore_options options = { .database = "app", .path = target };
    const struct backup_record *backup = restore_rig_backup(&rig, 1);
    enum restore_method method = RESTORE_SWAP;

    (void)state;
    assert_int_equal(restore_check(backup, &options, &method, NULL), 0);
    assert_int_equal(method, RESTORE_AUTO);
    make_larger_pages_wal();
    assert_int_equal(restore_check(backup, &options, &method, NULL), ERR_REFUSED);
    options.method = RESTORE_SWAP;
    assert_int_equal(restore_check(backup, &options, &method, NULL), 0);
    assert_int_equal(method, RESTORE_SWAP);
    assert_true(is_old());
    assert_int_equal(restore_rig_count(&rig), 1);
}

static void follows_a_symbolic_link(void **state)
{
    static const enum restore_method methods[] = { RESTORE_AUTO, RESTORE_SWAP };
    struct stat st;
    char real[170];

    (void)state;
    make_rollback();
    (void)snprintf(real, sizeof(real), "%s.real", target);
    assert_int_equal(rename(target, real), 0);
    assert_int_equal(symlink(real, target), 0);
    for (size_t m = 0; m < 2; m++) {
        struct restore_result result = { 0 };

        exec_on(target, "CREATE TABLE IF NOT EXISTS extra(x)");
        assert_int_equal(restore(methods[m], &result, NULL), 0);
        assert_int_equal(lstat(target, &st), 0);
        assert_true(S_ISLNK(st.st_mode));
        assert_true(is_restored());
        assert_string_equal(query(real, "SELECT count(*) FROM u"), "1");
        restore_result_dispose(&result);
    }
}

static void names_what_it_cannot_restore_to(void **state)
{
    struct restore_result result = { 0 };
    char path[180];

    (void)state;
    assert_int_equal(symlink("nothing", target), 0);
    assert_int_equal(restore(RESTORE_AUTO, &result, NULL), ERR_NOT_FOUND);
    assert_int_equal(unlink(target), 0);

    assert_int_equal(mkdir(target, 0755), 0);
    assert_int_equal(restore(RESTORE_AUTO, &result, NULL), ERR_REFUSED);
    assert_int_equal(rmdir(target), 0);

    (void)snprintf(path, sizeof(path), "%s-wal", target); /* of a database that is gone */
    copy_file(rig.source.path, path);
    assert_int_equal(restore(RESTORE_AUTO, &result, NULL), ERR_REFUSED);
    assert_int_equal(restore_rig_count(&rig), 1);
}

static void keeps_mode_and_owner(void **state)
{
    static const enum restore_method methods[] = { RESTORE_AUTO, RESTORE_SWAP };
    struct stat st;

    (void)state;
    make_rollback();
    assert_int_equal(chmod(target, 0640), 0);
    if (geteuid() == 0)
        assert_int_equal(chown(target, 1234, 2345), 0);
    for (size_t m = 0; m < 2; m++) {
        struct restore_result result = { 0 };

        assert_int_equal(restore(methods[m], &result, NULL), 0);
        assert_int_equal(stat(target, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0640);
        if (geteuid() == 0) {
            assert_int_equal(st.st_uid, 1234);
            assert_int_equal(st.st_gid, 2345);
        }
        restore_result_dispose(&result);
    }
}

static void makes_a_new_file_private_and_its_directorys(void **state)
{
    struct restore_result result = { 0 };
    struct stat st;

    (void)state;
    if (geteuid() == 0)
        assert_int_equal(chown(rig.work, 1234, 2345), 0);
    assert_int_equal(restore(RESTORE_AUTO, &result, NULL), 0);
    assert_int_equal(result.method, RESTORE_AUTO);
    assert_int_equal(stat(target, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    if (geteuid() == 0) {
        assert_int_equal(st.st_uid, 1234);
        assert_int_equal(st.st_gid, 2345);
    }
    restore_result_dispose(&result);
}

static void stops_when_canceled(void **state)
{
    struct cancel cancel = CANCEL_INIT;
    const struct restore_options options = {
        .database = "app",
        .path = target,
        .fetch = { .cancel = &cancel },
    };
    struct restore_result result = { 0 };

    (void)state;
    make_rollback();
    cancel_set(&cancel, SIGTERM);
    assert_int_equal(restore_run(rig.store, &rig.packs.manifest, restore_rig_backup(&rig, 1),
                                 &options, &result, NULL),
                     ERR_CANCELED);
    assert_true(is_old());
    assert_int_equal(restore_rig_count(&rig), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(restores_over_whatever_is_there),
        TEST(leaves_nothing_but_the_database),
        TEST(goes_back_to_what_it_replaced),
        TEST(fetches_only_what_the_target_has_not),
        TEST(has_nothing_to_undo_at_first),
        TEST(keeps_nothing_when_told_so),
        TEST(keeps_what_is_unreadable_byte_for_byte),
        TEST(touches_nothing_when_the_backup_is_damaged),
        TEST(touches_nothing_when_any_call_of_the_store_fails),
        TEST(says_what_it_would_do),
        TEST(follows_a_symbolic_link),
        TEST(names_what_it_cannot_restore_to),
        TEST(keeps_mode_and_owner),
        TEST(makes_a_new_file_private_and_its_directorys),
        TEST(stops_when_canceled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
