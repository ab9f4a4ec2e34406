#include "retention/expire.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

#define NOT_MARKED INT64_MIN

struct retention_item retention_item_of(const struct backup_record *backup)
{
    return (struct retention_item){
        .created_at_ms = backup->created_at_ms,
        .pinned = backup->pinned,
        .guarded = backup->guarded,
        .damaged = backup->damaged,
        .pre_restore = backup->trigger == TRIGGER_PRE_RESTORE,
        .verified = backup->verified_at_ms != 0,
    };
}

int expire_choose(const struct retention_policy *policy, const struct manifest *manifest,
                  int64_t now_ms, unsigned *reasons, struct err *err)
{
    struct retention_item *items = calloc(manifest->backup_count + 1, sizeof(*items));

    if (items == NULL)
        return err_nomem(err);
    for (size_t i = 0; i < manifest->backup_count; i++)
        items[i] = retention_item_of(&manifest->backups[i]);
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

struct by_id {
    const char *id;
    size_t index;
};

static int compare_ids(const void *a, const void *b)
{
    const struct by_id *left = a, *right = b;

    return strcmp(left->id, right->id);
}

/* since[i]: when pack i was marked, or NOT_MARKED. */
static int read_marks(const struct manifest *manifest, int64_t *since, struct err *err)
{
    const size_t count = manifest->pack_count;
    struct by_id *sorted = calloc(count + 1, sizeof(*sorted));

    if (sorted == NULL)
        return err_nomem(err);
    for (size_t i = 0; i < count; i++) {
        sorted[i] = (struct by_id){ manifest->packs[i].id, i };
        since[i] = NOT_MARKED;
    }
    qsort(sorted, count, sizeof(*sorted), compare_ids);
    for (size_t i = 0; i < manifest->deletion_count; i++) {
        const struct by_id key = { manifest->deletions[i].id, 0 };
        const struct by_id *found = bsearch(&key, sorted, count, sizeof(*sorted), compare_ids);

        if (found != NULL)
            since[found->index] = manifest->deletions[i].since_ms;
    }
    free(sorted);
    return 0;
}

/* Marks go from what is needed again, and come to what no longer is. */
static bool update_marks(const struct manifest *manifest, const bool *used, int64_t now_ms,
                         int64_t *since)
{
    /* Of a clock that is behind, the last commit knows more; of one that was ahead, this one. */
    const int64_t latest_ms = now_ms > manifest->written_at_ms ? now_ms : manifest->written_at_ms;
    bool changed = false;

    for (size_t i = 0; i < manifest->pack_count; i++) {
        const int64_t before = since[i];

        if (used[i]) {
            since[i] = NOT_MARKED;
        } else if (before == NOT_MARKED || before > latest_ms) {
            since[i] = latest_ms;
        }
        changed = changed || since[i] != before;
    }
    return changed;
}

/* Put down the marks, but for those packs whose time has come, which leave the manifest. */
static int write_marks(struct manifest *manifest, const struct expire_options *options,
                       const int64_t *since, struct expired_packs *expired, struct err *err)
{
    struct pack_deletion *deletions = calloc(manifest->pack_count + 1, sizeof(*deletions));
    bool *gone = calloc(manifest->pack_count + 1, sizeof(*gone));
    size_t count = 0;
    int r = 0;

    expired->packs = calloc(manifest->pack_count + 1, sizeof(*expired->packs));
    if (deletions == NULL || gone == NULL || expired->packs == NULL) {
        free(deletions);
        free(gone);
        return err_nomem(err);
    }
    for (size_t i = 0; i < manifest->pack_count; i++) {
        const struct pack_record *pack = &manifest->packs[i];

        if (since[i] == NOT_MARKED)
            continue;
        gone[i] = options->now_ms - since[i] >= options->grace_ms;
        if (gone[i]) {
            expired->packs[expired->count++] = *pack;
        } else {
            memcpy(deletions[count].id, pack->id, sizeof(pack->id));
            deletions[count++].since_ms = since[i];
        }
    }
    free(manifest->deletions);
    manifest->deletions = deletions;
    manifest->deletion_count = count;
    if (expired->count > 0)
        r = manifest_remove_packs(manifest, gone, err);
    free(gone);
    return r;
}

int expire_apply(struct manifest *manifest, const struct expire_options *options,
                 struct expired_packs *ret_expired, bool *ret_changed, struct err *err)
{
    bool *used = calloc(manifest->pack_count + 1, sizeof(*used));
    int64_t *since = calloc(manifest->pack_count + 1, sizeof(*since));
    bool changed = false;
    int r;

    expired_packs_dispose(ret_expired);
    if (used == NULL || since == NULL) {
        r = err_nomem(err);
        goto out;
    }
    r = read_marks(manifest, since, err);
    if (r == 0 && options->policy != NULL)
        r = expire_backups(manifest, options, &changed, err);
    if (r < 0)
        goto out;
    manifest_flag_used_packs(manifest, used);
    if (update_marks(manifest, used, options->now_ms, since))
        changed = true;
    r = write_marks(manifest, options, since, ret_expired, err);
out:
    free(used);
    free(since);
    *ret_changed = changed || ret_expired->count > 0;
    return r;
}
