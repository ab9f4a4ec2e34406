/* Goal: a page of a pack is live when the map of a listed backup says so, wherever its pack went.
 */
#include "snapshot/live_pages.h"

#include "base/err.h"
#include "tests/harness/repack_rig.h"
#include "tests/harness/test.h"

#include <stdio.h>
#include <string.h>

/* By the maps that the fixture kept. */
static bool is_needed(const struct restore_rig *rig, const char *pack_id, uint32_t page)
{
    for (size_t i = 0; i < rig->packs.count; i++) {
        const struct pack_fixture_backup *made = &rig->packs.backups[i];
        const struct backup_record *listed = NULL;
        const struct page_run *run;

        if (manifest_find_backup(&rig->packs.manifest, made->id, &listed, NULL) < 0)
            continue;
        run = page_map_find(&made->map, page);
        if (run != NULL && strcmp(made->map.pack_ids[run->pack], pack_id) == 0)
            return true;
    }
    return false;
}

static void finds_what_the_maps_say(void **state)
{
    struct live_pages live = LIVE_PAGES_INIT;
    const struct manifest *manifest;
    struct restore_rig rig;
    unsigned partly = 0;

    (void)state;
    repack_rig_init(&rig);
    manifest = &rig.packs.manifest;
    assert_int_equal(live_pages_read(rig.store, manifest, NULL, &live, NULL), 0);
    for (size_t i = 0; i < manifest->pack_count; i++) {
        uint64_t count = 0;

        for (uint32_t page = 1; page < 4 * LIVE_CHUNK_PAGES; page++) {
            const bool needed = is_needed(&rig, manifest->packs[i].id, page);

            assert_int_equal(live_pages_has(&live, i, page), needed);
            count += needed;
        }
        assert_int_equal(live.packs[i].page_count, count);
        partly += count > 0 && count < manifest->packs[i].slot_count;
        if (count > 0)
            assert_int_equal(live.packs[i].page_size, REPACK_RIG_PAGE);
    }
    assert_true(partly > 0);
    assert_false(live_pages_has(&live, 0, UINT32_MAX));
    live_pages_dispose(&live);
    live_pages_dispose(&live);
    restore_rig_dispose(&rig);
}

static void pages_count_for_the_pack_that_has_them_now(void **state)
{
    struct live_pages before = LIVE_PAGES_INIT, after = LIVE_PAGES_INIT;
    struct manifest *manifest;
    struct restore_rig rig;

    (void)state;
    repack_rig_init(&rig);
    manifest = &rig.packs.manifest;
    assert_int_equal(live_pages_read(rig.store, manifest, NULL, &before, NULL), 0);
    assert_true(before.packs[1].page_count > 0);
    memcpy(manifest->packs[1].repaired_by, manifest->packs[2].id, UUID_TEXT_SIZE);
    assert_int_equal(live_pages_read(rig.store, manifest, NULL, &after, NULL), 0);
    assert_int_equal(after.packs[1].page_count, 0);
    for (uint32_t page = 1; page < 4 * LIVE_CHUNK_PAGES; page++) {
        assert_int_equal(live_pages_has(&after, 2, page),
                         live_pages_has(&before, 1, page) || live_pages_has(&before, 2, page));
    }
    assert_int_equal(after.packs[2].first_user, 0);
    live_pages_dispose(&before);
    live_pages_dispose(&after);
    restore_rig_dispose(&rig);
}

static void the_base_of_a_map_is_needed_too(void **state)
{
    struct live_pages live = LIVE_PAGES_INIT;
    const struct manifest *manifest;
    struct restore_rig rig;
    unsigned bases = 0;

    (void)state;
    repack_rig_init(&rig);
    manifest = &rig.packs.manifest;
    assert_int_equal(live_pages_read(rig.store, manifest, NULL, &live, NULL), 0);
    for (size_t i = 0; i < manifest->backup_count; i++) {
        const struct pack_record *own = manifest_find_pack(manifest, manifest->backups[i].id);
        const struct pack_record *base = manifest_find_pack(manifest, own->map_base);

        assert_true(live.packs[own - manifest->packs].needs_map);
        if (base == NULL)
            continue;
        assert_true(live.packs[base - manifest->packs].needs_map);
        bases++;
    }
    assert_true(bases > 0);
    assert_false(live.packs[0].needs_map);
    live_pages_dispose(&live);
    restore_rig_dispose(&rig);
}

static struct live_pack one_page(uint64_t **chunks, uint64_t *chunk, size_t index)
{
    memset((void *)chunks, 0, 3 * sizeof(*chunks));
    chunks[index] = chunk;
    return (struct live_pack){ .chunks = chunks, .chunk_count = 3 };
}

static void packs_meet_where_they_share_a_page(void **state)
{
    uint64_t bits[LIVE_CHUNK_PAGES / 64] = { 0 }, others[LIVE_CHUNK_PAGES / 64] = { 0 };
    uint64_t *a_chunks[3], *b_chunks[3];
    struct live_pack a = one_page(a_chunks, bits, 1), b = one_page(b_chunks, others, 1);

    (void)state;
    bits[3] = 4;
    others[3] = 2;
    assert_false(live_pages_meet(&a, &b));
    others[3] = 6;
    assert_true(live_pages_meet(&a, &b));
    b.chunk_count = 1;
    assert_false(live_pages_meet(&a, &b));
    b = one_page(b_chunks, others, 2);
    assert_false(live_pages_meet(&a, &b));
}

static void a_failure_is_reported(void **state)
{
    struct restore_rig rig;
    unsigned fail_at = 1;
    int r;

    (void)state;
    repack_rig_init(&rig);
    do {
        struct live_pages live = LIVE_PAGES_INIT;
        struct err err = { 0 };

        rig.counters.calls = 0;
        rig.counters.fail_at = fail_at++;
        r = live_pages_read(rig.store, &rig.packs.manifest, NULL, &live, &err);
        assert_true(r == 0 || (r == ERR_SERVER && live.packs == NULL));
        live_pages_dispose(&live);
    } while (r < 0);
    assert_true(fail_at > REPACK_RIG_KEPT);
    restore_rig_dispose(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_the_maps_say),
        cmocka_unit_test(pages_count_for_the_pack_that_has_them_now),
        cmocka_unit_test(the_base_of_a_map_is_needed_too),
        cmocka_unit_test(packs_meet_where_they_share_a_page),
        cmocka_unit_test(a_failure_is_reported),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
