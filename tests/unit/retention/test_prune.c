/* Goal: a prune deletes what no manifest names and nothing else, whatever fails; and what it could
 * not delete, the next one does. */
#include "retention/prune.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/io.h"
#include "snapshot/backup.h"
#include "snapshot/catalog.h"
#include "store/dir_store.h"
#include "store/object_store.h"
#include "tests/harness/fake_clock.h"
#include "tests/harness/fault_store.h"
#include "tests/harness/image.h"
#include "tests/harness/sqlite_fixture.h"
#include "tests/harness/temp_dir.h"
#include "tests/harness/test.h"

#define HOUR_MS INT64_C(3600000)
#define DAY_MS  (24 * HOUR_MS)
/* After the time stamps of the store's files, which are the real time. */
#define START_MS INT64_C(4000000000000)
#define BACKUPS  6
#define FULL     3 /* nothing later needs what was there before it */

struct rig {
    char *dir;
    struct sqlite_fixture fixture;
    struct fault_store_counters counters;
    struct object_store *store;
    struct fake_clock clock;
    struct image *images[BACKUPS];
};

static void rig_init(struct rig *rig, int code)
{
    const struct fault_store_options options = { .code = code };
    struct object_store *inner = NULL;

    memset(rig, 0, sizeof(*rig));
    rig->dir = temp_dir_new();
    assert_int_equal(dir_store_new(rig->dir, &inner, NULL), 0);
    assert_int_equal(fault_store_new(inner, &options, &rig->counters, &rig->store, NULL), 0);
    fake_clock_init(&rig->clock, START_MS);
    sqlite_fixture_make(&rig->fixture, 1024, "wal", 600);
    for (size_t i = 0; i < BACKUPS; i++) {
        const struct backup_options backup_options = { .database = "app",
                                                       .path = rig->fixture.path,
                                                       .full_below = 1,
                                                       .full = i == FULL,
                                                       .thread_count = 1,
                                                       .clock = &rig->clock.clock };
        struct backup_record record;
        sqlite3 *db = sqlite_fixture_open(&rig->fixture);

        sqlite_fixture_exec(db, "UPDATE t SET body = hex(randomblob(30)) WHERE id % 80 = 1");
        rig->images[i] = image_new(db);
        (void)sqlite3_close(db);
        assert_int_equal(backup_create(rig->store, &backup_options, &record, NULL, NULL), 0);
        backup_record_dispose(&record);
        rig->clock.now_ms += HOUR_MS;
    }
}

static void rig_dispose(struct rig *rig)
{
    for (size_t i = 0; i < BACKUPS; i++)
        image_free(rig->images[i]);
    sqlite_fixture_remove(&rig->fixture);
    object_store_free(rig->store);
    temp_dir_free(rig->dir);
}

static const struct retention_policy last_two = { .last = 2 };

static int prune(struct rig *rig, const struct retention_policy *policy, int64_t grace_ms,
                 bool dry_run, struct prune_report *ret_report)
{
    const struct prune_options options = { .database = "app",
                                           .policy = policy,
                                           .grace_ms = grace_ms,
                                           .dry_run = dry_run,
                                           .clock = &rig->clock.clock };
    struct prune_report report = { 0 };
    int r = prune_run(rig->store, &options, &report, NULL);

    *ret_report = report;
    prune_report_dispose(&report);
    return r;
}

static void put(struct rig *rig, const char *key)
{
    assert_int_equal(object_put_bytes(rig->store, key, "x", 1, OBJECT_PUT_PLAIN, NULL), 0);
}

static bool has(struct rig *rig, const char *key)
{
    struct object_info info;

    return object_head(rig->store, key, &info, NULL) == 0;
}

struct census {
    unsigned packs, manifests;
};

static int count_key(void *context, const char *key, const struct object_info *info,
                     struct err *err)
{
    struct census *census = context;

