/* Goal: whatever the newest backup is read from is locked for as long as was promised, with few
 * requests; what cannot be locked keeps no backup from being made. */
#include "retention/renew.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "snapshot/catalog.h"
#include "store/object_store.h"
#include "tests/harness/fake_clock.h"
#include "tests/harness/manifest_fixture.h"
#include "tests/harness/memory_store.h"
#include "tests/harness/test.h"

#define DAY_MS     INT64_C(86400000)
#define NOW_MS     INT64_C(1795417528000)
#define PROMISE_MS (10 * DAY_MS)
#define LOCK_MS    (12 * DAY_MS)
#define ID_A       "aaaaaaaa-0000-4000-8000-000000000000"
#define ID_B       "bbbbbbbb-0000-4000-8000-000000000000"
#define ID_C       "cccccccc-0000-4000-8000-000000000000"
#define ID_D       "dddddddd-0000-4000-8000-000000000000"

/* A store in memory that locks, and counts. */
static struct {
    int64_t now_ms;
    unsigned locks;   /* calls */
    unsigned fail_at; /* from 1; 0: never */
    int code;
    char key[CATALOG_KEY_SIZE]; /* that was locked last */
} locker;

static int count_lock(struct object_store *store, const char *key, int64_t *ret_until_ms,
                      struct err *err)
{
    locker.locks++;
    if (locker.locks == locker.fail_at)
        return err_set(err, locker.code, "made to fail");
    (void)snprintf(locker.key, sizeof(locker.key), "%s", key);
    *ret_until_ms = locker.now_ms + store->lock_ms;
    return 0;
}

static int64_t store_now(struct object_store *store)
{
    (void)store;
    return locker.now_ms;
}

struct rig {
    struct memory_quirks quirks;
    struct object_store *store;
    struct object_store_ops ops;
    struct manifest manifest;
    struct fake_clock clock;
};

/* The newest backup needs this pack, too. */
static void need(struct rig *rig, size_t index)
{
    struct pack_set *set = &rig->manifest.backups[rig->manifest.backup_count - 1].packs;
    bool members[4] = { false };

    pack_set_to_flags(set, members);
    members[index] = true;
    pack_set_dispose(set);
    assert_int_equal(pack_set_from_flags(members, 4, set, NULL), 0);
}

/* Backups A, B and C, of which C is the newest and needs the packs of A and itself. */
static void rig_init(struct rig *rig)
{
    memset(rig, 0, sizeof(*rig));
    memset(&locker, 0, sizeof(locker));
    locker.now_ms = NOW_MS;
    fake_clock_init(&rig->clock, NOW_MS);
    assert_int_equal(memory_store_new(&rig->quirks, &rig->store, NULL), 0);
    rig->ops = *rig->store->ops;
    rig->ops.lock = count_lock;
    rig->ops.now_ms = store_now;
    rig->store->ops = &rig->ops;
    rig->store->lock_promise_ms = PROMISE_MS;
    rig->store->lock_ms = LOCK_MS;
    assert_int_equal(manifest_new("app", &rig->manifest, NULL), 0);
    rig->manifest.generation = 1;
    manifest_fixture_add(&rig->manifest, ID_A, NOW_MS - 3 * DAY_MS);
    manifest_fixture_add(&rig->manifest, ID_B, NOW_MS - 2 * DAY_MS);
    manifest_fixture_add(&rig->manifest, ID_C, NOW_MS - 1000);
    need(rig, 0);
}

static void rig_dispose(struct rig *rig)
{
    manifest_dispose(&rig->manifest);
    object_store_free(rig->store);
}

static struct pack_record *pack(struct rig *rig, const char *id)
{
    for (size_t i = 0; i < rig->manifest.pack_count; i++) {
        if (strcmp(rig->manifest.packs[i].id, id) == 0)
            return &rig->manifest.packs[i];
    }
    abort(); /* a test that names a pack that is not there */
}

static void renews_what_the_newest_backup_needs_and_no_more(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig);
    assert_true(renew_is_due(rig.store, &rig.manifest));
    assert_int_equal(renew_locks(rig.store, &rig.manifest, 1000, NULL), 0);
    assert_int_equal(locker.locks, 1);
    assert_string_equal(locker.key, "app/packs/" ID_A ".zst"); /* C was locked as it was put */
    assert_int_equal(pack(&rig, ID_A)->locked_until_ms, NOW_MS + LOCK_MS);
    assert_int_equal(pack(&rig, ID_B)->locked_until_ms, 0);
    assert_int_equal(pack(&rig, ID_C)->locked_until_ms, NOW_MS - 1000 + LOCK_MS);
    assert_false(renew_is_due(rig.store, &rig.manifest));
    rig_dispose(&rig);
}

static void most_commits_cost_nothing(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig);
    pack(&rig, ID_A)->locked_until_ms = NOW_MS + PROMISE_MS;
    assert_int_equal(renew_locks(rig.store, &rig.manifest, 1000, NULL), 0);
    assert_int_equal(locker.locks, 0);
    pack(&rig, ID_A)->locked_until_ms = NOW_MS + PROMISE_MS - 1;
    assert_int_equal(renew_locks(rig.store, &rig.manifest, 1000, NULL), 0);
    assert_int_equal(locker.locks, 1);
    rig.store->lock_ms = rig.store->lock_promise_ms = 0; /* a store without locks */
    pack(&rig, ID_A)->locked_until_ms = 0;
    assert_false(renew_is_due(rig.store, &rig.manifest));
    assert_int_equal(renew_locks(rig.store, &rig.manifest, 1000, NULL), 0);
    assert_int_equal(locker.locks, 1);
    rig_dispose(&rig);
}

