/* Goal: a prune deletes what no manifest names and nothing else, whatever fails; and what it could
 * not delete, the next one does. */
#include "retention/prune.h"

#include <fcntl.h>
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

#define HOUR_MS  INT64_C(3600000)
#define DAY_MS   (24 * HOUR_MS)
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
    /* Somebody else's turn, once, before a call of this kind that concerns this key. */
    void (*turn)(struct rig *rig);
    const char *turn_at, *turn_key;
};

static void before_call(void *context, const char *operation, const char *key)
{
    struct rig *rig = context;
    void (*turn)(struct rig *) = rig->turn;

    if (turn == NULL || strcmp(operation, rig->turn_at) != 0 ||
        strncmp(key, rig->turn_key, strlen(rig->turn_key)) != 0)
        return;
    rig->turn = NULL;
    turn(rig);
}

static void rig_init(struct rig *rig, int code)
{
    const struct fault_store_options options = {
        .code = code, .clock = &rig->clock.clock, .before = before_call, .context = rig
    };
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

static int prune_at(struct rig *rig, struct fake_clock *clock,
                    const struct retention_policy *policy, int64_t grace_ms, bool dry_run,
                    struct prune_report *ret_report)
{
    const struct prune_options options = { .database = "app",
                                           .policy = policy,
                                           .grace_ms = grace_ms,
                                           .dry_run = dry_run,
                                           .clock = &clock->clock };
    struct prune_report report = { 0 };
    int r = prune_run(rig->store, &options, &report, NULL);

    *ret_report = report; /* the numbers */
    prune_report_dispose(&report);
    return r;
}

static int prune(struct rig *rig, const struct retention_policy *policy, int64_t grace_ms,
                 bool dry_run, struct prune_report *ret_report)
{
    return prune_at(rig, &rig->clock, policy, grace_ms, dry_run, ret_report);
}

static size_t removed(const struct prune_report *report)
{
    size_t count = report->uploads;

    for (size_t i = 0; i < SWEEP_KIND_COUNT; i++)
        count += report->objects[i];
    return count;
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
    assert_int_equal(report.objects[SWEEP_PACK], 0);
    assert_int_equal(census(&rig).packs, BACKUPS);
    assert_int_equal(assert_all_restore(&rig), 2);
    rig.clock.now_ms += DAY_MS;
    assert_int_equal(prune(&rig, &last_two, DAY_MS, false, &report), 0);
    assert_int_equal(report.objects[SWEEP_PACK], FULL);
    assert_int_equal(report.missing, 0);
    assert_int_equal(census(&rig).packs, BACKUPS - report.objects[SWEEP_PACK]);
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
    assert_int_equal(dry.objects[SWEEP_PACK], wet.objects[SWEEP_PACK]);
    rig_dispose(&rig);
}

static void removes_what_killed_runs_left(void **state)
{
    static const char leftover[] = "app/packs/aaaabbbb-0000-4000-8000-000000000001.zst";
    static const char probe[] = "app/probe/aaaabbbb-0000-4000-8000-000000000002";
    struct timespec long_ago = { 0, 0 };
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
    rig.clock.now_ms += HOUR_MS; /* they are young */
    assert_int_equal(prune(&rig, NULL, DAY_MS, false, &report), 0);
    assert_int_equal(removed(&report), 0);
    assert_true(has(&rig, leftover) && has(&rig, probe) && stat(temporary, &st) == 0);
    rig.clock.now_ms += DAY_MS;
    long_ago.tv_sec = (time_t)(clock_now_ms(clock_system()) / 1000 - 90000);
    assert_int_equal(
        utimensat(AT_FDCWD, temporary, (const struct timespec[]){ long_ago, long_ago }, 0), 0);
    assert_int_equal(prune(&rig, NULL, DAY_MS, false, &report), 0);
    assert_int_equal(report.objects[SWEEP_LEFTOVER], 1);
    assert_int_equal(report.objects[SWEEP_PROBE], 1);
    assert_int_equal(report.uploads, 1);
    assert_false(has(&rig, leftover) || has(&rig, probe) || stat(temporary, &st) == 0);
    assert_true(has(&rig, "other/packs/aaaabbbb-0000-4000-8000-000000000003.zst"));
    assert_int_equal(report.objects[SWEEP_GENERATION], BACKUPS - 2);
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
        assert_int_equal(removed(&report), 0);
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
        if (r == 0 && report.denied > 0) {
            assert_int_equal(removed(&report), 0); /* what stays is not said to be gone */
            denied++;
            assert_int_equal(prune(&rig, &last_two, 0, false, &report), 0);
            assert_true(report.objects[SWEEP_LEFTOVER] > 0); /* found again, by the listing alone */
            assert_int_equal(prune(&rig, &last_two, 0, true, &report), 0);
            assert_int_equal(report.objects[SWEEP_LEFTOVER], 0);
        }
        rig_dispose(&rig);
        assert_in_range(fail_at, 1, 20);
    }
}

