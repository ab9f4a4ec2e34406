/* Goal: a backup is in the manifest whole or not at all, whatever fails and whenever it is
 * canceled; another source's history is not continued by mistake. */
#include "snapshot/backup.h"

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "snapshot/catalog.h"
#include "snapshot/progress.h"
#include "store/dir_store.h"
#include "store/object_store.h"
#include "tests/harness/fault_store.h"
#include "tests/harness/sqlite_fixture.h"
#include "tests/harness/stored_object.h"
#include "tests/harness/temp_dir.h"
#include "tests/harness/test.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define PART_SIZE (64u << 10)

struct rig {
    char *dir;
    char packs[96];
    struct sqlite_fixture fixture;
    struct fault_store_counters counters;
    struct object_store *store;
};

static void rig_init(struct rig *rig, const char *journal_mode, unsigned rows, bool direct)
{
    const struct fault_store_options options = { .no_direct_fd = !direct, .part_size = PART_SIZE };
    struct object_store *inner = NULL;

    memset(rig, 0, sizeof(*rig));
    rig->dir = temp_dir_new();
    (void)snprintf(rig->packs, sizeof(rig->packs), "%s/app/packs", rig->dir);
    assert_int_equal(dir_store_new(rig->dir, &inner, NULL), 0);
    assert_int_equal(fault_store_new(inner, &options, &rig->counters, &rig->store, NULL), 0);
    sqlite_fixture_make(&rig->fixture, 4096, journal_mode, rows);
}

static void rig_dispose(struct rig *rig)
{
    sqlite_fixture_remove(&rig->fixture);
    object_store_free(rig->store);
    temp_dir_free(rig->dir);
}

static struct backup_options options_of(const struct rig *rig)
{
    return (struct backup_options){
        .database = "app",
        .path = rig->fixture.path,
        .thread_count = 2,
    };
}

static int create(struct rig *rig, struct err *err)
{
    struct backup_options options = options_of(rig);
    struct backup_record record;
    int r = backup_create(rig->store, &options, &record, NULL, err);

    if (r == 0)
        backup_record_dispose(&record);
    return r;
}

static size_t backup_count(struct rig *rig)
{
    struct manifest manifest;
    size_t count;

    rig->counters.fail_at = 0;
    assert_int_equal(catalog_load(rig->store, "app", true, &manifest, NULL), 0);
    count = manifest.backup_count;
    manifest_dispose(&manifest);
    return count;
}

/* The one pack there is holds what the record says, hashed with the manifest's seed. */
static void assert_pack_is(struct rig *rig, const struct backup_record *record)
{
    struct manifest manifest;
    struct page_hash sum = { 0, 0 };
    uint8_t *object, *image;
    size_t object_len, len;

    assert_int_equal(catalog_load(rig->store, "app", false, &manifest, NULL), 0);
    object = stored_object_read(rig->packs, &object_len);
    assert_int_equal(object_len, record->stored_bytes);
    image = stored_object_unzstd(object, object_len, &len);
    assert_int_equal(len, record->size);
    for (uint32_t page = 1; page <= record->page_count; page++) {
        page_hash_xor(&sum,
                      page_hash(manifest.page_hash_seed, page,
                                image + (size_t)(page - 1) * record->page_size, record->page_size));
    }
    assert_true(page_hash_eq(sum, record->database_hash));
    manifest_dispose(&manifest);
    free(object);
    free(image);
}

static int64_t rows_of(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    int64_t rows;

    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    rows = sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement);
    return rows;
}

