/* Goal: a full backup is made when it is due and at no other time, and goes back to one that is
 * whole. */
#include "snapshot/backup_plan.h"

#include <stdio.h>
#include <string.h>

#include "snapshot/page_map.h"

#include "tests/harness/manifest_fixture.h"
#include "tests/harness/test.h"

#define DAY_MS (INT64_C(24) * 60 * 60 * 1000)
#define OLD    "aaaabbbb-0000-4000-8000-000000000001"
#define NEW    "dddd0000-0000-4000-8000-000000000003"

static void goes_back_to_what_is_remembered_else_to_the_newest(void **state)
{
    struct manifest manifest = MANIFEST_INIT;

    (void)state;
    assert_int_equal(manifest_new("app", &manifest, NULL), 0);
    assert_null(backup_plan_parent(&manifest, ""));
    manifest_fixture_add(&manifest, OLD, 1000);
    manifest_fixture_add(&manifest, NEW, 2000);
    assert_string_equal(backup_plan_parent(&manifest, OLD)->id, OLD);
    assert_string_equal(backup_plan_parent(&manifest, "")->id, NEW);
    assert_string_equal(backup_plan_parent(&manifest, "gone")->id, NEW);
    manifest.backups[1].damaged = true;
    assert_string_equal(backup_plan_parent(&manifest, NEW)->id, OLD);
    manifest.backups[0].damaged = true;
    assert_null(backup_plan_parent(&manifest, OLD));
    manifest_dispose(&manifest);
}

static void says_why_a_full_one_is_due(void **state)
{
    const struct backup_record full = { .kind = BACKUP_FULL, .created_at_ms = DAY_MS };
    const struct backup_record incremental = { .kind = BACKUP_INCREMENTAL,
                                               .created_at_ms = 29 * DAY_MS,
                                               .full_at_ms = DAY_MS };
    const uint64_t big = BACKUP_PLAN_SMALL_SIZE + 1;
    const struct {
        struct backup_plan_question question;
        const char *word; /* NULL: none is due */
    } cases[] = {
        { { NULL, big, 0, 0, DAY_MS }, "no backup" },
        { { &full, big, 0, 0, 2 * DAY_MS }, NULL },
        { { &full, BACKUP_PLAN_SMALL_SIZE, 0, 0, 2 * DAY_MS }, "small" },
        { { &full, BACKUP_PLAN_SMALL_SIZE, 1, 0, 2 * DAY_MS }, NULL },
        { { &full, 10, 11, 0, 2 * DAY_MS }, "small" },
        { { &full, big, 0, 0, 31 * DAY_MS - 1 }, NULL },
        { { &full, big, 0, 0, 31 * DAY_MS }, "too old" },
        { { &incremental, big, 0, 0, 31 * DAY_MS - 1 }, NULL },
        { { &incremental, big, 0, 0, 31 * DAY_MS }, "too old" },
        { { &incremental, big, 0, 40 * DAY_MS, 31 * DAY_MS }, NULL },
        { { &incremental, big, 0, DAY_MS, 30 * DAY_MS }, "too old" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *reason = backup_plan_full_reason(&cases[i].question);

        print_message("  case %zu\n", i);
        if (cases[i].word == NULL) {
            assert_null(reason);
        } else {
            assert_non_null(reason);
            assert_non_null(strstr(reason, cases[i].word));
        }
    }
}

static void trusts_what_is_remembered_for_half_a_day(void **state)
{
    struct manifest manifest = { .generation = 3, .conditional_writes = CONDITIONAL_SUPPORTED };

    (void)state;
    assert_true(backup_plan_is_confirmed(&manifest, 0, BACKUP_PLAN_CONFIRMED_MS - 1));
    assert_false(backup_plan_is_confirmed(&manifest, 0, BACKUP_PLAN_CONFIRMED_MS));
    assert_false(backup_plan_is_confirmed(&manifest, 1, 0)); /* the clock was set back */
    manifest.conditional_writes = CONDITIONAL_IGNORED;
    assert_false(backup_plan_is_confirmed(&manifest, 0, 0));
    manifest = (struct manifest){ .generation = 0 };
    assert_false(backup_plan_is_confirmed(&manifest, 0, 0));
}

static void does_not_go_on_from_a_map_of_many_packs_that_were_replaced(void **state)
{
    enum {
        COUNT = 70,
        MANY = 65
    };
    struct manifest manifest = MANIFEST_INIT;
    char ids[COUNT][UUID_TEXT_SIZE];
    const struct page_map map = { .pack_ids = ids, .pack_count = COUNT };

    (void)state;
    assert_int_equal(manifest_new("app", &manifest, NULL), 0);
    for (int i = 0; i < COUNT; i++) {
        (void)snprintf(ids[i], sizeof(ids[i]), "aaaabbbb-0000-4000-8000-%012d", i);
        if (i > 0) /* one is not in the manifest any more */
            manifest_fixture_add(&manifest, ids[i], 1000 + i);
    }
    assert_false(backup_plan_is_dated(&manifest, &map));
    for (int i = 0; i < MANY; i++) {
        assert_false(backup_plan_is_dated(&manifest, &map));
        manifest.packs[i].replaced_at_ms = 5000;
    }
    assert_true(backup_plan_is_dated(&manifest, &map));
    manifest_dispose(&manifest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_back_to_what_is_remembered_else_to_the_newest),
        cmocka_unit_test(says_why_a_full_one_is_due),
        cmocka_unit_test(trusts_what_is_remembered_for_half_a_day),
        cmocka_unit_test(does_not_go_on_from_a_map_of_many_packs_that_were_replaced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
