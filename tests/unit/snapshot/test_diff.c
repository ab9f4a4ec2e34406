/* Goal: two backups are compared as the databases that they are, with no more fetched than is
 * needed, and no temporary file is left. */
#include "snapshot/diff.h"

#include "base/cancel.h"
#include "base/err.h"
#include "base/log.h"
#include "snapshot/progress.h"
#include "tests/harness/restore_rig.h"
#include "tests/harness/temp_dir.h"
#include "tests/harness/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static int diff_in(struct restore_rig *rig, size_t from, size_t to,
                   const struct diff_options *options, struct diff_result *result, struct err *err)
{
    struct diff_options all = *options;

    all.manifest = &rig->packs.manifest;
    all.from = restore_rig_backup(rig, from);
    all.to = restore_rig_backup(rig, to);
    if (all.fetch.spool_dir == NULL)
        all.fetch.spool_dir = rig->work;
    atomic_store(&rig->counters.get_bytes, 0);
    return diff_backups(rig->store, &all, result, err);
}

static const struct diff_table *find(const struct diff_result *result, const char *name)
{
    for (size_t i = 0; i < result->table_count; i++) {
        if (strcmp(result->tables[i].name, name) == 0)
            return &result->tables[i];
    }
    fail_msg("no table '%s'", name);
    return NULL;
}

/* From one backup to the next, the rig changes the rows of t with one remainder and adds one to u.
 */
static void finds_the_rows_that_changed(void **state)
{
    const struct diff_options options = { .row_keys_max = 5 };
    struct diff_result result = { 0 };
    struct restore_rig rig;
    uint64_t changed = 0;

    (void)state;
    restore_rig_init(&rig, 1024, 4);
    for (unsigned id = 1; id <= RESTORE_RIG_ROWS; id++)
        changed += id % 97 == 2 || id % 97 == 3;
    assert_int_equal(diff_in(&rig, 1, 3, &options, &result, NULL), 0);
    assert_true(result.has_tables && !result.schema_changed);
    assert_int_equal(result.same_table_count, 0);
    assert_int_equal(result.table_count, 2);
    assert_int_equal(find(&result, "t")->row_counts[DIFF_ROWS_CHANGED], changed);
    assert_string_equal(find(&result, "t")->row_keys[DIFF_ROWS_CHANGED].texts[0], "2");
    assert_string_equal(find(&result, "t")->row_keys[DIFF_ROWS_CHANGED].texts[2], "99");
    assert_int_equal(find(&result, "u")->row_counts[DIFF_ROWS_ADDED], 2);
    assert_int_equal(result.tally.fetched_bytes, atomic_load(&rig.counters.get_bytes));
    /* The second is made of the first, but for what differs. */
    assert_true(result.tally.copied_bytes > 0);
    diff_result_dispose(&result);
    assert_int_equal(diff_in(&rig, 3, 1, &options, &result, NULL), 0);
    assert_int_equal(find(&result, "u")->row_counts[DIFF_ROWS_REMOVED], 2);
    diff_result_dispose(&result);
    assert_int_equal(restore_rig_count(&rig), 0);
    restore_rig_dispose(&rig);
}

static void fetches_no_page_where_none_is_needed(void **state)
{
    const struct diff_options pages_only = { .pages_only = true }, options = { 0 };
    struct diff_result result = { 0 };
    struct restore_rig rig;
    uint64_t index_bytes;

    (void)state;
    restore_rig_init(&rig, 1024, 2);
    assert_int_equal(diff_in(&rig, 0, 1, &pages_only, &result, NULL), 0);
    index_bytes = atomic_load(&rig.counters.get_bytes);
    assert_true(result.pages.changed > 0 && !result.has_tables);
    assert_int_equal(result.table_count, 0);
    diff_result_dispose(&result);
    assert_int_equal(diff_in(&rig, 1, 1, &options, &result, NULL), 0);
    assert_true(atomic_load(&rig.counters.get_bytes) < 2 * index_bytes);
    assert_int_equal(result.pages.changed, 0);
    assert_true(result.has_tables);
    assert_int_equal(result.table_count, 0);
    assert_int_equal(result.same_table_count, restore_rig_backup(&rig, 1)->num_tables);
    diff_result_dispose(&result);
    restore_rig_dispose(&rig);
}

