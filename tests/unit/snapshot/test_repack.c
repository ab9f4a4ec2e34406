/* Goal: packs that hold much of no use are replaced, the listed backups restore all the time, and
 * whatever fails or happens meanwhile, no page that one of them needs is given up. */
#include "snapshot/repack.h"

#include "base/err.h"
#include "base/log.h"
#include "snapshot/catalog.h"
#include "snapshot/parent.h"
#include "snapshot/repair.h"
#include "store/object_store.h"
#include "tests/harness/fake_clock.h"
#include "tests/harness/quiet_log.h"
#include "tests/harness/repack_rig.h"
#include "tests/harness/test.h"

#include <stdlib.h>
#include <string.h>

#define GRACE_MS INT64_C(1000)

struct repacking {
    struct restore_rig rig;
    struct fake_clock clock;
    struct repack_options options;
    struct repack_report report;
};

static int keep(void *context, struct manifest *manifest, struct err *err)
{
    (void)context;
    (void)manifest;
    (void)err;
    return 0;
}

/* The rig's manifest becomes the store's. */
static void repacking_init(struct repacking *repacking)
{
    struct catalog_commit_options commit = { 0 };

    memset(repacking, 0, sizeof(*repacking));
    repack_rig_init(&repacking->rig);
    fake_clock_init(&repacking->clock, INT64_C(4000000000000));
    commit.clock = &repacking->clock.clock;
    assert_int_equal(catalog_commit(repacking->rig.store, &repacking->rig.packs.manifest, keep,
                                    NULL, &commit, NULL),
                     0);
    repacking->options = (struct repack_options){
        .database = "app",
        .grace_ms = GRACE_MS,
        .clock = &repacking->clock.clock,
    };
    atomic_store(&repacking->rig.counters.calls, 0);
}

static void repacking_dispose(struct repacking *repacking)
{
    restore_rig_dispose(&repacking->rig);
}

static int run(struct repacking *repacking, struct manifest *manifest, struct err *err)
{
    return repack_run(repacking->rig.store, manifest, &repacking->options, &repacking->report, err);
}

static void load(struct repacking *repacking, struct manifest *ret_manifest)
{
    repacking->rig.counters.fail_at = 0;
    assert_int_equal(catalog_load(repacking->rig.store, "app", false, ret_manifest, NULL), 0);
}

static size_t count_replaced(const struct manifest *manifest)
{
    size_t count = 0;

    for (size_t i = 0; i < manifest->pack_count; i++)
        count += manifest->packs[i].replaced_at_ms != 0;
    return count;
}

/* As if the grace was over. */
static void check(struct repacking *repacking)
{
    struct manifest manifest = MANIFEST_INIT;

    load(repacking, &manifest);
    assert_true(repack_rig_restores(&repacking->rig, &manifest));
    (void)repack_rig_sweep(&repacking->rig, &manifest);
    assert_true(repack_rig_restores(&repacking->rig, &manifest));
    manifest_dispose(&manifest);
}

static void replaces_what_is_little_used(void **state)
{
    struct repacking repacking;
    struct manifest *manifest;

    (void)state;
    repacking_init(&repacking);
    manifest = &repacking.rig.packs.manifest;
    assert_int_equal(run(&repacking, manifest, NULL), 0);
    assert_true(repacking.report.pack_count > 0);
    assert_true(repacking.report.bytes > 0);
    assert_int_equal(count_replaced(manifest), repacking.report.pack_count);
    check(&repacking);
    repacking_dispose(&repacking);
}

/* Each time that backups expire, what replaced others is replaced in turn: no chains. */
static void replaces_again_what_has_replaced(void **state)
{
    struct repacking repacking;
    struct manifest *manifest;
    size_t before;

    (void)state;
    repacking_init(&repacking);
    manifest = &repacking.rig.packs.manifest;
    assert_int_equal(run(&repacking, manifest, NULL), 0);
    before = manifest->pack_count;
    manifest_remove_backup(manifest, 0);
    manifest_remove_backup(manifest, 0);
    repacking.clock.now_ms += 2 * GRACE_MS;
    assert_int_equal(run(&repacking, manifest, NULL), 0);
    assert_true(manifest->pack_count > before);
    for (size_t i = 0; i < manifest->pack_count; i++) {
        const struct pack_record *by = manifest_find_pack(manifest, manifest->packs[i].repaired_by);

        assert_true(by == NULL || by->repaired_by[0] == '\0');
    }
    check(&repacking);
    repacking_dispose(&repacking);
}

