#include "snapshot/backup_plan.h"

#include "snapshot/page_map.h"

#include <string.h>

#define REPLACED_MAX 64u /* packs that a remembered page map names */

const struct backup_record *backup_plan_parent(const struct manifest *manifest,
                                               const char *preferred_id)
{
    const struct backup_record *newest = NULL;

    for (size_t i = manifest->backup_count; i > 0; i--) {
        const struct backup_record *backup = &manifest->backups[i - 1];

        if (backup->damaged)
            continue;
        if (strcmp(backup->id, preferred_id) == 0)
            return backup;
        if (newest == NULL)
            newest = backup;
    }
    return newest;
}

int64_t backup_plan_full_at(const struct backup_record *backup)
{
    return backup->kind == BACKUP_FULL || backup->full_at_ms == 0 ? backup->created_at_ms
                                                                  : backup->full_at_ms;
}

const char *backup_plan_full_reason(const struct backup_plan_question *question)
{
    const uint64_t below =
        question->full_below > 0 ? question->full_below : BACKUP_PLAN_SMALL_SIZE + 1;
    const int64_t every_ms =
        question->full_every_ms > 0 ? question->full_every_ms : BACKUP_PLAN_FULL_EVERY_MS;

    if (question->parent == NULL)
        return "there is no backup to go back to";
    if (question->size < below)
        return "the database is small";
    if (question->now_ms - backup_plan_full_at(question->parent) >= every_ms)
        return "the last full one is too old";
    return NULL;
}

bool backup_plan_is_confirmed(const struct manifest *manifest, int64_t confirmed_ms, int64_t now_ms)
{
    return manifest->generation > 0 && manifest->conditional_writes == CONDITIONAL_SUPPORTED &&
           now_ms >= confirmed_ms && now_ms - confirmed_ms < BACKUP_PLAN_CONFIRMED_MS;
}

bool backup_plan_is_dated(const struct manifest *manifest, const struct page_map *map)
{
    size_t count = 0;

    for (size_t i = 0; i < map->pack_count; i++) {
        const struct pack_record *pack = manifest_find_pack(manifest, map->pack_ids[i]);

        count += pack != NULL && pack->replaced_at_ms != 0;
    }
    return count > REPLACED_MAX;
}
