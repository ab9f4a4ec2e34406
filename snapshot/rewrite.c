#include "snapshot/rewrite.h"

#include "base/err.h"
#include "snapshot/pack_repair.h"
#include "snapshot/parent.h"

#include <stdlib.h>
#include <string.h>

#define SPARSE_PARTS     4u  /* a pack is sparse when less than one of so many parts is in use */
#define MERGE_USED_PARTS 3u  /* packs are merged when one of so many parts can be spared */
#define BUDGET_PARTS     10u /* one of so many parts of the pages is written again at most */

void rewrite_dispose(struct rewrite *rewrite)
{
    free(rewrite->pages);
    *rewrite = (struct rewrite)REWRITE_INIT;
}

/* One pack of the parent's map. */
struct pack_use {
    size_t pack;   /* index in the map */
    size_t record; /* index in the manifest; pack_count: it is not there */
    uint64_t used, slot_count;
};

/* The sparsest first: used / slot_count ascending. */
static int use_compare(const void *a, const void *b)
{
    const struct pack_use *left = a, *right = b;
    const uint64_t x = left->used * right->slot_count, y = right->used * left->slot_count;

    return x < y ? -1 : x > y;
}

/* What of it is stored now: a pack that was replaced is as large as what replaces it. */
static uint64_t stored_slots(const struct manifest *manifest, const struct pack_record *pack)
{
    return (pack->replaced_at_ms != 0 ? pack_repair_last(manifest, pack) : pack)->slot_count;
}

static struct pack_use *count_uses(const struct parent *parent, const struct manifest *manifest)
{
    const struct page_map *map = &parent->map;
    struct pack_use *uses = calloc(map->pack_count + 1, sizeof(*uses));

    if (uses == NULL)
        return NULL;
    for (size_t i = 0; i < map->pack_count; i++) {
        const struct pack_record *pack = manifest_find_pack(manifest, map->pack_ids[i]);
        const size_t record =
            pack != NULL ? (size_t)(pack - manifest->packs) : manifest->pack_count;

        uses[i] =
            (struct pack_use){ i, record, 0, pack != NULL ? stored_slots(manifest, pack) : 0 };
    }
    for (size_t i = 0; i < map->run_count; i++)
        uses[map->runs[i].pack].used += map->runs[i].page_count;
    return uses;
}

/* Flag the packs that the base does not need, of which enough can be spared; uses is in the order
 * of the map's packs.  Returns how many of their pages are in use; 0: it would not pay. */
static uint64_t find_younger(const struct parent *parent, const struct manifest *manifest,
                             const struct pack_use *uses, size_t base, bool *merged)
{
    const struct page_map *map = &parent->map;
    const uint64_t limit = map->page_count / 2;
    uint64_t used = 0, slots = 0;

    for (size_t i = 0; i < map->pack_count; i++) {
        merged[i] = uses[i].record < manifest->pack_count && uses[i].slot_count < limit &&
                    !pack_set_has(&manifest->backups[base].packs, (uint32_t)uses[i].record);
        if (!merged[i])
            continue;
        used += uses[i].used;
        slots += uses[i].slot_count;
    }
    return used < limit && used * MERGE_USED_PARTS <= slots * (MERGE_USED_PARTS - 1) ? used : 0;
}

/* Flag what to merge. */
static uint64_t choose_merged(const struct parent *parent, const struct manifest *manifest,
                              const struct pack_use *uses, const struct rewrite_bases *bases,
                              bool *chosen)
{
    for (size_t i = 0; i < bases->count; i++) {
        const uint64_t used = find_younger(parent, manifest, uses, bases->backups[i], chosen);

        if (used > 0)
            return used;
    }
    memset(chosen, 0, parent->map.pack_count * sizeof(*chosen));
    return 0;
}

/* Choose packs as long as the budget lasts.  Sorts uses. */
static uint64_t choose_sparse(struct pack_use *uses, size_t count, uint64_t budget, bool *chosen)
{
    uint64_t total = 0;

    qsort(uses, count, sizeof(*uses), use_compare);
    for (size_t i = 0; i < count; i++) {
        if (chosen[uses[i].pack] || uses[i].used * SPARSE_PARTS >= uses[i].slot_count ||
            total + uses[i].used > budget)
            continue;
        chosen[uses[i].pack] = true;
        total += uses[i].used;
    }
    return total;
}

static void mark_pages(const struct page_map *map, const bool *chosen, uint8_t *pages)
{
    for (size_t i = 0; i < map->run_count; i++) {
        const struct page_run *run = &map->runs[i];

        for (uint32_t k = 0; chosen[run->pack] && k < run->page_count; k++)
            pages[(run->first_page + k) / 8] |= (uint8_t)(1u << (run->first_page + k) % 8);
    }
}

int rewrite_choose(const struct parent *parent, const struct manifest *manifest,
                   const struct rewrite_bases *bases, struct rewrite *ret_rewrite, struct err *err)
{
    const struct page_map *map = &parent->map;
    struct rewrite rewrite = REWRITE_INIT;
    struct pack_use *uses = count_uses(parent, manifest);
    bool *chosen = calloc(map->pack_count + 1, sizeof(*chosen));
    int r = 0;

    if (uses == NULL || chosen == NULL) {
        r = err_nomem(err);
        goto out;
    }
    rewrite.merged_count = (uint32_t)choose_merged(parent, manifest, uses, bases, chosen);
    rewrite.sparse_count =
        (uint32_t)choose_sparse(uses, map->pack_count, map->page_count / BUDGET_PARTS, chosen);
    if (rewrite.merged_count + rewrite.sparse_count == 0)
        goto out;
    rewrite.pages = calloc(1, (size_t)map->page_count / 8 + 1);
    if (rewrite.pages == NULL) {
        r = err_nomem(err);
        goto out;
    }
    mark_pages(map, chosen, rewrite.pages);
out:
    free(uses);
    free(chosen);
    if (r == 0)
        *ret_rewrite = rewrite;
    return r;
}
