#include "base/cancel.h"
#include "base/err.h"
#include "snapshot/diff_internal.h"
#include "snapshot/fetch_internal.h"
#include "snapshot/frame.h"
#include "snapshot/pack_format.h"

#include <stdlib.h>
#include <string.h>

/* Pages between two looks at cancel. */
#define CANCEL_INTERVAL 65536u

#define NO_PACK UINT32_MAX

struct comparison {
    const struct fetch *from, *to;
    uint32_t *packs;                       /* of each pack of `to`: which one it is of `from` */
    struct index_slot *from_slots, *slots; /* room for those of one frame */
    uint64_t changed;
};

static uint32_t find_pack(const struct page_map *map, const char *id)
{
    for (uint32_t i = 0; i < map->pack_count; i++) {
        if (strcmp(map->pack_ids[i], id) == 0)
            return i;
    }
    return NO_PACK;
}

static int comparison_init(struct comparison *comparison, struct err *err)
{
    const struct page_map *map = &comparison->to->map;

    comparison->packs = calloc(map->pack_count + 1, sizeof(*comparison->packs));
    comparison->from_slots = calloc(frame_slots(PAGE_SIZE_MIN), sizeof(*comparison->from_slots));
    comparison->slots = calloc(frame_slots(PAGE_SIZE_MIN), sizeof(*comparison->slots));
    if (comparison->packs == NULL || comparison->from_slots == NULL || comparison->slots == NULL)
        return err_nomem(err);
    for (size_t i = 0; i < map->pack_count; i++)
        comparison->packs[i] = find_pack(&comparison->from->map, map->pack_ids[i]);
    return 0;
}

static struct page_run part_of(const struct page_run *run, uint32_t first, uint32_t count)
{
    struct page_run part = *run;

    part.first_page = first;
    part.page_count = count;
    part.slot += first - run->first_page;
    return part;
}

/* A pack holds a page once, so in the same pack it is the same.  In another one it may still be:
 * full backups, and incremental ones that rewrite sparse packs, hold again what did not change. */
static int compare(struct comparison *comparison, const struct page_run *from,
                   const struct page_run *to, struct err *err)
{
    int r;

    if (comparison->packs[to->pack] == from->pack)
        return 0;
    r = fetch_hashes_get(comparison->from, from, comparison->from_slots, err);
    if (r == 0)
        r = fetch_hashes_get(comparison->to, to, comparison->slots, err);
    for (uint32_t i = 0; r == 0 && i < to->page_count; i++) {
        if (!page_hash_eq(comparison->from_slots[i].hash, comparison->slots[i].hash))
            comparison->changed++;
    }
    return r;
}

/* Stretch by stretch, each within one run of either map. */
static int walk(struct comparison *comparison, uint32_t page_count, struct err *err)
{
    const struct page_run *from = comparison->from->map.runs, *to = comparison->to->map.runs;
    uint32_t page = 1, checked = 0;
    int r = 0;

    while (r == 0 && page <= page_count) {
        uint32_t from_left = from->first_page + from->page_count - page;
        uint32_t to_left = to->first_page + to->page_count - page;
        uint32_t count = from_left < to_left ? from_left : to_left;
        struct page_run old = part_of(from, page, count), new = part_of(to, page, count);

        if (page - checked >= CANCEL_INTERVAL) {
            checked = page;
            r = cancel_check(comparison->to->options.cancel, err);
        }
        if (r == 0)
            r = compare(comparison, &old, &new, err);
        page += count;
        from += from_left == count;
        to += to_left == count;
    }
    return r;
}

int diff_pages(const struct fetch *from, const struct fetch *to, struct diff_pages *ret_pages,
               struct err *err)
{
    const uint64_t from_count = from->backup->page_count, to_count = to->backup->page_count;
    const uint64_t both = from_count < to_count ? from_count : to_count;
    struct comparison comparison = { .from = from, .to = to };
    int r = 0;

    if (from->backup->page_size != to->backup->page_size) {
        comparison.changed = both;
    } else {
        r = comparison_init(&comparison, err);
        if (r == 0)
            r = walk(&comparison, (uint32_t)both, err);
    }
    free(comparison.packs);
    free(comparison.from_slots);
    free(comparison.slots);
    if (r < 0)
        return r;
    *ret_pages = (struct diff_pages){
        .changed = comparison.changed,
        .added = to_count - both,
        .removed = from_count - both,
        .bytes = (comparison.changed + to_count - both) * to->backup->page_size,
    };
    return 0;
}
