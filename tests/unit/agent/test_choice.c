/* Goal: the backup that is meant, and never by accident what a restore replaced. */
#include "tests/harness/test.h"

#include "agent/choice.h"
#include "base/err.h"
#include "snapshot/manifest.h"

#include <string.h>

#define HOUR_MS (INT64_C(3600) * 1000)
#define NOW_MS  (INT64_C(1795420800) * 1000)

static char name[] = "app";
static struct backup_record backups[] = {
    { .id = "aaaa1111-0000-4000-8000-000000000000", .created_at_ms = NOW_MS - 3 * HOUR_MS },
    { .id = "bbbb2222-0000-4000-8000-000000000000", .created_at_ms = NOW_MS - 2 * HOUR_MS },
    { .id = "cccc3333-0000-4000-8000-000000000000",
      .created_at_ms = NOW_MS - HOUR_MS,
      .trigger = TRIGGER_PRE_RESTORE },
};

static const char *find(struct choice choice, size_t count, int *ret_code)
{
    const struct manifest manifest = { .database = name,
                                       .backups = backups,
                                       .backup_count = count };
    const struct backup_record *backup = NULL;

    *ret_code = choice_find(&choice, &manifest, NOW_MS, &backup, NULL);
    return backup != NULL ? backup->id : "";
}

static void finds_what_is_meant(void **state)
{
    static const struct {
        struct choice choice;
        size_t count;
        int code;
        const char *id;
    } rows[] = {
        { { .backup = "latest" }, 2, 0, "bbbb2222" },
        { { .backup = "latest" }, 3, 0, "bbbb2222" }, /* not what the restore replaced */
        { { .backup = "latest" }, 0, ERR_NOT_FOUND, "" },
        { { .backup = "cccc" }, 3, 0, "cccc3333" },
        { { .backup = "aaaa1111-0000-4000-8000-000000000000" }, 3, 0, "aaaa1111" },
        { { .backup = "dddd" }, 3, ERR_NOT_FOUND, "" },
        { { .backup = "a" }, 3, ERR_CONFIG, "" },
        { { .at = "150m ago" }, 3, 0, "aaaa1111" },
        { { .at = "now" }, 3, 0, "cccc3333" },
        { { .at = "4h ago" }, 3, ERR_NOT_FOUND, "" },
        { { .at = "yesterdayish" }, 3, ERR_CONFIG, "" },
        { { .undo = true }, 3, 0, "cccc3333" },
        { { .undo = true }, 2, ERR_NOT_FOUND, "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int code;
        const char *id = find(rows[i].choice, rows[i].count, &code);

        assert_int_equal(code, rows[i].code);
        assert_int_equal(strncmp(id, rows[i].id, 8), 0);
    }
}

static void has_no_latest_among_what_restores_made(void **state)
{
    const struct manifest manifest = { .database = name,
                                       .backups = backups + 2,
                                       .backup_count = 1 };
    const struct choice latest = { .backup = "latest" };
    const struct backup_record *backup = NULL;
    struct err err;

    (void)state;
    assert_int_equal(choice_find(&latest, &manifest, NOW_MS, &backup, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.hint, "--undo"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_is_meant),
        cmocka_unit_test(has_no_latest_among_what_restores_made),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
