/* Goal: what is remembered comes back as it was, or not at all: never damaged, and never that of
 * another store or database. */
#include "snapshot/state.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/random.h"
#include "snapshot/backup.h"
#include "snapshot/hash_spool.h"
#include "store/dir_store.h"
#include "store/object_store.h"
#include "tests/harness/sqlite_fixture.h"
#include "tests/harness/temp_dir.h"
#include "tests/harness/test.h"

struct rig {
    char *dir;
    char state_dir[96];
    struct sqlite_fixture fixture;
    struct object_store *store;
    struct state_place place;
    struct backup_record record; /* of the newest backup */
    char file[256];
};

static void back_up(struct rig *rig, bool force)
{
    const struct backup_options options = {
        .database = "app",
        .path = rig->fixture.path,
        .thread_count = 1,
        .full_below = 1,
        .force = force,
        .state_dir = rig->state_dir,
    };

    backup_record_dispose(&rig->record);
    assert_int_equal(backup_create(rig->store, &options, &rig->record, NULL, NULL), 0);
}

/* A full backup and an incremental one, as they are remembered. */
static void rig_init(struct rig *rig)
{
    struct dirent *entry;
    char folder[128], path[96];
    DIR *dir;
    sqlite3 *db;

    memset(rig, 0, sizeof(*rig));
    rig->dir = temp_dir_new();
    (void)snprintf(path, sizeof(path), "%s/store", rig->dir);
    (void)snprintf(rig->state_dir, sizeof(rig->state_dir), "%s/state", rig->dir);
    assert_int_equal(dir_store_new(path, &rig->store, NULL), 0);
    rig->place = (struct state_place){ rig->state_dir, rig->store->url, "app" };
    sqlite_fixture_make(&rig->fixture, 1024, "wal", 800);
    back_up(rig, false);
    db = sqlite_fixture_open(&rig->fixture);
    sqlite_fixture_exec(db, "UPDATE t SET body = 'other' WHERE id % 50 = 0");
    (void)sqlite3_close(db);
    back_up(rig, false);
    assert_int_equal(rig->record.kind, BACKUP_INCREMENTAL);
    (void)snprintf(folder, sizeof(folder), "%s/app", rig->state_dir);
    dir = opendir(folder);
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        if (strstr(entry->d_name, ".state") != NULL)
            (void)snprintf(rig->file, sizeof(rig->file), "%s/%.60s", folder, entry->d_name);
    }
    (void)closedir(dir);
    assert_int_equal(access(rig->file, R_OK), 0);
}

static void rig_dispose(struct rig *rig)
{
    backup_record_dispose(&rig->record);
    sqlite_fixture_remove(&rig->fixture);
    object_store_free(rig->store);
    temp_dir_free(rig->dir);
}

static void comes_back_as_it_was(void **state)
{
    struct state_head head = { 0 };
    struct state first = STATE_INIT, second = STATE_INIT;
    struct rig rig;

    (void)state;
    rig_init(&rig);
    assert_int_equal(state_load_head(&rig.place, &head, NULL), 0);
    assert_string_equal(head.standing.id, rig.record.id);
    assert_true(head.has_fingerprint);
    assert_int_equal(state_load(&rig.place, NULL, &first, NULL), 0);
    assert_int_equal(first.manifest.backup_count, 2);
    assert_int_equal(first.parent.map.page_count, rig.record.page_count);
    assert_true(first.parent.base.page_count > 0);
    assert_int_equal(state_save(&rig.place, &first, NULL), 0);
    assert_int_equal(state_load(&rig.place, NULL, &second, NULL), 0);
    assert_string_equal(first.parent.id, second.parent.id);
    assert_string_equal(first.parent.base_id, second.parent.base_id);
    assert_int_equal(first.parent.map.run_count, second.parent.map.run_count);
    for (uint32_t page = 1; page <= first.parent.map.page_count; page++) {
        struct page_hash a, b;

        assert_int_equal(hash_spool_get(first.parent.hashes, page, &a, 1, NULL), 0);
        assert_int_equal(hash_spool_get(second.parent.hashes, page, &b, 1, NULL), 0);
        assert_true(page_hash_eq(a, b));
    }
    state_head_dispose(&head);
    state_dispose(&first);
    state_dispose(&second);
    rig_dispose(&rig);
}

