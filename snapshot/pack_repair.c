#include "snapshot/pack_repair.h"

#include "base/err.h"
#include "base/log.h"
#include "snapshot/pack_format.h"
#include "snapshot/pack_reader.h"
#include "snapshot/page_map.h"
#include "snapshot/spool.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS_MEMORY_MAX (1u << 20)

struct run_list {
    struct page_run *runs;
    size_t count, size;
};

static int list_add(struct run_list *list, const struct page_run *run, struct err *err)
{
    if (list->count == list->size) {
        const size_t size = list->size > 0 ? list->size * 2 : 64;
        struct page_run *grown = realloc(list->runs, size * sizeof(*grown));

        if (grown == NULL)
            return err_nomem(err);
        list->runs = grown;
        list->size = size;
    }
    list->runs[list->count++] = *run;
    return 0;
}

/* The slots of one frame, as a run for each stretch of consecutive pages. */
static int add_frame(struct run_list *list, struct page_run frame, struct spool *slots,
                     struct err *err)
{
    struct page_run run = frame;
    int r = 0;

    for (uint32_t i = 0; r == 0 && i < frame.frame_slot_count; i++) {
        struct index_slot slot;

        r = spool_read(slots, (frame.slot + i) * sizeof(slot), &slot, sizeof(slot), err);
        if (r < 0)
            break;
        if (run.page_count > 0 && slot.page_number == run.first_page + run.page_count) {
            run.page_count++;
            continue;
        }
        if (run.page_count > 0)
            r = list_add(list, &run, err);
        run.first_page = slot.page_number;
        run.page_count = 1;
        run.frame_slot = i;
        run.slot = frame.slot + i;
    }
    return r == 0 && run.page_count > 0 ? list_add(list, &run, err) : r;
}

static int add_frames(struct run_list *list, const struct seek_entry *entries, uint32_t count,
                      uint32_t page_size, struct spool *slots, struct err *err)
{
    struct page_run frame = { 0 };
    int r = 0;

    for (uint32_t i = 0; r == 0 && i < count && entries[i].raw_len > 0; i++) {
        frame.frame_len = entries[i].stored_len;
        frame.frame_slot_count = entries[i].raw_len / page_size;
        r = add_frame(list, frame, slots, err);
        frame.frame_offset += frame.frame_len;
        frame.slot += frame.frame_slot_count;
    }
    return r;
}

int pack_runs_read(struct object_store *store, const char *database, const struct pack_record *pack,
                   uint32_t page_size, struct page_run **ret_runs, size_t *ret_count,
                   struct err *err)
{
    struct run_list list = { NULL, 0, 0 };
    struct seek_entry *entries = NULL;
    struct spool *slots = NULL;
    uint32_t count = 0;
    int r;

    r = spool_new(NULL, SLOTS_MEMORY_MAX, &slots, err);
    if (r == 0)
        r = pack_slots_read(store, database, pack, slots, err);
    if (r == 0)
        r = pack_frames_read(store, database, pack, page_size, &entries, &count, err);
    if (r == 0)
        r = add_frames(&list, entries, count, page_size, slots, err);
    spool_free(slots);
    free(entries);
    if (r < 0) {
        free(list.runs);
        return r;
    }
    *ret_runs = list.runs;
    *ret_count = list.count;
    return 0;
}

const struct pack_record *pack_repair_next(const struct manifest *manifest,
                                           const struct pack_record *pack)
{
    return pack->repaired_by[0] != '\0' ? manifest_find_pack(manifest, pack->repaired_by) : NULL;
}

/* A manifest may be wrong: no chain is longer than there are packs. */
const struct pack_record *pack_repair_last(const struct manifest *manifest,
                                           const struct pack_record *pack)
{
    const struct pack_record *next;

    for (size_t i = 0; i < manifest->pack_count; i++) {
        next = pack_repair_next(manifest, pack);
        if (next == NULL)
            break;
        pack = next;
    }
    return pack;
}

const struct pack_record *pack_repair_map_holder(const struct manifest *manifest,
                                                 const struct pack_record *pack)
{
    const struct pack_record *holder = pack, *next = pack;

    for (size_t i = 0; i < manifest->pack_count; i++) {
        next = pack_repair_next(manifest, next);
        if (next == NULL)
            break;
        if (next->map_len > 0)
            holder = next;
    }
    return holder;
}

const char *pack_repair_map_base(const struct manifest *manifest, const struct pack_record *pack)
{
    return pack_repair_map_holder(manifest, pack) == pack ? pack->map_base : "";
}

static bool is_repaired_by(const struct manifest *manifest, const char *id,
                           const struct pack_record *by)
{
    const struct pack_record *pack = manifest_find_pack(manifest, id);

    for (size_t i = 0; pack != NULL && i < manifest->pack_count; i++) {
        pack = pack_repair_next(manifest, pack);
        if (pack == by)
            return true;
    }
    return false;
}

