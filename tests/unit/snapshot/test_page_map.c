/* Goal: every page is found where it was put, in a whole map and in a difference to one. */
#include "snapshot/page_map.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/random.h"
#include "snapshot/frame.h"
#include "snapshot/wire.h"
#include "tests/harness/test.h"

static uint32_t below(uint32_t limit)
{
    return (uint32_t)(random_u64() % limit);
}

/* Frames of up to 64 slots, one after the other, as a full backup writes them. */
static void make_full(struct page_map *map, uint32_t page_count)
{
    struct page_run run = { .first_page = 1 };
    char id[UUID_TEXT_SIZE];

    uuid_v4(id);
    assert_int_equal(page_map_add_pack(map, id, &run.pack, NULL), 0);
    while (run.first_page <= page_count) {
        const uint32_t left = page_count - run.first_page + 1;

        run.page_count = left < 64 ? left : 64;
        run.frame_slot_count = run.page_count;
        run.frame_len = 100 + below(200000);
        assert_int_equal(page_map_add_run(map, &run, NULL), 0);
        run.first_page += run.page_count;
        run.slot += run.page_count;
        run.frame_offset += run.frame_len;
    }
}

/* `base` with some of its pages, and all past its end, in one new pack. */
static void make_incremental(const struct page_map *base, uint32_t page_count, uint32_t one_in,
                             struct page_map *map)
{
    struct page_run ours = { .frame_len = 5000, .frame_slot_count = 64 };
    char id[UUID_TEXT_SIZE];

    uuid_v4(id);
    assert_int_equal(page_map_add_pack(map, id, &ours.pack, NULL), 0);
    for (uint32_t page = 1; page <= page_count; page++) {
        const struct page_run *old = page_map_find(base, page);

        if (old == NULL || below(one_in) == 0) {
            struct page_run run = ours;

            run.first_page = page;
            run.page_count = 1;
            assert_int_equal(page_map_add_run(map, &run, NULL), 0);
            ours.slot++;
            if (++ours.frame_slot == 64) {
                ours.frame_slot = 0;
                ours.frame_offset += ours.frame_len;
            }
        } else {
            struct page_run run = *old;

            assert_int_equal(page_map_add_pack(map, base->pack_ids[old->pack], &run.pack, NULL), 0);
            run.first_page = page;
            run.page_count = 1;
            run.slot += page - old->first_page;
            run.frame_slot += page - old->first_page;
            assert_int_equal(page_map_add_run(map, &run, NULL), 0);
        }
    }
}

static void assert_same_places(const struct page_map *a, const struct page_map *b)
{
    assert_int_equal(a->page_count, b->page_count);
    for (uint32_t page = 1; page <= a->page_count; page++) {
        const struct page_run *x = page_map_find(a, page), *y = page_map_find(b, page);

        assert_non_null(x);
        assert_non_null(y);
        assert_string_equal(a->pack_ids[x->pack], b->pack_ids[y->pack]);
        assert_true(x->frame_offset == y->frame_offset && x->frame_len == y->frame_len &&
                    x->frame_slot_count == y->frame_slot_count);
        assert_true(x->slot + (page - x->first_page) == y->slot + (page - y->first_page));
        assert_true(x->frame_slot + (page - x->first_page) ==
                    y->frame_slot + (page - y->first_page));
    }
    assert_null(page_map_find(a, 0));
    assert_null(page_map_find(a, a->page_count + 1));
}

static void a_whole_map_comes_back(void **state)
{
    static const uint32_t counts[] = { 1, 63, 64, 65, 5000 };

    (void)state;
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        struct page_map map = PAGE_MAP_INIT, back = PAGE_MAP_INIT;
        struct buf payload = BUF_INIT(1 << 20);

        make_full(&map, counts[i]);
        assert_int_equal(map.run_count, (counts[i] + 63) / 64);
        assert_int_equal(page_map_encode(&map, NULL, &payload, NULL), 0);
        assert_int_equal(page_map_decode(payload.ptr, payload.len, NULL, &back, NULL), 0);
        assert_same_places(&map, &back);
        page_map_dispose(&map);
        page_map_dispose(&back);
        buf_dispose(&payload);
    }
}

