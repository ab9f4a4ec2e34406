/* Goal: the staged database goes into the live file in one transaction, or nothing does; what
 * cannot go is refused beforehand. */
#include "base/cancel.h"
#include "base/err.h"
#include "snapshot/manifest.h"
#include "snapshot/progress.h"
#include "snapshot/publish.h"
#include "snapshot/stage.h"
#include "snapshot/target.h"
#include "tests/harness/sqlite_fixture.h"
#include "tests/harness/test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define SEED     7
#define ROWS_OLD 3000
#define ROWS_NEW 2000

/* A live database of ROWS_OLD rows, and a staged one of ROWS_NEW. */
struct rig {
    struct sqlite_fixture live, source;
    struct target target;
    struct stage stage;
    struct backup_record backup;
    struct cancel cancel;
};

static void rig_init(struct rig *rig, unsigned old_page_size, const char *journal_mode,
                     unsigned new_page_size)
{
    size_t len = 0;
    uint8_t *bytes;

    memset(rig, 0, sizeof(*rig));
    sqlite_fixture_make(&rig->live, old_page_size, journal_mode, ROWS_OLD);
    sqlite_fixture_make(&rig->source, new_page_size, "DELETE", ROWS_NEW);
    bytes = sqlite_fixture_read(&rig->source, "", &len);
    assert_int_equal(stage_new(rig->live.path, &rig->stage, NULL), 0);
    assert_int_equal(pwrite(rig->stage.fd, bytes, len, 0), (ssize_t)len);
    rig->backup.size = len;
    rig->backup.page_size = new_page_size;
    rig->backup.page_count = (uint32_t)(len / new_page_size);
    for (uint32_t i = 0; i < rig->backup.page_count; i++) {
        page_hash_xor(&rig->backup.database_hash,
                      page_hash(SEED, i + 1, bytes + (size_t)i * new_page_size, new_page_size));
    }
    free(bytes);
    assert_int_equal(target_examine(rig->live.path, 100, NULL, &rig->target, NULL), 0);
}

static void rig_dispose(struct rig *rig)
{
    stage_dispose(&rig->stage);
    target_dispose(&rig->target);
    sqlite_fixture_remove(&rig->live);
    sqlite_fixture_remove(&rig->source);
}

static int publish(struct rig *rig, const struct progress *progress, struct err *err)
{
    const struct publish options = {
        .target = &rig->target,
        .stage = &rig->stage,
        .backup = &rig->backup,
        .page_hash_seed = SEED,
        .busy_timeout_ms = 100,
        .progress = progress,
        .cancel = &rig->cancel,
    };
    uint64_t locked_us = 0;
    int r = publish_live(&options, &locked_us, err);

    if (r == 0)
        assert_true(locked_us > 0);
    return r;
}

static int64_t rows(const struct rig *rig)
{
    sqlite3 *db = sqlite_fixture_open(&rig->live);
    sqlite3_stmt *statement = NULL;
    int64_t count;

    sqlite_fixture_exec(db, "PRAGMA integrity_check");
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT count(*) FROM t", -1, &statement, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    count = sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement);
    (void)sqlite3_close(db);
    return count;
}

static void keeps_the_journal_mode_and_never_checkpoints(void **state)
{
    struct rig rig;
    sqlite3 *db;

    (void)state;
    rig_init(&rig, 4096, "WAL", 4096);
    db = sqlite_fixture_open(&rig.live); /* so that the log stays */
    sqlite_fixture_exec(db, "SELECT count(*) FROM t");
    assert_int_equal(publish(&rig, NULL, NULL), 0);
    {
        size_t len = 0, size = 0;
        uint8_t *log = sqlite_fixture_read(&rig.live, "-wal", &len);
        uint8_t *file = sqlite_fixture_read(&rig.live, "", &size);

        assert_true(len > rig.backup.size); /* all of it is in the log */
        assert_int_equal(size, rig.target.st.st_size);
        free(log);
        free(file);
    }
    assert_int_equal(rows(&rig), ROWS_NEW);
    (void)sqlite3_close(db);
    rig_dispose(&rig);
}

static void changes_the_page_size_in_rollback_mode(void **state)
{
    static const unsigned sizes[][2] = { { 512, 65536 }, { 65536, 512 }, { 4096, 8192 } };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct rig rig;

        rig_init(&rig, sizes[i][0], "DELETE", sizes[i][1]);
        assert_int_equal(publish(&rig, NULL, NULL), 0);
        assert_int_equal(rows(&rig), ROWS_NEW);
        rig_dispose(&rig);
    }
}

