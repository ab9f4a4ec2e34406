/* Goal: SQLite's backup into the sink gives every page once, and page 1 as it is at the end; a
 * failure of the receiver comes back as it was. */
#include "snapshot/sink_vfs.h"

#include "base/err.h"
#include "tests/harness/sqlite_fixture.h"
#include "tests/harness/test.h"

#include <stdlib.h>
#include <string.h>

struct receiver {
    uint8_t *image; /* as large as the database */
    size_t page_size;
    uint32_t page_count;
    uint32_t calls;
    uint32_t last_page;
    uint32_t out_of_order;
    uint32_t fail_at; /* call, from 1; 0: never */
};

static int receive(void *context, uint32_t page_number, const void *page, size_t page_size,
                   struct err *err)
{
    struct receiver *receiver = context;

    receiver->calls++;
    if (receiver->calls == receiver->fail_at)
        return err_set(err, ERR_THROTTLED, "enough for now");
    assert_int_equal(page_size, receiver->page_size);
    assert_in_range(page_number, 2, receiver->page_count);
    if (page_number != receiver->last_page + 1)
        receiver->out_of_order++;
    receiver->last_page = page_number;
    memcpy(receiver->image + (size_t)(page_number - 1) * page_size, page, page_size);
    return 0;
}

/* @return SQLite's result of copying all of the fixture's database into the sink. */
static int copy(const struct sqlite_fixture *fixture, struct sink_vfs *sink)
{
    sqlite3 *from = sqlite_fixture_open(fixture), *to = NULL;
    sqlite3_backup *backup;
    int rc;

    assert_int_equal(sink_vfs_open(sink, &to, NULL), 0);
    backup = sqlite3_backup_init(to, "main", from, "main");
    assert_non_null(backup);
    do {
        rc = sqlite3_backup_step(backup, 16);
    } while (rc == SQLITE_OK);
    (void)sqlite3_backup_finish(backup);
    (void)sqlite3_close(to);
    (void)sqlite3_close(from);
    return rc;
}

/* Bytes of page 1 in which SQLite's backup differs from its source: change counter, database size,
 * schema cookie, version-valid-for and SQLite's version. */
static void mask(uint8_t *page_one)
{
    memset(page_one + 24, 0, 8);
    memset(page_one + 40, 0, 4);
    memset(page_one + 92, 0, 8);
}

static void gives_every_page_once_and_in_order(void **state)
{
    static const unsigned page_sizes[] = { 512, 4096, 65536 };
    static const char *const modes[] = { "wal", "delete" };

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        struct receiver receiver = { .page_size = page_sizes[i / 2], .last_page = 1 };
        struct sink_vfs *sink = NULL;
        struct sqlite_fixture fixture;
        size_t len, page_one_len = 0;
        const void *page_one;
        uint8_t *file;

        sqlite_fixture_make(&fixture, page_sizes[i / 2], modes[i % 2], 3000);
        file = sqlite_fixture_read(&fixture, "", &len);
        receiver.image = calloc(1, len);
        receiver.page_count = (uint32_t)(len / receiver.page_size);
        assert_int_equal(sink_vfs_new(receive, &receiver, &sink, NULL), 0);
        assert_int_equal(copy(&fixture, sink), SQLITE_DONE);

        assert_int_equal(receiver.calls, receiver.page_count - 1);
        assert_int_equal(receiver.out_of_order, 0);
        page_one = sink_vfs_page_one(sink, &page_one_len);
        assert_int_equal(page_one_len, receiver.page_size);
        memcpy(receiver.image, page_one, page_one_len);
        mask(file);
        mask(receiver.image);
        assert_memory_equal(receiver.image, file, len);

        sink_vfs_free(sink);
        free(receiver.image);
        free(file);
        sqlite_fixture_remove(&fixture);
    }
}

static void brings_a_failure_of_the_receiver_back(void **state)
{
    struct sqlite_fixture fixture;
    uint32_t fail_at = 1;
    int rc;

    (void)state;
    sqlite_fixture_make(&fixture, 4096, "wal", 300);
    do {
        struct receiver receiver = { .page_size = 4096, .page_count = 1000, .fail_at = fail_at };
        struct sink_vfs *sink = NULL;
        struct err err = { 0 };

        receiver.image = calloc(1000, 4096);
        assert_int_equal(sink_vfs_new(receive, &receiver, &sink, NULL), 0);
        rc = copy(&fixture, sink);
        if (rc == SQLITE_DONE) {
            assert_true(receiver.calls < fail_at);
            assert_int_equal(sink_vfs_failure(sink, &err), 0);
        } else {
            assert_int_equal(receiver.calls, fail_at); /* and not asked again */
            assert_int_equal(sink_vfs_failure(sink, &err), ERR_THROTTLED);
            assert_string_equal(err.msg, "enough for now");
        }
        sink_vfs_free(sink);
        free(receiver.image);
        fail_at++;
    } while (rc != SQLITE_DONE);
    assert_true(fail_at > 10);
    sqlite_fixture_remove(&fixture);
}

static void registers_nothing_for_longer_than_it_lives(void **state)
{
    struct sink_vfs *one = NULL, *two = NULL;
    struct receiver receiver = { 0 };
    size_t size;

    (void)state;
    assert_int_equal(sink_vfs_new(receive, &receiver, &one, NULL), 0);
    assert_int_equal(sink_vfs_new(receive, &receiver, &two, NULL), 0);
    assert_null(sink_vfs_page_one(one, &size));
    assert_string_equal(sqlite3_vfs_find(NULL)->zName, "unix"); /* still the default */
    sink_vfs_free(one);
    sink_vfs_free(two);
    for (const sqlite3_vfs *vfs = sqlite3_vfs_find(NULL); vfs != NULL; vfs = vfs->pNext)
        assert_null(strstr(vfs->zName, "sink"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_every_page_once_and_in_order),
        cmocka_unit_test(brings_a_failure_of_the_receiver_back),
        cmocka_unit_test(registers_nothing_for_longer_than_it_lives),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