static void records_what_was_backed_up(void **state)
{
    struct rig rig;
    struct backup_record record;
    struct backup_report report;
    struct backup_options options;
    struct err err = { 0 };
    char host[256];
    int64_t before_ms;
    sqlite3 *db;

    (void)state;
    rig_init(&rig, "wal", 3000, true);
    options = options_of(&rig);
    options.label = "before the upgrade";
    options.trigger = TRIGGER_SCHEDULE;
    before_ms = clock_now_ms(clock_system());
    assert_int_equal(backup_create(rig.store, &options, &record, &report, &err), 0);
    assert_in_range(record.created_at_ms, before_ms, clock_now_ms(clock_system()));
    assert_string_equal(record.label, "before the upgrade");
    assert_int_equal(record.trigger, TRIGGER_SCHEDULE);
    assert_int_equal(record.kind, BACKUP_FULL);
    assert_int_equal(record.page_size, 4096);
    assert_int_equal(record.size, (uint64_t)record.page_count * 4096);
    assert_int_equal(record.changed_pages, record.page_count);
    assert_int_equal(record.num_tables, SQLITE_FIXTURE_TABLES);
    assert_int_equal(gethostname(host, sizeof(host)), 0);
    assert_string_equal(record.host, host);
    assert_string_equal(record.path, rig.fixture.path);
    db = sqlite_fixture_open(&rig.fixture);
    assert_int_equal(record.num_rows,
                     rows_of(db, "SELECT (SELECT count(*) FROM t) + (SELECT count(*) FROM u)"));
    (void)sqlite3_close(db);
    assert_true(report.lock_us > 0);
    assert_true(report.spool_max >= record.stored_bytes);
    assert_pack_is(&rig, &record);
    backup_record_dispose(&record);
    rig_dispose(&rig);
}

static void costs_two_puts_when_the_pack_fits_one_part(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, "wal", 50, false);
    assert_int_equal(create(&rig, NULL), 0); /* and probes the store, the first time */
    rig.counters.puts = 0;
    assert_int_equal(create(&rig, NULL), 0);
    assert_int_equal(rig.counters.puts, 2);
    assert_int_equal(rig.counters.parts, 0);
    assert_int_equal(backup_count(&rig), 2);
    rig_dispose(&rig);
}

