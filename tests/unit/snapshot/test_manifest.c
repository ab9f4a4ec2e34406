/* Goal: backups are found by what people type, and keys and names are what docs/format.md says. */
#include "snapshot/manifest.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "tests/harness/manifest_fixture.h"
#include "tests/harness/test.h"

static int setup(void **state)
{
    static struct manifest manifest;

    assert_int_equal(manifest_new("app", &manifest, NULL), 0);
    manifest_fixture_add(&manifest, "aaaabbbb-0000-4000-8000-000000000001", 2000);
    manifest_fixture_add(&manifest, "aaaacccc-0000-4000-8000-000000000002", 3000);
    manifest_fixture_add(&manifest, "dddd0000-0000-4000-8000-000000000003", 1000);
    *state = &manifest;
    return 0;
}

static int teardown(void **state)
{
    manifest_dispose(*state);
    return 0;
}

static void backups_stand_in_the_order_of_their_moments(void **state)
{
    const struct manifest *manifest = *state;

    assert_int_equal(manifest->backup_count, 3);
    assert_int_equal(manifest->backups[0].created_at_ms, 1000);
    assert_int_equal(manifest->backups[1].created_at_ms, 2000);
    assert_int_equal(manifest->backups[2].created_at_ms, 3000);
    assert_string_equal(manifest->backups[0].label, "label");
}

static void adding_one_twice_changes_nothing(void **state)
{
    struct manifest *manifest = *state;

    manifest_fixture_add(manifest, "aaaabbbb-0000-4000-8000-000000000001", 9000);
    assert_int_equal(manifest->backup_count, 3);
    assert_int_equal(manifest->pack_count, 3);
}

static void a_backup_is_found_by_prefix_id_and_latest(void **state)
{
    static const struct {
        const char *text;
        int64_t created_at_ms; /* 0: not found */
        int code;
        const char *word; /* in the message or in the hint */
    } cases[] = {
        { "latest", 3000, 0, "" },
        { "aaaab", 2000, 0, "" },
        { "dddd", 1000, 0, "" },
        { "aaaacccc-0000-4000-8000-000000000002", 3000, 0, "" },
        { "aaaa", 0, ERR_CONFIG, "aaaabbbb-0000-4000-8000-000000000001" },
        { "ddd", 0, ERR_CONFIG, "4 characters" },
        { "", 0, ERR_CONFIG, "4 characters" },
        { "eeee", 0, ERR_NOT_FOUND, "holdfast list app" },
        { "dddd0000-0000-4000-8000-0000000000033", 0, ERR_NOT_FOUND, "list" },
        { "LATEST", 0, ERR_NOT_FOUND, "list" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct backup_record *found = NULL;
        struct err err = { 0 };

        print_message("  '%s'\n", cases[i].text);
        assert_int_equal(manifest_find_backup(*state, cases[i].text, &found, &err), cases[i].code);
        assert_int_equal(found == NULL ? 0 : found->created_at_ms, cases[i].created_at_ms);
        assert_true(strstr(err.msg, cases[i].word) != NULL ||
                    strstr(err.hint, cases[i].word) != NULL);
    }
}

static void a_moment_means_the_newest_backup_at_or_before_it(void **state)
{
    const struct backup_record *found = NULL;
    struct err err = { 0 };

    assert_int_equal(manifest_find_backup_at(*state, 2999, &found, NULL), 0);
    assert_int_equal(found->created_at_ms, 2000);
    assert_int_equal(manifest_find_backup_at(*state, 3000, &found, NULL), 0);
    assert_int_equal(found->created_at_ms, 3000);
    assert_int_equal(manifest_find_backup_at(*state, 999, &found, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.hint, "1970-01-01T00:00:01Z"));
}

static void an_empty_manifest_has_no_latest(void **state)
{
    struct manifest empty = MANIFEST_INIT;
    const struct backup_record *found = NULL;

    (void)state;
    assert_int_equal(manifest_new("app", &empty, NULL), 0);
    assert_int_equal(manifest_find_backup(&empty, "latest", &found, NULL), ERR_NOT_FOUND);
    assert_int_equal(manifest_find_backup_at(&empty, 1, &found, NULL), ERR_NOT_FOUND);
    assert_null(manifest_find_pack(&empty, "x"));
    manifest_dispose(&empty);
    manifest_dispose(&empty);
}

static void names_that_every_store_takes(void **state)
{
    static const char *const good[] = { "app", "a", "my-app_2.prod", "0" };
    static const char *const bad[] = { "", ".app", "-app", "a/b", "a b", "\xc3\xbc", "a\n", ".." };
    char longest[130];

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_int_equal(database_name_check(good[i], NULL), 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(database_name_check(bad[i], NULL), ERR_CONFIG);
    memset(longest, 'a', sizeof(longest));
    longest[129] = '\0';
    assert_int_equal(database_name_check(longest, NULL), ERR_CONFIG);
    assert_int_equal(database_name_check(longest + 1, NULL), 0);
}

static void keys_go_both_ways(void **state)
{
    static const char *const foreign[] = {
        "app/manifest/0000000042.json.tmp",
        "app/manifest/42.json",
        "app/manifest/",
        "app/manifest/000000004x.json",
        "app/packs/0000000042.json",
        "ap/manifest/0000000042.json",
        "app/manifest/00000000042.json",
        "app",
        "",
    };
    char key[CATALOG_KEY_SIZE];
    uint64_t generation = 7;

    (void)state;
    assert_int_equal(catalog_manifest_key("app", 42, key, NULL), 0);
    assert_string_equal(key, "app/manifest/0000000042.json");
    assert_true(catalog_manifest_key_parse("app", key, &generation));
    assert_int_equal(generation, 42);
    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
        assert_false(catalog_manifest_key_parse("app", foreign[i], &generation));
    assert_int_equal(catalog_manifest_key("app", 0, key, NULL), ERR_LIMIT);
    assert_int_equal(catalog_manifest_key("app", MANIFEST_GENERATION_MAX, key, NULL), 0);
    assert_int_equal(catalog_manifest_key("app", MANIFEST_GENERATION_MAX + 1, key, NULL),
                     ERR_LIMIT);
    assert_int_equal(catalog_pack_key("app", "id", key, NULL), 0);
    assert_string_equal(key, "app/packs/id.zst");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(backups_stand_in_the_order_of_their_moments),
        cmocka_unit_test(adding_one_twice_changes_nothing),
        cmocka_unit_test(a_backup_is_found_by_prefix_id_and_latest),
        cmocka_unit_test(a_moment_means_the_newest_backup_at_or_before_it),
        cmocka_unit_test(an_empty_manifest_has_no_latest),
        cmocka_unit_test(names_that_every_store_takes),
        cmocka_unit_test(keys_go_both_ways),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
