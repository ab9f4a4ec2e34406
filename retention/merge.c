#include "retention/merge.h"

#include "retention/bucket.h"
#include "retention/expire.h"
#include "snapshot/backup.h"
#include "snapshot/manifest.h"

#include <assert.h>
#include <stdlib.h>

static_assert(MERGE_BASES_MAX <= BACKUP_MERGE_BASES_MAX, "a backup has room for them");

/* Takes part in the counting: see policy.h. */
static bool counts(const struct retention_item *item)
{
    return !item->pre_restore && !item->damaged;
}

static unsigned kept(const struct retention_policy *policy, enum bucket bucket)
{
    switch (bucket) {
    case BUCKET_HOURLY:
        return policy->hourly;
    case BUCKET_DAILY:
        return policy->daily;
    case BUCKET_WEEKLY:
        return policy->weekly;
    case BUCKET_MONTHLY:
        return policy->monthly;
    case BUCKET_YEARLY:
        return policy->yearly;
    case BUCKET_LAST:
    case BUCKET_COUNT:
        break;
    }
    return 0;
}

static int64_t value_at(enum bucket bucket, int64_t ms)
{
    struct tm local;

    bucket_local(ms, &local);
    return bucket_value(bucket, &local, 0);
}

/* One past the newest item that counts and lies in another bucket than now; 0: none. */
static size_t last_of_another(enum bucket bucket, const struct retention_item *items, size_t count,
                              int64_t now_ms)
{
    const int64_t now = value_at(bucket, now_ms);
    size_t i = count;

    while (i > 0 && (!counts(&items[i - 1]) || items[i - 1].created_at_ms >= now_ms ||
                     value_at(bucket, items[i - 1].created_at_ms) == now))
        i--;
    return i;
}

size_t retention_merge_bases(const struct retention_policy *policy,
                             const struct retention_item *items, size_t count, int64_t now_ms,
                             size_t ret_bases[MERGE_BASES_MAX])
{
    size_t newest = count, base_count = 0;
    int64_t next_ms;

    while (newest > 0 && !counts(&items[newest - 1]))
        newest--;
    if (newest == 0 || items[newest - 1].created_at_ms >= now_ms)
        return 0;
    next_ms = now_ms + (now_ms - items[newest - 1].created_at_ms);
    for (enum bucket bucket = BUCKET_YEARLY; bucket >= BUCKET_HOURLY; bucket--) {
        size_t base;

        if (kept(policy, bucket) == 0 || value_at(bucket, now_ms) == value_at(bucket, next_ms))
            continue;
        base = last_of_another(bucket, items, count, now_ms);
        base = base > 0 ? base - 1 : 0; /* the history began in this very month */
        if (base_count == 0 || ret_bases[base_count - 1] != base)
            ret_bases[base_count++] = base;
    }
    return base_count;
}

size_t merge_bases(const void *context, const struct manifest *manifest, int64_t now_ms,
                   size_t *ret_bases)
{
    struct retention_item *items = calloc(manifest->backup_count + 1, sizeof(*items));
    size_t base_count;

    if (items == NULL)
        return 0; /* it is but thrift */
    for (size_t i = 0; i < manifest->backup_count; i++)
        items[i] = retention_item_of(&manifest->backups[i]);
    base_count = retention_merge_bases(context, items, manifest->backup_count, now_ms, ret_bases);
    free(items);
    return base_count;
}
