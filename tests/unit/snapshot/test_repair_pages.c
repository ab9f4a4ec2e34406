/* Goal: pages that the live database still has are mended for good; what is said to be mended
 * restores, and what is not is said to be damaged; whatever fails on the way, nothing is lost. */
#include "snapshot/repair_pages.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "snapshot/catalog.h"
#include "snapshot/fetch.h"
#include "snapshot/repair.h"
#include "snapshot/restore.h"
#include "store/object_store.h"
#include "tests/harness/quiet_log.h"
#include "tests/harness/restore_rig.h"
#include "tests/harness/test.h"

#define BACKUPS 4
#define ALL     15u

/* The database is as the last backup shows it. */
static void rig_init(struct restore_rig *rig)
{
    const struct repair_options options = { .database = "app" };
    struct repair_report report;

    restore_rig_init(rig, 1024, BACKUPS);
    assert_int_equal(repair_run(rig->store, &options, &report, NULL), 0); /* a manifest */
    assert_int_equal(report.backup_count, BACKUPS);
}

static bool is_fetched(struct restore_rig *rig, const struct manifest *manifest, size_t index)
{
    const struct fetch_options options = { .thread_count = 1 };
    const char *path = restore_rig_path(rig->work, "fetched");
    const struct backup_record *backup = NULL;
    struct fetch *fetch = NULL;
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int r;

    assert_true(fd >= 0);
    assert_int_equal(manifest_find_backup(manifest, rig->packs.backups[index].id, &backup, NULL),
                     0);
    r = fetch_open(rig->store, manifest, backup, &options, &fetch, NULL);
    if (r == 0)
        r = fetch_to_file(fetch, fd, path, NULL);
    fetch_close(fetch);
    (void)close(fd);
    if (r == 0) /* never handed over as good */
        assert_true(restore_rig_same(rig, path, index));
    assert_int_equal(unlink(path), 0);
    return r == 0;
}

/* Which backups can be fetched, as a bit each; those that are listed as damaged cannot. */
static unsigned whole(struct restore_rig *rig, bool is_marked)
{
    struct manifest manifest;
    unsigned found = 0;

    rig->counters.fail_at = 0;
    assert_int_equal(catalog_load(rig->store, "app", false, &manifest, NULL), 0);
    assert_int_equal(manifest.backup_count, BACKUPS);
    for (size_t i = 0; i < BACKUPS; i++) {
        const bool fetched = is_fetched(rig, &manifest, i);
        const struct backup_record *backup = NULL;

        assert_int_equal(manifest_find_backup(&manifest, rig->packs.backups[i].id, &backup, NULL),
                         0);
        if (is_marked)
            assert_int_equal(backup->damaged, !fetched);
        found |= fetched ? 1u << i : 0;
    }
    manifest_dispose(&manifest);
    return found;
}

static int repair(struct restore_rig *rig, const char *path, bool dry_run,
                  struct repair_pages_report *ret_report)
{
    const struct repair_pages_options options = { .database = "app",
                                                  .path = path,
                                                  .dry_run = dry_run };

    return repair_pages_run(rig->store, &options, ret_report, NULL);
}

static uint64_t hashes_offset(const struct restore_rig *rig, size_t index)
{
    return manifest_find_pack(&rig->packs.manifest, rig->packs.backups[index].id)->hashes_offset;
}

static void delete_pack(struct restore_rig *rig, size_t index)
{
    char key[CATALOG_KEY_SIZE];
    const char *keys[] = { key };

    pack_fixture_key(&rig->packs, rig->packs.backups[index].id, key);
    assert_int_equal(object_delete(rig->store, keys, 1, NULL), 0);
}

