#include "retention/expire.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

int expire_choose(const struct retention_policy *policy, const struct manifest *manifest,
                  int64_t now_ms, unsigned *reasons, struct err *err)
{
    struct retention_item *items = calloc(manifest->backup_count + 1, sizeof(*items));

    if (items == NULL)
        return err_nomem(err);
    for (size_t i = 0; i < manifest->backup_count; i++) {
        const struct backup_record *backup = &manifest->backups[i];

        items[i] = (struct retention_item){
            .created_at_ms = backup->created_at_ms,
            .pinned = backup->pinned,
            .damaged = backup->damaged,
            .pre_restore = backup->trigger == TRIGGER_PRE_RESTORE,
            .verified = backup->verified_at_ms != 0,
        };
    }
    retention_apply(policy, items, manifest->backup_count, now_ms, reasons);
    free(items);
    return 0;
}

void expired_packs_dispose(struct expired_packs *expired)
{
    free(expired->packs);
    *expired = (struct expired_packs){ NULL, 0 };
}

static int expire_backups(struct manifest *manifest, const struct expire_options *options,
                          bool *changed, struct err *err)
{
    unsigned *reasons = calloc(manifest->backup_count + 1, sizeof(*reasons));
    int r;

    if (reasons == NULL)
        return err_nomem(err);
    r = expire_choose(options->policy, manifest, options->now_ms, reasons, err);
    for (size_t i = manifest->backup_count; r == 0 && i > 0; i--) {
        if (reasons[i - 1] != 0)
            continue;
        manifest_remove_backup(manifest, i - 1);
        *changed = true;
    }
    free(reasons);
    return r;
}

static struct pack_deletion *find_deletion(struct manifest *manifest, const char *id)
{
    for (size_t i = 0; i < manifest->deletion_count; i++) {
        if (strcmp(manifest->deletions[i].id, id) == 0)
            return &manifest->deletions[i];
    }
    return NULL;
}

static int mark(struct manifest *manifest, const char *id, int64_t now_ms, struct err *err)
{
    struct pack_deletion *grown =
        realloc(manifest->deletions, (manifest->deletion_count + 1) * sizeof(*grown));

    if (grown == NULL)
        return err_nomem(err);
    manifest->deletions = grown;
    grown += manifest->deletion_count++;
    memcpy(grown->id, id, sizeof(grown->id));
    grown->since_ms = now_ms;
    return 0;
}

/* Marks go from what is needed again, and come to what no longer is. */
static int mark_packs(struct manifest *manifest, const bool *used, int64_t now_ms, bool *changed,
                      struct err *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < manifest->pack_count; i++) {
        struct pack_deletion *deletion = find_deletion(manifest, manifest->packs[i].id);

        if (used[i] == (deletion == NULL))
            continue;
        *changed = true;
        if (used[i]) {
            *deletion = manifest->deletions[--manifest->deletion_count];
        } else {
            r = mark(manifest, manifest->packs[i].id, now_ms, err);
        }
    }
    return r;
}

static int take_out(struct manifest *manifest, const struct expire_options *options,
                    const bool *used, struct expired_packs *expired, struct err *err)
{
    bool *gone = calloc(manifest->pack_count + 1, sizeof(*gone));
    int r = 0;

    expired->packs = calloc(manifest->pack_count + 1, sizeof(*expired->packs));
    if (gone == NULL || expired->packs == NULL) {
        free(gone);
        return err_nomem(err);
    }
    for (size_t i = 0; i < manifest->pack_count; i++) {
        struct pack_deletion *deletion = find_deletion(manifest, manifest->packs[i].id);

        if (used[i] || deletion == NULL)
            continue;
        if (deletion->since_ms > options->now_ms)
            deletion->since_ms = options->now_ms;
        gone[i] = options->now_ms - deletion->since_ms >= options->grace_ms;
        if (gone[i])
            expired->packs[expired->count++] = manifest->packs[i];
    }
    if (expired->count > 0)
        r = manifest_remove_packs(manifest, gone, err);
    free(gone);
    return r;
}

int expire_apply(struct manifest *manifest, const struct expire_options *options,
                 struct expired_packs *ret_expired, bool *ret_changed, struct err *err)
{
    bool *used = calloc(manifest->pack_count + 1, sizeof(*used));
    bool changed = false;
    int r = 0;

    expired_packs_dispose(ret_expired);
    if (used == NULL)
        return err_nomem(err);
    if (options->policy != NULL)
        r = expire_backups(manifest, options, &changed, err);
    if (r == 0) {
        manifest_flag_used_packs(manifest, used);
        r = mark_packs(manifest, used, options->now_ms, &changed, err);
    }
    if (r == 0)
        r = take_out(manifest, options, used, ret_expired, err);
    free(used);
    *ret_changed = changed || ret_expired->count > 0;
    return r;
}
