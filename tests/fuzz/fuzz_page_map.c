/* Goal: a hostile page map is refused, or every page has a place within bounds. */
#include "snapshot/page_map.h"

#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "snapshot/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(const struct page_map *map)
{
    uint32_t next = 1;

    for (size_t i = 0; i < map->run_count; i++) {
        const struct page_run *run = &map->runs[i];

        assert(run->first_page == next && run->page_count > 0);
        assert(run->pack < map->pack_count);
        assert(run->frame_len > 0 && run->frame_len <= FRAME_STORED_SIZE_MAX);
        assert(run->page_count <= run->frame_slot_count &&
               run->frame_slot <= run->frame_slot_count - run->page_count);
        assert(run->slot >= run->frame_slot);
        next += run->page_count;
    }
    assert(map->page_count == next - 1);
}

static int compare_place(const struct page_map *a, const struct page_map *b, uint32_t page)
{
    const struct page_run *x = page_map_find(a, page), *y = page_map_find(b, page);

    return strcmp(a->pack_ids[x->pack], b->pack_ids[y->pack]) != 0 ||
           x->frame_offset != y->frame_offset || x->frame_len != y->frame_len ||
           x->slot + (page - x->first_page) != y->slot + (page - y->first_page);
}

/* What was decoded is encoded and decoded again: nothing may move. */
static void go_round(const struct page_map *map, const struct page_map *base)
{
    struct buf payload = BUF_INIT(64u << 20);
    struct page_map again = PAGE_MAP_INIT;

    if (page_map_encode(map, base, &payload, NULL) == 0) {
        const int r = page_map_decode(payload.ptr, payload.len, base, &again, NULL);

        assert(r == 0 && again.page_count == map->page_count);
        for (size_t i = 0; i < map->run_count; i++)
            assert(compare_place(map, &again, map->runs[i].first_page) == 0);
    }
    page_map_dispose(&again);
    buf_dispose(&payload);
}

/* Two payloads in one input, the first one's length in two bytes: a whole map, and a difference. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct page_map base = PAGE_MAP_INIT, map = PAGE_MAP_INIT;
    size_t base_len;

    if (len < 2)
        return 0;
    base_len = (size_t)data[0] | (size_t)data[1] << 8;
    data += 2;
    len -= 2;
    if (base_len > len)
        base_len = len;
    if (page_map_decode(data, base_len, NULL, &base, NULL) == 0) {
        check(&base);
        go_round(&base, NULL);
        if (page_map_decode(data + base_len, len - base_len, &base, &map, NULL) == 0) {
            check(&map);
            go_round(&map, &base);
        }
    }
    page_map_dispose(&base);
    page_map_dispose(&map);
    return 0;
}
