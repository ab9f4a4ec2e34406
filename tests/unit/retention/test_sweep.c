/* Goal: of what is listed only what Holdfast itself wrote is ever called superfluous, and that only
 * when it is old enough. */
#include "retention/sweep.h"

#include <string.h>

#include "store/object_store.h"
#include "tests/harness/manifest_fixture.h"
#include "tests/harness/test.h"

#define HOUR_MS INT64_C(3600000)
#define DAY_MS  (24 * HOUR_MS)
#define NOW_MS  (1000 * DAY_MS)
#define KNOWN   "aaaabbbb-0000-4000-8000-000000000001"
#define UNKNOWN "dddd0000-0000-4000-8000-000000000003"

struct rig {
    struct manifest manifest;
    struct expired_packs expired;
    struct sweep sweep;
};

static void rig_init(struct rig *rig, int64_t grace_ms)
{
    const struct sweep_options options = { &rig->manifest, &rig->expired, grace_ms, 0, NOW_MS };

    memset(rig, 0, sizeof(*rig));
    assert_int_equal(manifest_new("app", &rig->manifest, NULL), 0);
    manifest_fixture_add(&rig->manifest, KNOWN, HOUR_MS);
    rig->manifest.generation = 5;
    assert_int_equal(sweep_init(&rig->sweep, &options, NULL), 0);
}

static void rig_dispose(struct rig *rig)
{
    sweep_dispose(&rig->sweep);
    sweep_dispose(&rig->sweep);
    manifest_dispose(&rig->manifest);
}

static void see(struct rig *rig, const char *key, int64_t age_ms)
{
    const struct object_info info = { 9, NOW_MS - age_ms };

    assert_int_equal(sweep_see(&rig->sweep, key, &info, NULL), 0);
}

static void calls_superfluous_what_is_old_and_bears_a_name_of_ours(void **state)
{
    static const struct {
        const char *key;
        int64_t age_ms, grace_ms;
        int kind; /* -1: left alone */
    } cases[] = {
        { "app/packs/" UNKNOWN ".zst", DAY_MS, DAY_MS, SWEEP_LEFTOVER },
        { "app/packs/" UNKNOWN ".zst", DAY_MS - 1, DAY_MS, -1 },
        { "app/packs/" UNKNOWN ".zst", 0, 0, SWEEP_LEFTOVER },
        { "app/packs/" UNKNOWN ".zst", -1, 0, -1 },
        { "app/packs/" KNOWN ".zst", 99 * DAY_MS, 0, -1 },
        { "app/packs/" UNKNOWN ".zst.old", 99 * DAY_MS, 0, -1 },
        { "app/packs/" UNKNOWN, 99 * DAY_MS, 0, -1 },
        { "app/packs/README.zst", 99 * DAY_MS, 0, -1 },
        { "app/packs/DDDD0000-0000-4000-8000-000000000003.zst", 99 * DAY_MS, 0, -1 },
        { "app/packs/dddd0000_0000-4000-8000-000000000003.zst", 99 * DAY_MS, 0, -1 },
        { "app/packs/a/" UNKNOWN ".zst", 99 * DAY_MS, 0, -1 },
        { "apple/packs/" UNKNOWN ".zst", 99 * DAY_MS, 0, -1 },
        { "other/packs/" UNKNOWN ".zst", 99 * DAY_MS, 0, -1 },
        { "app/probe/" UNKNOWN, HOUR_MS, 0, SWEEP_PROBE },
        { "app/probe/" UNKNOWN, HOUR_MS - 1, 0, -1 },
        { "app/probe/" UNKNOWN, HOUR_MS, DAY_MS, -1 },
        { "app/probe/notes", 99 * DAY_MS, 0, -1 },
        { "app/notes", 99 * DAY_MS, 0, -1 },
        { "app/manifest/notes.json", 99 * DAY_MS, 0, -1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rig rig;

        rig_init(&rig, cases[i].grace_ms);
        see(&rig, cases[i].key, cases[i].age_ms);
        if (rig.sweep.object_count != (cases[i].kind >= 0))
            fail_msg("%s, %lld ms old", cases[i].key, (long long)cases[i].age_ms);
        if (cases[i].kind >= 0)
            assert_int_equal(rig.sweep.objects[0].kind, cases[i].kind);
        rig_dispose(&rig);
    }
}

/* Whoever began to read it before goes on for as long as the grace is. */
static void a_pack_that_was_replaced_goes_when_its_grace_is_over(void **state)
{
    static const struct {
        int64_t replaced_ms, age_ms; /* how long ago */
        bool goes;
    } cases[] = { { DAY_MS, 9 * DAY_MS, true },
                  { DAY_MS - 1, 9 * DAY_MS, false },
                  { DAY_MS, DAY_MS - 1, false } };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rig rig;

        rig_init(&rig, DAY_MS);
        memcpy(rig.manifest.packs[0].repaired_by, UNKNOWN, sizeof(UNKNOWN));
        rig.manifest.packs[0].replaced_at_ms = NOW_MS - cases[i].replaced_ms;
        see(&rig, "app/packs/" KNOWN ".zst", cases[i].age_ms);
        assert_int_equal(sweep_count(&rig.sweep, SWEEP_PACK), cases[i].goes);
        rig_dispose(&rig);
    }
}

