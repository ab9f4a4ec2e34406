/* Goal: the pages that are set aside are those that differ, no more and no fewer, in both journal
 * modes; a database that has mostly changed is given up for a full backup. */
#include "snapshot/delta.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "snapshot/backup.h"
#include "snapshot/catalog.h"
#include "snapshot/parent.h"
#include "snapshot/spool.h"
#include "store/dir_store.h"
#include "store/object_store.h"
#include "tests/harness/sqlite_fixture.h"
#include "tests/harness/temp_dir.h"
#include "tests/harness/test.h"

#define PAGE_SIZE 1024

struct rig {
    char *dir;
    struct object_store *store;
    struct sqlite_fixture fixture;
    struct manifest manifest;
    struct parent parent;
    struct source *source;
};

/* A database and its backup. */
static void rig_init(struct rig *rig, const char *journal_mode)
{
    const struct backup_options options = { .database = "app",
                                            .path = rig->fixture.path, /* once it is made */
                                            .thread_count = 1 };
    const struct source_options source_options = { .path = rig->fixture.path,
                                                   .clock = clock_system() };
    struct backup_record record;

    memset(rig, 0, sizeof(*rig));
    rig->dir = temp_dir_new();
    assert_int_equal(dir_store_new(rig->dir, &rig->store, NULL), 0);
    sqlite_fixture_make(&rig->fixture, PAGE_SIZE, journal_mode, 3000);
    assert_int_equal(backup_create(rig->store, &options, &record, NULL, NULL), 0);
    assert_int_equal(catalog_load(rig->store, "app", false, &rig->manifest, NULL), 0);
    assert_int_equal(parent_read(rig->store, &rig->manifest, &rig->manifest.backups[0], NULL, NULL,
                                 &rig->parent, NULL),
                     0);
    assert_int_equal(source_open(&source_options, &rig->source, NULL), 0);
    backup_record_dispose(&record);
}

static void rig_dispose(struct rig *rig)
{
    source_close(rig->source);
    parent_dispose(&rig->parent);
    manifest_dispose(&rig->manifest);
    sqlite_fixture_remove(&rig->fixture);
    object_store_free(rig->store);
    temp_dir_free(rig->dir);
}

static struct delta_options options_of(const struct rig *rig)
{
    return (struct delta_options){
        .source = rig->source,
        .parent = &rig->parent,
        .hash_seed = rig->manifest.page_hash_seed,
        .thread_count = 2,
        .compression_level = 1,
    };
}

/* Every page of the database, as a connection reads it. */
static uint8_t *read_all(const struct rig *rig, size_t *ret_len)
{
    sqlite3 *db = sqlite_fixture_open(&rig->fixture);
    sqlite3_int64 len = 0;
    uint8_t *bytes = sqlite3_serialize(db, "main", &len, 0);

    assert_non_null(bytes);
    (void)sqlite3_close(db);
    *ret_len = (size_t)len;
    return bytes;
}

static bool is_set_aside(struct delta *delta, uint32_t page, const uint8_t *content)
{
    uint8_t raw[PAGE_SIZE];

    for (uint32_t i = 0; i < delta->page_count; i++) {
        uint32_t number;

        assert_int_equal(
            spool_read(delta->pages, i * sizeof(number), &number, sizeof(number), NULL), 0);
        if (number != page)
            continue;
        assert_int_equal(spool_read(delta->raw, (uint64_t)i * PAGE_SIZE, raw, PAGE_SIZE, NULL), 0);
        if (page > 1) /* of page 1 SQLite's copy changes a few fields */
            assert_memory_equal(raw, content, PAGE_SIZE);
        return true;
    }
    return false;
}

static void sets_aside_exactly_what_differs(void **state)
{
    static const char *const modes[] = { "wal", "delete" };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct delta delta = DELTA_INIT;
        struct delta_options options;
        uint8_t *before, *after;
        size_t before_len, after_len;
        uint32_t changed = 0;
        struct rig rig;
        sqlite3 *db;

        rig_init(&rig, modes[i]);
        before = read_all(&rig, &before_len);
        db = sqlite_fixture_open(&rig.fixture);
        sqlite_fixture_exec(db, "UPDATE t SET body = body || 'x' WHERE id % 700 = 3;"
                                "INSERT INTO u SELECT id FROM t WHERE id < 9");
        (void)sqlite3_close(db);
        after = read_all(&rig, &after_len);
        options = options_of(&rig);
        assert_int_equal(delta_scan(&options, &delta, NULL), 0);
        assert_false(delta.too_many);
        assert_int_equal(delta.facts.page_count, after_len / PAGE_SIZE);
        for (uint32_t page = 2; page <= after_len / PAGE_SIZE; page++) {
            const size_t at = (size_t)(page - 1) * PAGE_SIZE;
            const bool differs =
                at >= before_len || memcmp(before + at, after + at, PAGE_SIZE) != 0;

            changed += differs;
            assert_int_equal(is_set_aside(&delta, page, after + at), differs);
        }
        assert_true(changed > 3);
        assert_true(is_set_aside(&delta, 1, after));
        assert_in_range(delta.changed_count, changed, changed + 1);
        delta_dispose(&delta);
        delta_dispose(&delta);
        sqlite3_free(before);
        sqlite3_free(after);
        rig_dispose(&rig);
    }
}

static void takes_pages_that_are_to_be_written_again(void **state)
{
    uint8_t rewrite[4096] = { 0 };
    struct delta delta = DELTA_INIT;
    struct delta_options options;
    struct rig rig;

    (void)state;
    rig_init(&rig, "wal");
    rewrite[1] = 1u << 2; /* page 10 */
    options = options_of(&rig);
    options.rewrite = rewrite;
    assert_int_equal(delta_scan(&options, &delta, NULL), 0);
    assert_int_equal(delta.changed_count, 0);
    assert_int_equal(delta.page_count, 2); /* page 1 always */
    assert_true(page_hash_eq(delta.sum, rig.manifest.backups[0].database_hash));
    delta_dispose(&delta);
    rig_dispose(&rig);
}

static void gives_up_when_half_of_the_pages_have_changed(void **state)
{
    static const char *const changes[] = { "UPDATE t SET body = hex(randomblob(40))",
                                           "PRAGMA journal_mode = delete; PRAGMA page_size = 2048;"
                                           "VACUUM" };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct delta delta = DELTA_INIT;
        struct delta_options options;
        struct rig rig;
        sqlite3 *db;

        rig_init(&rig, "delete");
        db = sqlite_fixture_open(&rig.fixture);
        sqlite_fixture_exec(db, changes[i]);
        (void)sqlite3_close(db);
        options = options_of(&rig);
        assert_int_equal(delta_scan(&options, &delta, NULL), 0);
        assert_true(delta.too_many);
        delta_dispose(&delta);
        rig_dispose(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_aside_exactly_what_differs),
        cmocka_unit_test(takes_pages_that_are_to_be_written_again),
        cmocka_unit_test(gives_up_when_half_of_the_pages_have_changed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
