/* Goal: an application that goes on reading and writing sees the old database and then the restored
 * one, never an error and never a mix; and so does whoever opens it after a restore was killed.
 *
 * Every database here holds accounts whose sum is 0 in each transaction, and its own name. */
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "snapshot/restore.h"
#include "tests/harness/restore_rig.h"
#include "tests/harness/temp_dir.h"
#include "tests/harness/test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ACCOUNTS     20000 /* 8 MiB */
#define KILLS        40    /* of each kind */
#define LOOPS_MIN    20    /* of a process, before and after the restore */
#define WAIT_MS_MAX  30000
#define LONG_READ_MS 300
#define FILE_LEN_MAX (64u << 20)
#define CHILDREN_MAX 8

static struct restore_rig rig;
static char target[160], old_file[160];

/* What a child tells, in shared memory. */
struct tale {
    atomic_uint loops;
    atomic_uint errors;
    atomic_uint mixes;     /* sums that are not 0, names that are neither */
    atomic_uint went_back; /* the old content after the new */
    atomic_uint loops_new; /* loops that saw the new content */
    char text[200];        /* of the first error */
};

struct children {
    struct tale *tales;
    pid_t pids[CHILDREN_MAX];
    size_t count;
};

static void sleep_ms(long ms)
{
    const struct timespec time = { ms / 1000, ms % 1000 * 1000000 };

    (void)nanosleep(&time, NULL);
}