/* However the pack travels: in one PUT, in parts, in place; in one pass or in two. */
static void lists_nothing_when_any_call_of_the_store_fails(void **state)
{
    static const struct {
        const char *mode;
        unsigned rows;
        bool direct;
    } cases[] = {
        { "wal", 50, false },
        { "wal", 3000, false },
        { "wal", 3000, true },
        { "delete", 5000, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned fail_at = 0;
        int r;

        do {
            struct rig rig;
            struct err err = { 0 };

            rig_init(&rig, cases[i].mode, cases[i].rows, cases[i].direct);
            rig.counters.fail_at = ++fail_at;
            r = create(&rig, &err);
            /* Only removing the probe may fail unnoticed. */
            if (r < 0) {
                assert_int_equal(r, ERR_SERVER);
                assert_non_null(strstr(err.msg, "is made to fail"));
            }
            assert_int_equal(rig.counters.uploads_open, 0);
            assert_int_equal(stored_object_leftovers(rig.dir), 0);
            assert_int_equal(backup_count(&rig), r == 0 ? 1 : 0);
            assert_int_equal(create(&rig, NULL), 0); /* the next run is fine */
            r = rig.counters.calls < fail_at ? 0 : -1;
            rig_dispose(&rig);
        } while (r < 0);
        assert_true(fail_at > 10);
    }
}

/* What an hourly backup costs: the pack and the manifest.  When nothing was committed: nothing. */
static void an_hour_is_two_puts_and_a_quiet_one_no_request(void **state)
{
    struct backup_options options;
    struct backup_record record;
    struct backup_report report;
    char state_dir[128];
    struct rig rig;
    sqlite3 *db;

    (void)state;
    rig_init(&rig, "wal", 3000, false);
    options = options_of(&rig);
    (void)snprintf(state_dir, sizeof(state_dir), "%s/state", rig.dir);
    options.state_dir = state_dir;
    options.full_below = 1;
    options.part_size = 0;
    assert_int_equal(backup_create(rig.store, &options, &record, NULL, NULL), 0);
    backup_record_dispose(&record);
    for (int hour = 0; hour < 3; hour++) {
        db = sqlite_fixture_open(&rig.fixture);
        sqlite_fixture_exec(db, "UPDATE t SET body = body || 'x' WHERE id = 70");
        (void)sqlite3_close(db);
        rig.counters.calls = rig.counters.puts = 0;
        assert_int_equal(backup_create(rig.store, &options, &record, &report, NULL), 0);
        assert_false(report.unchanged);
        assert_int_equal(record.kind, BACKUP_INCREMENTAL);
        assert_int_equal(rig.counters.calls, 2);
        assert_int_equal(rig.counters.puts, 2);
        backup_record_dispose(&record);
        rig.counters.calls = 0;
        assert_int_equal(backup_create(rig.store, &options, &record, &report, NULL), 0);
        assert_true(report.unchanged);
        assert_int_equal(rig.counters.calls, 0);
        backup_record_dispose(&record);
    }
    /* Without anything remembered it is incremental too. */
    options.state_dir = NULL;
    options.force = true;
    assert_int_equal(backup_create(rig.store, &options, &record, &report, NULL), 0);
    assert_int_equal(record.kind, BACKUP_INCREMENTAL);
    backup_record_dispose(&record);
    assert_int_equal(backup_count(&rig), 5);
    rig_dispose(&rig);
}

static void *cancel_later(void *argument)
{
    struct cancel *cancel = argument;

    (void)usleep((useconds_t)(random_u64() % 30000));
    cancel_set(cancel, 15);
    return NULL;
}

static void lists_nothing_when_canceled_at_any_moment(void **state)
{
    unsigned canceled = 0;

    (void)state;
    for (unsigned i = 0; i < 30; i++) {
        struct cancel cancel = CANCEL_INIT;
        struct backup_record record;
        struct backup_options options;
        struct rig rig;
        struct err err = { 0 };
        pthread_t thread;
        int r;

        rig_init(&rig, i % 2 == 0 ? "wal" : "delete", 5000, i % 3 == 0);
        options = options_of(&rig);
        options.cancel = &cancel;
        assert_int_equal(pthread_create(&thread, NULL, cancel_later, &cancel), 0);
        r = backup_create(rig.store, &options, &record, NULL, &err);
        (void)pthread_join(thread, NULL);
        assert_true(r == 0 || r == ERR_CANCELED);
        assert_int_equal(backup_count(&rig), r == 0 ? 1 : 0);
        assert_int_equal(rig.counters.uploads_open, 0);
        if (r == 0) {
            backup_record_dispose(&record);
        } else {
            canceled++;
        }
        rig_dispose(&rig);
    }
    assert_true(canceled > 0);
}

/* Files that may not grow past a limit stand for full disks: under the spools, the object, the
 * manifest, and what SQLite makes. */
static void lists_nothing_when_a_disk_is_full(void **state)
{
    struct rlimit before, limit;
    unsigned failures = 0;
    int r;

    (void)state;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    for (unsigned i = 0; i < 2; i++) {
        limit = before;
        limit.rlim_cur = 0;
        do {
            struct rig rig;
            struct err err = { 0 };

            rig_init(&rig, "wal", 6000, i == 1);
            assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
            r = create(&rig, &err);
            assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
            if (r < 0) {
                assert_int_equal(r, ERR_IO);
                assert_true(err.msg[0] != '\0');
                failures++;
            }
            assert_int_equal(rig.counters.uploads_open, 0);
            assert_int_equal(stored_object_leftovers(rig.dir), 0);
            assert_int_equal(backup_count(&rig), r == 0 ? 1 : 0);
            rig_dispose(&rig);
            limit.rlim_cur += 20000;
        } while (r < 0);
    }
    assert_true(failures > 10);
}

struct origin {
    const char *host, *path;
};

static int move(void *context, struct manifest *manifest, struct err *err)
{
    const struct origin *origin = context;
    struct backup_record *newest = &manifest->backups[manifest->backup_count - 1];

    (void)err;
    if (origin->host != NULL) {
        free(newest->host);
        newest->host = strdup(origin->host);
    }
    if (origin->path != NULL) {
        free(newest->path);
        newest->path = strdup(origin->path);
    }
    return 0;
}

/* Let the newest backup have come from elsewhere. */
static void rewrite_origin(struct rig *rig, const char *host, const char *path)
{
    const struct catalog_commit_options options = { 0 };
    struct origin origin = { host, path };
    struct manifest manifest;

    assert_int_equal(catalog_load(rig->store, "app", false, &manifest, NULL), 0);
    assert_int_equal(catalog_commit(rig->store, &manifest, move, &origin, &options, NULL), 0);
    manifest_dispose(&manifest);
}

static unsigned warnings;

static void count_warnings(void *context, enum log_level level, const char *line)
{
    (void)context;
    if (level == LOG_LEVEL_WARN && strstr(line, "two agents") != NULL)
        warnings++;
}

static void refuses_the_history_of_another_source(void **state)
{
    static const struct {
        const char *host, *path;
        bool refused;
    } cases[] = {
        { NULL, NULL, false },
        { "elsewhere", NULL, false },   /* a container that was moved */
        { NULL, "/srv/app.db", false }, /* a file that was moved */
        { "elsewhere", "/srv/app.db", true },
    };

    (void)state;
    log_set_sink(count_warnings, NULL, LOG_LEVEL_WARN);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rig rig;
        struct backup_options options;
        struct backup_record record;
        struct err err = { 0 };

        rig_init(&rig, "wal", 10, true);
        assert_int_equal(create(&rig, NULL), 0);
        rewrite_origin(&rig, cases[i].host, cases[i].path);
        warnings = 0;
        assert_int_equal(create(&rig, &err), cases[i].refused ? ERR_REFUSED : 0);
        if (cases[i].refused) {
            assert_non_null(strstr(err.msg, "'/srv/app.db' on host 'elsewhere'"));
            assert_non_null(strstr(err.hint, "--adopt"));
            options = options_of(&rig);
            options.adopt = true;
            assert_int_equal(backup_create(rig.store, &options, &record, NULL, &err), 0);
            backup_record_dispose(&record);
        }
        assert_int_equal(warnings, cases[i].host != NULL); /* of two writers */
        assert_int_equal(backup_count(&rig), 2);
        rig_dispose(&rig);
    }
    log_set_sink(NULL, NULL, LOG_LEVEL_WARN);
}

