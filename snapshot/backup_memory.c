#include "snapshot/backup_internal.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "snapshot/backup_plan.h"
#include "snapshot/catalog.h"
#include "snapshot/pack_writer.h"

#include <string.h>

/* How long the store is believed to hold what it held, while a database does not change. */
#define UNCHANGED_TRUST_MS (INT64_C(24) * 60 * 60 * 1000)

void backup_remember(struct backup *backup, struct parent *parent,
                     const struct backup_record *standing)
{
    struct state state = {
        .head = { .confirmed_ms = backup->confirmed_ms,
                  .has_fingerprint = backup->facts.has_fingerprint,
                  .fingerprint = backup->facts.fingerprint,
                  .standing = *standing },
        .manifest = backup->manifest,
        .parent = *parent,
    };
    struct err err = { 0 };

    memcpy(state.head.base_id, parent->base_id, sizeof(state.head.base_id));
    /* Not being able to write it down costs the next run some requests. */
    if (state_save(&backup->place, &state, &err) < 0) {
        log_info("'%s': %s: the next backup will ask the store instead", backup->options->database,
                 err.msg);
        state_forget(&backup->place);
    }
}

void backup_remember_new(struct backup *backup)
{
    const bool incremental = backup->delta.hashes != NULL;
    struct parent parent = {
        .page_size = backup->facts.page_size,
        .map = *pack_writer_map(backup_pack(backup)),
        .hashes = incremental ? backup->delta.hashes : backup->full.hashes,
    };

    memcpy(parent.base_id, backup->record.id, sizeof(parent.base_id));
    if (backup->pack.map_base[0] != '\0') {
        parent.base = backup->parent.base.page_count > 0 ? backup->parent.base : backup->parent.map;
        memcpy(parent.base_id, backup->pack.map_base, sizeof(parent.base_id));
    }
    backup_remember(backup, &parent, &backup->record);
}

/* What is remembered, if it is of use.  *ret_manifest is left empty when it may have been replaced
 * meanwhile. */
static void recall(struct backup *backup, int64_t now_ms, struct manifest *ret_manifest)
{
    struct state state = STATE_INIT;
    struct err why = { 0 };

    if (backup->distrust || backup->head.standing.id[0] == '\0')
        return;
    if (state_load(&backup->place, backup->options->spool_dir, &state, &why) < 0) {
        log_info("'%s': %s: reading it from the store", backup->options->database, why.msg);
        return;
    }
    backup->remembered = state.parent;
    state.parent = (struct parent)PARENT_INIT;
    if (!backup->options->force &&
        backup_plan_is_confirmed(&state.manifest, state.head.confirmed_ms, now_ms)) {
        backup->confirmed_ms = state.head.confirmed_ms;
        *ret_manifest = state.manifest;
        state.manifest = (struct manifest)MANIFEST_INIT;
    }
    state_dispose(&state);
}

int backup_get_manifest(struct backup *backup, struct err *err)
{
    const int64_t now_ms = clock_now_ms(backup->clock);

    recall(backup, now_ms, &backup->manifest);
    if (backup->manifest.generation > 0)
        return 0;
    backup->confirmed_ms = now_ms;
    return catalog_load(backup->store, backup->options->database, true, &backup->manifest, err);
}

bool backup_is_wanted(const struct backup *backup)
{
    return backup->options->force || backup->options->full || backup->options->label != NULL ||
           backup->options->trigger == TRIGGER_PRE_RESTORE;
}

bool backup_is_unchanged(struct backup *backup)
{
    const int64_t now_ms = clock_now_ms(backup->clock);
    const struct state_head *head = &backup->head;
    struct fingerprint now;

    return !backup_is_wanted(backup) && !backup->distrust && head->standing.id[0] != '\0' &&
           head->has_fingerprint && now_ms >= head->confirmed_ms &&
           now_ms - head->confirmed_ms < UNCHANGED_TRUST_MS &&
           strcmp(head->standing.path, backup->path) == 0 &&
           source_fingerprint(backup->source, &now) && fingerprint_same(&head->fingerprint, &now);
}