static size_t assert_store_is_what_the_manifest_names(struct rig *rig)
{
    struct manifest manifest;
    size_t count;

    assert_int_equal(catalog_load(rig->store, "app", false, &manifest, NULL), 0);
    count = manifest.backup_count;
    assert_int_equal(census(rig).packs, manifest.pack_count);
    manifest_dispose(&manifest);
    return count;
}

static void a_clock_that_is_ahead_makes_nothing_old(void **state)
{
    static const char leftover[] = "app/packs/aaaabbbb-0000-4000-8000-000000000001.zst";
    struct prune_report report;
    struct fake_clock ahead;
    struct rig rig;

    (void)state;
    rig_init(&rig, 0);
    put(&rig, leftover); /* another program's, on its way into a manifest */
    fake_clock_init(&ahead, rig.clock.now_ms + 10 * DAY_MS);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(prune_at(&rig, &ahead, &last_two, DAY_MS, false, &report), 0);
        assert_int_equal(removed(&report), 0);
    }
    assert_true(has(&rig, leftover));
    assert_int_equal(assert_all_restore(&rig), 2);
    rig.clock.now_ms += DAY_MS;
    ahead.now_ms += DAY_MS;
    assert_int_equal(prune_at(&rig, &ahead, &last_two, DAY_MS, false, &report), 0);
    assert_int_equal(report.objects[SWEEP_PACK], FULL);
    assert_false(has(&rig, leftover));
    rig_dispose(&rig);
}

static void back_up_elsewhere(struct rig *rig)
{
    const struct backup_options options = { .database = "app",
                                            .path = rig->fixture.path,
                                            .full = true,
                                            .thread_count = 1,
                                            .clock = &rig->clock.clock };
    struct backup_record record;

    assert_int_equal(backup_create(rig->store, &options, &record, NULL, NULL), 0);
    backup_record_dispose(&record);
}

static void spares_a_backup_that_is_made_meanwhile(void **state)
{
    struct prune_report report;
    struct rig rig;

    (void)state;
    rig_init(&rig, 0);
    rig.turn = back_up_elsewhere; /* after the newest manifest was found out */
    rig.turn_at = "get";
    rig.turn_key = "app/manifest/";
    assert_int_equal(prune(&rig, NULL, 0, false, &report), 0);
    assert_null(rig.turn);
    assert_int_equal(report.objects[SWEEP_LEFTOVER], 0);
    assert_int_equal(assert_store_is_what_the_manifest_names(&rig), BACKUPS + 1);
    rig_dispose(&rig);
}

static void applies_the_policy_to_what_won_the_race(void **state)
{
    struct prune_report report;
    struct rig rig;

    (void)state;
    rig_init(&rig, 0);
    rig.turn = back_up_elsewhere;
    rig.turn_at = "put";
    rig.turn_key = "app/manifest/";
    assert_int_equal(prune(&rig, &last_two, 0, false, &report), 0);
    assert_null(rig.turn);
    assert_int_equal(report.backup_count, BACKUPS + 1);
    assert_int_equal(report.expired_count, BACKUPS - 1);
    assert_int_equal(assert_store_is_what_the_manifest_names(&rig), 2);
    rig_dispose(&rig);
}

static void prune_elsewhere(struct rig *rig)
{
    struct prune_report report;

    assert_int_equal(prune(rig, &last_two, 0, false, &report), 0);
    assert_int_equal(report.missing, 0);
}

