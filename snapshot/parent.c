#include "snapshot/parent.h"

#include "base/err.h"
#include "snapshot/fetch.h"
#include "snapshot/fetch_internal.h"
#include "snapshot/frame.h"
#include "snapshot/hash_spool.h"
#include "snapshot/pack_format.h"
#include "snapshot/pack_reader.h"
#include "snapshot/pack_repair.h"
#include "snapshot/restore.h"
#include "snapshot/spool.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void parent_dispose(struct parent *parent)
{
    page_map_dispose(&parent->map);
    page_map_dispose(&parent->base);
    hash_spool_free(parent->hashes);
    *parent = (struct parent)PARENT_INIT;
}

/* The hashes of one run, from the slots of its pack. */
static int read_run(struct parent *parent, const struct fetch *fetch, const struct page_run *run,
                    struct page_hash *sum, struct err *err)
{
    struct index_slot slots[FRAME_RAW_SIZE_MAX / PAGE_SIZE_MIN];
    struct page_hash hashes[FRAME_RAW_SIZE_MAX / PAGE_SIZE_MIN];
    int r;

    r = fetch_hashes_get(fetch, run, slots, err);
    for (uint32_t i = 0; r == 0 && i < run->page_count; i++) {
        if (slots[i].page_number != run->first_page + i) {
            r = err_set(err, ERR_CORRUPT, "a slot of pack %s holds another page",
                        fetch->map.pack_ids[run->pack]);
        }
        hashes[i] = slots[i].hash;
        page_hash_xor(sum, hashes[i]);
    }
    return r < 0 ? r
                 : hash_spool_put(parent->hashes, run->first_page, hashes, run->page_count, err);
}

static int read_hashes(struct parent *parent, const struct fetch *fetch, struct err *err)
{
    struct page_hash sum = { 0, 0 };
    int r = 0;

    for (size_t i = 0; r == 0 && i < fetch->map.run_count; i++)
        r = read_run(parent, fetch, &fetch->map.runs[i], &sum, err);
    return r < 0 ? r : fetch_check_sum(fetch, sum, err);
}

/* Then a whole map may differ from how it is stored, which the next ones are differences from. */
static bool has_repairs(const struct manifest *manifest)
{
    for (size_t i = 0; i < manifest->pack_count; i++) {
        if (manifest->packs[i].repaired_by[0] != '\0')
            return true;
    }
    return false;
}

int parent_read(struct object_store *store, const struct manifest *manifest,
                const struct backup_record *backup, const char *spool_dir,
                const struct cancel *cancel, struct parent *ret_parent, struct err *err)
{
    static const struct pack_map_options as_stored = { .as_stored = true };
    const struct fetch_options options = { .spool_dir = spool_dir, .cancel = cancel };
    struct parent parent = PARENT_INIT;
    struct fetch *fetch = NULL;
    const char *base_id;
    int r;

    r = fetch_open(store, manifest, backup, &options, &fetch, err);
    if (r < 0)
        goto out;
    r = pack_map_read_with_base(store, manifest, backup, &parent.map, &parent.base, err);
    if (r < 0)
        goto out;
    base_id = pack_repair_map_base(manifest, manifest_find_pack(manifest, backup->id));
    if (base_id[0] == '\0' && has_repairs(manifest))
        r = pack_map_read_with(store, manifest, backup, &as_stored, &parent.base, err);
    if (r < 0)
        goto out;
    r = hash_spool_new(spool_dir, &parent.hashes, err);
    if (r < 0)
        goto out;
    r = read_hashes(&parent, fetch, err);
    memcpy(parent.id, backup->id, sizeof(parent.id));
    memcpy(parent.base_id, base_id[0] != '\0' ? base_id : backup->id, sizeof(parent.base_id));
    parent.page_size = backup->page_size;
out:
    fetch_close(fetch);
    if (r < 0) {
        parent_dispose(&parent);
        return r;
    }
    *ret_parent = parent;
    return 0;
}

/* The pages of one frame, each behind what the parent has up to it. */
static int add_frame(const struct parent *parent, const struct parent_delta *delta,
                     const struct page_run *frame, struct page_map *map, struct err *err)
{
    uint32_t pages[FRAME_RAW_SIZE_MAX / PAGE_SIZE_MIN];
    int r;

    r = spool_read(delta->pages, frame->slot * sizeof(*pages), pages,
                   frame->frame_slot_count * sizeof(*pages), err);
    for (uint32_t i = 0; r == 0 && i < frame->frame_slot_count; i++) {
        struct page_run run = *frame;

        r = page_map_extend(map, &parent->map, pages[i] - 1, err);
        run.first_page = pages[i];
        run.slot += i;
        run.frame_slot = i;
        if (r == 0)
            r = page_map_add_run(map, &run, err);
    }
    return r;
}

int parent_extend_map(const struct parent *parent, const struct parent_delta *delta,
                      struct page_map *ret_map, struct err *err)
{
    struct page_map map = PAGE_MAP_INIT;
    struct page_run frame = { .page_count = 1 };
    int r;

    r = page_map_add_pack(&map, delta->id, &frame.pack, err);
    for (size_t i = 0; r == 0 && i < delta->frame_count && delta->frames[i].raw_len > 0; i++) {
        frame.frame_len = delta->frames[i].stored_len;
        frame.frame_slot_count = delta->frames[i].raw_len / parent->page_size;
        r = add_frame(parent, delta, &frame, &map, err);
        frame.slot += frame.frame_slot_count;
        frame.frame_offset += frame.frame_len;
    }
    if (r == 0)
        r = page_map_extend(&map, &parent->map, delta->page_count, err);
    if (r < 0) {
        page_map_dispose(&map);
        return r;
    }
    *ret_map = map;
    return 0;
}