static void writes_nothing_when_nothing_is_damaged(void **state)
{
    struct repair_pages_report report = { 0 };
    struct restore_rig rig;

    (void)state;
    rig_init(&rig);
    rig.counters.puts = 0;
    assert_int_equal(repair(&rig, rig.source.path, false, &report), 0);
    assert_int_equal(report.backup_count, BACKUPS);
    assert_int_equal(report.count, 0);
    assert_int_equal(report.generation, 0);
    assert_int_equal(rig.counters.puts, 0);
    repair_pages_report_dispose(&report);
    restore_rig_dispose(&rig);
}

static void mends_a_frame_whose_pages_the_database_has(void **state)
{
    struct repair_pages_report report = { 0 };
    struct restore_rig rig;
    const size_t last = BACKUPS - 1;

    (void)state;
    rig_init(&rig);
    restore_rig_flip(&rig, last, hashes_offset(&rig, last) / 2);
    assert_int_equal(whole(&rig, false), ALL & ~(1u << last));
    assert_int_equal(repair(&rig, NULL, false, &report), 0); /* without the database */
    assert_int_equal(report.damaged_count, 1);
    assert_int_equal(report.pack_count, 0);
    assert_true(report.results[0].lost_pages > 0);
    repair_pages_report_dispose(&report);
    assert_int_equal(whole(&rig, true), ALL & ~(1u << last));
    rig.counters.puts = 0;
    assert_int_equal(repair(&rig, rig.source.path, true, &report), 0);
    assert_int_equal(rig.counters.puts, 0);
    assert_int_equal(report.damaged_count, 0);
    assert_int_equal(report.pack_count, 1);
    repair_pages_report_dispose(&report);
    assert_int_equal(repair(&rig, rig.source.path, false, &report), 0);
    assert_int_equal(report.count, 1);
    assert_int_equal(report.damaged_count, 0);
    assert_true(report.page_count > 0);
    repair_pages_report_dispose(&report);
    assert_int_equal(whole(&rig, true), ALL);
    assert_int_equal(repair(&rig, rig.source.path, false, &report), 0);
    assert_int_equal(report.count, 0);
    repair_pages_report_dispose(&report);
    restore_rig_dispose(&rig);
}

/* Nobody knows the hashes of its pages any more, nor its map, which others are a difference from:
 * that the database's pages make up the last backup proves them. */
static void mends_the_last_backup_although_the_full_one_is_gone(void **state)
{
    struct repair_pages_report report = { 0 };
    struct restore_rig rig;
    sqlite3 *db;

    (void)state;
    rig_init(&rig);
    delete_pack(&rig, 0);
    assert_int_equal(whole(&rig, false), 0);
    assert_int_equal(repair(&rig, rig.source.path, false, &report), 0);
    assert_int_equal(report.count, BACKUPS);
    assert_true(whole(&rig, true) & 1u << (BACKUPS - 1));
    repair_pages_report_dispose(&report);
    restore_rig_dispose(&rig);

    rig_init(&rig);
    delete_pack(&rig, 0);
    db = sqlite_fixture_open(&rig.source);
    sqlite_fixture_exec(db, "UPDATE t SET body = 'other' WHERE id = 7");
    (void)sqlite3_close(db);
    assert_int_equal(repair(&rig, rig.source.path, false, &report), 0);
    assert_int_equal(report.page_count, 0); /* nothing proves what was found */
    assert_int_equal(report.damaged_count, BACKUPS);
    assert_int_equal(whole(&rig, true), 0);
    repair_pages_report_dispose(&report);
    restore_rig_dispose(&rig);
}

/* Its frames say what its pages are, and the backups' hashes that they are. */
static void mends_a_pack_that_has_only_lost_its_index(void **state)
{
    (void)state;
    for (size_t i = 0; i < BACKUPS; i++) {
        struct repair_pages_report report = { 0 };
        struct restore_rig rig;

        rig_init(&rig);
        restore_rig_flip(&rig, i, hashes_offset(&rig, i) + 30);
        assert_int_equal(whole(&rig, false) & 1u << i, 0);
        assert_int_equal(repair(&rig, NULL, false, &report), 0);
        assert_int_equal(report.damaged_count, 0);
        assert_int_equal(whole(&rig, true), ALL);
        repair_pages_report_dispose(&report);
        restore_rig_dispose(&rig);
    }
}

