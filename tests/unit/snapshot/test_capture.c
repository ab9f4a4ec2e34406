/* Goal: what is captured is one moment of the database, also when it changes between the two passes
 * of rollback mode, in whatever way. */
#include "snapshot/capture.h"

#include "base/clock.h"
#include "base/err.h"
#include "snapshot/frame.h"
#include "snapshot/hash_spool.h"
#include "snapshot/progress.h"
#include "store/dir_store.h"
#include "store/object_store.h"
#include "tests/harness/sqlite_fixture.h"
#include "tests/harness/stored_object.h"
#include "tests/harness/temp_dir.h"
#include "tests/harness/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS 12000u /* some 3 MiB: two passes in rollback mode */

/* What another program does after the first pass has read its last group. */
struct meddler {
    const struct sqlite_fixture *fixture;
    const char *sql; /* NULL: nothing */
    bool done;
};

/* In place of SQL: lose the end of the file, exactly up to the end of a group, as no SQL can be
 * made to.  Page 1 alone tells of it. */
static const char cut[] = "cut at the end of a group";

static void cut_at_group(const struct sqlite_fixture *fixture)
{
    size_t len;
    uint8_t *file = sqlite_fixture_read(fixture, "", &len);
    uint32_t page_size = (uint32_t)file[16] << 8 | file[17];
    uint32_t pages = 1 + 5 * frame_slots(page_size);

    assert_true(len > (size_t)pages * page_size);
    for (unsigned i = 0; i < 4; i++)
        file[28 + i] = (uint8_t)(pages >> (24 - 8 * i));
    file[27]++; /* change counter, and below the version that the page count is valid for */
    file[95] = file[27];
    sqlite_fixture_write(fixture, "", file, (size_t)pages * page_size);
    free(file);
}

/* Progress reaches its total at the end of the first pass: the only moment at which a test can act
 * between the two. */
static void meddle(void *context, enum progress_phase phase, uint64_t done, uint64_t total)
{
    struct meddler *meddler = context;
    sqlite3 *db;

    if (phase != PROGRESS_READ || done != total || meddler->done || meddler->sql == NULL)
        return;
    meddler->done = true;
    if (meddler->sql == cut) {
        cut_at_group(meddler->fixture);
        return;
    }
    db = sqlite_fixture_open(meddler->fixture);
    sqlite_fixture_exec(db, meddler->sql);
    (void)sqlite3_close(db);
}

/* Capture into a pack of its own and unpack it; *ret_again: whether a second pack was made. */
static uint8_t *capture(const struct sqlite_fixture *fixture, const char *meanwhile,
                        size_t *ret_len, bool *ret_again)
{
    struct meddler meddler = { fixture, meanwhile, false };
    const struct progress progress = { meddle, &meddler };
    const struct source_options source_options = {
        .path = fixture->path,
        .progress = &progress,
        .clock = clock_system(),
    };
    struct capture_options options = {
        .pack = { .database = "app", .id = "00000000-0000-4000-8000-000000000002" },
        .hash_seed = 3,
        .thread_count = 2,
        .compression_level = 1,
    };
    struct capture result = CAPTURE_INIT;
    struct pack_writer_index index = { .hash_seed = 3 };
    char *dir = temp_dir_new();
    struct page_hash hash, sum = { 0, 0 };
    struct pack_record record;
    uint8_t *object, *image;
    size_t len;

    assert_int_equal(dir_store_new(dir, &options.pack.store, NULL), 0);
    assert_int_equal(source_open(&source_options, &options.source, NULL), 0);
    assert_int_equal(capture_run(&options, &result, NULL), 0);
    source_close(options.source);
    assert_true(meanwhile == NULL || meddler.done);

    index.page_one = result.page_one;
    index.hashes = result.hashes;
    assert_int_equal(pack_writer_add_index(result.pack, &index, &hash, &record, NULL), 0);
    assert_int_equal(pack_writer_finish(result.pack, STR_LIT("{}"), &record.size, NULL), 0);
    *ret_again = result.discarded_spool_max > 0;
    object = stored_object_read(dir, &len);
    image = stored_object_unzstd(object, len, ret_len);
    free(object);

    assert_int_equal(*ret_len, (uint64_t)result.facts.page_size * result.facts.page_count);
    for (uint32_t page = 1; page <= result.facts.page_count; page++) {
        page_hash_xor(&sum, page_hash(3, page, image + (size_t)(page - 1) * result.facts.page_size,
                                      result.facts.page_size));
    }
    assert_true(page_hash_eq(sum, hash)); /* the hashes are those of the moment, too */
    capture_dispose(&result);
    object_store_free(options.pack.store);
    temp_dir_free(dir);
    return image;
}