static int64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void make_database(const char *path, const char *name, const char *journal_mode)
{
    sqlite3 *db = NULL;
    char sql[600];

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    (void)snprintf(sql, sizeof(sql),
                   "PRAGMA journal_mode=%s; PRAGMA synchronous=OFF; BEGIN;"
                   "CREATE TABLE name(name); INSERT INTO name VALUES('%s');"
                   "CREATE TABLE account(id INTEGER PRIMARY KEY, amount, note);"
                   "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
                   " INSERT INTO account SELECT i, CASE i %% 2 WHEN 0 THEN 100 ELSE -100 END,"
                   " '%s' || hex(randomblob(180)) FROM n; COMMIT",
                   journal_mode, name, ACCOUNTS, name);
    sqlite_fixture_exec(db, sql);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void copy_file(const char *from, const char *to)
{
    struct buf data = BUF_INIT(FILE_LEN_MAX);

    assert_int_equal(file_read(from, &data, NULL), 0);
    assert_int_equal(file_write_atomic(to, data.ptr, data.len, 0644, NULL), 0);
    buf_dispose(&data);
}

/* The store holds "new"; a copy of "old" is kept aside, to begin again with. */
static void begin(const char *journal_mode)
{
    const struct pack_fixture_options full = { .incremental = false };
    char path[180];

    restore_rig_init(&rig, 4096, 0);
    (void)snprintf(target, sizeof(target), "%s/app.db", rig.work);
    (void)snprintf(old_file, sizeof(old_file), "%s/old.db", rig.dir);
    (void)snprintf(path, sizeof(path), "%s/new.db", rig.dir);
    make_database(path, "new", "DELETE");
    (void)pack_fixture_add(&rig.packs, path, &full);
    make_database(old_file, "old", journal_mode);
    copy_file(old_file, target);
}

static void end(void)
{
    restore_rig_dispose(&rig);
}

static int restore(enum restore_method method, int64_t busy_timeout_ms, struct err *err)
{
    const struct restore_options options = {
        .database = "app",
        .path = target,
        .method = method,
        .busy_timeout_ms = busy_timeout_ms,
    };
    struct restore_result result = { 0 };
    int r = restore_run(rig.store, &rig.packs.manifest, restore_rig_backup(&rig, 0), &options,
                        &result, err);

    restore_result_dispose(&result);
    return r;
}

static void note_error(struct tale *tale, sqlite3 *db, const char *what)
{
    if (atomic_fetch_add(&tale->errors, 1) == 0)
        (void)snprintf(tale->text, sizeof(tale->text), "%s: %s", what, sqlite3_errmsg(db));
}

/* One SELECT of one row: its first column as text, into out. */
static bool select_text(sqlite3 *db, sqlite3_stmt *statement, char *out, size_t size)
{
    bool good = sqlite3_step(statement) == SQLITE_ROW;

    if (good)
        (void)snprintf(out, size, "%s", (const char *)sqlite3_column_text(statement, 0));
    return sqlite3_reset(statement) == SQLITE_OK && good && sqlite3_errcode(db) == SQLITE_OK;
}

/* Both statements stay prepared over the restore, as an application's do. */
static void look(sqlite3 *db, sqlite3_stmt *name_statement, sqlite3_stmt *sum_statement,
                 long pause_ms, struct tale *tale)
{
    char name[16] = "", sum[32] = "";

    if (sqlite3_exec(db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK ||
        !select_text(db, name_statement, name, sizeof(name))) {
        note_error(tale, db, "read the name");
    } else {
        sleep_ms(pause_ms);
        if (!select_text(db, sum_statement, sum, sizeof(sum))) {
            note_error(tale, db, "read the sum");
        } else if (strcmp(sum, "0 of 20000") != 0 ||
                   (strcmp(name, "new") != 0 && strcmp(name, "old") != 0)) {
            atomic_fetch_add(&tale->mixes, 1);
        } else if (strcmp(name, "new") == 0) {
            atomic_fetch_add(&tale->loops_new, 1);
        } else if (atomic_load(&tale->loops_new) > 0) {
            atomic_fetch_add(&tale->went_back, 1);
        }
    }
    (void)sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
}

static void transfer(sqlite3 *db, struct tale *tale)
{
    char sql[200];

    (void)snprintf(sql, sizeof(sql),
                   "BEGIN IMMEDIATE; UPDATE account SET amount = amount - 7 WHERE id = %ld;"
                   "UPDATE account SET amount = amount + 7 WHERE id = %ld; COMMIT",
                   1 + random() % ACCOUNTS, 1 + random() % ACCOUNTS);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
        note_error(tale, db, "transfer");
        (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    }
}

/* An application's process, until it is killed. */
_Noreturn static void application(bool writes, long pause_ms, struct tale *tale)
{
    static const char sum_sql[] = "SELECT sum(amount) || ' of ' || count(*) FROM account";
    sqlite3_stmt *name_statement = NULL, *sum_statement = NULL;
    sqlite3 *db = NULL;

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when the test fails */
    if (sqlite3_open(target, &db) != SQLITE_OK ||
        sqlite3_busy_timeout(db, WAIT_MS_MAX) != SQLITE_OK ||
        sqlite3_prepare_v2(db, "SELECT name FROM name", -1, &name_statement, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(db, sum_sql, -1, &sum_statement, NULL) != SQLITE_OK)
        note_error(tale, db, "open");
    srandom((unsigned)getpid());
    for (;;) {
        if (writes)
            transfer(db, tale);
        look(db, name_statement, sum_statement, pause_ms, tale);
        atomic_fetch_add(&tale->loops, 1);
        sleep_ms(2);
    }
}

static void children_start(struct children *children, unsigned readers, unsigned writers)
{
    *children = (struct children){ .count = readers + writers };
    children->tales = mmap(NULL, CHILDREN_MAX * sizeof(struct tale), PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(children->tales != MAP_FAILED);
    for (size_t i = 0; i < children->count; i++) {
        children->pids[i] = fork();
        assert_true(children->pids[i] >= 0);
        if (children->pids[i] == 0) /* the first reader is one with long transactions */
            application(i >= readers, i == 0 ? LONG_READ_MS : 0, &children->tales[i]);
    }
}

static void children_stop(struct children *children)
{
    for (size_t i = 0; i < children->count; i++) {
        assert_int_equal(kill(children->pids[i], SIGKILL), 0);
        assert_int_equal(waitpid(children->pids[i], NULL, 0), children->pids[i]);
    }
    (void)munmap(children->tales, CHILDREN_MAX * sizeof(struct tale));
}

/* Until each has gone round often enough, or has failed. */
static void wait_for_loops(const struct children *children, bool new_ones)
{
    int64_t deadline_ms = now_ms() + WAIT_MS_MAX;
    size_t i = 0;

    while (i < children->count && now_ms() < deadline_ms) {
        struct tale *tale = &children->tales[i];
        unsigned wanted = i == 0 ? 2 : LOOPS_MIN;

        if (atomic_load(new_ones ? &tale->loops_new : &tale->loops) >= wanted ||
            atomic_load(&tale->errors) > 0) {
            i++;
        } else {
            sleep_ms(1);
        }
    }
}

static void check_tales(const struct children *children)
{
    for (size_t i = 0; i < children->count; i++) {
        struct tale *tale = &children->tales[i];

        if (atomic_load(&tale->errors) > 0)
            fail_msg("process %zu: %s", i, tale->text);
        assert_int_equal(atomic_load(&tale->mixes), 0);
        assert_int_equal(atomic_load(&tale->went_back), 0);
        assert_true(atomic_load(&tale->loops_new) > 0);
    }
}

static void select_one(sqlite3 *db, const char *sql, char *out, size_t size)
{
    sqlite3_stmt *statement = NULL;

    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_true(select_text(db, statement, out, size));
    assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
}

/* The name that the target holds, "old" or "new"; whole, or the test ends. */
static const char *check_target(void)
{
    static char name[16];
    char text[64] = "";
    sqlite3 *db = NULL;

    assert_int_equal(sqlite3_open(target, &db), SQLITE_OK);
    (void)sqlite3_busy_timeout(db, 10000);
    select_one(db, "PRAGMA integrity_check", text, sizeof(text));
    assert_string_equal(text, "ok");
    select_one(db,
               "SELECT sum(amount) || ' of ' || count(*) FROM account"
               " WHERE note LIKE (SELECT name FROM name) || '%'",
               text, sizeof(text));
    assert_string_equal(text, "0 of 20000");
    select_one(db, "SELECT name FROM name", name, sizeof(name));
    (void)sqlite3_close(db);
    return name;
}

static void goes_live_under(const char *journal_mode)
{
    struct children children;
    struct err err = { 0 };
    int r;

    begin(journal_mode);
    children_start(&children, 3, 2);
    wait_for_loops(&children, false);
    r = restore(RESTORE_AUTO, WAIT_MS_MAX, &err);
    wait_for_loops(&children, true);
    if (r < 0)
        fail_msg("%s", err.msg);
    check_tales(&children);
    children_stop(&children);
    assert_string_equal(check_target(), "new");
    end();
}

static void switches_readers_and_writers_in_wal_mode(void **state)
{
    (void)state;
    goes_live_under("WAL");
}

static void switches_readers_and_writers_in_rollback_mode(void **state)
{
    (void)state;
    goes_live_under("DELETE");
}

static void leaves_the_application_alone_when_it_is_not_let_in(void **state)
{
    static const char *const modes[] = { "WAL", "DELETE" };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct err err = { 0 };
        char text[32];
        int ready[2];
        char byte;
        pid_t pid;

        begin(modes[i]);
        assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
        pid = fork();
        if (pid == 0) {
            sqlite3 *db = NULL;

            (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when the test fails */
            if (sqlite3_open(target, &db) != SQLITE_OK ||
                sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK ||
                write(ready[1], "x", 1) != 1)
                _exit(1);
            for (;;)
                (void)pause();
        }
        assert_int_equal(read(ready[0], &byte, 1), 1);
        assert_int_equal(restore(RESTORE_AUTO, 200, &err), ERR_BUSY);
        (void)snprintf(text, sizeof(text), "process %d (", (int)pid);
        assert_non_null(strstr(err.msg, text));
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        (void)close(ready[0]);
        (void)close(ready[1]);
        assert_string_equal(check_target(), "old");
        end();
    }
}

static void refuses_to_swap_while_anybody_has_it_open(void **state)
{
    static const char *const modes[] = { "WAL", "DELETE" };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct children children;
        struct err err = { 0 };
        char text[32];

        begin(modes[i]);
        children_start(&children, 0, 1);
        wait_for_loops(&children, false);
        assert_int_equal(restore(RESTORE_SWAP, 200, &err), ERR_REFUSED);
        (void)snprintf(text, sizeof(text), "process %d (", (int)children.pids[0]);
        assert_non_null(strstr(err.msg, text));
        children_stop(&children);
        assert_string_equal(check_target(), "old");
        assert_int_equal(restore(RESTORE_SWAP, 200, NULL), 0);
        assert_string_equal(check_target(), "new");
        end();
    }
}

/* How long a restore takes that nobody kills. */
static long time_restore(enum restore_method method)
{
    int64_t began_ms = now_ms();

    assert_int_equal(restore(method, WAIT_MS_MAX, NULL), 0);
    return (long)(now_ms() - began_ms);
}

/* Begin again with the old content and nothing beside it. */
static void reset_target(void)
{
    static const char *const suffixes[] = { "", "-wal", "-shm", "-journal" };

    for (size_t i = 0; i < 4; i++) {
        char path[180];

        (void)snprintf(path, sizeof(path), "%s%s", target, suffixes[i]);
        (void)unlink(path);
    }
    copy_file(old_file, target);
}

static void is_killed(enum restore_method method, const char *journal_mode)
{
    unsigned old_count = 0, new_count = 0;
    long duration_ms;

    begin(journal_mode);
    duration_ms = time_restore(method);
    srandom(20261123);
    for (int i = 0; i < KILLS; i++) {
        pid_t pid;

        reset_target();
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
            _exit(restore(method, WAIT_MS_MAX, NULL) == 0 ? 0 : 1);
        /* More often towards the end, where the target is written. */
        sleep_ms(duration_ms / 3 + random() % (duration_ms * 5 / 3 + 1));
        (void)kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        if (strcmp(check_target(), "old") == 0) {
            old_count++;
        } else {
            new_count++;
        }
    }
    assert_int_equal(restore(method, WAIT_MS_MAX, NULL), 0); /* the next run is fine */
    assert_string_equal(check_target(), "new");
    assert_int_equal(restore_rig_count(&rig), 1); /* and has cleaned up */
    print_message("%s, method %u: %u old, %u new\n", journal_mode, (unsigned)method, old_count,
                  new_count);
    assert_true(old_count > 0 && new_count > 0);
    end();
}

static void is_killed_live_in_wal_mode(void **state)
{
    (void)state;
    is_killed(RESTORE_LIVE, "WAL");
}

static void is_killed_live_in_rollback_mode(void **state)
{
    (void)state;
    is_killed(RESTORE_LIVE, "DELETE");
}

static void is_killed_in_a_swap(void **state)
{
    (void)state;
    is_killed(RESTORE_SWAP, "WAL");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(switches_readers_and_writers_in_wal_mode),
        cmocka_unit_test(switches_readers_and_writers_in_rollback_mode),
        cmocka_unit_test(leaves_the_application_alone_when_it_is_not_let_in),
        cmocka_unit_test(refuses_to_swap_while_anybody_has_it_open),
        cmocka_unit_test(is_killed_live_in_wal_mode),
        cmocka_unit_test(is_killed_live_in_rollback_mode),
        cmocka_unit_test(is_killed_in_a_swap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
