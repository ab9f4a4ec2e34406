/* Goal: a pack is the database under any zstd decoder; its index, map and seek table say where each
 * page is; frames of an abandoned pack can be had back. */
#include "snapshot/pack_writer.h"

#include "base/buf.h"
#include "base/err.h"
#include "snapshot/frame.h"
#include "snapshot/hash_spool.h"
#include "snapshot/pack_format.h"
#include "snapshot/page_map.h"
#include "store/dir_store.h"
#include "store/object_store.h"
#include "tests/harness/sqlite_fixture.h"
#include "tests/harness/stored_object.h"
#include "tests/harness/temp_dir.h"
#include "tests/harness/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID   "00000000-0000-4000-8000-000000000001"
#define SEED UINT64_C(7)

struct rig {
    char *dir;
    uint32_t page_size, page_count;
    struct object_store *store;
    struct hash_spool *hashes;
    struct frame_codec *codec;
    uint8_t *image; /* what the pack shall hold */
};

static void rig_init(struct rig *rig, uint32_t page_size, uint32_t page_count)
{
    size_t size = (size_t)page_size * page_count;

    rig->dir = temp_dir_new();
    rig->page_size = page_size;
    rig->page_count = page_count;
    rig->image = malloc(size);
    assert_non_null(rig->image);
    for (size_t i = 0; i < size; i++)
        rig->image[i] = (uint8_t)(i / 97 + i / page_size);
    assert_int_equal(dir_store_new(rig->dir, &rig->store, NULL), 0);
    assert_int_equal(hash_spool_new(NULL, &rig->hashes, NULL), 0);
    assert_int_equal(frame_codec_new(1, &rig->codec, NULL), 0);
}

static void rig_dispose(struct rig *rig)
{
    object_store_free(rig->store);
    hash_spool_free(rig->hashes);
    frame_codec_free(rig->codec);
    free(rig->image);
    temp_dir_free(rig->dir);
}

static const uint8_t *page_at(const struct rig *rig, uint32_t page_number)
{
    return rig->image + (size_t)(page_number - 1) * rig->page_size;
}

/* Frames of all pages but the first. */
static struct pack_writer *start(struct rig *rig, bool hold)
{
    const struct pack_writer_options options = {
        .store = rig->store,
        .database = "app",
        .id = ID,
        .page_size = rig->page_size,
        .page_count = rig->page_count,
        .part_size = 300u << 10,
        .hold = hold,
    };
    struct pack_writer *writer = NULL;
    uint8_t *stored = malloc(FRAME_STORED_SIZE_MAX);

    assert_non_null(stored);
    assert_int_equal(pack_writer_new(&options, &writer, NULL), 0);
    for (uint32_t page = 2; page <= rig->page_count; page += frame_slots(rig->page_size)) {
        uint32_t left = rig->page_count + 1 - page;
        uint32_t count = left < frame_slots(rig->page_size) ? left : frame_slots(rig->page_size);
        size_t len;

        assert_int_equal(frame_encode(rig->codec, page_at(rig, page),
                                      (size_t)count * rig->page_size, stored, &len, NULL),
                         0);
        assert_int_equal(pack_writer_add(writer, stored, len, count, NULL), 0);
        for (uint32_t i = 0; i < count; i++) {
            struct page_hash hash =
                page_hash(SEED, page + i, page_at(rig, page + i), rig->page_size);

            assert_int_equal(hash_spool_put(rig->hashes, page + i, &hash, 1, NULL), 0);
        }
    }
    free(stored);
    return writer;
}

static void finish(struct rig *rig, struct pack_writer *writer, struct page_hash *ret_hash,
                   struct pack_record *ret_record)
{
    const struct pack_writer_index index = { rig->image, SEED, rig->hashes };

    assert_int_equal(pack_writer_add_index(writer, &index, ret_hash, ret_record, NULL), 0);
    assert_int_equal(pack_writer_finish(writer, STR_LIT("info"), &ret_record->size, NULL), 0);
    pack_writer_free(writer);
}

