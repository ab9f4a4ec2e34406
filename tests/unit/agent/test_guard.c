/* Goal: a database that lost much since its last backup is noticed, and one that did not is not;
 * the backup from before is marked once, and until somebody lets it go. */
#include "agent/guard.h"

#include "base/err.h"
#include "snapshot/manifest.h"
#include "tests/harness/temp_dir.h"
#include "tests/harness/test.h"

#include <stdio.h>
#include <string.h>

#define MIB (UINT64_C(1) << 20)

static struct backup_record record(const char *id, uint64_t size, uint32_t tables, int64_t rows)
{
    struct backup_record made = { .size = size, .num_tables = tables, .num_rows = rows };

    (void)snprintf(made.id, sizeof(made.id), "%s", id);
    return made;
}

struct change {
    const char *name;
    uint64_t size_before, size_after;
    int64_t rows_before, rows_after;
    uint32_t tables_before, tables_after;
    const char *reason; /* NULL: nothing is noticed */
};

static const struct change changes[] = {
    { "nothing", 8 * MIB, 8 * MIB, 5000, 5000, 3, 3, NULL },
    { "half is left", 8 * MIB, 4 * MIB, -1, -1, 3, 3, NULL },
    { "less than half is left", 8 * MIB, 4 * MIB - 4096, -1, -1, 3, 3, "4.0 MiB of 8.0 MiB" },
    { "it was small", MIB - 4096, 4096, 999, 0, 3, 3, NULL },
    { "rows are gone, and the file is as large", 8 * MIB, 8 * MIB, 5000, 2499, 3, 3,
      "2499 of 5000 rows" },
    { "half of the rows is left", 8 * MIB, 8 * MIB, 5000, 2500, 3, 3, NULL },
    { "rows were not counted", 8 * MIB, 8 * MIB, -1, 0, 3, 3, NULL },
    { "rows are not counted", 8 * MIB, 8 * MIB, 5000, -1, 3, 3, NULL },
    { "a table is gone", 4096, 4096, 0, 0, 3, 2, "tables lost: 1 of 3" },
    { "a table is new", 4096, 4096, 0, 0, 3, 4, NULL },
    { "everything at once", 8 * MIB, MIB, 5000, 0, 3, 0,
      "1.0 MiB of 8.0 MiB are left; 0 of 5000 rows are left; tables lost: 3 of 3" },
};

static void notices_what_is_lost(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        const struct change *row = &changes[i];
        struct backup_record backups[] = {
            record("before", row->size_before, row->tables_before, row->rows_before),
            record("after", row->size_after, row->tables_after, row->rows_after),
        };
        struct manifest manifest = { .backups = backups, .backup_count = 2 };
        struct guard guard;

        print_message("%s\n", row->name);
        guard_init(&guard, NULL, "app", GUARD_WARN);
        guard_compare(&guard, &manifest);
        assert_int_equal(guard.verdict.shrunk, row->reason != NULL);
        assert_int_equal(guard.verdict.is_new, row->reason != NULL);
        assert_int_equal(backups[0].guarded, row->reason != NULL);
        assert_false(backups[1].guarded);
        if (row->reason != NULL) {
            assert_non_null(strstr(guard.verdict.reason, row->reason));
            assert_string_equal(guard.verdict.kept_id, "before");
        }
        guard_dispose(&guard);
    }
}

static void marks_one_until_it_is_let_go(void **state)
{
    struct backup_record backups[] = { record("first", 64 * MIB, 3, -1),
                                       record("second", 16 * MIB, 3, -1),
                                       record("third", 4 * MIB, 3, -1),
                                       record("fourth", 4 * MIB, 3, -1) };
    struct manifest manifest = { .backups = backups, .backup_count = 2 };
    struct guard guard;

    (void)state;
    guard_init(&guard, NULL, "app", GUARD_WARN);
    guard_compare(&guard, &manifest);
    assert_true(backups[0].guarded);
    manifest.backup_count = 3;
    guard_compare(&guard, &manifest);
    assert_true(guard.verdict.is_new);
    assert_string_equal(guard.verdict.kept_id, "first");
    assert_false(backups[1].guarded);
    manifest.backup_count = 4;
    guard_compare(&guard, &manifest);
    assert_true(guard.verdict.shrunk && !guard.verdict.is_new);
    assert_string_equal(guard.verdict.reason, "");
    backups[0].guarded = false;
    guard_review(&guard, &manifest);
    assert_false(guard.verdict.shrunk);
    assert_string_equal(guard.verdict.kept_id, "");
    guard_dispose(&guard);
}