    (void)info;
    (void)err;
    census->packs += strstr(key, "/packs/") != NULL;
    census->manifests += strstr(key, "/manifest/") != NULL;
    return 0;
}

static struct census census(struct rig *rig)
{
    struct census found = { 0, 0 };

    rig->counters.fail_at = 0;
    assert_int_equal(object_list(rig->store, "app/", NULL, count_key, &found, NULL), 0);
    return found;
}

/* Every listed backup is what it was; @return how many there are. */
static size_t assert_all_restore(struct rig *rig)
{
    struct manifest manifest;
    size_t count;

    rig->counters.fail_at = 0;
    assert_int_equal(catalog_load(rig->store, "app", false, &manifest, NULL), 0);
    count = manifest.backup_count;
    for (size_t i = 0; i < count; i++) {
        bool same = false;

        assert_int_equal(image_compare(rig->images[BACKUPS - count + i], rig->store, &manifest,
                                       &manifest.backups[i], &same, NULL),
                         0);
        assert_true(same);
    }
    manifest_dispose(&manifest);
    return count;
}

static void deletes_only_after_the_grace(void **state)
{
    struct prune_report report;
    struct rig rig;

    (void)state;
    rig_init(&rig, 0);
    assert_int_equal(prune(&rig, &last_two, DAY_MS, false, &report), 0);
    assert_int_equal(report.expired_count, BACKUPS - 2);
    assert_int_equal(report.packs, 0);
    assert_int_equal(census(&rig).packs, BACKUPS);
    assert_int_equal(assert_all_restore(&rig), 2);
    rig.clock.now_ms += DAY_MS;
    assert_int_equal(prune(&rig, &last_two, DAY_MS, false, &report), 0);
    assert_int_equal(report.packs, FULL);
    assert_int_equal(report.missing, 0);
    assert_int_equal(census(&rig).packs, BACKUPS - report.packs);
    assert_int_equal(assert_all_restore(&rig), 2);
    rig_dispose(&rig);
}

static void a_dry_run_tells_and_changes_nothing(void **state)
{
    struct prune_report dry, wet;
    struct census before, after;
    struct rig rig;

    (void)state;
    rig_init(&rig, 0);
    before = census(&rig);
    assert_int_equal(prune(&rig, &last_two, 0, true, &dry), 0);
    after = census(&rig);
    assert_memory_equal(&before, &after, sizeof(before));
    assert_int_equal(assert_all_restore(&rig), BACKUPS);
    assert_int_equal(prune(&rig, &last_two, 0, false, &wet), 0);
    assert_int_equal(dry.expired_count, wet.expired_count);
    assert_int_equal(dry.packs, wet.packs);
    rig_dispose(&rig);
}

static void removes_what_killed_runs_left(void **state)
{
    static const char leftover[] = "app/packs/aaaabbbb-0000-4000-8000-000000000001.zst";
    static const char probe[] = "app/probe/aaaabbbb-0000-4000-8000-000000000002";
    char temporary[200];
    struct prune_report report;
    struct stat st;
    struct rig rig;
    FILE *file;

    (void)state;
    rig_init(&rig, 0);
    put(&rig, leftover);
    put(&rig, probe);
    put(&rig, "other/packs/aaaabbbb-0000-4000-8000-000000000003.zst");
    (void)snprintf(temporary, sizeof(temporary), "%s/app/packs/.tmp-abcdef", rig.dir);
    file = fopen(temporary, "we");
    assert_non_null(file);
    (void)fclose(file);
    rig.clock.now_ms = clock_now_ms(clock_system()) + HOUR_MS; /* they are young */
    assert_int_equal(prune(&rig, NULL, DAY_MS, false, &report), 0);
    assert_int_equal(report.leftovers + report.probes + report.uploads + report.generations, 0);
    assert_true(has(&rig, leftover) && has(&rig, probe) && stat(temporary, &st) == 0);
    rig.clock.now_ms += DAY_MS;
    assert_int_equal(prune(&rig, NULL, DAY_MS, false, &report), 0);
    assert_int_equal(report.leftovers, 1);
    assert_int_equal(report.probes, 1);
    assert_int_equal(report.uploads, 1);
    assert_false(has(&rig, leftover) || has(&rig, probe) || stat(temporary, &st) == 0);
    assert_true(has(&rig, "other/packs/aaaabbbb-0000-4000-8000-000000000003.zst"));
    assert_int_equal(report.generations, BACKUPS - 2);
    assert_int_equal(census(&rig).manifests, 2); /* the newest, and the one before it */
    assert_int_equal(assert_all_restore(&rig), BACKUPS);
    rig_dispose(&rig);
}