static void two_at_once_do_the_work_of_one(void **state)
{
    static const struct {
        const char *at, *key;
    } turns[] = { { "list", "app/manifest/" },
                  { "get", "app/manifest/" },
                  { "put", "app/manifest/" },
                  { "delete", "app/" } };

    (void)state;
    for (size_t i = 0; i < sizeof(turns) / sizeof(turns[0]); i++) {
        struct prune_report report;
        struct rig rig;

        rig_init(&rig, 0);
        rig.turn = prune_elsewhere;
        rig.turn_at = turns[i].at;
        rig.turn_key = turns[i].key;
        assert_int_equal(prune(&rig, &last_two, 0, false, &report), 0);
        assert_null(rig.turn);
        assert_int_equal(report.missing, 0);
        assert_int_equal(assert_all_restore(&rig), 2);
        assert_int_equal(assert_store_is_what_the_manifest_names(&rig), 2);
        rig_dispose(&rig);
    }
}

static void what_another_run_gave_up_is_not_missing(void **state)
{
    struct prune_report report;
    struct rig rig;

    (void)state;
    rig_init(&rig, 0);
    rig.turn = prune_elsewhere; /* after the newest manifest was found out */
    rig.turn_at = "get";
    rig.turn_key = "app/manifest/";
    assert_int_equal(prune(&rig, NULL, DAY_MS, false, &report), 0);
    assert_null(rig.turn);
    assert_int_equal(report.missing, 0);
    rig_dispose(&rig);
}

static void a_backup_with_a_policy_deletes_what_is_due(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, 0);
    for (size_t i = 0; i < 2; i++) {
        struct prune_amend amend = { .store = rig.store,
                                     .options = { .database = "app",
                                                  .policy = &last_two,
                                                  .grace_ms = DAY_MS,
                                                  .clock = &rig.clock.clock } };
        const struct backup_options options = { .database = "app",
                                                .path = rig.fixture.path,
                                                .full = true,
                                                .amend = prune_amend,
                                                .amend_context = &amend,
                                                .thread_count = 1,
                                                .clock = &rig.clock.clock };
        const unsigned before = census(&rig).packs;
        struct backup_record record;

        assert_int_equal(backup_create(rig.store, &options, &record, NULL, NULL), 0);
        assert_int_equal(amend.generation, BACKUPS + 1 + i);
        rig.counters.calls = 0;
        assert_int_equal(prune_amend_finish(&amend, NULL), 0);
        assert_int_equal(rig.counters.calls, i); /* nothing was due; then one request */
        assert_int_equal(prune_amend_finish(&amend, NULL), 0);
        assert_int_equal(rig.counters.calls, i);
        assert_true(i == 0 ? census(&rig).packs == before + 1 : census(&rig).packs < before);
        assert_int_equal(assert_store_is_what_the_manifest_names(&rig), 2);
        prune_amend_dispose(&amend);
        prune_amend_dispose(&amend);
        backup_record_dispose(&record);
        rig.clock.now_ms += DAY_MS;
    }
    rig_dispose(&rig);
}

static void now_and_then_a_backup_prunes_everything(void **state)
{
    static const char leftover[] = "app/packs/aaaabbbb-0000-4000-8000-000000000001.zst";
    struct rig rig;
    struct prune_amend amend;

    (void)state;
    rig_init(&rig, 0);
    put(&rig, leftover);
    rig.clock.now_ms += DAY_MS;
    amend = (struct prune_amend){
        .store = rig.store,
        .options = { .database = "app", .grace_ms = DAY_MS, .clock = &rig.clock.clock },
        .generation = PRUNE_SWEEP_EVERY - 1,
    };
    assert_int_equal(prune_amend_finish(&amend, NULL), 0);
    assert_true(has(&rig, leftover));
    amend.generation++;
    assert_int_equal(prune_amend_finish(&amend, NULL), 0);
    assert_false(has(&rig, leftover));
    assert_int_equal(assert_all_restore(&rig), BACKUPS);
    rig_dispose(&rig);
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
        cmocka_unit_test(a_clock_that_is_ahead_makes_nothing_old),
        cmocka_unit_test(spares_a_backup_that_is_made_meanwhile),
        cmocka_unit_test(applies_the_policy_to_what_won_the_race),
        cmocka_unit_test(two_at_once_do_the_work_of_one),
        cmocka_unit_test(what_another_run_gave_up_is_not_missing),
        cmocka_unit_test(a_backup_with_a_policy_deletes_what_is_due),
        cmocka_unit_test(now_and_then_a_backup_prunes_everything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
