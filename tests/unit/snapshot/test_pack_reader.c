/* Goal: what an index says is taken only if it is whole, in order, and agrees with the manifest. */
#include "snapshot/pack_reader.h"

#include "base/err.h"
#include "snapshot/pack_format.h"
#include "snapshot/page_map.h"
#include "snapshot/spool.h"
#include "tests/harness/restore_rig.h"
#include "tests/harness/test.h"

#include <stdlib.h>
#include <string.h>

#define PAGE_SIZE 1024

static struct pack_record *pack_of(struct restore_rig *rig, size_t index)
{
    for (size_t i = 0; i < rig->packs.manifest.pack_count; i++) {
        if (strcmp(rig->packs.manifest.packs[i].id, rig->packs.backups[index].id) == 0)
            return &rig->packs.manifest.packs[i];
    }
    fail();
    return NULL;
}

static int read_slots(struct restore_rig *rig, size_t index, struct spool *spool, struct err *err)
{
    return pack_slots_read(rig->store, "app", pack_of(rig, index), spool, err);
}

static void reads_every_slot_with_its_page_and_hash(void **state)
{
    struct restore_rig rig;

    (void)state;
    restore_rig_init(&rig, PAGE_SIZE, 3);
    for (size_t index = 0; index < 3; index++) {
        const struct pack_fixture_backup *backup = &rig.packs.backups[index];
        const struct pack_record *pack = pack_of(&rig, index);
        struct spool *spool = NULL;
        uint32_t last_page = 0;

        assert_int_equal(spool_new(NULL, 1000, &spool, NULL), 0);
        assert_int_equal(read_slots(&rig, index, spool, NULL), 0);
        assert_int_equal(spool_size(spool), pack->slot_count * sizeof(struct index_slot));
        for (uint64_t i = 0; i < pack->slot_count; i++) {
            struct index_slot slot;
            struct page_hash hash;

            assert_int_equal(spool_read(spool, i * sizeof(slot), &slot, sizeof(slot), NULL), 0);
            assert_true(slot.page_number > last_page);
            last_page = slot.page_number;
            hash = page_hash(rig.packs.manifest.page_hash_seed, slot.page_number,
                             backup->bytes + (size_t)(slot.page_number - 1) * PAGE_SIZE, PAGE_SIZE);
            assert_true(page_hash_eq(slot.hash, hash));
        }
        spool_free(spool);
    }
    restore_rig_dispose(&rig);
}

static void reads_whole_maps_and_differences(void **state)
{
    struct restore_rig rig;

    (void)state;
    restore_rig_init(&rig, PAGE_SIZE, 4);
    for (size_t index = 0; index < 4; index++) {
        const struct page_map *expected = &rig.packs.backups[index].map;
        struct page_map map = PAGE_MAP_INIT;

        assert_int_equal(pack_of(&rig, index)->map_base[0] != '\0', index % 2 == 1);
        assert_int_equal(pack_map_read(rig.store, &rig.packs.manifest,
                                       restore_rig_backup(&rig, index), &map, NULL),
                         0);
        assert_int_equal(map.page_count, expected->page_count);
        for (uint32_t page = 1; page <= map.page_count; page++) {
            const struct page_run *a = page_map_find(&map, page);
            const struct page_run *b = page_map_find(expected, page);

            assert_string_equal(map.pack_ids[a->pack], expected->pack_ids[b->pack]);
            assert_int_equal(a->slot + (page - a->first_page), b->slot + (page - b->first_page));
        }
        page_map_dispose(&map);
    }
    restore_rig_dispose(&rig);
}

static void expect_corrupt_slots(struct restore_rig *rig, size_t index)
{
    struct spool *spool = NULL;
    struct err err = { 0 };

    assert_int_equal(spool_new(NULL, 1000, &spool, NULL), 0);
    assert_int_equal(read_slots(rig, index, spool, &err), ERR_CORRUPT);
    assert_non_null(strstr(err.msg, rig->packs.backups[index].id));
    spool_free(spool);
}

static void finds_any_flipped_bit_of_the_hashes(void **state)
{
    struct restore_rig rig;

    (void)state;
    restore_rig_init(&rig, PAGE_SIZE, 1);
    for (uint64_t i = 0; i < pack_of(&rig, 0)->hashes_len; i += 7) {
        uint64_t offset = pack_of(&rig, 0)->hashes_offset + i;

        restore_rig_flip(&rig, 0, offset);
        expect_corrupt_slots(&rig, 0);
        restore_rig_flip(&rig, 0, offset);
    }
    restore_rig_dispose(&rig);
}

