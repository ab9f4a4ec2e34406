#include "tests/harness/restore_rig.h"

#include "base/buf.h"
#include "base/file.h"
#include "store/dir_store.h"
#include "store/object_store.h"
#include "tests/harness/temp_dir.h"
#include "tests/harness/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_LEN_MAX (256u << 20)
#define PATH_SIZE    256

/* Pages here and there, so that runs of all packs alternate. */
static void change(struct restore_rig *rig, unsigned round)
{
    sqlite3 *db = sqlite_fixture_open(&rig->source);
    char sql[256];

    (void)snprintf(sql, sizeof(sql),
                   "UPDATE t SET body = 'round %u of ' || id || substr(body, 12) WHERE id %% 97 = "
                   "%u; INSERT INTO u VALUES(%u)",
                   round, round, round);
    sqlite_fixture_exec(db, sql);
    (void)sqlite3_close(db);
}

void restore_rig_init(struct restore_rig *rig, unsigned page_size, unsigned backup_count)
{
    const struct fault_store_options options = { 0 };
    struct object_store *inner = NULL;
    char path[PATH_SIZE];

    memset(rig, 0, sizeof(*rig));
    sqlite_fixture_make(&rig->source, page_size, "DELETE", RESTORE_RIG_ROWS);
    rig->dir = temp_dir_new();
    (void)snprintf(rig->work, sizeof(rig->work), "%s/work", rig->dir);
    assert_int_equal(mkdir(rig->work, 0755), 0);
    (void)snprintf(path, sizeof(path), "%s/store", rig->dir);
    assert_int_equal(dir_store_new(path, &inner, NULL), 0);
    assert_int_equal(fault_store_new(inner, &options, &rig->counters, &rig->store, NULL), 0);
    pack_fixture_init(&rig->packs, rig->store);
    for (unsigned i = 0; i < backup_count; i++) {
        struct pack_fixture_options pack = { .incremental = i > 0, .map_difference = i % 2 == 1 };

        if (i > 0)
            change(rig, i);
        (void)pack_fixture_add(&rig->packs, rig->source.path, &pack);
    }
    atomic_store(&rig->counters.calls, 0);
}

void restore_rig_dispose(struct restore_rig *rig)
{
    pack_fixture_dispose(&rig->packs);
    object_store_free(rig->store);
    temp_dir_free(rig->dir);
    sqlite_fixture_remove(&rig->source);
}

const struct backup_record *restore_rig_backup(const struct restore_rig *rig, size_t index)
{
    const struct backup_record *backup = NULL;

    assert_int_equal(
        manifest_find_backup(&rig->packs.manifest, rig->packs.backups[index].id, &backup, NULL), 0);
    return backup;
}

const char *restore_rig_path(const char *work, const char *name)
{
    static char paths[4][PATH_SIZE];
    static unsigned next;
    char *path = paths[next++ % 4];

    (void)snprintf(path, PATH_SIZE, "%s/%s", work, name);
    return path;
}

bool restore_rig_same(const struct restore_rig *rig, const char *path, size_t index)
{
    const struct pack_fixture_backup *backup = &rig->packs.backups[index];
    struct buf file = BUF_INIT(FILE_LEN_MAX);
    bool same = file_read(path, &file, NULL) == 0 && file.len == backup->len &&
                memcmp(file.ptr, backup->bytes, file.len) == 0;

    buf_dispose(&file);
    return same;
}

int restore_rig_count(const struct restore_rig *rig)
{
    return temp_dir_count(rig->work);
}

static void object_path(const struct restore_rig *rig, size_t index, char out[PATH_SIZE + 256])
{
    char key[CATALOG_KEY_SIZE];

    pack_fixture_key(&rig->packs, rig->packs.backups[index].id, key);
    (void)snprintf(out, PATH_SIZE + 256, "%s/store/%s", rig->dir, key);
}

void restore_rig_flip(const struct restore_rig *rig, size_t index, uint64_t offset)
{
    char path[PATH_SIZE + 256];
    uint8_t byte;
    int fd;

    object_path(rig, index, path);
    fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, (off_t)offset), 1);
    byte ^= (uint8_t)(1u << offset % 8);
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)offset), 1);
    (void)close(fd);
}

void restore_rig_cut(const struct restore_rig *rig, size_t index, uint64_t size)
{
    char path[PATH_SIZE + 256];

    object_path(rig, index, path);
    assert_int_equal(truncate(path, (off_t)size), 0);
}

static int count_object(void *context, const char *key, const struct object_info *info,
                        struct err *err)
{
    (void)key;
    (void)info;
    (void)err;
    ++*(unsigned *)context;
    return 0;
}

unsigned restore_rig_objects(struct restore_rig *rig)
{
    unsigned count = 0;

    rig->counters.fail_at = 0;
    assert_int_equal(object_list(rig->store, "", NULL, count_object, &count, NULL), 0);
    return count;
}

void restore_rig_name(struct restore_rig *rig)
{
    for (size_t i = 0; i < rig->packs.manifest.backup_count; i++) {
        struct backup_record *backup = &rig->packs.manifest.backups[i];

        backup->host = strdup("host");
        backup->path = strdup("/data/app.db");
        assert_true(backup->host != NULL && backup->path != NULL);
    }
}
