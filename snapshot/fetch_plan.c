#include "snapshot/fetch_plan.h"

#include "base/err.h"
#include "snapshot/page_map.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

static int compare(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static int run_compare(const void *a, const void *b)
{
    const struct page_run *left = *(const struct page_run *const *)a;
    const struct page_run *right = *(const struct page_run *const *)b;
    int order = compare(left->pack, right->pack);

    if (order == 0)
        order = compare(left->frame_offset, right->frame_offset);
    if (order == 0)
        order = compare(left->first_page, right->first_page);
    return order;
}

static bool same_frame(const struct page_run *a, const struct page_run *b)
{
    return a->pack == b->pack && a->frame_offset == b->frame_offset &&
           a->frame_len == b->frame_len && a->frame_slot_count == b->frame_slot_count;
}

static int range_add(struct fetch_plan *plan, const struct page_run *run, size_t run_index,
                     struct err *err)
{
    if (plan->range_count == plan->range_size) {
        size_t size = plan->range_size > 0 ? plan->range_size * 2 : 64;
        struct fetch_range *ranges = realloc(plan->ranges, size * sizeof(*ranges));

        if (ranges == NULL)
            return err_nomem(err);
        plan->ranges = ranges;
        plan->range_size = size;
    }
    plan->ranges[plan->range_count++] = (struct fetch_range){
        .pack = run->pack,
        .offset = run->frame_offset,
        .len = run->frame_len,
        .first_run = run_index,
        .run_count = 1,
    };
    return 0;
}

/* Put the run into the last range, or begin another one. */
static int place(struct fetch_plan *plan, size_t run_index, struct err *err)
{
    const struct page_run *run = plan->runs[run_index];
    struct fetch_range *last = plan->range_count > 0 ? &plan->ranges[plan->range_count - 1] : NULL;
    uint64_t end, len;

    if (last == NULL || last->pack != run->pack)
        return range_add(plan, run, run_index, err);
    if (same_frame(plan->runs[run_index - 1], run)) {
        last->run_count++;
        return 0;
    }
    end = last->offset + last->len;
    if (run->frame_offset < end) {
        return err_set(err, ERR_CORRUPT,
                       "the page map has a frame at byte %" PRIu64 " of pack %" PRIu32
                       " that begins before the one before it ends",
                       run->frame_offset, run->pack);
    }
    len = run->frame_offset + run->frame_len - last->offset;
    if (run->frame_offset - end > FETCH_GAP_SIZE_MAX || len > FETCH_RANGE_SIZE_MAX)
        return range_add(plan, run, run_index, err);
    last->len = len;
    last->run_count++;
    return 0;
}

int fetch_plan_make(const struct page_map *map, const bool *skip, struct fetch_plan *ret_plan,
                    struct err *err)
{
    struct fetch_plan plan = FETCH_PLAN_INIT;
    int r = 0;

    plan.runs = malloc((map->run_count + 1) * sizeof(const struct page_run *));
    if (plan.runs == NULL)
        return err_nomem(err);
    for (size_t i = 0; i < map->run_count; i++) {
        if (skip == NULL || !skip[i])
            plan.runs[plan.run_count++] = &map->runs[i];
    }
    qsort((void *)plan.runs, plan.run_count, sizeof(const struct page_run *), run_compare);
    for (size_t i = 0; r == 0 && i < plan.run_count; i++)
        r = place(&plan, i, err);
    if (r < 0) {
        fetch_plan_dispose(&plan);
        return r;
    }
    *ret_plan = plan;
    return 0;
}

size_t fetch_plan_find(const struct fetch_plan *plan, const struct page_run *run)
{
    const struct page_run *const *found =
        bsearch((const void *)&run, (const void *)plan->runs, plan->run_count,
                sizeof(const struct page_run *), run_compare);

    assert(found != NULL);
    return (size_t)(found - plan->runs);
}

void fetch_plan_dispose(struct fetch_plan *plan)
{
    free((void *)plan->runs);
    free(plan->ranges);
    *plan = (struct fetch_plan)FETCH_PLAN_INIT;
}
