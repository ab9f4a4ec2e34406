#include "snapshot/backup_internal.h"

#include "base/clock.h"
#include "base/err.h"
#include "snapshot/backup_plan.h"
#include "snapshot/catalog.h"
#include "snapshot/pack_writer.h"
#include "store/object_store.h"

#include <stdlib.h>
#include <string.h>

/* Of a pack that was replaced there are the pages that some listed backup needs.  The parent's are
 * among them while it is listed. */
static bool may_miss_pages(const struct backup *backup, const struct manifest *manifest,
                           const char (*ids)[UUID_TEXT_SIZE], size_t count)
{
    const struct backup_record *parent = NULL;

    if (backup->parent.id[0] == '\0' ||
        manifest_find_backup(manifest, backup->parent.id, &parent, NULL) == 0)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct pack_record *pack = manifest_find_pack(manifest, ids[i]);

        if (pack != NULL && pack->replaced_at_ms != 0)
            return true;
    }
    return false;
}

/* Page hashes depend on the manifest's seed, and an incremental backup on its parent's packs.  Of
 * two agents that begin the first manifest at the same time, one loses, and its hashes are worth
 * nothing then; and somebody may have pruned the parent while this one was at work. */
static int add_backup(void *context, struct manifest *manifest, struct err *err)
{
    struct backup *backup = context;
    const struct page_map *map = pack_writer_map(backup_pack(backup));
    const size_t base_count = backup->pack.map_base[0] != '\0' ? 1 : 0;
    char(*ids)[UUID_TEXT_SIZE] = calloc(map->pack_count + 1, sizeof(*ids));
    size_t count = 0;
    int r;

    if (ids == NULL)
        return err_nomem(err);
    for (size_t i = 0; i < map->pack_count; i++) {
        if (strcmp(map->pack_ids[i], backup->record.id) != 0)
            memcpy(ids[count++], map->pack_ids[i], UUID_TEXT_SIZE);
    }
    if (base_count > 0)
        memcpy(ids[count++], backup->pack.map_base, UUID_TEXT_SIZE);
    if (manifest->page_hash_seed != backup->hash_seed) {
        backup->stale = true;
        r = err_set(err, ERR_EXISTS, "another agent began the history of '%s' meanwhile",
                    backup->options->database);
    } else if (may_miss_pages(backup, manifest, (const char(*)[UUID_TEXT_SIZE])ids, count)) {
        backup->stale = true;
        r = err_set(err, ERR_EXISTS, "the backup that this one stands on was removed meanwhile");
    } else {
        r = manifest_add_backup(manifest, &backup->record, &backup->pack,
                                (const char(*)[UUID_TEXT_SIZE])ids, count, err);
        backup->stale = r == ERR_NOT_FOUND;
    }
    free(ids);
    if (r == 0 && backup->options->amend != NULL) {
        r = backup->options->amend(backup->options->amend_context, manifest,
                                   clock_now_ms(backup->clock), err);
    }
    return r;
}

/* After a backup that took very long, the generation that would be written next may have been
 * written, superseded and deleted: it must not come to be once more. */
static int confirm_manifest(struct backup *backup, struct err *err)
{
    const int64_t now_ms = clock_now_ms(backup->clock);
    struct manifest newest = MANIFEST_INIT;
    int r;

    if (backup->manifest.generation == 0 ||
        (now_ms >= backup->confirmed_ms &&
         now_ms - backup->confirmed_ms < BACKUP_PLAN_CONFIRMED_MS))
        return 0;
    r = catalog_load(backup->store, backup->options->database, true, &newest, err);
    if (r < 0)
        return r;
    manifest_dispose(&backup->manifest);
    backup->manifest = newest;
    backup->confirmed_ms = now_ms;
    return 0;
}

int backup_commit(struct backup *backup, struct err *err)
{
    struct catalog_commit_options options = {
        .clock = backup->clock,
        .cancel = backup->options->cancel,
    };
    char key[CATALOG_KEY_SIZE];
    const char *keys[] = { key };
    int r;

    r = confirm_manifest(backup, err);
    if (r < 0)
        return r;
    r = catalog_commit(backup->store, &backup->manifest, add_backup, backup, &options, err);
    if (r == 0)
        backup->confirmed_ms = clock_now_ms(backup->clock);
    /* Nothing refers to the pack of an unusable backup.  After any other failure it stays: the
     * answer may have been lost and not the manifest. */
    if (r < 0 && backup->stale &&
        catalog_pack_key(backup->options->database, backup->record.id, key, NULL) == 0)
        (void)object_delete(backup->store, keys, 1, NULL);
    return r;
}
