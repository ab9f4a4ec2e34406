/* Goal: every frame is read once, neighbours together, and never more than the limit at once. */
#include "snapshot/fetch_plan.h"

#include "base/err.h"
#include "snapshot/page_map.h"
#include "tests/harness/test.h"

#define PACK_A "00000000-0000-4000-8000-00000000000a"
#define PACK_B "00000000-0000-4000-8000-00000000000b"

#define MIB (UINT64_C(1) << 20)

struct frame {
    uint32_t pack; /* 0: A, 1: B */
    uint64_t offset;
    uint32_t len;
    uint32_t frame_slot;
};

/* One page of each frame. */
static void make_map(struct page_map *map, const struct frame *frames, size_t count)
{
    uint32_t pack;

    *map = (struct page_map)PAGE_MAP_INIT;
    assert_int_equal(page_map_add_pack(map, PACK_A, &pack, NULL), 0);
    assert_int_equal(page_map_add_pack(map, PACK_B, &pack, NULL), 0);
    for (size_t i = 0; i < count; i++) {
        struct page_run run = { .first_page = (uint32_t)i + 1,
                                .page_count = 1,
                                .pack = frames[i].pack,
                                .frame_len = frames[i].len,
                                .frame_offset = frames[i].offset,
                                .slot = 1000 + frames[i].frame_slot,
                                .frame_slot = frames[i].frame_slot,
                                .frame_slot_count = 8 };

        assert_int_equal(page_map_add_run(map, &run, NULL), 0);
    }
}

struct expected {
    uint32_t pack;
    uint64_t offset, len;
    size_t run_count;
};

static void check(const struct frame *frames, size_t frame_count, const struct expected *ranges,
                  size_t range_count)
{
    struct fetch_plan plan = FETCH_PLAN_INIT;
    struct page_map map;
    size_t runs = 0;

    make_map(&map, frames, frame_count);
    assert_int_equal(fetch_plan_make(&map, NULL, &plan, NULL), 0);
    assert_int_equal(plan.range_count, range_count);
    for (size_t i = 0; i < range_count; i++) {
        assert_int_equal(plan.ranges[i].pack, ranges[i].pack);
        assert_int_equal(plan.ranges[i].offset, ranges[i].offset);
        assert_int_equal(plan.ranges[i].len, ranges[i].len);
        assert_int_equal(plan.ranges[i].first_run, runs);
        assert_int_equal(plan.ranges[i].run_count, ranges[i].run_count);
        runs += ranges[i].run_count;
    }
    assert_int_equal(runs, frame_count);
    for (size_t i = 0; i < map.run_count; i++)
        assert_ptr_equal(plan.runs[fetch_plan_find(&plan, &map.runs[i])], &map.runs[i]);
    fetch_plan_dispose(&plan);
    page_map_dispose(&map);
}

static void reads_neighbours_with_one_request(void **state)
{
    static const struct frame frames[] = { { 0, 0, 100, 0 }, { 0, 100, 50, 0 }, { 0, 150, 70, 0 } };
    static const struct expected ranges[] = { { 0, 0, 220, 3 } };

    (void)state;
    check(frames, 3, ranges, 1);
}

static void reads_a_frame_once_for_all_of_its_runs(void **state)
{
    /* Pages 1 and 3 lie in one frame, page 2 in another pack. */
    static const struct frame frames[] = { { 0, 40, 100, 2 }, { 1, 0, 50, 0 }, { 0, 40, 100, 5 } };
    static const struct expected ranges[] = { { 0, 40, 100, 2 }, { 1, 0, 50, 1 } };

    (void)state;
    check(frames, 3, ranges, 2);
}

static void reads_packs_forwards_whatever_the_order_of_pages(void **state)
{
    static const struct frame frames[] = {
        { 1, 500, 10, 0 }, { 0, 300, 10, 0 }, { 1, 490, 10, 0 }, { 0, 290, 10, 0 }
    };
    static const struct expected ranges[] = { { 0, 290, 20, 2 }, { 1, 490, 20, 2 } };

    (void)state;
    check(frames, 4, ranges, 2);
}

static void reads_along_a_small_gap_and_skips_a_large_one(void **state)
{
    static const struct frame frames[] = { { 0, 0, 100, 0 },
                                           { 0, 100 + FETCH_GAP_SIZE_MAX, 100, 0 },
                                           { 0, 201 + 2 * FETCH_GAP_SIZE_MAX, 100, 0 } };
    static const struct expected ranges[] = { { 0, 0, 200 + FETCH_GAP_SIZE_MAX, 2 },
                                              { 0, 201 + 2 * FETCH_GAP_SIZE_MAX, 100, 1 } };

    (void)state;
    check(frames, 3, ranges, 2);
}

static void asks_for_no_more_than_the_limit_at_once(void **state)
{
    static const struct frame frames[] = { { 0, 0, 4 << 20, 0 },
                                           { 0, 4 * MIB, 4 << 20, 0 },
                                           { 0, 8 * MIB, 1, 0 } };
    static const struct expected ranges[] = { { 0, 0, 8 * MIB, 2 }, { 0, 8 * MIB, 1, 1 } };

    (void)state;
    assert_int_equal(FETCH_RANGE_SIZE_MAX, 8 * MIB);
    check(frames, 3, ranges, 2);
}

static void refuses_frames_that_overlap(void **state)
{
    static const struct frame overlaps[][2] = {
        { { 0, 0, 100, 0 }, { 0, 99, 50, 0 } },  /* begins within */
        { { 0, 0, 100, 0 }, { 0, 0, 101, 3 } },  /* same begin, another end */
        { { 1, 10, 100, 0 }, { 1, 20, 10, 0 } }, /* lies within */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(overlaps) / sizeof(overlaps[0]); i++) {
        struct fetch_plan plan = FETCH_PLAN_INIT;
        struct page_map map;

        make_map(&map, overlaps[i], 2);
        assert_int_equal(fetch_plan_make(&map, NULL, &plan, NULL), ERR_CORRUPT);
        assert_null(plan.ranges);
        page_map_dispose(&map);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_neighbours_with_one_request),
        cmocka_unit_test(reads_a_frame_once_for_all_of_its_runs),
        cmocka_unit_test(reads_packs_forwards_whatever_the_order_of_pages),
        cmocka_unit_test(reads_along_a_small_gap_and_skips_a_large_one),
        cmocka_unit_test(asks_for_no_more_than_the_limit_at_once),
        cmocka_unit_test(refuses_frames_that_overlap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