static void finds_hashes_that_are_not_all_there(void **state)
{
    struct restore_rig rig;
    struct pack_record *pack, whole;

    (void)state;
    restore_rig_init(&rig, PAGE_SIZE, 1);
    pack = pack_of(&rig, 0);
    whole = *pack;
    pack->slot_count++; /* fewer than the manifest says */
    expect_corrupt_slots(&rig, 0);
    pack->slot_count -= 2; /* more */
    expect_corrupt_slots(&rig, 0);
    *pack = whole;
    pack->hashes_len--; /* cut within a block */
    expect_corrupt_slots(&rig, 0);
    pack->hashes_len = 8; /* a block's first bytes alone */
    expect_corrupt_slots(&rig, 0);
    *pack = whole;
    pack->size++; /* another object than the manifest's */
    expect_corrupt_slots(&rig, 0);
    restore_rig_dispose(&rig);
}

static void expect_corrupt_map(struct restore_rig *rig, size_t index, const char *text)
{
    struct page_map map = PAGE_MAP_INIT;
    struct err err = { 0 };
    int r =
        pack_map_read(rig->store, &rig->packs.manifest, restore_rig_backup(rig, index), &map, &err);

    assert_int_equal(r, ERR_CORRUPT);
    if (strstr(err.msg, text) == NULL)
        fail_msg("'%s' is not in '%s'", text, err.msg);
    assert_null(map.runs);
}

static void finds_a_map_that_the_manifest_contradicts(void **state)
{
    struct restore_rig rig;
    struct backup_record *backup;
    struct pack_record *pack, whole;

    (void)state;
    restore_rig_init(&rig, PAGE_SIZE, 2);
    backup = &rig.packs.manifest.backups[0];
    backup->page_count++;
    backup->size += PAGE_SIZE;
    expect_corrupt_map(&rig, 0, "pages, not");
    backup->page_count--;
    expect_corrupt_map(&rig, 0, "are not"); /* size and page_count differ */
    backup->size -= PAGE_SIZE;
    backup->page_size = 1000;
    expect_corrupt_map(&rig, 0, "are not");
    backup->page_size = PAGE_SIZE;

    pack = pack_of(&rig, 0);
    whole = *pack;
    pack->slot_count = 3;
    expect_corrupt_map(&rig, 0, "slot");
    *pack = whole;
    pack->map_len = pack->size;
    expect_corrupt_map(&rig, 0, "past its end");
    *pack = whole;
    pack_of(&rig, 0)->map_len--;
    expect_corrupt_map(&rig, 0, pack->id);
    *pack = whole;
    memcpy(pack_of(&rig, 0)->map_base, rig.packs.backups[1].id, UUID_TEXT_SIZE);
    expect_corrupt_map(&rig, 0, "has no whole page map");
    *pack = whole;
    pack->id[0] = pack->id[0] == 'f' ? 'e' : 'f'; /* the base of backup 1 is not there */
    expect_corrupt_map(&rig, 1, "does not name pack");
    restore_rig_dispose(&rig);
}

static void finds_any_flipped_bit_of_the_map(void **state)
{
    struct restore_rig rig;

    (void)state;
    restore_rig_init(&rig, PAGE_SIZE, 2);
    for (size_t index = 0; index < 2; index++) {
        for (uint64_t i = 0; i < pack_of(&rig, index)->map_len; i++) {
            uint64_t offset = pack_of(&rig, index)->map_offset + i;

            restore_rig_flip(&rig, index, offset);
            expect_corrupt_map(&rig, index, rig.packs.backups[index].id);
            restore_rig_flip(&rig, index, offset);
        }
    }
    restore_rig_dispose(&rig);
}

static void a_store_that_cannot_be_asked_is_no_damage(void **state)
{
    const struct err no_key = { .code = ERR_NOT_FOUND, .http_status = 404, .s3_code = "NoSuchKey" };
    const struct err no_bucket = { .code = ERR_NOT_FOUND,
                                   .http_status = 404,
                                   .s3_code = "NoSuchBucket" };
    const struct err cannot = { .code = ERR_UNSUPPORTED, .http_status = 501 };
    const struct err read = { .code = ERR_CORRUPT };

    (void)state;
    assert_true(pack_is_damage(ERR_CORRUPT, &read));
    assert_true(pack_is_damage(ERR_UNSUPPORTED, &read)); /* an index of another version */
    assert_true(pack_is_damage(ERR_NOT_FOUND, &no_key));
    assert_true(pack_is_damage(ERR_NOT_FOUND, NULL));
    assert_false(pack_is_damage(ERR_NOT_FOUND, &no_bucket));
    assert_false(pack_is_damage(ERR_UNSUPPORTED, &cannot));
    assert_false(pack_is_damage(ERR_NET, NULL));
    assert_false(pack_is_damage(0, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_slot_with_its_page_and_hash),
        cmocka_unit_test(reads_whole_maps_and_differences),
        cmocka_unit_test(finds_any_flipped_bit_of_the_hashes),
        cmocka_unit_test(finds_hashes_that_are_not_all_there),
        cmocka_unit_test(finds_a_map_that_the_manifest_contradicts),
        cmocka_unit_test(finds_any_flipped_bit_of_the_map),
        cmocka_unit_test(a_store_that_cannot_be_asked_is_no_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