static void what_stands_in_for_a_pack_is_needed_and_a_replaced_one_is_not(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig);
    /* A is replaced by B, which D has repaired in turn. */
    manifest_fixture_add(&rig.manifest, ID_D, NOW_MS - 4 * DAY_MS);
    memcpy(pack(&rig, ID_A)->repaired_by, ID_B, UUID_TEXT_SIZE);
    pack(&rig, ID_A)->replaced_at_ms = NOW_MS;
    memcpy(pack(&rig, ID_B)->repaired_by, ID_D, UUID_TEXT_SIZE);
    assert_int_equal(renew_locks(rig.store, &rig.manifest, 1000, NULL), 0);
    assert_int_equal(pack(&rig, ID_A)->locked_until_ms, 0);
    assert_int_equal(pack(&rig, ID_B)->locked_until_ms, NOW_MS + LOCK_MS);
    assert_int_equal(pack(&rig, ID_D)->locked_until_ms, NOW_MS + LOCK_MS);
    assert_int_equal(locker.locks, 2);
    rig_dispose(&rig);
}

static void what_cannot_be_renewed_is_tried_again_next_time(void **state)
{
    static const int codes[] = { ERR_DENIED, ERR_NET, ERR_UNSUPPORTED, ERR_NOT_FOUND };
    struct rig rig;

    (void)state;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        rig_init(&rig);
        need(&rig, 1);
        locker.fail_at = 1;
        locker.code = codes[i];
        assert_int_equal(renew_locks(rig.store, &rig.manifest, 1000, NULL), 0);
        assert_int_equal(pack(&rig, ID_A)->locked_until_ms, 0);
        /* One that is missing tells nothing of the others. */
        assert_int_equal(locker.locks, codes[i] == ERR_NOT_FOUND ? 2 : 1);
        assert_true(renew_is_due(rig.store, &rig.manifest));
        rig_dispose(&rig);
    }
    rig_init(&rig);
    locker.fail_at = 1;
    locker.code = ERR_CANCELED;
    assert_int_equal(renew_locks(rig.store, &rig.manifest, 1000, NULL), ERR_CANCELED);
    rig_dispose(&rig);
}

/* Some servers answer a put with a lock as if they knew what that is. */
static void the_first_backup_finds_out_whether_anything_is_locked(void **state)
{
    struct err err = { 0 };
    struct rig rig;

    (void)state;
    for (int failing = 0; failing < 2; failing++) {
        rig_init(&rig);
        manifest_remove_backup(&rig.manifest, 0);
        manifest_remove_backup(&rig.manifest, 0);
        rig.manifest.generation = 0;
        locker.fail_at = failing ? 1 : 0;
        locker.code = ERR_UNSUPPORTED;
        assert_int_equal(renew_locks(rig.store, &rig.manifest, 1000, &err),
                         failing ? ERR_CONFIG : 0);
        assert_int_equal(pack(&rig, ID_C)->locked_until_ms, failing ? 0 : NOW_MS + LOCK_MS);
        rig_dispose(&rig);
    }
    assert_int_equal(err.code, ERR_CONFIG);
    assert_non_null(strstr(err.hint, "locks nothing"));
}

static int change_nothing(void *context, struct manifest *manifest, struct err *err)
{
    (void)context;
    (void)manifest;
    (void)err;
    return 0;
}

/* Fail each call in turn: what the manifest says of a lock is never more than what was done. */
static void a_database_that_stands_still_stays_locked(void **state)
{
    const struct catalog_commit_options options = { .attempts_max = 1 };
    int r, n = 0;

    (void)state;
    do {
        struct manifest seen = MANIFEST_INIT;
        struct rig rig;

        rig_init(&rig);
        rig.manifest.generation = 0;
        assert_int_equal(
            catalog_commit(rig.store, &rig.manifest, change_nothing, NULL, &options, NULL), 0);
        assert_int_equal(rig.manifest.generation, 1);
        rig.quirks.calls = 0;
        rig.quirks.fail_at = ++n;
        r = renew_standing(rig.store, "app", &rig.clock.clock, NULL, NULL);
        rig.quirks.fail_at = 0;
        assert_int_equal(catalog_load(rig.store, "app", false, &seen, NULL), 0);
        assert_int_equal(seen.generation, r == 0 ? 2 : 1);
        assert_int_equal(seen.packs[0].locked_until_ms, r == 0 ? NOW_MS + LOCK_MS : 0);
        locker.locks = 0;
        if (r == 0) { /* and once is enough */
            assert_int_equal(renew_standing(rig.store, "app", &rig.clock.clock, NULL, NULL), 0);
            assert_int_equal(locker.locks, 0);
        }
        manifest_dispose(&seen);
        rig_dispose(&rig);
    } while (r != 0);
    assert_in_range(n, 3, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(renews_what_the_newest_backup_needs_and_no_more),
        cmocka_unit_test(most_commits_cost_nothing),
        cmocka_unit_test(what_stands_in_for_a_pack_is_needed_and_a_replaced_one_is_not),
        cmocka_unit_test(what_cannot_be_renewed_is_tried_again_next_time),
        cmocka_unit_test(the_first_backup_finds_out_whether_anything_is_locked),
        cmocka_unit_test(a_database_that_stands_still_stays_locked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