/* What a map becomes. */
struct overlay {
    struct page_map map;
    const struct page_map *from;
    const struct page_run *runs; /* of the repairing pack */
    size_t run_count;
    uint32_t by; /* the repairing pack, in map */
};

static int put(struct overlay *overlay, const struct page_run *run, uint32_t count,
               const char *pack_id, struct err *err)
{
    const uint32_t skip = overlay->map.page_count + 1 - run->first_page;
    struct page_run part = *run;
    int r;

    part.first_page += skip;
    part.slot += skip;
    part.frame_slot += skip;
    part.page_count = count;
    r = page_map_add_pack(&overlay->map, pack_id, &part.pack, err);
    return r < 0 ? r : page_map_add_run(&overlay->map, &part, err);
}

/* The first run of the repairing pack that ends at or after page. */
static size_t find_run(const struct overlay *overlay, uint32_t page)
{
    size_t low = 0, high = overlay->run_count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const struct page_run *run = &overlay->runs[middle];

        if (run->first_page + (run->page_count - 1) < page) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* A run of a repaired pack: its pages from there, but for those that the other pack has. */
static int split(struct overlay *overlay, const struct page_run *run, const char *by,
                 struct err *err)
{
    const uint32_t last = run->first_page + (run->page_count - 1);
    size_t at = find_run(overlay, run->first_page);
    int r = 0;

    while (r == 0 && overlay->map.page_count < last) {
        const uint32_t page = overlay->map.page_count + 1;
        const struct page_run *other = at < overlay->run_count ? &overlay->runs[at] : NULL;
        uint32_t end = last;

        if (other == NULL || other->first_page > page) {
            if (other != NULL && other->first_page <= last)
                end = other->first_page - 1;
            r = put(overlay, run, end - page + 1, overlay->from->pack_ids[run->pack], err);
            continue;
        }
        if (other->first_page + (other->page_count - 1) < last)
            end = other->first_page + (other->page_count - 1);
        r = put(overlay, other, end - page + 1, by, err);
        at++;
    }
    return r;
}

/* Have all that by repairs taken from there. */
static int apply_one(struct page_map *map, const struct manifest *manifest,
                     const struct pack_record *by, const struct page_run *runs, size_t run_count,
                     struct err *err)
{
    struct overlay overlay = {
        .map = PAGE_MAP_INIT, .from = map, .runs = runs, .run_count = run_count
    };
    bool *repaired = calloc(map->pack_count + 1, sizeof(*repaired));
    int r = 0;

    if (repaired == NULL)
        return err_nomem(err);
    for (size_t i = 0; i < map->pack_count; i++)
        repaired[i] = is_repaired_by(manifest, map->pack_ids[i], by);
    for (size_t i = 0; r == 0 && i < map->run_count; i++) {
        const struct page_run *run = &map->runs[i];

        if (repaired[run->pack]) {
            r = split(&overlay, run, by->id, err);
        } else {
            r = put(&overlay, run, run->page_count, map->pack_ids[run->pack], err);
        }
    }
    free(repaired);
    if (r < 0) {
        page_map_dispose(&overlay.map);
        return r;
    }
    page_map_dispose(map);
    *map = overlay.map;
    return 0;
}

/* Flag each pack of the manifest that is in the chain of one of the map's. */
static size_t find_repairing(const struct manifest *manifest, const struct page_map *map,
                             bool *repairing)
{
    size_t count = 0;

    for (size_t i = 0; i < map->pack_count; i++) {
        const struct pack_record *pack = manifest_find_pack(manifest, map->pack_ids[i]);

        if (pack != NULL)
            pack = pack_repair_next(manifest, pack);
        while (pack != NULL && !repairing[pack - manifest->packs]) {
            repairing[pack - manifest->packs] = true;
            count++;
            pack = pack_repair_next(manifest, pack);
        }
    }
    return count;
}

int pack_repair_apply(struct object_store *store, const struct manifest *manifest,
                      uint32_t page_size, struct page_map *map, struct err *err)
{
    bool *repairing = calloc(manifest->pack_count + 1, sizeof(*repairing));
    int r = 0;

    if (repairing == NULL)
        return err_nomem(err);
    if (find_repairing(manifest, map, repairing) == 0)
        goto out;
    /* In any order: a run that one of them takes over, those after it in the chain may. */
    for (size_t i = 0; r == 0 && i < manifest->pack_count; i++) {
        const struct pack_record *by = &manifest->packs[i];
        struct page_run *runs = NULL;
        struct err why = { 0 };
        size_t count = 0;

        if (!repairing[i] || by->replaced_at_ms != 0)
            continue;
        r = pack_runs_read(store, manifest->database, by, page_size, &runs, &count, &why);
        if (r == 0) {
            r = apply_one(map, manifest, by, runs, count, err);
        } else if (pack_is_damage(r, &why)) {
            log_info("pack %s repairs nothing: %s", by->id, why.msg);
            r = 0;
        } else if (err != NULL) {
            *err = why;
        }
        free(runs);
    }
out:
    free(repairing);
    return r;
}
