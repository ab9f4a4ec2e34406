/* Goal: a page map that is lost is made again exactly as it was, or not at all. */
#include "snapshot/repair_map.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "snapshot/spool.h"
#include "tests/harness/quiet_log.h"
#include "tests/harness/restore_rig.h"
#include "tests/harness/test.h"

#define BACKUPS 4

struct making {
    struct restore_rig rig;
    struct repair_pages_options options;
    struct repair_job job;
};

static struct manifest *manifest_of(struct making *making)
{
    return &making->rig.packs.manifest;
}

static void making_init(struct making *making)
{
    memset(making, 0, sizeof(*making));
    restore_rig_init(&making->rig, 1024, BACKUPS);
}

static const struct pack_record *pack_of(struct making *making, size_t index)
{
    return manifest_find_pack(manifest_of(making), making->rig.packs.backups[index].id);
}

static void lose_map(struct making *making, size_t index)
{
    restore_rig_flip(&making->rig, index, pack_of(making, index)->map_offset + 30);
}

static void make(struct making *making)
{
    static const struct verify_options reading = { .read = true };
    struct repair_job *job = &making->job;

    making->options.database = "app";
    *job = (struct repair_job){ .store = making->rig.store,
                                .options = &making->options,
                                .manifest = manifest_of(making) };
    job->packs = calloc(job->manifest->pack_count, sizeof(*job->packs));
    assert_int_equal(pack_survey_run(job->store, job->manifest, NULL, &reading, &job->survey, NULL),
                     0);
    assert_int_equal(repair_find_maps(job, NULL), 0);
}

static void making_dispose(struct making *making)
{
    struct repair_job *job = &making->job;

    for (size_t i = 0; i < job->manifest->pack_count; i++)
        page_map_dispose(&job->packs[i].map);
    free(job->packs);
    free(job->stand_ins);
    pack_survey_dispose(&job->survey);
    restore_rig_dispose(&making->rig);
}

/* The map of the backup, as it is read now, has every page where it was. */
static void assert_right(struct making *making, size_t index)
{
    const struct page_map *right = &making->rig.packs.backups[index].map;
    struct page_map map = PAGE_MAP_INIT;
    bool lost = true;

    assert_int_equal(
        repair_read_map(&making->job, restore_rig_backup(&making->rig, index), &map, &lost, NULL),
        0);
    assert_false(lost);
    assert_int_equal(map.page_count, right->page_count);
    for (uint32_t page = 1; page <= map.page_count; page++) {
        const struct page_run *a = page_map_find(&map, page), *b = page_map_find(right, page);

        assert_string_equal(map.pack_ids[a->pack], right->pack_ids[b->pack]);
        assert_int_equal(a->frame_offset, b->frame_offset);
        assert_int_equal(a->frame_len, b->frame_len);
        assert_int_equal(a->frame_slot_count, b->frame_slot_count);
        assert_int_equal(a->slot + (page - a->first_page), b->slot + (page - b->first_page));
        assert_int_equal(a->frame_slot + (page - a->first_page),
                         b->frame_slot + (page - b->first_page));
    }
    page_map_dispose(&map);
}

static bool is_lost(struct making *making, size_t index)
{
    struct page_map map = PAGE_MAP_INIT;
    bool lost = false;

    assert_int_equal(
        repair_read_map(&making->job, restore_rig_backup(&making->rig, index), &map, &lost, NULL),
        0);
    page_map_dispose(&map);
    return lost;
}

static void makes_the_map_of_any_backup_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < BACKUPS; i++) {
        struct making making;

        making_init(&making);
        lose_map(&making, i);
        make(&making);
        assert_int_equal(making.job.stand_in_count, 1); /* those that differ from it can be read */
        for (size_t k = 0; k < BACKUPS; k++)
            assert_right(&making, k);
        making_dispose(&making);
    }
}

static void makes_all_of_them_at_once(void **state)
{
    struct making making;

    (void)state;
    making_init(&making);
    for (size_t i = 0; i < BACKUPS; i++)
        lose_map(&making, i);
    make(&making);
    assert_int_equal(making.job.stand_in_count, BACKUPS);
    for (size_t i = 0; i < BACKUPS; i++)
        assert_right(&making, i);
    making_dispose(&making);
}

/* Retention has removed the backup that the others' maps differ from. */
static void needs_no_backup_for_the_base(void **state)
{
    struct making making;

    (void)state;
    making_init(&making);
    lose_map(&making, 0);
    manifest_remove_backup(manifest_of(&making), 0);
    make(&making);
    assert_int_equal(making.job.stand_in_count, 1);
    for (size_t i = 1; i < BACKUPS; i++)
        assert_right(&making, i);
    making_dispose(&making);
}

static void makes_none_where_an_index_that_it_needs_is_lost(void **state)
{
    struct making making;

    (void)state;
    making_init(&making);
    lose_map(&making, 1);
    restore_rig_flip(&making.rig, 0, pack_of(&making, 0)->hashes_offset + 30);
    make(&making);
    assert_int_equal(making.job.stand_in_count, 0);
    assert_true(is_lost(&making, 1));
    assert_right(&making, 2);
    making_dispose(&making);
}

static void makes_none_that_the_database_hash_does_not_prove(void **state)
{
    struct making making;

    (void)state;
    making_init(&making);
    lose_map(&making, 3);
    manifest_of(&making)->backups[3].database_hash.low ^= 1;
    make(&making);
    assert_int_equal(making.job.stand_in_count, 0);
    assert_true(is_lost(&making, 3));
    making_dispose(&making);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_the_map_of_any_backup_again),
        cmocka_unit_test(makes_all_of_them_at_once),
        cmocka_unit_test(needs_no_backup_for_the_base),
        cmocka_unit_test(makes_none_where_an_index_that_it_needs_is_lost),
        cmocka_unit_test(makes_none_that_the_database_hash_does_not_prove),
    };

    log_set_sink(quiet_log, NULL, LOG_LEVEL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