static void mends_what_had_mended(void **state)
{
    const size_t last = BACKUPS - 1;
    struct repair_pages_report report = { 0 };
    struct restore_rig rig;

    (void)state;
    rig_init(&rig);
    restore_rig_flip(&rig, last, hashes_offset(&rig, last) / 2);
    for (int round = 0; round < 3; round++) {
        struct manifest manifest;
        const struct pack_record *made;
        char key[CATALOG_KEY_SIZE];
        const char *keys[] = { key };

        assert_int_equal(repair(&rig, rig.source.path, false, &report), 0);
        assert_int_equal(report.pack_count, 1);
        repair_pages_report_dispose(&report);
        assert_int_equal(whole(&rig, true), ALL);
        assert_int_equal(catalog_load(rig.store, "app", false, &manifest, NULL), 0);
        made = &manifest.packs[manifest.pack_count - 1];
        assert_int_equal(catalog_pack_key("app", made->id, key, NULL), 0);
        if (round < 2)
            assert_int_equal(object_delete(rig.store, keys, 1, NULL), 0);
        manifest_dispose(&manifest);
        assert_int_equal(whole(&rig, false) == ALL, round == 2);
    }
    restore_rig_dispose(&rig);
}

static void whatever_fails_the_next_one_mends(void **state)
{
    const size_t last = BACKUPS - 1;
    unsigned fail_at = 1;
    int r;

    (void)state;
    do { /* fail call 1, 2, ... until none fails */
        struct repair_pages_report report = { 0 };
        struct restore_rig rig;

        rig_init(&rig);
        restore_rig_flip(&rig, last, hashes_offset(&rig, last) / 2);
        rig.counters.calls = 0;
        rig.counters.fail_at = fail_at++;
        r = repair(&rig, rig.source.path, false, &report);
        repair_pages_report_dispose(&report);
        assert_int_equal(whole(&rig, false) | 1u << last, ALL);
        assert_int_equal(repair(&rig, rig.source.path, false, &report), 0);
        assert_int_equal(whole(&rig, true), ALL);
        repair_pages_report_dispose(&report);
        restore_rig_dispose(&rig);
    } while (r < 0);
    assert_true(fail_at > 20);
}

/* A manifest made of the packs knows what repairs what, even where a repaired pack is gone. */
static void a_lost_manifest_does_not_undo_it(void **state)
{
    const struct repair_options options = { .database = "app", .from_packs = true };
    struct repair_pages_report report = { 0 };
    struct repair_report made;
    struct restore_rig rig;
    unsigned before;

    (void)state;
    rig_init(&rig);
    delete_pack(&rig, 0);
    assert_int_equal(repair(&rig, rig.source.path, false, &report), 0);
    repair_pages_report_dispose(&report);
    before = whole(&rig, true);
    assert_int_equal(repair_run(rig.store, &options, &made, NULL), 0);
    assert_int_equal(made.lost_count, 0);
    assert_int_equal(whole(&rig, true), before);
    assert_true(before & 1u << (BACKUPS - 1));
    restore_rig_dispose(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_nothing_when_nothing_is_damaged),
        cmocka_unit_test(mends_a_frame_whose_pages_the_database_has),
        cmocka_unit_test(mends_the_last_backup_although_the_full_one_is_gone),
        cmocka_unit_test(mends_a_pack_that_has_only_lost_its_index),
        cmocka_unit_test(mends_what_had_mended),
        cmocka_unit_test(whatever_fails_the_next_one_mends),
        cmocka_unit_test(a_lost_manifest_does_not_undo_it),
    };

    log_set_sink(quiet_log, NULL, LOG_LEVEL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
