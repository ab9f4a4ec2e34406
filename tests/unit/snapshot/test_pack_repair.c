/* Goal: a page map refers to repaired pages wherever there are some, along whole chains of repairs,
 * and a manifest or a pack that is wrong about them does no harm. */
#include "snapshot/pack_repair.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/random.h"
#include "snapshot/pack_reader.h"
#include "snapshot/page_map.h"
#include "tests/harness/restore_rig.h"
#include "tests/harness/test.h"

static struct pack_record *pack_of(struct restore_rig *rig, size_t index)
{
    const struct manifest *manifest = &rig->packs.manifest;
    const struct pack_record *pack = manifest_find_pack(manifest, rig->packs.backups[index].id);

    assert_non_null(pack);
    return &rig->packs.manifest.packs[pack - manifest->packs];
}

static void name(struct pack_record *damaged, const struct pack_record *by)
{
    memcpy(damaged->repaired_by, by->id, sizeof(by->id));
}

/* In which pack the map has a page. */
static const char *place(const struct page_map *map, uint32_t page_number)
{
    return map->pack_ids[page_map_find(map, page_number)->pack];
}

static void tells_where_the_pages_of_a_pack_are(void **state)
{
    const struct pack_record *pack;
    struct page_run *runs = NULL;
    struct restore_rig rig;
    size_t count = 0;

    (void)state;
    restore_rig_init(&rig, 1024, 2);
    pack = pack_of(&rig, 0);
    assert_int_equal(pack_runs_read(rig.store, "app", pack, 1024, &runs, &count, NULL), 0);
    assert_int_equal(count, rig.packs.backups[0].map.run_count); /* of a full one: its map */
    for (size_t i = 0; i < count; i++)
        assert_memory_equal(&runs[i], &rig.packs.backups[0].map.runs[i], sizeof(runs[i]));
    free(runs);
    pack = pack_of(&rig, 1);
    assert_int_equal(pack_runs_read(rig.store, "app", pack, 1024, &runs, &count, NULL), 0);
    for (size_t i = 0; i < count; i++) {
        for (uint32_t k = 0; k < runs[i].page_count; k++)
            assert_string_equal(place(&rig.packs.backups[1].map, runs[i].first_page + k), pack->id);
    }
    free(runs);
    restore_rig_dispose(&rig);
}

/* The packs of backups 1 to 3 hold pages of backup 0's under the same numbers: as a repair's do. */
static void takes_each_page_from_the_last_of_the_chain_that_has_it(void **state)
{
    struct page_map map = PAGE_MAP_INIT;
    struct page_run *runs[4] = { NULL };
    struct restore_rig rig;
    size_t counts[4] = { 0 };

    (void)state;
    restore_rig_init(&rig, 1024, 4);
    for (size_t i = 1; i < 4; i++) {
        name(pack_of(&rig, i - 1), pack_of(&rig, i));
        assert_int_equal(
            pack_runs_read(rig.store, "app", pack_of(&rig, i), 1024, &runs[i], &counts[i], NULL),
            0);
    }
    assert_ptr_equal(pack_repair_last(&rig.packs.manifest, pack_of(&rig, 0)), pack_of(&rig, 3));
    assert_int_equal(
        page_map_extend(&map, &rig.packs.backups[0].map, rig.packs.backups[0].map.page_count, NULL),
        0);
    assert_int_equal(pack_repair_apply(rig.store, &rig.packs.manifest, 1024, &map, NULL), 0);
    assert_int_equal(map.page_count, restore_rig_backup(&rig, 0)->page_count);
    for (uint32_t page = 1; page <= map.page_count; page++) {
        size_t in = 0;

        for (size_t i = 1; i < 4; i++) {
            for (size_t k = 0; k < counts[i]; k++) {
                if (page >= runs[i][k].first_page &&
                    page - runs[i][k].first_page < runs[i][k].page_count)
                    in = i;
            }
        }
        assert_string_equal(place(&map, page), rig.packs.backups[in].id);
    }
    page_map_dispose(&map);
    for (size_t i = 1; i < 4; i++)
        free(runs[i]);
    restore_rig_dispose(&rig);
}

