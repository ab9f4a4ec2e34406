#include "snapshot/page_map.h"

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/parse.h"
#include "snapshot/frame.h"
#include "snapshot/page_hash.h"
#include "snapshot/wire.h"

/* Payload: kind, page count, packs, runs; docs/format.md "Page map". */
#define MAP_WHOLE      0u
#define MAP_DIFFERENCE 1u
#define UUID_BYTES     16u
#define MAP_PACKS_MAX  16384u /* ids are compared one by one; hourly backups for two years */

void page_map_dispose(struct page_map *map)
{
    free(map->pack_ids);
    free(map->runs);
    *map = (struct page_map)PAGE_MAP_INIT;
}

int page_map_add_pack(struct page_map *map, const char *id, uint32_t *ret_pack, struct err *err)
{
    for (size_t i = 0; i < map->pack_count; i++) {
        if (strcmp(map->pack_ids[i], id) == 0) {
            *ret_pack = (uint32_t)i;
            return 0;
        }
    }
    if (map->pack_count == map->pack_size) {
        const size_t size = map->pack_size == 0 ? 4 : map->pack_size * 2;
        void *ids = realloc(map->pack_ids, size * sizeof(*map->pack_ids));

        if (ids == NULL)
            return err_nomem(err);
        map->pack_ids = ids;
        map->pack_size = size;
    }
    memcpy(map->pack_ids[map->pack_count], id, UUID_TEXT_SIZE);
    *ret_pack = (uint32_t)map->pack_count++;
    return 0;
}

static bool continues(const struct page_run *last, const struct page_run *run)
{
    return last->pack == run->pack && last->frame_offset == run->frame_offset &&
           last->frame_len == run->frame_len && last->frame_slot_count == run->frame_slot_count &&
           last->slot + last->page_count == run->slot &&
           last->frame_slot + last->page_count == run->frame_slot;
}

int page_map_add_run(struct page_map *map, const struct page_run *run, struct err *err)
{
    struct page_run *last = map->run_count > 0 ? &map->runs[map->run_count - 1] : NULL;

    assert(run->first_page == map->page_count + 1 && run->page_count > 0 &&
           run->pack < map->pack_count);
    if (last != NULL && continues(last, run)) {
        last->page_count += run->page_count;
        map->page_count += run->page_count;
        return 0;
    }
    if (map->run_count == map->run_size) {
        const size_t size = map->run_size == 0 ? 64 : map->run_size * 2;
        struct page_run *runs = realloc(map->runs, size * sizeof(*runs));

        if (runs == NULL)
            return err_nomem(err);
        map->runs = runs;
        map->run_size = size;
    }
    map->runs[map->run_count++] = *run;
    map->page_count += run->page_count;
    return 0;
}

const struct page_run *page_map_find(const struct page_map *map, uint32_t page_number)
{
    size_t low = 0, high = map->run_count;

    if (page_number == 0 || page_number > map->page_count)
        return NULL;
    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;

        if (map->runs[middle].first_page <= page_number) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return &map->runs[low];
}

/* A run, cut to pages first..last of it. */
static struct page_run cut(const struct page_run *run, uint32_t first, uint32_t last)
{
    struct page_run part = *run;
    const uint32_t skip = first - run->first_page;

    part.first_page = first;
    part.page_count = last - first + 1;
    part.slot += skip;
    part.frame_slot += skip;
    return part;
}

static uint32_t run_last(const struct page_run *run)
{
    return run->first_page + (run->page_count - 1);
}

int page_map_extend(struct page_map *map, const struct page_map *from, uint32_t last_page,
                    struct err *err)
{
    const struct page_run *found = page_map_find(from, map->page_count + 1);
    uint32_t *packs; /* of from's packs the index in map, from 1; 0: not looked for yet */
    int r = 0;