/* The next backup writes its map as what differs from the whole one, as that is stored: it must not
 * be compared with where the pages have gone since. */
static void the_whole_map_of_a_parent_is_known_as_it_is_stored(void **state)
{
    struct repacking repacking;
    const struct manifest *manifest;
    unsigned count = 0;

    (void)state;
    repacking_init(&repacking);
    manifest = &repacking.rig.packs.manifest;
    assert_int_equal(run(&repacking, &repacking.rig.packs.manifest, NULL), 0);
    for (size_t i = 0; i < manifest->backup_count; i++) {
        const struct pack_fixture_backup *made =
            &repacking.rig.packs.backups[REPACK_RIG_BACKUPS - REPACK_RIG_KEPT + i];
        struct parent parent = PARENT_INIT;
        const struct page_run *now, *stored;

        if (!made->map_is_whole)
            continue;
        assert_int_equal(parent_read(repacking.rig.store, manifest, &manifest->backups[i], NULL,
                                     NULL, &parent, NULL),
                         0);
        for (uint32_t page = 1; page <= made->map.page_count; page++) {
            const struct page_run *first = page_map_find(&made->map, page);

            stored = page_map_find(&parent.base, page);
            now = page_map_find(&parent.map, page);
            assert_non_null(stored);
            assert_string_equal(parent.base.pack_ids[stored->pack],
                                made->map.pack_ids[first->pack]);
            count += strcmp(parent.map.pack_ids[now->pack], made->map.pack_ids[first->pack]) != 0;
        }
        parent_dispose(&parent);
    }
    assert_true(count > 0);
    check(&repacking);
    repacking_dispose(&repacking);
}

static void does_nothing_when_little_enough_is_unused(void **state)
{
    static const unsigned limits[] = { 99, 100 };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct repacking repacking;
        uint64_t generation;

        repacking_init(&repacking);
        generation = repacking.rig.packs.manifest.generation;
        repacking.options.max_unused = limits[i];
        assert_int_equal(run(&repacking, &repacking.rig.packs.manifest, NULL), 0);
        assert_int_equal(repacking.report.pack_count, 0);
        assert_int_equal(repacking.rig.packs.manifest.generation, generation);
        if (limits[i] == 100) /* not even a map is read */
            assert_int_equal(repacking.rig.counters.calls, 0);
        repacking_dispose(&repacking);
    }
}

static void a_dry_run_tells_and_writes_nothing(void **state)
{
    struct repacking repacking;
    uint64_t generation;
    unsigned puts;

    (void)state;
    repacking_init(&repacking);
    generation = repacking.rig.packs.manifest.generation;
    puts = repacking.rig.counters.puts;
    repacking.options.dry_run = true;
    assert_int_equal(run(&repacking, &repacking.rig.packs.manifest, NULL), 0);
    assert_true(repacking.report.pack_count > 0 && repacking.report.bytes > 0);
    assert_int_equal(repacking.rig.packs.manifest.generation, generation);
    assert_int_equal(repacking.rig.counters.puts, puts);
    repacking_dispose(&repacking);
}

static void a_damaged_pack_is_left_alone(void **state)
{
    struct repacking repacking;
    struct manifest *manifest;

    (void)state;
    repacking_init(&repacking);
    manifest = &repacking.rig.packs.manifest;
    restore_rig_flip(&repacking.rig, 0, manifest->packs[0].hashes_offset / 2);
    assert_int_equal(run(&repacking, manifest, NULL), 0);
    assert_int_equal(manifest->packs[0].replaced_at_ms, 0);
    restore_rig_flip(&repacking.rig, 0, manifest->packs[0].hashes_offset / 2);
    check(&repacking);
    repacking_dispose(&repacking);
}

/* Puts a backup that had expired back: as one would that was made meanwhile, and needs pages that
 * none of those needed which were listed. */