static void tells_of_packs_that_are_missing(void **state)
{
    struct prune_report report;
    struct manifest manifest;
    char key[CATALOG_KEY_SIZE];
    const char *keys[] = { key };
    struct rig rig;

    (void)state;
    rig_init(&rig, 0);
    assert_int_equal(catalog_load(rig.store, "app", false, &manifest, NULL), 0);
    assert_int_equal(catalog_pack_key("app", manifest.packs[1].id, key, NULL), 0);
    manifest_dispose(&manifest);
    assert_int_equal(object_delete(rig.store, keys, 1, NULL), 0);
    assert_int_equal(prune(&rig, NULL, 0, false, &report), 0);
    assert_int_equal(report.missing, 1);
    assert_int_equal(census(&rig).packs, BACKUPS - 1);
    rig_dispose(&rig);
}

static void whatever_fails_the_next_one_finishes(void **state)
{
    unsigned fail_at = 1;
    int r;

    (void)state;
    do { /* fail call 1, 2, ... until none fails */
        struct prune_report report;
        struct rig rig;

        rig_init(&rig, 0);
        put(&rig, "app/packs/aaaabbbb-0000-4000-8000-000000000001.zst");
        rig.counters.calls = 0;
        rig.counters.fail_at = fail_at++;
        r = prune(&rig, &last_two, 0, false, &report);
        if (rig.counters.calls < rig.counters.fail_at)
            fail_at = 0;
        assert_true(assert_all_restore(&rig) >= 2);
        assert_int_equal(prune(&rig, &last_two, 0, false, &report), 0);
        assert_int_equal(assert_all_restore(&rig), 2);
        assert_int_equal(prune(&rig, &last_two, 0, true, &report), 0);
        assert_int_equal(report.packs + report.leftovers, 0);
        rig_dispose(&rig);
    } while (fail_at != 0);
    assert_int_equal(r, 0);
}

static void without_the_right_to_delete_nothing_is_lost(void **state)
{
    unsigned denied = 0;

    (void)state;
    for (unsigned fail_at = 1; denied == 0; fail_at++) { /* up to the call that deletes */
        struct prune_report report;
        struct rig rig;
        int r;

        rig_init(&rig, ERR_DENIED);
        rig.counters.calls = 0;
        rig.counters.fail_at = fail_at;
        r = prune(&rig, &last_two, 0, false, &report);
        assert_int_equal(assert_all_restore(&rig) >= 2, 1);
        if (r == 0 && report.denied) {
            denied++;
            assert_int_equal(prune(&rig, &last_two, 0, false, &report), 0);
            assert_true(report.leftovers > 0); /* found again, by the listing alone */
            assert_int_equal(prune(&rig, &last_two, 0, true, &report), 0);
            assert_int_equal(report.leftovers, 0);
        }
        rig_dispose(&rig);
        assert_in_range(fail_at, 1, 20);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deletes_only_after_the_grace),
        cmocka_unit_test(a_dry_run_tells_and_changes_nothing),
        cmocka_unit_test(removes_what_killed_runs_left),
        cmocka_unit_test(tells_of_packs_that_are_missing),
        cmocka_unit_test(whatever_fails_the_next_one_finishes),
        cmocka_unit_test(without_the_right_to_delete_nothing_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
