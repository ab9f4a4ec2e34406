#include "tests/harness/repack_rig.h"

#include "base/buf.h"
#include "base/io.h"
#include "snapshot/fetch.h"
#include "snapshot/restore.h"
#include "store/object_store.h"
#include "tests/harness/test.h"

#include <stdlib.h>
#include <string.h>

#define KEYS_MAX 64u

void repack_rig_init(struct restore_rig *rig)
{
    struct manifest *manifest = &rig->packs.manifest;

    restore_rig_init(rig, REPACK_RIG_PAGE, REPACK_RIG_BACKUPS);
    restore_rig_name(rig);
    while (manifest->backup_count > REPACK_RIG_KEPT)
        manifest_remove_backup(manifest, 0);
}

static bool restores(const struct restore_rig *rig, const struct manifest *manifest,
                     const struct backup_record *backup)
{
    const struct fetch_options options = { .thread_count = 1 };
    struct buf bytes = BUF_INIT(64u << 20);
    struct io_sink *sink = NULL;
    struct fetch *fetch = NULL;
    bool same = false;
    int r;

    r = fetch_open(rig->store, manifest, backup, &options, &fetch, NULL);
    if (r == 0)
        r = buf_sink_new(&bytes, &sink, NULL);
    if (r == 0)
        r = fetch_to_sink(fetch, sink, NULL);
    for (size_t i = 0; r == 0 && i < rig->packs.count; i++) {
        const struct pack_fixture_backup *made = &rig->packs.backups[i];

        if (strcmp(made->id, backup->id) == 0)
            same = made->len == bytes.len && memcmp(made->bytes, bytes.ptr, made->len) == 0;
    }
    fetch_close(fetch);
    io_sink_free(sink);
    buf_dispose(&bytes);
    return same;
}

bool repack_rig_restores(const struct restore_rig *rig, const struct manifest *manifest)
{
    for (size_t i = 0; i < manifest->backup_count; i++) {
        if (!restores(rig, manifest, &manifest->backups[i]))
            return false;
    }
    return manifest->backup_count > 0;
}

struct keys {
    char *items[KEYS_MAX];
    size_t count;
};

static int see(void *context, const char *key, const struct object_info *info, struct err *err)
{
    struct keys *keys = context;

    (void)info;
    (void)err;
    assert_true(keys->count < KEYS_MAX);
    keys->items[keys->count] = strdup(key);
    assert_non_null(keys->items[keys->count++]);
    return 0;
}

static bool is_stored(const struct manifest *manifest, const char *key)
{
    for (size_t i = 0; i < manifest->pack_count; i++) {
        if (strstr(key, manifest->packs[i].id) != NULL)
            return manifest->packs[i].replaced_at_ms == 0;
    }
    return false;
}

unsigned repack_rig_sweep(const struct restore_rig *rig, const struct manifest *manifest)
{
    struct keys keys = { .count = 0 };
    unsigned count = 0;

    assert_int_equal(object_list(rig->store, "app/packs/", NULL, see, &keys, NULL), 0);
    for (size_t i = 0; i < keys.count; i++) {
        const char *const key = keys.items[i];

        if (!is_stored(manifest, key)) {
            assert_int_equal(object_delete(rig->store, &key, 1, NULL), 0);
            count++;
        }
        free(keys.items[i]);
    }
    return count;
}