static void what_a_killed_run_left_behind_goes_when_it_is_old(void **state)
{
    static const char *const names[] = { ".state-oldold", ".state-youngy", "other-old" };
    char paths[3][320];
    struct state loaded = STATE_INIT;
    struct rig rig;

    (void)state;
    rig_init(&rig);
    for (size_t i = 0; i < 3; i++) {
        const struct timespec old[2] = { { .tv_sec = time(NULL) - 7200 },
                                         { .tv_sec = time(NULL) - 7200 } };
        int fd;

        (void)snprintf(paths[i], sizeof(paths[i]), "%s/app/%s", rig.state_dir, names[i]);
        fd = open(paths[i], O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        if (i != 1)
            assert_int_equal(futimens(fd, old), 0);
        (void)close(fd);
    }
    assert_int_equal(state_load(&rig.place, NULL, &loaded, NULL), 0);
    assert_int_equal(state_save(&rig.place, &loaded, NULL), 0);
    assert_int_not_equal(access(paths[0], F_OK), 0);
    assert_int_equal(access(paths[1], F_OK), 0);
    assert_int_equal(access(paths[2], F_OK), 0);
    state_dispose(&loaded);
    rig_dispose(&rig);
}

static void is_not_that_of_another_store_or_database(void **state)
{
    struct state loaded = STATE_INIT;
    struct state_place other;
    char path[256], aside[256];
    struct rig rig;

    (void)state;
    rig_init(&rig);
    other = rig.place;
    other.store_url = "file:///elsewhere";
    assert_int_equal(state_load(&other, NULL, &loaded, NULL), ERR_NOT_FOUND);
    other = rig.place;
    other.dir = NULL;
    assert_int_equal(state_load(&other, NULL, &loaded, NULL), ERR_NOT_FOUND);
    /* A file that was moved to where another one's is looked for. */
    other = rig.place;
    other.database = "other";
    (void)snprintf(aside, sizeof(aside), "%s/other", rig.state_dir);
    assert_int_equal(mkdir(aside, 0700), 0);
    (void)snprintf(path, sizeof(path), "%s/other%s", rig.state_dir, strrchr(rig.file, '/'));
    assert_int_equal(rename(rig.file, path), 0);
    assert_int_equal(state_load(&other, NULL, &loaded, NULL), ERR_CORRUPT);
    rig_dispose(&rig);
}

static void is_as_good_as_none_when_it_is_damaged_or_cut_short(void **state)
{
    struct stat st;
    struct rig rig;
    int fd;

    (void)state;
    rig_init(&rig);
    fd = open(rig.file, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    for (int i = 0; i < 400; i++) {
        const off_t at = (off_t)(random_u64() % (uint64_t)st.st_size);
        const uint8_t bit = (uint8_t)(1u << random_u64() % 8);
        struct state loaded = STATE_INIT;
        uint8_t byte;

        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= bit;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        assert_true(state_load(&rig.place, NULL, &loaded, NULL) < 0);
        byte ^= bit;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    }
    for (int i = 0; i < 50; i++) {
        struct state loaded = STATE_INIT;

        assert_int_equal(ftruncate(fd, st.st_size - 1 - i * (st.st_size / 51)), 0);
        assert_true(state_load(&rig.place, NULL, &loaded, NULL) < 0);
    }
    (void)close(fd);
    back_up(&rig, true); /* and goes on: from the packs */
    assert_int_equal(rig.record.kind, BACKUP_INCREMENTAL);
    rig_dispose(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back_as_it_was),
        cmocka_unit_test(what_a_killed_run_left_behind_goes_when_it_is_old),
        cmocka_unit_test(is_not_that_of_another_store_or_database),
        cmocka_unit_test(is_as_good_as_none_when_it_is_damaged_or_cut_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