static void compares_with_the_last_one_that_restores(void **state)
{
    struct backup_record backups[] = { record("good", 64 * MIB, 3, -1),
                                       record("damaged", 4 * MIB, 3, -1),
                                       record("new", 4 * MIB, 3, -1) };
    struct manifest manifest = { .backups = backups, .backup_count = 3 };
    struct guard guard;

    (void)state;
    backups[1].damaged = true;
    guard_init(&guard, NULL, "app", GUARD_WARN);
    guard_compare(&guard, &manifest);
    assert_string_equal(guard.verdict.kept_id, "good");
    guard_dispose(&guard);
}

static void does_nothing_when_it_is_off_or_there_is_one_backup(void **state)
{
    struct backup_record backups[] = { record("first", 64 * MIB, 3, -1),
                                       record("second", 4096, 0, -1) };
    struct manifest manifest = { .backups = backups, .backup_count = 2 };
    struct guard guard;

    (void)state;
    guard_init(&guard, NULL, "app", GUARD_OFF);
    guard_compare(&guard, &manifest);
    assert_false(guard.verdict.shrunk || backups[0].guarded);
    guard_dispose(&guard);
    guard_init(&guard, NULL, "app", GUARD_FAIL);
    manifest.backup_count = 1;
    guard_compare(&guard, &manifest);
    assert_false(guard.verdict.shrunk || backups[0].guarded);
    guard_dispose(&guard);
}

/* A backup with these tables is made: NUL-terminated names, one after another. */
static void back_up(const char *dir, struct manifest *manifest, const char *names, size_t len,
                    struct guard_verdict *ret_verdict)
{
    struct guard guard;

    guard_init(&guard, dir, "app", GUARD_WARN);
    buf_add(&guard.tables, names, len);
    guard_compare(&guard, manifest);
    guard_finish(&guard, &manifest->backups[manifest->backup_count - 1]);
    *ret_verdict = guard.verdict;
    guard_dispose(&guard);
}

static void names_the_tables_that_are_gone(void **state)
{
    struct backup_record backups[] = { record("first", 4096, 3, -1), record("second", 4096, 3, -1),
                                       record("third", 4096, 2, -1) };
    struct manifest manifest = { .backups = backups, .backup_count = 1 };
    struct guard_verdict verdict;
    char *dir = temp_dir_new();

    (void)state;
    back_up(dir, &manifest, "notes\0posts\0users", 18, &verdict);
    assert_false(verdict.shrunk);
    manifest.backup_count = 2;
    back_up(dir, &manifest, "notes\0posts\0people", 19, &verdict);
    assert_string_equal(verdict.reason, "tables lost: users");
    backups[0].guarded = false;
    manifest.backup_count = 3;
    back_up(dir, &manifest, "notes\0people", 13, &verdict);
    assert_string_equal(verdict.reason, "tables lost: posts");
    temp_dir_free(dir);
}

static void counts_them_when_others_made_the_last_backup(void **state)
{
    struct backup_record backups[] = { record("ours", 4096, 2, -1), record("theirs", 4096, 3, -1),
                                       record("ours again", 4096, 2, -1) };
    struct manifest manifest = { .backups = backups, .backup_count = 1 };
    struct guard_verdict verdict;
    char *dir = temp_dir_new();

    (void)state;
    back_up(dir, &manifest, "notes\0users", 12, &verdict);
    manifest.backup_count = 3;
    back_up(dir, &manifest, "notes\0people", 13, &verdict);
    assert_string_equal(verdict.reason, "tables lost: 1 of 3");
    temp_dir_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(notices_what_is_lost),
        cmocka_unit_test(marks_one_until_it_is_let_go),
        cmocka_unit_test(compares_with_the_last_one_that_restores),
        cmocka_unit_test(does_nothing_when_it_is_off_or_there_is_one_backup),
        cmocka_unit_test(names_the_tables_that_are_gone),
        cmocka_unit_test(counts_them_when_others_made_the_last_backup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