static void a_chain_without_an_end_is_not_followed_forever(void **state)
{
    struct page_map map = PAGE_MAP_INIT;
    struct restore_rig rig;
    bool used[4] = { false };

    (void)state;
    restore_rig_init(&rig, 1024, 3);
    name(pack_of(&rig, 0), pack_of(&rig, 1));
    name(pack_of(&rig, 1), pack_of(&rig, 0));
    assert_non_null(pack_repair_last(&rig.packs.manifest, pack_of(&rig, 0)));
    assert_non_null(pack_repair_map_holder(&rig.packs.manifest, pack_of(&rig, 0)));
    manifest_flag_used_packs(&rig.packs.manifest, used);
    assert_int_equal(
        pack_map_read(rig.store, &rig.packs.manifest, restore_rig_backup(&rig, 2), &map, NULL), 0);
    page_map_dispose(&map);
    name(pack_of(&rig, 0), pack_of(&rig, 0));
    pack_of(&rig, 1)->repaired_by[0] = '\0';
    assert_int_equal(
        pack_map_read(rig.store, &rig.packs.manifest, restore_rig_backup(&rig, 2), &map, NULL), 0);
    page_map_dispose(&map);
    restore_rig_dispose(&rig);
}

static void what_cannot_be_read_or_is_not_there_repairs_nothing(void **state)
{
    struct page_map map = PAGE_MAP_INIT;
    struct restore_rig rig;
    struct pack_record *damaged;

    (void)state;
    restore_rig_init(&rig, 1024, 3);
    damaged = pack_of(&rig, 0);
    name(damaged, pack_of(&rig, 2));
    restore_rig_cut(&rig, 2, 100);
    assert_int_equal(
        pack_repair_apply(rig.store, &rig.packs.manifest, 1024, &rig.packs.backups[1].map, NULL),
        0);
    assert_string_equal(place(&rig.packs.backups[1].map, 2), damaged->id);
    uuid_v4(damaged->repaired_by);
    assert_null(pack_repair_next(&rig.packs.manifest, damaged));
    assert_int_equal(
        pack_map_read(rig.store, &rig.packs.manifest, restore_rig_backup(&rig, 1), &map, NULL), 0);
    assert_string_equal(place(&map, 2), damaged->id);
    page_map_dispose(&map);
    restore_rig_dispose(&rig);
}

static void a_store_that_fails_is_not_taken_for_damage(void **state)
{
    struct restore_rig rig;
    unsigned fail_at = 1;
    int r;

    (void)state;
    restore_rig_init(&rig, 1024, 2);
    name(pack_of(&rig, 0), pack_of(&rig, 1));
    do {
        struct page_map map = PAGE_MAP_INIT;

        rig.counters.calls = 0;
        rig.counters.fail_at = fail_at++;
        assert_int_equal(page_map_extend(&map, &rig.packs.backups[0].map,
                                         rig.packs.backups[0].map.page_count, NULL),
                         0);
        r = pack_repair_apply(rig.store, &rig.packs.manifest, 1024, &map, NULL);
        assert_true(r == 0 || r == ERR_SERVER);
        page_map_dispose(&map);
    } while (r < 0);
    assert_true(fail_at > 3);
    restore_rig_dispose(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_where_the_pages_of_a_pack_are),
        cmocka_unit_test(takes_each_page_from_the_last_of_the_chain_that_has_it),
        cmocka_unit_test(a_chain_without_an_end_is_not_followed_forever),
        cmocka_unit_test(what_cannot_be_read_or_is_not_there_repairs_nothing),
        cmocka_unit_test(a_store_that_fails_is_not_taken_for_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