/* Random histories: grown and shrunk databases, few pages changed and many. */
static void a_difference_comes_back_over_its_base(void **state)
{
    (void)state;
    for (int round = 0; round < 60; round++) {
        struct page_map base = PAGE_MAP_INIT, map = PAGE_MAP_INIT, next = PAGE_MAP_INIT;
        struct page_map back = PAGE_MAP_INIT;
        struct buf payload = BUF_INIT(1 << 20);
        const uint32_t page_count = 1 + below(2000);

        make_full(&base, page_count);
        make_incremental(&base, 1 + below(2 * page_count), 1 + below(40), &map);
        make_incremental(&map, 1 + below(2 * page_count), 1 + below(40), &next);
        assert_int_equal(page_map_encode(&next, &base, &payload, NULL), 0);
        assert_int_equal(page_map_decode(payload.ptr, payload.len, &base, &back, NULL), 0);
        assert_same_places(&next, &back);
        assert_int_equal(page_map_decode(payload.ptr, payload.len, NULL, &back, NULL),
                         ERR_CORRUPT); /* its base is needed */
        page_map_dispose(&base);
        page_map_dispose(&map);
        page_map_dispose(&next);
        page_map_dispose(&back);
        buf_dispose(&payload);
    }
}

static void a_difference_of_nothing_is_small(void **state)
{
    struct page_map base = PAGE_MAP_INIT;
    struct buf payload = BUF_INIT(1 << 20);

    (void)state;
    make_full(&base, 100000);
    assert_int_equal(page_map_encode(&base, &base, &payload, NULL), 0);
    assert_in_range(payload.len, 1, 30);
    page_map_dispose(&base);
    buf_dispose(&payload);
}

/* Whatever stands there, decoding ends with a valid map or a refusal, and reads no further. */
static void damaged_maps_are_refused_or_still_cover_every_page(void **state)
{
    struct page_map map = PAGE_MAP_INIT;
    struct buf payload = BUF_INIT(1 << 20);

    (void)state;
    make_full(&map, 300);
    assert_int_equal(page_map_encode(&map, NULL, &payload, NULL), 0);
    for (size_t bit = 0; bit < payload.len * 8; bit++) {
        struct page_map back = PAGE_MAP_INIT;

        payload.ptr[bit / 8] = (char)(payload.ptr[bit / 8] ^ 1 << (bit % 8));
        if (page_map_decode(payload.ptr, payload.len, NULL, &back, NULL) == 0) {
            for (uint32_t page = 1; page <= back.page_count; page++) {
                const struct page_run *run = page_map_find(&back, page);

                assert_true(run->first_page <= page && page - run->first_page < run->page_count &&
                            run->pack < back.pack_count &&
                            run->frame_len <= FRAME_STORED_SIZE_MAX &&
                            run->frame_slot + run->page_count <= run->frame_slot_count);
            }
        }
        page_map_dispose(&back);
        payload.ptr[bit / 8] = (char)(payload.ptr[bit / 8] ^ 1 << (bit % 8));
    }
    for (size_t cut = 0; cut < payload.len; cut++) {
        struct page_map back = PAGE_MAP_INIT;

        assert_int_equal(page_map_decode(payload.ptr, cut, NULL, &back, NULL), ERR_CORRUPT);
    }
    page_map_dispose(&map);
    buf_dispose(&payload);
}

/* The payload of a whole map of one pack, whose runs are the numbers as stored, to 0, 0. */
static void make_payload(uint64_t page_count, const uint64_t (*runs)[8], struct buf *out)
{
    static const uint8_t id[16] = { 1 };

    wire_add_varint(out, 0);
    wire_add_varint(out, page_count);
    wire_add_varint(out, 1);
    buf_add(out, id, sizeof(id));
    for (; (*runs)[1] != 0; runs++) {
        for (size_t i = 0; i < 8; i++)
            wire_add_varint(out, (*runs)[i]);
    }
    assert_int_equal(buf_check(out, NULL), 0);
}

