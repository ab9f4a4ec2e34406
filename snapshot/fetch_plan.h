/*
 * fetch_plan.h - which ranges of which packs to read for a page map.  Pure.
 *
 * Frames are read once, in the order in which they lie in their packs; neighbours are read with one
 * request, and so are frames with a small gap between them.
 */
#ifndef SNAPSHOT_FETCH_PLAN_H
#define SNAPSHOT_FETCH_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct page_map;
struct page_run;

/* Stored bytes of one request, unless a single frame is longer. */
#define FETCH_RANGE_SIZE_MAX (UINT64_C(8) << 20)
/* Bytes that nobody wants are read along when they are fewer: cheaper than another request. */
#define FETCH_GAP_SIZE_MAX (UINT64_C(64) << 10)

/* One request: runs [first_run, first_run + run_count) of the plan. */
struct fetch_range {
    uint32_t pack; /* index into page_map.pack_ids */
    uint64_t offset, len;
    size_t first_run, run_count;
};

struct fetch_plan {
    const struct page_run **runs; /* of the map, by pack, frame and page */
    size_t run_count;
    struct fetch_range *ranges;
    size_t range_count, range_size;
};

#define FETCH_PLAN_INIT                                                                            \
    {                                                                                              \
        0                                                                                          \
    }

/* skip: which runs of the map are not wanted, NULL for none.  The map must outlive the plan. Frames
 * that overlap are ERR_CORRUPT. */
int fetch_plan_make(const struct page_map *map, const bool *skip, struct fetch_plan *ret_plan,
                    struct err *err);
/* Where a run of the map is among the plan's. */
size_t fetch_plan_find(const struct fetch_plan *plan, const struct page_run *run);
void fetch_plan_dispose(struct fetch_plan *plan);

#endif