    if (map->page_count >= last_page)
        return 0;
    packs = calloc(from->pack_count + 1, sizeof(*packs));
    if (packs == NULL)
        return err_nomem(err);
    for (; r == 0 && map->page_count < last_page; found++) {
        const uint32_t page = map->page_count + 1;
        struct page_run part;

        if (found == NULL || found == from->runs + from->run_count) {
            r = err_set(err, ERR_CORRUPT, "page map: pages that neither it nor its base has");
            break;
        }
        part = cut(found, page, run_last(found) < last_page ? run_last(found) : last_page);
        if (packs[found->pack] == 0) {
            r = page_map_add_pack(map, from->pack_ids[found->pack], &packs[found->pack], err);
            packs[found->pack]++;
        }
        part.pack = packs[found->pack] - 1;
        if (r == 0)
            r = page_map_add_run(map, &part, err);
    }
    free(packs);
    return r;
}

/* Whether two runs put their common pages in the same place. */
static bool same_place(const struct page_map *a, const struct page_run *run_a,
                       const struct page_map *b, const struct page_run *run_b)
{
    return strcmp(a->pack_ids[run_a->pack], b->pack_ids[run_b->pack]) == 0 &&
           run_a->frame_offset == run_b->frame_offset && run_a->frame_len == run_b->frame_len &&
           run_a->frame_slot_count == run_b->frame_slot_count &&
           run_a->slot - run_a->first_page == run_b->slot - run_b->first_page &&
           (uint64_t)run_a->frame_slot - run_a->first_page ==
               (uint64_t)run_b->frame_slot - run_b->first_page;
}

/* What an encoder and a decoder remember from run to run: most numbers follow from the last. */
struct run_state {
    uint32_t next_page;
    uint64_t next_offset, next_slot;
};

static uint64_t zigzag(uint64_t from, uint64_t to)
{
    const uint64_t delta = to - from;

    return delta << 1 ^ (delta >> 63 != 0 ? UINT64_MAX : 0);
}

static uint64_t unzigzag(uint64_t from, uint64_t coded)
{
    return from + (coded >> 1 ^ (coded & 1 ? UINT64_MAX : 0));
}

static void encode_run(struct run_state *state, const struct page_run *run, struct buf *out)
{
    wire_add_varint(out, run->first_page - state->next_page);
    wire_add_varint(out, run->page_count);
    wire_add_varint(out, run->pack);
    wire_add_varint(out, zigzag(state->next_offset, run->frame_offset));
    wire_add_varint(out, run->frame_len);
    wire_add_varint(out, run->frame_slot);
    wire_add_varint(out, run->frame_slot_count);
    wire_add_varint(out, zigzag(state->next_slot, run->slot - run->frame_slot));
    state->next_page = run->first_page + run->page_count;
    state->next_offset = run->frame_offset + run->frame_len;
    state->next_slot = run->slot - run->frame_slot + run->frame_slot_count;
}

/* Runs on their way out.  Only packs that a run names are listed, in the order of their first use:
 * a difference would otherwise list all those of its base too. */
struct run_writer {
    struct run_state state;
    const struct page_map *map;
    uint32_t *numbers; /* of each pack of the map among those listed, from 1; 0: not yet */
    const char **ids;  /* of those listed */
    uint32_t count;    /* of those listed */
    struct buf runs;
};

static void write_run(struct run_writer *writer, const struct page_run *run)
{
    struct page_run numbered = *run;

    if (writer->numbers[run->pack] == 0) {
        writer->ids[writer->count++] = writer->map->pack_ids[run->pack];
        writer->numbers[run->pack] = writer->count;
    }
    numbered.pack = writer->numbers[run->pack] - 1;
    encode_run(&writer->state, &numbered, &writer->runs);
}

static void encode_header(const struct run_writer *writer, unsigned kind, struct buf *out)
{
    uint8_t id[UUID_BYTES];

    wire_add_varint(out, kind);
    wire_add_varint(out, writer->map->page_count);
    wire_add_varint(out, writer->count);
    for (size_t i = 0; i < writer->count; i++) {
        char hex[2 * UUID_BYTES + 1];
        size_t len = 0;

        for (const char *p = writer->ids[i]; *p != '\0' && len < sizeof(hex) - 1; p++) {
            if (*p != '-')
                hex[len++] = *p;
        }
        hex[len] = '\0';
        if (parse_hex(hex, id, sizeof(id), NULL) < 0)
            out->failed = ERR_CORRUPT; /* ids are UUIDs: a programmer's error */
        buf_add(out, id, sizeof(id));
    }
}