static void count_warnings(void *context, enum log_level level, const char *line)
{
    unsigned *count = context;

    if (level == LOG_LEVEL_WARN && strstr(line, "/nowhere/at/all") != NULL)
        (*count)++;
}

static void goes_elsewhere_where_nothing_can_be_written(void **state)
{
    const struct diff_options options = { .fetch = { .spool_dir = "/nowhere/at/all" } };
    struct diff_result result = { 0 };
    unsigned warnings = 0;
    struct restore_rig rig;

    (void)state;
    restore_rig_init(&rig, 4096, 2);
    log_set_sink(count_warnings, &warnings, LOG_LEVEL_WARN);
    assert_int_equal(setenv("TMPDIR", rig.work, 1), 0);
    assert_int_equal(diff_in(&rig, 0, 1, &options, &result, NULL), 0);
    assert_int_equal(unsetenv("TMPDIR"), 0);
    log_set_sink(NULL, NULL, LOG_LEVEL_WARN);
    assert_int_equal(warnings, 2); /* for either file */
    assert_int_equal(result.table_count, 2);
    diff_result_dispose(&result);
    assert_int_equal(restore_rig_count(&rig), 0);
    restore_rig_dispose(&rig);
}

static void leaves_nothing_when_any_call_of_the_store_fails(void **state)
{
    const struct diff_options options = { .fetch = { .thread_count = 2 } };
    struct restore_rig rig;
    unsigned n = 0;
    int r;

    (void)state;
    restore_rig_init(&rig, 1024, 2);
    do {
        struct diff_result result = { 0 };
        struct err err = { 0 };

        atomic_store(&rig.counters.calls, 0);
        atomic_store(&rig.counters.fail_at, ++n);
        r = diff_in(&rig, 0, 1, &options, &result, &err);
        assert_int_equal(r, r == 0 ? 0 : ERR_SERVER);
        assert_int_equal(err.code, r);
        assert_int_equal(restore_rig_count(&rig), 0);
        diff_result_dispose(&result);
    } while (r != 0);
    /* A map and two, the hashes of either pack once, and frames of both. */
    assert_true(n - 1 >= 3 + 2 + 2);
    restore_rig_dispose(&rig);
}

/* The limit stands for a full disk. */
static void leaves_nothing_when_the_disk_is_full(void **state)
{
    const struct diff_options options = { 0 };
    struct diff_result result = { 0 };
    struct rlimit old, limit;
    struct restore_rig rig;

    (void)state;
    restore_rig_init(&rig, 4096, 2);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    limit = (struct rlimit){ restore_rig_backup(&rig, 1)->size - 1, old.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(diff_in(&rig, 0, 1, &options, &result, NULL), ERR_IO);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(restore_rig_count(&rig), 0);
    restore_rig_dispose(&rig);
}

struct canceling {
    struct cancel cancel;
    enum progress_phase phase; /* in which to cancel */
};

static void cancel_at(void *context, enum progress_phase phase, uint64_t done, uint64_t total)
{
    struct canceling *canceling = context;

    (void)done;
    (void)total;
    if (phase == canceling->phase)
        cancel_set(&canceling->cancel, SIGTERM);
}

static void stops_when_canceled(void **state)
{
    static const enum progress_phase phases[] = { PROGRESS_FETCH, PROGRESS_READ, PROGRESS_CHECK };
    struct restore_rig rig;

    (void)state;
    restore_rig_init(&rig, 1024, 2);
    for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++) {
        struct canceling canceling = { CANCEL_INIT, phases[i] };
        const struct progress progress = { cancel_at, &canceling };
        const struct diff_options options = {
            .fetch = { .progress = &progress, .cancel = &canceling.cancel },
        };
        struct diff_result result = { 0 };

        assert_int_equal(diff_in(&rig, 0, 1, &options, &result, NULL), ERR_CANCELED);
        assert_int_equal(restore_rig_count(&rig), 0);
    }
    restore_rig_dispose(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_rows_that_changed),
        cmocka_unit_test(fetches_no_page_where_none_is_needed),
        cmocka_unit_test(goes_elsewhere_where_nothing_can_be_written),
        cmocka_unit_test(leaves_nothing_when_any_call_of_the_store_fails),
        cmocka_unit_test(leaves_nothing_when_the_disk_is_full),
        cmocka_unit_test(stops_when_canceled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