static void is_the_database_under_zstd(void **state)
{
    static const struct {
        uint32_t page_size, page_count;
    } cases[] = {
        { 512, 1 },   { 512, 2 },     { 512, 70000 }, { 4096, 64 },  { 4096, 65 },
        { 4096, 66 }, { 4096, 1000 }, { 65536, 1 },   { 65536, 30 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rig rig;
        struct page_hash hash;
        struct pack_record record;
        uint8_t *object, *image;
        size_t object_len, image_len;

        rig_init(&rig, cases[i].page_size, cases[i].page_count);
        finish(&rig, start(&rig, false), &hash, &record);
        object = stored_object_read(rig.dir, &object_len);
        assert_int_equal(record.size, object_len);
        assert_int_equal(record.slot_count, rig.page_count);
        assert_string_equal(record.id, ID);
        image = stored_object_unzstd(object, object_len, &image_len);
        assert_int_equal(image_len, (size_t)rig.page_size * rig.page_count);
        assert_memory_equal(image, rig.image, image_len);
        free(object);
        free(image);
        rig_dispose(&rig);
    }
}

/* Every page is where the map says, with the hash that the index says. */
static void assert_page(const struct rig *rig, const uint8_t *object, const struct page_map *map,
                        uint32_t page, struct page_hash hash)
{
    const struct page_run *run = page_map_find(map, page);
    uint8_t raw[FRAME_RAW_SIZE_MAX];
    uint32_t slot;

    assert_non_null(run);
    assert_string_equal(map->pack_ids[run->pack], ID);
    assert_int_equal(run->slot + (page - run->first_page), page - 1);
    assert_int_equal(frame_decode(rig->codec, object + run->frame_offset, run->frame_len, raw,
                                  (size_t)run->frame_slot_count * rig->page_size, NULL),
                     0);
    slot = run->frame_slot + (page - run->first_page);
    assert_memory_equal(raw + (size_t)slot * rig->page_size, page_at(rig, page), rig->page_size);
    assert_true(page_hash_eq(hash, page_hash(SEED, page, page_at(rig, page), rig->page_size)));
}

static void says_where_every_page_is(void **state)
{
    struct rig rig;
    struct page_hash database_hash, sum = { 0, 0 };
    struct pack_record record;
    struct page_map map = PAGE_MAP_INIT;
    struct buf payload = BUF_INIT(1u << 24);
    struct index_slot *slots = calloc(INDEX_BLOCK_SLOTS_MAX, sizeof(*slots));
    uint8_t *object;
    size_t len, stored;

    (void)state;
    assert_non_null(slots);
    rig_init(&rig, 512, 70000); /* two blocks of hashes */
    finish(&rig, start(&rig, false), &database_hash, &record);
    object = stored_object_read(rig.dir, &len);
    assert_int_equal(index_block_decode(object + record.map_offset, record.map_len, INDEX_MAP,
                                        &payload, &stored, NULL),
                     0);
    assert_int_equal(stored, record.map_len);
    assert_int_equal(page_map_decode(payload.ptr, payload.len, NULL, &map, NULL), 0);
    assert_int_equal(map.page_count, rig.page_count);

    for (uint64_t at = 0; at < record.hashes_len; at += stored) {
        uint64_t first;
        uint32_t count;

        buf_clear(&payload);
        assert_int_equal(index_block_decode(object + record.hashes_offset + at,
                                            record.hashes_len - at, INDEX_HASHES, &payload, &stored,
                                            NULL),
                         0);
        assert_int_equal(index_hashes_decode(payload.ptr, payload.len, &first, slots, &count, NULL),
                         0);
        for (uint32_t i = 0; i < count; i++) {
            assert_int_equal(slots[i].page_number, first + i + 1);
            page_hash_xor(&sum, slots[i].hash);
            if (i % 997 == 0 || i + 1 == count)
                assert_page(&rig, object, &map, slots[i].page_number, slots[i].hash);
        }
    }
    assert_true(page_hash_eq(sum, database_hash));
    page_map_dispose(&map);
    buf_dispose(&payload);
    free(slots);
    free(object);
    rig_dispose(&rig);
}

static void ends_in_a_seek_table_that_adds_up(void **state)
{
    struct rig rig;
    struct page_hash hash;
    struct pack_record record;
    struct seek_entry *entries = NULL;
    uint64_t table_len, stored = 0, raw = 0;
    uint32_t count;
    uint8_t *object;
    size_t len;

    (void)state;
    rig_init(&rig, 4096, 500);
    finish(&rig, start(&rig, false), &hash, &record);
    object = stored_object_read(rig.dir, &len);
    assert_int_equal(seek_table_footer(object + len - SEEK_FOOTER_LEN, &table_len, NULL), 0);
    assert_int_equal(seek_table_decode(object + len - table_len, table_len, &entries, &count, NULL),
                     0);
    for (uint32_t i = 0; i < count; i++) {
        stored += entries[i].stored_len;
        raw += entries[i].raw_len;
    }
    assert_int_equal(stored + table_len, len);
    assert_int_equal(raw, 500 * 4096);
    assert_int_equal(entries[0].raw_len, 4096); /* page 1, alone */
    free(entries);
    free(object);
    rig_dispose(&rig);
}

static void gives_frames_back_when_it_is_abandoned(void **state)
{
    struct rig rig;
    struct pack_writer *writer;
    uint8_t *stored = malloc(FRAME_STORED_SIZE_MAX), *raw = malloc(FRAME_RAW_SIZE_MAX);

    (void)state;
    assert_non_null(stored);
    assert_non_null(raw);
    rig_init(&rig, 4096, 1000);
    writer = start(&rig, true);
    for (uint32_t page = 2; page <= 1000; page += 64) {
        uint32_t count = page + 63 <= 1000 ? 64 : 1001 - page;
        size_t len;

        assert_int_equal(pack_writer_take_back(writer, stored, &len, NULL), 0);
        assert_int_equal(frame_decode(rig.codec, stored, len, raw, (size_t)count * 4096, NULL), 0);
        assert_memory_equal(raw, page_at(&rig, page), (size_t)count * 4096);
    }
    pack_writer_free(writer);
    assert_int_equal(stored_object_count(rig.dir), 0);
    assert_int_equal(stored_object_leftovers(rig.dir), 0);
    free(stored);
    free(raw);
    rig_dispose(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_the_database_under_zstd),
        cmocka_unit_test(says_where_every_page_is),
        cmocka_unit_test(ends_in_a_seek_table_that_adds_up),
        cmocka_unit_test(gives_frames_back_when_it_is_abandoned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