static void assert_is_the_file(const struct sqlite_fixture *fixture, uint8_t *image, size_t len)
{
    size_t file_len;
    uint8_t *file = sqlite_fixture_read(fixture, "", &file_len);

    assert_int_equal(len, file_len);
    assert_memory_equal(image, file, len);
    free(file);
    free(image);
}

static void takes_over_the_first_pass_when_nothing_changed(void **state)
{
    static const unsigned page_sizes[] = { 512, 4096, 65536 };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct sqlite_fixture fixture;
        uint8_t *image;
        size_t len;
        bool again;

        sqlite_fixture_make(&fixture, page_sizes[i], "delete", ROWS);
        image = capture(&fixture, NULL, &len, &again);
        assert_false(again);
        assert_is_the_file(&fixture, image, len);
        sqlite_fixture_remove(&fixture);
    }
}

static void mends_what_changed_between_the_passes(void **state)
{
    static const struct {
        const char *name, *sql;
    } cases[] = {
        { "one row", "UPDATE t SET body = 'changed' WHERE id = 6000" },
        { "every row", "UPDATE t SET body = 'changed ' || body" },
        { "growth by a page", "INSERT INTO t(body) VALUES(hex(zeroblob(2500)))" },
        { "growth by much", "INSERT INTO t(body) SELECT body FROM t" },
        { "another table", "CREATE TABLE v(a); INSERT INTO v VALUES(1)" },
        { "fewer pages", "DELETE FROM t WHERE id > 3000; VACUUM" },
        { "nearly none left", "DROP TABLE t; VACUUM" },
        { "whole groups less", cut },
    };

    (void)state;
    for (unsigned page_size = 512; page_size <= 32768; page_size *= 64) {
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            struct sqlite_fixture fixture;
            uint8_t *image;
            size_t len;
            bool again;

            print_message("%u: %s\n", page_size, cases[i].name);
            sqlite_fixture_make(&fixture, page_size, "delete", ROWS);
            image = capture(&fixture, cases[i].sql, &len, &again);
            assert_true(again);
            assert_is_the_file(&fixture, image, len);
            sqlite_fixture_remove(&fixture);
        }
    }
}

/* Bytes in which SQLite's own backup differs from its source. */
static void mask(uint8_t *page_one)
{
    memset(page_one + 24, 0, 8);
    memset(page_one + 40, 0, 4);
    memset(page_one + 92, 0, 8);
}

static void starts_over_when_the_file_became_another(void **state)
{
    static const char *const changes[] = {
        "PRAGMA page_size=8192; VACUUM",
        "PRAGMA journal_mode=wal; INSERT INTO u VALUES(5)",
    };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct sqlite_fixture fixture;
        uint8_t *image, *file;
        size_t len, file_len;
        bool again;

        sqlite_fixture_make(&fixture, 4096, "delete", ROWS);
        image = capture(&fixture, changes[i], &len, &again);
        file = sqlite_fixture_read(&fixture, "", &file_len);
        assert_int_equal(len, file_len);
        mask(image);
        mask(file);
        assert_memory_equal(image, file, len);
        free(image);
        free(file);
        sqlite_fixture_remove(&fixture);
    }
}

static void reads_small_and_wal_databases_in_one_pass(void **state)
{
    static const struct {
        const char *mode;
        unsigned rows;
    } cases[] = { { "wal", ROWS }, { "wal", 0 }, { "delete", 0 }, { "delete", 100 } };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sqlite_fixture fixture;
        uint8_t *image, *file;
        size_t len, file_len;
        bool again;

        sqlite_fixture_make(&fixture, 4096, cases[i].mode, cases[i].rows);
        image = capture(&fixture, NULL, &len, &again);
        assert_false(again);
        file = sqlite_fixture_read(&fixture, "", &file_len);
        assert_int_equal(len, file_len);
        mask(image);
        mask(file);
        assert_memory_equal(image, file, len);
        free(image);
        free(file);
        sqlite_fixture_remove(&fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_over_the_first_pass_when_nothing_changed),
        cmocka_unit_test(mends_what_changed_between_the_passes),
        cmocka_unit_test(starts_over_when_the_file_became_another),
        cmocka_unit_test(reads_small_and_wal_databases_in_one_pass),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
