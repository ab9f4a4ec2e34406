/*
 * page_map.h - where each page of a backup is: page number -> (pack, frame, slot), as runs.
 *
 * Runs are in page order and cover 1..page_count without a gap.  In memory a run is 40 bytes: a
 * full backup has one run a frame (4,096 runs a GiB).
 */
#ifndef SNAPSHOT_PAGE_MAP_H
#define SNAPSHOT_PAGE_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/random.h"

struct buf;
struct err;

/* page_count consecutive pages from first_page that lie in consecutive slots of one frame. */
struct page_run {
    uint32_t first_page; /* from 1 */
    uint32_t page_count;
    uint32_t pack;             /* index into page_map.pack_ids */
    uint32_t frame_len;        /* stored bytes of the frame */
    uint64_t frame_offset;     /* in the pack's object */
    uint64_t slot;             /* of first_page: index among all slots of the pack, from 0 */
    uint32_t frame_slot;       /* of first_page: index within the frame, from 0 */
    uint32_t frame_slot_count; /* slots in the whole frame: its raw size in pages */
};

struct page_map {
    uint32_t page_count;
    char (*pack_ids)[UUID_TEXT_SIZE]; /* packs that runs refer to */
    size_t pack_count, pack_size;
    struct page_run *runs;
    size_t run_count, run_size;
};

#define PAGE_MAP_INIT                                                                              \
    {                                                                                              \
        0                                                                                          \
    }

void page_map_dispose(struct page_map *map);
/* The index of id in pack_ids, added when new. */
int page_map_add_pack(struct page_map *map, const char *id, uint32_t *ret_pack, struct err *err);
/* first_page must be one past what is covered so far.  A run that continues the last one (same
 * frame, next slot) is joined with it. */
int page_map_add_run(struct page_map *map, const struct page_run *run, struct err *err);
/* Append the places that `from` has for the pages not yet covered, up to and with last_page.
 * ERR_CORRUPT when it does not have them all. */
int page_map_extend(struct page_map *map, const struct page_map *from, uint32_t last_page,
                    struct err *err);
/* The run that holds page_number; NULL past the end. */
const struct page_run *page_map_find(const struct page_map *map, uint32_t page_number);

/* A whole map, or the runs in which `map` differs from `base` (NULL: whole); appended to out as the
 * payload of one index block of type INDEX_MAP. */
int page_map_encode(const struct page_map *map, const struct page_map *base, struct buf *out,
                    struct err *err);
/* base is the whole map that a difference was made against, NULL for a whole one.  Every number is
 * checked: coverage, frame bounds, pack indexes.  ERR_CORRUPT. */
int page_map_decode(const void *data, size_t len, const struct page_map *base,
                    struct page_map *ret_map, struct err *err);

#endif