static void a_generation_goes_a_day_after_the_next_was_written(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, 0);
    see(&rig, "app/manifest/0000000001.json", 90 * DAY_MS);
    see(&rig, "app/manifest/0000000002.json", DAY_MS); /* the first is superseded since then */
    assert_int_equal(sweep_count(&rig.sweep, SWEEP_GENERATION), 1);
    assert_string_equal(rig.sweep.objects[0].key, "app/manifest/0000000001.json");
    see(&rig, "app/manifest/0000000003.json", DAY_MS - 1);
    assert_int_equal(sweep_count(&rig.sweep, SWEEP_GENERATION), 1);
    rig_dispose(&rig);
}

static void the_newest_two_generations_stay(void **state)
{
    static const char *const keys[] = {
        "app/manifest/0000000001.json", "app/manifest/0000000002.json",
        "app/manifest/0000000003.json", "app/manifest/0000000004.json",
        "app/manifest/0000000005.json", "app/manifest/0000000006.json", /* unknown to us */
    };
    struct rig rig;

    (void)state;
    rig_init(&rig, 0);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        see(&rig, keys[i], 99 * DAY_MS);
    assert_int_equal(sweep_count(&rig.sweep, SWEEP_GENERATION), 3);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(rig.sweep.objects[i].key, keys[i]);
    rig_dispose(&rig);
}

static void a_pack_is_whole_when_it_is_there_with_its_size(void **state)
{
    struct object_info info = { 0, 0 };
    struct rig rig;

    (void)state;
    rig_init(&rig, 0);
    assert_false(rig.sweep.whole[0]);
    info.size = rig.manifest.packs[0].size + 1;
    assert_int_equal(sweep_see(&rig.sweep, "app/packs/" KNOWN ".zst", &info, NULL), 0);
    assert_false(rig.sweep.whole[0]);
    info.size--;
    assert_int_equal(sweep_see(&rig.sweep, "app/packs/" KNOWN ".zst", &info, NULL), 0);
    assert_true(rig.sweep.whole[0]);
    rig_dispose(&rig);
}

/* By the manifest for packs that it has given up, by its age for anything else. */
static void what_is_locked_is_known(void **state)
{
    struct pack_record pack = { .id = UNKNOWN, .size = 7, .locked_until_ms = NOW_MS + 1 };
    struct expired_packs expired = { &pack, 1 };
    const struct object_info info = { 9, NOW_MS - 2 * HOUR_MS };
    struct rig rig;
    struct sweep_options options = { &rig.manifest, &expired, 0, DAY_MS, NOW_MS };

    (void)state;
    rig_init(&rig, 0);
    sweep_dispose(&rig.sweep);
    assert_int_equal(sweep_init(&rig.sweep, &options, NULL), 0);
    assert_int_equal(sweep_see(&rig.sweep, "app/probe/" UNKNOWN, &info, NULL), 0);
    assert_int_equal(rig.sweep.object_count, 2);
    assert_int_equal(rig.sweep.objects[0].locked_until_ms, NOW_MS + 1);
    assert_int_equal(rig.sweep.objects[1].locked_until_ms, NOW_MS - 2 * HOUR_MS + DAY_MS);
    rig_dispose(&rig);
}

static void what_was_given_up_goes_whatever_its_age_and_once(void **state)
{
    struct pack_record pack = { .id = UNKNOWN, .size = 7 };
    struct expired_packs expired = { &pack, 1 };
    struct rig rig;
    struct sweep_options options = { &rig.manifest, &expired, DAY_MS, 0, NOW_MS };

    (void)state;
    rig_init(&rig, 0);
    sweep_dispose(&rig.sweep);
    assert_int_equal(sweep_init(&rig.sweep, &options, NULL), 0);
    see(&rig, "app/packs/" UNKNOWN ".zst", 99 * DAY_MS);
    assert_int_equal(rig.sweep.object_count, 1);
    assert_int_equal(rig.sweep.objects[0].kind, SWEEP_PACK);
    assert_int_equal(rig.sweep.objects[0].size, 7);
    rig_dispose(&rig);
}

static void spares_what_a_newer_manifest_names(void **state)
{
    struct manifest newer;
    struct rig rig;

    (void)state;
    rig_init(&rig, 0);
    see(&rig, "app/packs/" UNKNOWN ".zst", DAY_MS);
    see(&rig, "app/packs/eeee0000-0000-4000-8000-000000000004.zst", DAY_MS);
    see(&rig, "app/probe/" UNKNOWN, DAY_MS);
    assert_int_equal(manifest_new("app", &newer, NULL), 0);
    manifest_fixture_add(&newer, UNKNOWN, HOUR_MS);
    sweep_spare(&rig.sweep, &newer);
    assert_int_equal(rig.sweep.object_count, 2);
    assert_string_equal(rig.sweep.objects[0].key,
                        "app/packs/eeee0000-0000-4000-8000-000000000004.zst");
    assert_int_equal(rig.sweep.objects[1].kind, SWEEP_PROBE);
    manifest_dispose(&newer);
    rig_dispose(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_superfluous_what_is_old_and_bears_a_name_of_ours),
        cmocka_unit_test(a_pack_that_was_replaced_goes_when_its_grace_is_over),
        cmocka_unit_test(a_generation_goes_a_day_after_the_next_was_written),
        cmocka_unit_test(the_newest_two_generations_stay),
        cmocka_unit_test(a_pack_is_whole_when_it_is_there_with_its_size),
        cmocka_unit_test(what_is_locked_is_known),
        cmocka_unit_test(what_was_given_up_goes_whatever_its_age_and_once),
        cmocka_unit_test(spares_what_a_newer_manifest_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