static void refuses_another_page_size_in_wal_mode(void **state)
{
    uint64_t extra = 0;
    struct rig rig;
    struct err err = { 0 };

    (void)state;
    rig_init(&rig, 1024, "WAL", 4096);
    assert_int_equal(publish_live_check(&rig.target, &rig.backup, &extra, &err), ERR_REFUSED);
    assert_non_null(strstr(err.hint, "--swap"));
    rig.target.wal = false; /* it has changed since it was looked at */
    assert_int_equal(publish_live_check(&rig.target, &rig.backup, &extra, NULL), 0);
    assert_int_equal(publish(&rig, NULL, &err), ERR_REFUSED);
    assert_int_equal(rows(&rig), ROWS_OLD);
    rig_dispose(&rig);
}

static void knows_what_room_the_log_or_the_journal_needs(void **state)
{
    const struct backup_record backup = { .size = UINT64_C(100) * 4096,
                                          .page_size = 4096,
                                          .page_count = 100 };
    struct target target = { .kind = TARGET_DATABASE, .page_size = 4096, .wal = true };
    uint64_t extra = 0;

    (void)state;
    target.st.st_size = 300L * 4096;
    assert_int_equal(publish_live_check(&target, &backup, &extra, NULL), 0);
    assert_int_equal(extra, 100 * (4096 + 24));
    target.wal = false;
    assert_int_equal(publish_live_check(&target, &backup, &extra, NULL), 0);
    assert_int_equal(extra, 300 * 4096);
    target.st.st_size = 4096;
    assert_int_equal(publish_live_check(&target, &backup, &extra, NULL), 0);
    assert_int_equal(extra, 100 * 4096);
}

static void cancel_midway(void *context, enum progress_phase phase, uint64_t done, uint64_t total)
{
    struct rig *rig = context;

    assert_int_equal(phase, PROGRESS_PUBLISH);
    if (done < total)
        cancel_set(&rig->cancel, SIGTERM);
}

static void changes_nothing_when_canceled_midway(void **state)
{
    static const char *const modes[] = { "WAL", "DELETE" };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct rig rig;
        const struct progress progress = { cancel_midway, &rig };

        rig_init(&rig, 512, modes[i], 512); /* many pages: several steps */
        assert_int_equal(publish(&rig, &progress, NULL), ERR_CANCELED);
        assert_int_equal(rows(&rig), ROWS_OLD);
        rig_dispose(&rig);
    }
}

/* The limit stands for a full disk, under the log or the journal and the file. */
static void changes_nothing_when_any_write_fails(void **state)
{
    static const char *const modes[] = { "WAL", "DELETE" };
    struct rlimit old, limit;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    for (size_t i = 0; i < 2; i++) {
        struct rig rig;
        uint64_t at = 0;
        int r;

        rig_init(&rig, 4096, modes[i], 4096);
        do {
            struct err err = { 0 };

            limit = (struct rlimit){ at, old.rlim_max };
            assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
            r = publish(&rig, NULL, &err);
            assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
            if (r < 0) {
                assert_true(r == ERR_IO || r == ERR_DENIED);
                assert_int_equal(rows(&rig), ROWS_OLD);
            }
            at += 50000;
        } while (r < 0);
        assert_true(at > 200000);
        assert_int_equal(rows(&rig), ROWS_NEW);
        rig_dispose(&rig);
    }
}

static void tells_when_it_reads_back_differently(void **state)
{
    struct rig rig;
    struct err err = { 0 };

    (void)state;
    rig_init(&rig, 4096, "DELETE", 4096);
    rig.backup.database_hash.low ^= 1;
    assert_int_equal(publish(&rig, NULL, &err), ERR_CORRUPT);
    assert_non_null(strstr(err.msg, "reads back differently"));
    rig_dispose(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_the_journal_mode_and_never_checkpoints),
        cmocka_unit_test(changes_the_page_size_in_rollback_mode),
        cmocka_unit_test(refuses_another_page_size_in_wal_mode),
        cmocka_unit_test(knows_what_room_the_log_or_the_journal_needs),
        cmocka_unit_test(changes_nothing_when_canceled_midway),
        cmocka_unit_test(changes_nothing_when_any_write_fails),
        cmocka_unit_test(tells_when_it_reads_back_differently),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