static int add_expired(void *context, struct manifest *manifest, struct err *err)
{
    struct backup_record *grown =
        realloc(manifest->backups, (manifest->backup_count + 1) * sizeof(*grown));
    int r;

    assert_non_null(grown);
    manifest->backups = grown;
    memmove(&grown[1], grown, manifest->backup_count * sizeof(*grown));
    r = backup_record_copy(context, &grown[0], err);
    manifest->backup_count += r == 0;
    return r;
}

static void a_backup_that_was_made_meanwhile_keeps_its_packs(void **state)
{
    struct repacking repacking;
    struct backup_record expired;
    struct manifest stale = MANIFEST_INIT, newest = MANIFEST_INIT;
    struct catalog_commit_options commit = { 0 };
    struct manifest *manifest;

    (void)state;
    repacking_init(&repacking);
    commit.clock = &repacking.clock.clock;
    manifest = &repacking.rig.packs.manifest;
    assert_int_equal(backup_record_copy(&manifest->backups[0], &expired, NULL), 0);
    manifest_remove_backup(manifest, 0);
    assert_int_equal(catalog_commit(repacking.rig.store, manifest, keep, NULL, &commit, NULL), 0);
    load(&repacking, &stale);
    assert_int_equal(
        catalog_commit(repacking.rig.store, manifest, add_expired, &expired, &commit, NULL), 0);
    assert_int_equal(run(&repacking, &stale, NULL), 0);
    assert_true(repacking.report.pack_count > 0);
    load(&repacking, &newest);
    assert_int_equal(newest.backup_count, REPACK_RIG_KEPT);
    check(&repacking);
    manifest_dispose(&newest);
    manifest_dispose(&stale);
    backup_record_dispose(&expired);
    repacking_dispose(&repacking);
}

/* A manifest that was lost afterwards is made again of the packs. */
static void a_lost_manifest_is_found_again(void **state)
{
    const struct repair_options options = { .database = "app", .from_packs = true };
    struct repair_report report;
    struct repacking repacking;
    struct manifest made = MANIFEST_INIT;

    (void)state;
    repacking_init(&repacking);
    assert_int_equal(run(&repacking, &repacking.rig.packs.manifest, NULL), 0);
    (void)repack_rig_sweep(&repacking.rig, &repacking.rig.packs.manifest);
    for (uint64_t g = 1; g <= repacking.rig.packs.manifest.generation; g++) {
        char key[CATALOG_KEY_SIZE];
        const char *keys[] = { key };

        assert_int_equal(catalog_manifest_key("app", g, key, NULL), 0);
        assert_int_equal(object_delete(repacking.rig.store, keys, 1, NULL), 0);
    }
    assert_int_equal(repair_run(repacking.rig.store, &options, &report, NULL), 0);
    load(&repacking, &made);
    assert_true(made.backup_count >= REPACK_RIG_KEPT);
    assert_true(repack_rig_restores(&repacking.rig, &made));
    assert_int_equal(count_replaced(&made), count_replaced(&repacking.rig.packs.manifest));
    manifest_dispose(&made);
    repacking_dispose(&repacking);
}

static void every_backup_restores_whatever_fails(void **state)
{
    unsigned fail_at = 1;
    int r;

    (void)state;
    do {
        struct repacking repacking;
        struct err err = { 0 };

        repacking_init(&repacking);
        repacking.rig.counters.fail_at = fail_at++;
        r = run(&repacking, &repacking.rig.packs.manifest, &err);
        check(&repacking);
        repacking_dispose(&repacking);
    } while (r < 0);
    assert_true(fail_at > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replaces_what_is_little_used),
        cmocka_unit_test(replaces_again_what_has_replaced),
        cmocka_unit_test(the_whole_map_of_a_parent_is_known_as_it_is_stored),
        cmocka_unit_test(does_nothing_when_little_enough_is_unused),
        cmocka_unit_test(a_dry_run_tells_and_writes_nothing),
        cmocka_unit_test(a_damaged_pack_is_left_alone),
        cmocka_unit_test(a_backup_that_was_made_meanwhile_keeps_its_packs),
        cmocka_unit_test(a_lost_manifest_is_found_again),
        cmocka_unit_test(every_backup_restores_whatever_fails),
    };

    log_set_sink(quiet_log, NULL, LOG_LEVEL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