struct rival {
    struct rig *rig;
    bool done;
    unsigned scans; /* of the database, by the one that it hinders */
};

static void back_up_first(void *context, enum progress_phase phase, uint64_t done, uint64_t total)
{
    struct rival *rival = context;

    (void)total;
    if (phase != PROGRESS_READ || done == 0 || rival->done)
        return;
    rival->done = true;
    assert_int_equal(create(rival->rig, NULL), 0);
}

/* Both find no manifest and choose a seed; the one that commits last must hash again. */
static void begins_again_when_another_agent_begins_the_history_first(void **state)
{
    struct rig rig;
    struct rival rival = { &rig, false, 0 };
    const struct progress progress = { back_up_first, &rival };
    struct backup_options options;
    struct backup_record record;
    struct manifest manifest;
    struct err err = { 0 };

    (void)state;
    rig_init(&rig, "wal", 100, true);
    options = options_of(&rig);
    options.progress = &progress;
    assert_int_equal(backup_create(rig.store, &options, &record, NULL, &err), 0);
    assert_true(rival.done);
    assert_int_equal(catalog_load(rig.store, "app", false, &manifest, NULL), 0);
    assert_int_equal(manifest.backup_count, 2);
    assert_int_equal(stored_object_count(rig.packs), 2); /* the useless one is gone */
    assert_true(page_hash_eq(manifest.backups[0].database_hash, manifest.backups[1].database_hash));
    manifest_dispose(&manifest);
    backup_record_dispose(&record);
    rig_dispose(&rig);
}

