/* Goal: two fingerprints are the same only when every part is, the earlier one had settled, and no
 * clock was set back in between; and they survive being written down. */
#include "snapshot/fingerprint.h"

#include <string.h>

#include "base/clock.h"
#include "snapshot/source.h"
#include "tests/harness/sqlite_fixture.h"
#include "tests/harness/test.h"

static struct fingerprint some(void)
{
    struct fingerprint fingerprint = {
        .device = 1,
        .inode = UINT64_MAX,
        .size = 4096,
        .modified_ns = 123456789012345,
        .changed_ns = -5,
        .wal = true,
        .settled = true,
        .wall_ms = 1000000,
        .boot_ms = 5000,
    };

    memset(fingerprint.header, 7, sizeof(fingerprint.header));
    memset(fingerprint.wal_index, 8, sizeof(fingerprint.wal_index));
    memset(fingerprint.boot_id, 9, sizeof(fingerprint.boot_id));
    return fingerprint;
}

static void every_part_counts(void **state)
{
    const struct fingerprint before = some();
    struct fingerprint after;

    (void)state;
    assert_true(fingerprint_same(&before, &before));
#define DIFFERS(change)                                                                            \
    do {                                                                                           \
        after = before;                                                                            \
        change;                                                                                    \
        assert_false(fingerprint_same(&before, &after));                                           \
    } while (0)
    DIFFERS(after.device++);
    DIFFERS(after.inode--);
    DIFFERS(after.size++);
    DIFFERS(after.modified_ns++);
    DIFFERS(after.changed_ns++);
    DIFFERS(after.header[99] ^= 1);
    DIFFERS(after.wal = false);
    DIFFERS(after.wal_index[47] ^= 1);
#undef DIFFERS
    after = before;
    after.settled = false; /* only that of the earlier one matters */
    assert_true(fingerprint_same(&before, &after));
    assert_false(fingerprint_same(&after, &before));
}

static void a_clock_that_was_set_back_is_not_trusted(void **state)
{
    const struct fingerprint before = some();
    struct fingerprint after = before;

    (void)state;
    after.wall_ms += 3600000;
    after.boot_ms += 3600000;
    assert_true(fingerprint_same(&before, &after));
    after.wall_ms -= 5000;
    assert_false(fingerprint_same(&before, &after));
    after.boot_id[0] ^= 1; /* another boot: then only that time has passed is known */
    assert_true(fingerprint_same(&before, &after));
    after.wall_ms = before.wall_ms - 1;
    assert_false(fingerprint_same(&before, &after));
}

static void survives_being_written_down(void **state)
{
    const struct fingerprint before = some();
    uint8_t stored[FINGERPRINT_STORED_SIZE];
    struct fingerprint after;

    (void)state;
    fingerprint_encode(&before, stored);
    fingerprint_decode(stored, &after);
    assert_true(fingerprint_same(&before, &after));
    assert_int_equal(after.wall_ms, before.wall_ms);
    assert_int_equal(after.boot_ms, before.boot_ms);
    assert_memory_equal(after.boot_id, before.boot_id, sizeof(after.boot_id));
}

static struct fingerprint take(const struct sqlite_fixture *fixture)
{
    const struct source_options options = { .path = fixture->path, .clock = clock_system() };
    struct source *source = NULL;
    struct fingerprint fingerprint;

    assert_int_equal(source_open(&options, &source, NULL), 0);
    assert_true(source_fingerprint(source, &fingerprint));
    source_close(source);
    return fingerprint;
}

/* With a hundred thousand random steps: tests/integ/test_fingerprint.c. */
static void changes_with_a_commit_and_not_with_a_look(void **state)
{
    static const char *const modes[] = { "wal", "delete" };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct sqlite_fixture fixture;
        struct fingerprint first, second;
        sqlite3 *db;

        sqlite_fixture_make(&fixture, 4096, modes[i], 10);
        db = sqlite_fixture_open(&fixture);
        sqlite_fixture_exec(db, "SELECT * FROM t");
        first = take(&fixture);
        assert_int_equal(first.wal, i == 0);
        assert_false(first.settled); /* it was just made */
        first.settled = true;
        second = take(&fixture);
        assert_true(fingerprint_same(&first, &second));
        sqlite_fixture_exec(db, "UPDATE t SET body = 'new' WHERE id = 1");
        second = take(&fixture);
        assert_false(fingerprint_same(&first, &second));
        (void)sqlite3_close(db);
        sqlite_fixture_remove(&fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_part_counts),
        cmocka_unit_test(a_clock_that_was_set_back_is_not_trusted),
        cmocka_unit_test(survives_being_written_down),
        cmocka_unit_test(changes_with_a_commit_and_not_with_a_look),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