/* The parts of map's runs whose place is not that in base. */
static void write_difference(struct run_writer *writer, const struct page_map *base)
{
    const struct page_map *map = writer->map;
    size_t b = 0;

    for (size_t i = 0; i < map->run_count; i++) {
        const struct page_run *run = &map->runs[i];
        uint32_t page = run->first_page;
        const uint32_t last = run_last(run);
        uint32_t pending = 0; /* first page of a stretch that differs; 0: none */

        while (page <= last && page != 0) {
            uint32_t end = last;
            bool same = false;

            while (b < base->run_count && run_last(&base->runs[b]) < page)
                b++;
            if (b < base->run_count) {
                if (run_last(&base->runs[b]) < end)
                    end = run_last(&base->runs[b]);
                same = same_place(map, run, base, &base->runs[b]);
            }
            if (same && pending != 0) {
                const struct page_run part = cut(run, pending, page - 1);

                write_run(writer, &part);
                pending = 0;
            } else if (!same && pending == 0) {
                pending = page;
            }
            page = end + 1;
        }
        if (pending != 0) {
            const struct page_run part = cut(run, pending, last);

            write_run(writer, &part);
        }
    }
}

int page_map_encode(const struct page_map *map, const struct page_map *base, struct buf *out,
                    struct err *err)
{
    struct run_writer writer = { .state = { 1, 0, 0 },
                                 .map = map,
                                 .numbers = calloc(map->pack_count + 1, sizeof(uint32_t)),
                                 .ids = calloc(map->pack_count + 1, sizeof(const char *)),
                                 .runs = BUF_INIT(out->max) };
    int r = 0;

    if (writer.numbers == NULL || writer.ids == NULL) {
        r = err_nomem(err);
    } else if (base != NULL) {
        write_difference(&writer, base);
    } else {
        for (size_t i = 0; i < map->run_count; i++)
            write_run(&writer, &map->runs[i]);
    }
    if (r == 0 && writer.count > MAP_PACKS_MAX) {
        r = err_set(err, ERR_LIMIT, "a page map of %" PRIu32 " packs, more than %u", writer.count,
                    MAP_PACKS_MAX);
    }
    if (r == 0) {
        encode_header(&writer, base == NULL ? MAP_WHOLE : MAP_DIFFERENCE, out);
        if (writer.runs.failed != 0)
            out->failed = writer.runs.failed;
        buf_add(out, writer.runs.ptr, writer.runs.len);
        r = buf_check(out, err);
    }
    free(writer.numbers);
    free((void *)writer.ids);
    buf_dispose(&writer.runs);
    return r;
}

static int corrupt(struct err *err, const char *what)
{
    return err_set(err, ERR_CORRUPT, "page map: %s", what);
}

