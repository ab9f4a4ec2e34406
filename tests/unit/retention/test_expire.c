/* Goal: a pack leaves the manifest only when no backup has needed it for the grace period, and
 * nothing that a backup needs ever does. */
#include "retention/expire.h"

#include <string.h>

#include "tests/harness/manifest_fixture.h"
#include "tests/harness/test.h"

#define HOUR_MS INT64_C(3600000)
#define FIRST   "aaaabbbb-0000-4000-8000-000000000001"
#define SECOND  "aaaacccc-0000-4000-8000-000000000002"
#define THIRD   "dddd0000-0000-4000-8000-000000000003"

static void make(struct manifest *manifest)
{
    *manifest = (struct manifest)MANIFEST_INIT;
    assert_int_equal(manifest_new("app", manifest, NULL), 0);
    manifest_fixture_add(manifest, FIRST, 1 * HOUR_MS);
    manifest_fixture_add(manifest, SECOND, 2 * HOUR_MS);
    manifest_fixture_add(manifest, THIRD, 3 * HOUR_MS);
}

static const struct retention_policy last = { .last = 1 };

static size_t apply(struct manifest *manifest, const struct retention_policy *policy,
                    int64_t now_ms, bool *ret_changed)
{
    const struct expire_options options = { policy, 24 * HOUR_MS, now_ms };
    struct expired_packs expired = { NULL, 0 };
    size_t count;

    assert_int_equal(expire_apply(manifest, &options, &expired, ret_changed, NULL), 0);
    count = expired.count;
    expired_packs_dispose(&expired);
    expired_packs_dispose(&expired);
    return count;
}

static void packs_wait_out_the_grace(void **state)
{
    struct manifest manifest;
    bool changed;

    (void)state;
    make(&manifest);
    assert_int_equal(apply(&manifest, &last, 10 * HOUR_MS, &changed), 0);
    assert_true(changed);
    assert_int_equal(manifest.backup_count, 1);
    assert_int_equal(manifest.pack_count, 3);
    assert_int_equal(manifest.deletion_count, 2);
    assert_int_equal(apply(&manifest, &last, 34 * HOUR_MS - 1, &changed), 0);
    assert_false(changed);
    assert_int_equal(apply(&manifest, &last, 34 * HOUR_MS, &changed), 2);
    assert_true(changed);
    assert_int_equal(manifest.pack_count, 1);
    assert_int_equal(manifest.deletion_count, 0);
    assert_string_equal(manifest.packs[0].id, THIRD);
    assert_true(pack_set_has(&manifest.backups[0].packs, 0));
    assert_int_equal(apply(&manifest, NULL, 99 * HOUR_MS, &changed), 0);
    assert_false(changed);
    manifest_dispose(&manifest);
}

static void what_is_needed_again_stays(void **state)
{
    static const char ids[1][UUID_TEXT_SIZE] = { FIRST };
    struct backup_record record = { .page_size = 512, .page_count = 1, .size = 512 };
    struct pack_record pack = { .size = 9, .slot_count = 1 };
    struct manifest manifest;
    bool changed;

    (void)state;
    make(&manifest);
    (void)apply(&manifest, &last, 10 * HOUR_MS, &changed);
    memcpy(record.id, "eeee0000-0000-4000-8000-000000000004", UUID_TEXT_SIZE);
    memcpy(pack.id, record.id, UUID_TEXT_SIZE);
    record.created_at_ms = 4 * HOUR_MS;
    assert_int_equal(manifest_add_backup(&manifest, &record, &pack, ids, 1, NULL), 0);
    assert_int_equal(manifest.deletion_count, 1);
    /* Long after: of the two that waited only the one that nobody needs goes. */
    assert_int_equal(apply(&manifest, NULL, 99 * HOUR_MS, &changed), 1);
    assert_non_null(manifest_find_pack(&manifest, FIRST));
    assert_null(manifest_find_pack(&manifest, SECOND));
    manifest_dispose(&manifest);
}

static void a_mark_from_the_future_counts_from_now(void **state)
{
    struct manifest manifest;
    bool changed;

    (void)state;
    make(&manifest);
    (void)apply(&manifest, &last, 500 * HOUR_MS, &changed); /* a clock that was far ahead */
    assert_int_equal(apply(&manifest, NULL, 10 * HOUR_MS, &changed), 0);
    assert_int_equal(apply(&manifest, NULL, 33 * HOUR_MS, &changed), 0);
    assert_int_equal(apply(&manifest, NULL, 34 * HOUR_MS, &changed), 2);
    manifest_dispose(&manifest);
}

/* In the manifest that is stored, and not in this program's memory alone. */
static void a_mark_from_the_future_is_put_right(void **state)
{
    struct manifest manifest;
    bool changed;

    (void)state;
    make(&manifest);
    (void)apply(&manifest, &last, 500 * HOUR_MS, &changed);
    assert_int_equal(apply(&manifest, NULL, 10 * HOUR_MS, &changed), 0);
    assert_true(changed);
    assert_int_equal(manifest.deletions[0].since_ms, 10 * HOUR_MS);
    assert_int_equal(apply(&manifest, NULL, 10 * HOUR_MS, &changed), 0);
    assert_false(changed);
    manifest_dispose(&manifest);
}

static void a_clock_that_is_behind_shortens_no_grace(void **state)
{
    struct manifest manifest;
    bool changed;

    (void)state;
    make(&manifest);
    manifest.written_at_ms = 1000 * HOUR_MS;
    assert_int_equal(apply(&manifest, &last, 10 * HOUR_MS, &changed), 0);
    assert_int_equal(manifest.deletions[0].since_ms, 1000 * HOUR_MS);
    assert_int_equal(apply(&manifest, NULL, 11 * HOUR_MS, &changed), 0);
    assert_false(changed);
    assert_int_equal(apply(&manifest, NULL, 1023 * HOUR_MS, &changed), 0);
    assert_int_equal(apply(&manifest, NULL, 1024 * HOUR_MS, &changed), 2);
    manifest_dispose(&manifest);
}

static void a_mark_without_a_pack_goes(void **state)
{
    struct manifest manifest;
    bool changed;

    (void)state;
    make(&manifest);
    (void)apply(&manifest, &last, 10 * HOUR_MS, &changed);
    manifest.deletions[0].id[0] = 'f';
    assert_int_equal(apply(&manifest, NULL, 11 * HOUR_MS, &changed), 0);
    assert_true(changed);
    assert_int_equal(manifest.deletion_count, 2);
    assert_int_equal(manifest.deletions[0].since_ms, 11 * HOUR_MS);
    manifest_dispose(&manifest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packs_wait_out_the_grace),
        cmocka_unit_test(what_is_needed_again_stays),
        cmocka_unit_test(a_mark_from_the_future_counts_from_now),
        cmocka_unit_test(a_mark_from_the_future_is_put_right),
        cmocka_unit_test(a_clock_that_is_behind_shortens_no_grace),
        cmocka_unit_test(a_mark_without_a_pack_goes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