/* As if another agent had made a backup, let the one before expire, and written packs anew. */
static int replace_parent(void *context, struct manifest *manifest, struct err *err)
{
    (void)context;
    (void)err;
    assert_true(manifest->backup_count >= 2);
    memcpy(manifest->packs[0].repaired_by, manifest->packs[1].id, UUID_TEXT_SIZE);
    manifest->packs[0].replaced_at_ms = manifest->written_at_ms;
    manifest_remove_backup(manifest, manifest->backup_count - 1);
    return 0;
}

static void expire_parent(void *context, enum progress_phase phase, uint64_t done, uint64_t total)
{
    const struct catalog_commit_options commit = { .clock = NULL };
    struct rival *rival = context;
    struct manifest manifest;

    if (phase == PROGRESS_READ && done == total)
        rival->scans++;
    if (phase != PROGRESS_READ || done == 0 || rival->done)
        return;
    rival->done = true;
    assert_int_equal(catalog_load(rival->rig->store, "app", false, &manifest, NULL), 0);
    assert_int_equal(
        catalog_commit(rival->rig->store, &manifest, replace_parent, NULL, &commit, NULL), 0);
    manifest_dispose(&manifest);
}

/* It may need pages that nobody else needed when they were left out: it is made again. */
static void begins_again_when_its_parent_went_and_packs_were_replaced(void **state)
{
    struct rig rig;
    struct rival rival = { &rig, false, 0 };
    const struct progress progress = { expire_parent, &rival };
    struct backup_options options;
    struct backup_record record;
    struct err err = { 0 };

    (void)state;
    rig_init(&rig, "wal", 3000, true);
    options = options_of(&rig);
    options.full_below = 1;
    options.force = true;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(backup_create(rig.store, &options, &record, NULL, &err), 0);
        backup_record_dispose(&record);
    }
    options.progress = &progress;
    assert_int_equal(backup_create(rig.store, &options, &record, NULL, &err), 0);
    assert_true(rival.done);
    assert_int_equal(backup_count(&rig), 2);
    assert_int_equal(rival.scans, 2);
    backup_record_dispose(&record);
    rig_dispose(&rig);
}

static void asks_the_store_nothing_when_there_is_no_database(void **state)
{
    struct rig rig;
    struct backup_options options;
    struct backup_record record;
    struct err err = { 0 };

    (void)state;
    rig_init(&rig, "wal", 1, true);
    options = options_of(&rig);
    options.path = "/nonexistent/app.db";
    assert_int_equal(backup_create(rig.store, &options, &record, NULL, &err), ERR_NOT_FOUND);
    options = options_of(&rig);
    options.database = "no/name";
    assert_int_equal(backup_create(rig.store, &options, &record, NULL, &err), ERR_CONFIG);
    assert_int_equal(rig.counters.calls, 0);
    rig_dispose(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_what_was_backed_up),
        cmocka_unit_test(costs_two_puts_when_the_pack_fits_one_part),
        cmocka_unit_test(lists_nothing_when_any_call_of_the_store_fails),
        cmocka_unit_test(an_hour_is_two_puts_and_a_quiet_one_no_request),
        cmocka_unit_test(lists_nothing_when_canceled_at_any_moment),
        cmocka_unit_test(lists_nothing_when_a_disk_is_full),
        cmocka_unit_test(refuses_the_history_of_another_source),
        cmocka_unit_test(begins_again_when_another_agent_begins_the_history_first),
        cmocka_unit_test(begins_again_when_its_parent_went_and_packs_were_replaced),
        cmocka_unit_test(asks_the_store_nothing_when_there_is_no_database),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
