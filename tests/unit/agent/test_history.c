/* Goal: what is remembered is bounded, comes back as it was, and is never taken from what is none.
 */
#include "agent/history.h"

#include "base/err.h"
#include "base/file.h"
#include "snapshot/manifest.h"
#include "tests/harness/manifest_fixture.h"
#include "tests/harness/temp_dir.h"
#include "tests/harness/test.h"

#include <stdio.h>
#include <string.h>

static void add(struct history *history, int64_t at_ms, enum history_outcome outcome)
{
    const struct history_run run = {
        .at_ms = at_ms, .duration_ms = 12, .stored_bytes = 1000, .outcome = outcome
    };

    assert_int_equal(history_add_run(history, &run, NULL), 0);
}

static void only_the_last_runs_are_kept_and_all_are_counted(void **state)
{
    struct history history = HISTORY_INIT;

    (void)state;
    for (int i = 0; i < 3 * HISTORY_RUNS_MAX; i++)
        add(&history, i, i % 3 == 0 ? HISTORY_FAILED : HISTORY_MADE);
    assert_int_equal(history.run_count, HISTORY_RUNS_MAX);
    assert_int_equal(history.runs[0].at_ms, 2 * HISTORY_RUNS_MAX);
    assert_int_equal(history.runs[HISTORY_RUNS_MAX - 1].at_ms, 3 * HISTORY_RUNS_MAX - 1);
    assert_int_equal(history.outcomes[HISTORY_FAILED], HISTORY_RUNS_MAX);
    assert_int_equal(history.outcomes[HISTORY_MADE], 2 * HISTORY_RUNS_MAX);
    assert_int_equal(history.sent_bytes, 3000 * HISTORY_RUNS_MAX);
    history_dispose(&history);
    history_dispose(&history);
}

static void fill_manifest(struct manifest *manifest, int count)
{
    assert_int_equal(manifest_new("app", manifest, NULL), 0);
    for (int i = 0; i < count; i++) {
        char id[UUID_TEXT_SIZE];

        (void)snprintf(id, sizeof(id), "%08x-9dad-41d1-80b4-00c04fd430c8", (unsigned)i);
        manifest_fixture_add(manifest, id, 1000 + i);
    }
}

static void the_catalog_is_that_of_the_manifest(void **state)
{
    struct history_catalog catalog = { 0 };
    struct manifest manifest = MANIFEST_INIT;
    uint64_t stored = 0;

    (void)state;
    fill_manifest(&manifest, 3);
    manifest.backups[1].verified_at_ms = 77;
    manifest.backups[2].verified_at_ms = 55;
    manifest.backups[0].damaged = true;
    manifest.backups[2].pinned = true;
    for (size_t i = 0; i < manifest.pack_count; i++)
        stored += manifest.packs[i].size;
    for (int i = 0; i < 2; i++) { /* each time anew */
        assert_int_equal(history_catalog_set(&catalog, &manifest, NULL), 0);
        assert_true(catalog.is_known);
        assert_int_equal(catalog.backup_count, 3);
        assert_int_equal(catalog.point_count, 3);
        assert_int_equal(catalog.damaged_count, 1);
        assert_int_equal(catalog.pinned_count, 1);
        assert_int_equal(catalog.verified_ms, 77);
        assert_int_equal(catalog.oldest_ms, 1000);
        assert_int_equal(catalog.stored_bytes, stored);
        assert_true(catalog.points[0].is_damaged && catalog.points[0].is_full);
        assert_true(catalog.points[1].is_verified && catalog.points[2].is_pinned);
    }
    history_catalog_dispose(&catalog);
    manifest_dispose(&manifest);
}

static void of_many_backups_the_newest_are_points(void **state)
{
    struct history_catalog catalog = { 0 };
    struct manifest manifest = MANIFEST_INIT;

    (void)state;
    fill_manifest(&manifest, HISTORY_POINTS_MAX + 7);
    assert_int_equal(history_catalog_set(&catalog, &manifest, NULL), 0);
    assert_int_equal(catalog.backup_count, HISTORY_POINTS_MAX + 7);
    assert_int_equal(catalog.point_count, HISTORY_POINTS_MAX);
    assert_int_equal(catalog.points[0].created_at_ms, 1007);
    assert_int_equal(catalog.oldest_ms, 1000);
    history_catalog_dispose(&catalog);
    manifest_dispose(&manifest);
}

static void save(const char *dir, const struct history *history)
{
    assert_int_equal(history_save(dir, "app", history_json(history), NULL), 0);
}