static void format_id(const uint8_t *b, char out[UUID_TEXT_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    size_t at = 0;

    for (size_t i = 0; i < UUID_BYTES; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            out[at++] = '-';
        out[at++] = digits[b[i] >> 4];
        out[at++] = digits[b[i] & 15];
    }
    out[at] = '\0';
}

static int decode_run(struct wire_reader *reader, struct run_state *state, uint32_t page_count,
                      size_t pack_count, struct page_run *ret_run, struct err *err)
{
    struct page_run run;
    uint64_t first, slot_base;

    first = state->next_page + wire_read_varint(reader, UINT32_MAX);
    run.page_count = (uint32_t)wire_read_varint(reader, UINT32_MAX);
    run.pack = (uint32_t)wire_read_varint(reader, UINT32_MAX);
    run.frame_offset = unzigzag(state->next_offset, wire_read_varint(reader, UINT64_MAX));
    run.frame_len = (uint32_t)wire_read_varint(reader, FRAME_STORED_SIZE_MAX);
    run.frame_slot = (uint32_t)wire_read_varint(reader, FRAME_RAW_SIZE_MAX / PAGE_SIZE_MIN);
    run.frame_slot_count = (uint32_t)wire_read_varint(reader, FRAME_RAW_SIZE_MAX / PAGE_SIZE_MIN);
    slot_base = unzigzag(state->next_slot, wire_read_varint(reader, UINT64_MAX));
    if (reader->failed)
        return corrupt(err, "a run is cut off or out of range");
    if (run.page_count == 0 || first > page_count || run.page_count > page_count - first + 1)
        return corrupt(err, "a run of pages that the database does not have");
    if (run.pack >= pack_count)
        return corrupt(err, "a run in a pack that is not named");
    if (run.frame_len == 0 || run.frame_offset > INT64_MAX - FRAME_STORED_SIZE_MAX ||
        slot_base > INT64_MAX)
        return corrupt(err, "a run in a frame that cannot be");
    if (run.frame_slot > run.frame_slot_count ||
        run.page_count > run.frame_slot_count - run.frame_slot)
        return corrupt(err, "a run past the end of its frame");
    run.first_page = (uint32_t)first;
    run.slot = slot_base + run.frame_slot;
    state->next_page = run.first_page + run.page_count;
    state->next_offset = run.frame_offset + run.frame_len;
    state->next_slot = slot_base + run.frame_slot_count;
    *ret_run = run;
    return 0;
}

static int decode_header(struct wire_reader *reader, const struct page_map *base,
                         struct page_map *map, uint32_t *ret_page_count, struct err *err)
{
    const uint64_t kind = wire_read_varint(reader, MAP_DIFFERENCE);
    const uint32_t page_count = (uint32_t)wire_read_varint(reader, UINT32_MAX - 1);
    const uint64_t pack_count = wire_read_varint(reader, MAP_PACKS_MAX);

    if (reader->failed || page_count == 0)
        return corrupt(err, "no header");
    if ((kind == MAP_DIFFERENCE) != (base != NULL)) {
        return corrupt(err, base != NULL ? "a whole map where a difference is expected"
                                         : "a difference without its base");
    }
    for (uint64_t i = 0; i < pack_count; i++) {
        const uint8_t *bytes = wire_read_bytes(reader, UUID_BYTES);
        char id[UUID_TEXT_SIZE];
        uint32_t index;
        int r;

        if (bytes == NULL)
            return corrupt(err, "pack ids are cut off");
        format_id(bytes, id);
        r = page_map_add_pack(map, id, &index, err);
        if (r < 0)
            return r;
        if (index != i)
            return corrupt(err, "a pack named twice");
    }
    *ret_page_count = page_count;
    return 0;
}

int page_map_decode(const void *data, size_t len, const struct page_map *base,
                    struct page_map *ret_map, struct err *err)
{
    struct wire_reader reader = { data, (const uint8_t *)data + len, false };
    struct run_state state = { 1, 0, 0 };
    struct page_map map = PAGE_MAP_INIT;
    uint32_t page_count = 0;
    size_t pack_count;
    int r;

    r = decode_header(&reader, base, &map, &page_count, err);
    pack_count = map.pack_count;
    while (r == 0 && wire_left(&reader) > 0) {
        struct page_run run;

        r = decode_run(&reader, &state, page_count, pack_count, &run, err);
        if (r == 0 && base == NULL && run.first_page != map.page_count + 1)
            r = corrupt(err, "a gap between runs");
        if (r == 0 && base != NULL)
            r = page_map_extend(&map, base, run.first_page - 1, err);
        if (r == 0)
            r = page_map_add_run(&map, &run, err);
    }
    if (r == 0 && base != NULL)
        r = page_map_extend(&map, base, page_count, err);
    if (r == 0 && map.page_count != page_count)
        r = corrupt(err, "pages are missing");
    if (r < 0) {
        page_map_dispose(&map);
        return r;
    }
    *ret_map = map;
    return 0;
}
