/* Goal: what the log has instead of the file is found, whatever a writer and a checkpoint do
 * meanwhile; a log that is not what its index says is an error. */
#include "snapshot/wal_frames.h"

#include "base/err.h"
#include "tests/harness/image.h"
#include "tests/harness/sqlite_fixture.h"
#include "tests/harness/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_SIZE 512u

struct logged {
    struct sqlite_fixture fixture;
    sqlite3 *writer, *reader;
    struct wal_index index;
    struct image *image; /* of the moment that the reader has pinned */
    uint8_t *bytes;      /* as the file has them */
    size_t len;
    const uint8_t *expected;
};

static void read_file(struct logged *logged)
{
    FILE *file = fopen(logged->fixture.path, "re");

    assert_non_null(file);
    memset(logged->bytes, 0, logged->len); /* the file may be shorter */
    assert_true(fread(logged->bytes, 1, logged->len, file) > 0);
    (void)fclose(file);
}

static void logged_init(struct logged *logged)
{
    memset(logged, 0, sizeof(*logged));
    sqlite_fixture_make(&logged->fixture, PAGE_SIZE, "wal", 100);
    logged->writer = sqlite_fixture_open(&logged->fixture);
    sqlite_fixture_exec(logged->writer, "PRAGMA wal_autocheckpoint = 0; CREATE TABLE w(x)");
    for (int i = 0; i < 3; i++) { /* so that most pages are in several frames */
        sqlite_fixture_exec(logged->writer,
                            "DELETE FROM w; WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + "
                            "1 FROM n WHERE i < 9000) INSERT INTO w SELECT randomblob(400) FROM n");
    }
    logged->reader = sqlite_fixture_open(&logged->fixture);
    sqlite_fixture_exec(logged->reader, "BEGIN; SELECT count(*) FROM w");
    assert_true(wal_index_read(logged->reader, &logged->index));
    assert_true(logged->index.frame_count > 4062 + 4096);
    logged->image = image_new(logged->reader);
    logged->expected = image_bytes(logged->image, &logged->len);
    logged->bytes = malloc(logged->len);
    assert_non_null(logged->bytes);
    read_file(logged);
}

static void logged_dispose(struct logged *logged)
{
    free(logged->bytes);
    image_free(logged->image);
    (void)sqlite3_close(logged->reader);
    (void)sqlite3_close(logged->writer);
    sqlite_fixture_remove(&logged->fixture);
}

static int put(struct logged *logged, uint32_t first, uint32_t count)
{
    struct wal_frames *frames = NULL;
    int r;

    r = wal_frames_new(logged->reader, &logged->index, PAGE_SIZE, &frames, NULL);
    if (r == 0) {
        r = wal_frames_put(frames, first, count, logged->bytes + (size_t)(first - 1) * PAGE_SIZE,
                           NULL);
    }
    wal_frames_free(frames);
    return r;
}

/* From page 2 on: image.h masks page 1. */
static void check(const struct logged *logged)
{
    assert_memory_equal(logged->bytes + PAGE_SIZE, logged->expected + PAGE_SIZE,
                        logged->len - PAGE_SIZE);
}

static void file_and_log_are_the_moment(void **state)
{
    struct logged logged;

    (void)state;
    logged_init(&logged);
    assert_memory_not_equal(logged.bytes + PAGE_SIZE, logged.expected + PAGE_SIZE,
                            logged.len - PAGE_SIZE);
    assert_int_equal(put(&logged, 1, (uint32_t)(logged.len / PAGE_SIZE)), 0);
    check(&logged);
    logged_dispose(&logged);
}

static void groups_of_pages_get_their_own(void **state)
{
    struct logged logged;

    (void)state;
    logged_init(&logged);
    for (uint32_t first = 1; first <= logged.len / PAGE_SIZE; first += 700) {
        const uint32_t left = (uint32_t)(logged.len / PAGE_SIZE) - (first - 1);

        assert_int_equal(put(&logged, first, left < 700 ? left : 700), 0);
    }
    check(&logged);
    logged_dispose(&logged);
}

/* Other frames follow, and as many as may be are copied into the file. */
static void a_writer_and_a_checkpoint_change_nothing(void **state)
{
    struct logged logged;

    (void)state;
    logged_init(&logged);
    sqlite_fixture_exec(logged.writer, "UPDATE w SET x = randomblob(400) WHERE rowid % 3 = 0");
    (void)sqlite3_wal_checkpoint_v2(logged.writer, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    sqlite_fixture_exec(logged.writer, "UPDATE w SET x = randomblob(400) WHERE rowid % 5 = 0");
    read_file(&logged);
    assert_int_equal(put(&logged, 1, (uint32_t)(logged.len / PAGE_SIZE)), 0);
    check(&logged);
    logged_dispose(&logged);
}

static void a_log_of_another_moment_is_an_error(void **state)
{
    struct logged logged;

    (void)state;
    logged_init(&logged);
    logged.index.header[32] ^= 1; /* a salt */
    assert_int_equal(put(&logged, 1, (uint32_t)(logged.len / PAGE_SIZE)), ERR_IO);
    logged_dispose(&logged);
}

static void a_log_that_is_too_long_is_not_read(void **state)
{
    struct logged logged;

    (void)state;
    logged_init(&logged);
    logged.index.frame_count = WAL_FRAMES_MAX + 1;
    assert_int_equal(put(&logged, 1, 1), ERR_UNSUPPORTED);
    logged_dispose(&logged);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_and_log_are_the_moment),
        cmocka_unit_test(groups_of_pages_get_their_own),
        cmocka_unit_test(a_writer_and_a_checkpoint_change_nothing),
        cmocka_unit_test(a_log_of_another_moment_is_an_error),
        cmocka_unit_test(a_log_that_is_too_long_is_not_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