static void runs_that_no_writer_writes_are_refused(void **state)
{
    static const struct {
        const char *name;
        uint64_t page_count, runs[3][8]; /* gap, pages, pack, offset, length, slot, slots, base */
        int r;
    } cases[] = {
        { "a good one", 2, { { 0, 2, 0, 0, 10, 0, 2, 0 } }, 0 },
        { "a gap", 2, { { 1, 1, 0, 0, 10, 0, 1, 0 } }, ERR_CORRUPT },
        { "a page too many", 2, { { 0, 3, 0, 0, 10, 0, 3, 0 } }, ERR_CORRUPT },
        { "another pack", 2, { { 0, 2, 1, 0, 10, 0, 2, 0 } }, ERR_CORRUPT },
        { "an empty frame", 2, { { 0, 2, 0, 0, 0, 0, 2, 0 } }, ERR_CORRUPT },
        { "past its frame", 2, { { 0, 2, 0, 0, 10, 1, 2, 0 } }, ERR_CORRUPT },
        { "behind its frame", 2, { { 0, 2, 0, 0, 10, 3, 2, 0 } }, ERR_CORRUPT },
        { "a frame before the pack", 2, { { 0, 2, 0, 1, 10, 0, 2, 0 } }, ERR_CORRUPT },
        { "a slot before the first", 2, { { 0, 2, 0, 0, 10, 0, 2, 1 } }, ERR_CORRUPT },
        { "slots past 32 bits",
          UINT32_MAX - 1,
          { { 0, UINT32_MAX - 1, 0, 0, 10, 512, 512, 0 } },
          ERR_CORRUPT },
        { "no pages", 0, { { 0 } }, ERR_CORRUPT },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct page_map back = PAGE_MAP_INIT;
        struct buf payload = BUF_INIT(1000);

        print_message("  %s\n", cases[i].name);
        make_payload(cases[i].page_count, cases[i].runs, &payload);
        assert_int_equal(page_map_decode(payload.ptr, payload.len, NULL, &back, NULL), cases[i].r);
        page_map_dispose(&back);
        buf_dispose(&payload);
    }
}

/* Two runs that claim different lengths for one frame are kept apart, each within its own. */
static void runs_of_frames_that_contradict_each_other_are_not_joined(void **state)
{
    static const uint64_t runs[3][8] = { { 0, 2, 0, 0, 10, 0, 2, 0 },
                                         { 0, 2, 0, 19, 10, 2, 4, 3 } };
    struct page_map back = PAGE_MAP_INIT;
    struct buf payload = BUF_INIT(1000);

    (void)state;
    make_payload(4, runs, &payload);
    assert_int_equal(page_map_decode(payload.ptr, payload.len, NULL, &back, NULL), 0);
    assert_int_equal(back.run_count, 2);
    assert_int_equal(back.runs[1].frame_offset, 0);
    assert_int_equal(back.runs[1].slot, 2);
    page_map_dispose(&back);
    buf_dispose(&payload);
}

static void runs_that_continue_each_other_are_joined(void **state)
{
    struct page_map map = PAGE_MAP_INIT;
    struct page_run run = {
        .first_page = 1, .page_count = 1, .frame_len = 10, .frame_slot_count = 4
    };

    (void)state;
    assert_int_equal(
        page_map_add_pack(&map, "11111111-1111-4111-8111-111111111111", &run.pack, NULL), 0);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(page_map_add_run(&map, &run, NULL), 0);
        run.first_page++;
        run.slot++;
        run.frame_slot++;
    }
    assert_int_equal(map.run_count, 1);
    run.frame_offset = 10; /* another frame */
    run.frame_slot = 0;
    assert_int_equal(page_map_add_run(&map, &run, NULL), 0);
    assert_int_equal(map.run_count, 2);
    page_map_dispose(&map);
    page_map_dispose(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_map_comes_back),
        cmocka_unit_test(a_difference_comes_back_over_its_base),
        cmocka_unit_test(a_difference_of_nothing_is_small),
        cmocka_unit_test(damaged_maps_are_refused_or_still_cover_every_page),
        cmocka_unit_test(runs_that_no_writer_writes_are_refused),
        cmocka_unit_test(runs_of_frames_that_contradict_each_other_are_not_joined),
        cmocka_unit_test(runs_that_continue_each_other_are_joined),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