static void a_full_one_comes_back_as_it_was(void **state)
{
    const struct backup_record newest = {
        .created_at_ms = 9, .size = 8, .stored_bytes = 7, .num_tables = 6, .num_rows = -1
    };
    struct history history = HISTORY_INIT, back = HISTORY_INIT;
    struct manifest manifest = MANIFEST_INIT;
    char *dir = temp_dir_new();

    (void)state;
    fill_manifest(&manifest, HISTORY_POINTS_MAX + 1);
    manifest.backups[5].pinned = true;
    assert_int_equal(history_catalog_set(&history.catalog, &manifest, NULL), 0);
    history_newest_set(&history.newest, &newest);
    for (int i = 0; i < HISTORY_RUNS_MAX + 5; i++)
        add(&history, INT64_C(1772323200000) + i, HISTORY_UNCHANGED);
    save(dir, &history);
    assert_int_equal(history_load(dir, "app", &back, NULL), 0);
    assert_int_equal(back.run_count, history.run_count);
    assert_memory_equal(back.outcomes, history.outcomes, sizeof(back.outcomes));
    assert_int_equal(back.sent_bytes, history.sent_bytes);
    assert_int_equal(back.runs[3].at_ms, history.runs[3].at_ms);
    assert_int_equal(back.runs[3].stored_bytes, 1000);
    assert_int_equal(back.runs[3].outcome, HISTORY_UNCHANGED);
    assert_int_equal(back.newest.size, 8);
    assert_int_equal(back.newest.num_rows, -1);
    assert_int_equal(back.catalog.point_count, HISTORY_POINTS_MAX);
    assert_int_equal(back.catalog.backup_count, HISTORY_POINTS_MAX + 1);
    assert_true(back.catalog.points[4].is_pinned);
    assert_int_equal(back.catalog.stored_bytes, history.catalog.stored_bytes);
    history_dispose(&history);
    history_dispose(&back);
    manifest_dispose(&manifest);
    temp_dir_free(dir);
}

static void an_empty_one_comes_back_and_none_is_empty(void **state)
{
    struct history history = HISTORY_INIT;
    char *dir = temp_dir_new();

    (void)state;
    assert_int_equal(history_load(dir, "app", &history, NULL), 0);
    save(dir, &history);
    assert_int_equal(history_load(dir, "app", &history, NULL), 0);
    assert_int_equal(history.run_count, 0);
    assert_false(history.catalog.is_known);
    temp_dir_free(dir);
}

/* Of a file that holds this. */
static int load(const char *dir, const char *text, struct history *history)
{
    char path[256];

    (void)snprintf(path, sizeof(path), "%s/app", dir);
    assert_int_equal(file_mkdirs(path, 0700, NULL), 0);
    (void)snprintf(path, sizeof(path), "%s/app/history.json", dir);
    assert_int_equal(file_write_atomic(path, text, strlen(text), 0600, NULL), 0);
    return history_load(dir, "app", history, NULL);
}

static void what_is_none_is_refused(void **state)
{
    static const char *const runs[] = { "null",         "{}",           "[1]",
                                        "[[1,2,3]]",    "[[1,2,3,3]]",  "[[1,2,3,-1]]",
                                        "[[1,2,-3,0]]", "[[1,2,3,0,0]]" };
    static const char *const catalogs[] = { "1", "{}", "[]" };
    static const char *const texts[] = { "", "[]", "{}", "{\"outcomes\":[1,2]}" };
    struct history history = HISTORY_INIT;
    char *dir = temp_dir_new(), text[512];

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_int_equal(load(dir, texts[i], &history), ERR_CORRUPT);
    for (size_t i = 0; i < 1 + sizeof(runs) / sizeof(runs[0]) + 3; i++) {
        const size_t run = i == 0 ? 0 : i - 1;
        const bool is_run = i > 0 && run < sizeof(runs) / sizeof(runs[0]);
        const bool is_catalog = i > 0 && !is_run;

        (void)snprintf(text, sizeof(text),
                       "{\"outcomes\":[1,2,3],\"sent_bytes\":1,\"newest\":{\"created_at_ms\":1,"
                       "\"size\":1,\"stored_bytes\":1,\"num_tables\":1,\"num_rows\":1},"
                       "\"runs\":%s,\"catalog\":%s}",
                       is_run ? runs[run] : "[]",
                       is_catalog ? catalogs[run - sizeof(runs) / sizeof(runs[0])] : "null");
        assert_int_equal(load(dir, text, &history), i == 0 ? 0 : ERR_CORRUPT);
    }
    history_dispose(&history);
    temp_dir_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_last_runs_are_kept_and_all_are_counted),
        cmocka_unit_test(the_catalog_is_that_of_the_manifest),
        cmocka_unit_test(of_many_backups_the_newest_are_points),
        cmocka_unit_test(a_full_one_comes_back_as_it_was),
        cmocka_unit_test(an_empty_one_comes_back_and_none_is_empty),
        cmocka_unit_test(what_is_none_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
