/* Goal: whatever is left of a manifest, a repair lists what the packs tell of, and no more;
 * whatever fails on the way, nothing is lost. */
#include "snapshot/repair.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "snapshot/catalog.h"
#include "store/object_store.h"
#include "tests/harness/quiet_log.h"
#include "tests/harness/restore_rig.h"
#include "tests/harness/test.h"

#define BACKUPS 5

static int repair(struct restore_rig *rig, bool from_packs, struct repair_report *ret_report)
{
    const struct repair_options options = { .database = "app", .from_packs = from_packs };

    return repair_run(rig->store, &options, ret_report, NULL);
}

/* How many backups the newest manifest lists, each of which must have its map. */
static size_t listed(struct restore_rig *rig)
{
    struct manifest manifest;
    size_t count;

    rig->counters.fail_at = 0;
    if (catalog_load(rig->store, "app", false, &manifest, NULL) < 0)
        return 0;
    count = manifest.backup_count;
    for (size_t i = 0; i < count; i++) {
        const struct backup_record *made = NULL;

        assert_int_equal(
            manifest_find_backup(&rig->packs.manifest, manifest.backups[i].id, &made, NULL), 0);
        assert_true(page_hash_eq(made->database_hash, manifest.backups[i].database_hash));
        assert_int_equal(pack_set_size(&made->packs), pack_set_size(&manifest.backups[i].packs));
    }
    manifest_dispose(&manifest);
    return count;
}

static void lists_what_the_packs_tell_of(void **state)
{
    struct repair_report report;
    struct restore_rig rig;

    (void)state;
    restore_rig_init(&rig, 1024, BACKUPS);
    assert_int_equal(listed(&rig), 0);
    assert_int_equal(repair(&rig, false, &report), 0);
    assert_true(report.needed);
    assert_int_equal(report.backup_count, BACKUPS);
    assert_int_equal(report.lost_count, 0);
    assert_int_equal(listed(&rig), BACKUPS);
    assert_int_equal(repair(&rig, false, &report), 0);
    assert_false(report.needed);
    assert_int_equal(repair(&rig, true, &report), 0);
    assert_int_equal(report.generation, 2);
    assert_int_equal(listed(&rig), BACKUPS);
    restore_rig_dispose(&rig);
}

static void leaves_out_what_needs_a_pack_that_is_gone(void **state)
{
    struct repair_report report;
    struct restore_rig rig;
    char key[CATALOG_KEY_SIZE];
    const char *keys[] = { key };

    (void)state;
    restore_rig_init(&rig, 1024, BACKUPS);
    pack_fixture_key(&rig.packs, restore_rig_backup(&rig, 0)->id, key);
    assert_int_equal(object_delete(rig.store, keys, 1, NULL), 0);
    assert_int_equal(repair(&rig, false, &report), 0); /* they all go back to it */
    assert_int_equal(report.backup_count, 0);
    assert_int_equal(report.lost_count, BACKUPS - 1);
    restore_rig_dispose(&rig);
    restore_rig_init(&rig, 1024, BACKUPS);
    restore_rig_cut(&rig, BACKUPS - 1, 100);
    assert_int_equal(repair(&rig, false, &report), 0);
    assert_int_equal(report.backup_count, BACKUPS - 1);
    assert_int_equal(report.lost_count, 1);
    assert_int_equal(listed(&rig), BACKUPS - 1);
    restore_rig_dispose(&rig);
}

static void whatever_fails_the_next_one_lists_all(void **state)
{
    unsigned fail_at = 1;
    int r;

    (void)state;
    do { /* fail call 1, 2, ... until none fails */
        struct repair_report report;
        struct restore_rig rig;

        restore_rig_init(&rig, 1024, 2);
        rig.counters.calls = 0;
        rig.counters.fail_at = fail_at++;
        r = repair(&rig, false, &report);
        assert_int_equal(r == 0, listed(&rig) == 2);
        assert_int_equal(repair(&rig, false, &report), 0);
        assert_int_equal(listed(&rig), 2);
        restore_rig_dispose(&rig);
    } while (r < 0);
    assert_true(fail_at > 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_what_the_packs_tell_of),
        cmocka_unit_test(leaves_out_what_needs_a_pack_that_is_gone),
        cmocka_unit_test(whatever_fails_the_next_one_lists_all),
    };

    log_set_sink(quiet_log, NULL, LOG_LEVEL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
