/* Goal: whoever has the database, its log or its shared memory open is named, and nobody else. */
#include "base/buf.h"
#include "base/err.h"
#include "snapshot/target.h"
#include "tests/harness/sqlite_fixture.h"
#include "tests/harness/test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static struct sqlite_fixture fixture;

static int setup(void **state)
{
    (void)state;
    sqlite_fixture_make(&fixture, 4096, "WAL", 10);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sqlite_fixture_remove(&fixture);
    return 0;
}

/* A process that runs sql and then waits; without sql it only opens "<path><suffix>". */
static pid_t user_start(const char *sql, const char *suffix)
{
    int ready[2];
    char byte, path[128];
    pid_t pid;

    (void)snprintf(path, sizeof(path), "%s%s", fixture.path, suffix);
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        sqlite3 *db = NULL;

        (void)prctl(PR_SET_NAME, "an app");
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when the test fails */
        if (sql != NULL && (sqlite3_open(path, &db) != SQLITE_OK ||
                            sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK))
            _exit(1);
        if (sql == NULL && open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) < 0)
            _exit(1);
        if (write(ready[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            (void)pause();
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    (void)close(ready[0]);
    (void)close(ready[1]);
    return pid;
}

static void user_end(pid_t pid)
{
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void expect_users(int count, const pid_t *pids)
{
    struct buf text = BUF_INIT(1000);

    assert_int_equal(target_users(fixture.path, &text, NULL), count);
    for (int i = 0; i < count && pids != NULL; i++) {
        char expected[64];

        (void)snprintf(expected, sizeof(expected), "%d (an app)", (int)pids[i]);
        assert_non_null(strstr(text.ptr, expected));
    }
    if (count == 0)
        assert_int_equal(text.len, 0);
    buf_dispose(&text);
}

static void names_nobody_but_users(void **state)
{
    (void)state;
    expect_users(0, NULL);
}

static void does_not_name_ourselves(void **state)
{
    sqlite3 *db = sqlite_fixture_open(&fixture);

    (void)state;
    sqlite_fixture_exec(db, "BEGIN IMMEDIATE");
    expect_users(0, NULL);
    (void)sqlite3_close(db);
}

static void names_idle_and_busy_users(void **state)
{
    static const char *const sql[] = {
        "PRAGMA encoding",                /* opened, never read */
        "SELECT count(*) FROM t",         /* idle */
        "BEGIN; SELECT count(*) FROM t",  /* reads */
        "BEGIN IMMEDIATE; DELETE FROM t", /* writes */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(sql) / sizeof(sql[0]); i++) {
        pid_t pid = user_start(sql[i], "");

        expect_users(1, &pid);
        user_end(pid);
        expect_users(0, NULL);
    }
}

static void names_who_has_only_the_log_open(void **state)
{
    static const char *const suffixes[] = { "-wal", "-shm" };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        pid_t pid = user_start(NULL, suffixes[i]);

        expect_users(1, &pid);
        user_end(pid);
    }
}

static void finds_a_user_through_a_symbolic_link(void **state)
{
    char link[128];
    pid_t pid = user_start("SELECT count(*) FROM t", "");
    struct buf text = BUF_INIT(1000);

    (void)state;
    (void)snprintf(link, sizeof(link), "%s/link.db", fixture.dir);
    assert_int_equal(symlink(fixture.path, link), 0);
    assert_int_equal(target_users(link, &text, NULL), 1);
    buf_dispose(&text);
    user_end(pid);
}

static void names_a_few_of_many(void **state)
{
    struct buf text = BUF_INIT(1000);
    pid_t pids[6];

    (void)state;
    for (size_t i = 0; i < 6; i++)
        pids[i] = user_start("SELECT count(*) FROM t", "");
    assert_int_equal(target_users(fixture.path, &text, NULL), 6);
    assert_non_null(strstr(text.ptr, " and 2 more"));
    buf_dispose(&text);
    for (size_t i = 0; i < 6; i++)
        user_end(pids[i]);
}

/* Their descriptors do not show to another user, but the locks that they hold do. */
static void names_lock_holders_to_other_users(void **state)
{
    pid_t user, looker;
    int status = -1;

    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(chmod(fixture.dir, 0755), 0);
    user = user_start("BEGIN; SELECT count(*) FROM t", "");
    looker = fork();
    if (looker == 0) {
        struct buf text = BUF_INIT(1000);
        char expected[32];

        if (setgid(65534) != 0 || setuid(65534) != 0)
            _exit(2);
        (void)snprintf(expected, sizeof(expected), "%d", (int)user);
        _exit(target_users(fixture.path, &text, NULL) == 1 && strstr(text.ptr, expected) != NULL
                  ? 0
                  : 1);
    }
    assert_int_equal(waitpid(looker, &status, 0), looker);
    assert_int_equal(status, 0);
    user_end(user);
}

static void finds_nobody_where_nothing_is(void **state)
{
    struct buf text = BUF_INIT(1000);

    (void)state;
    assert_int_equal(target_users("/nowhere/app.db", &text, NULL), 0);
    buf_dispose(&text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(names_nobody_but_users),
        TEST(does_not_name_ourselves),
        TEST(names_idle_and_busy_users),
        TEST(names_who_has_only_the_log_open),
        TEST(finds_a_user_through_a_symbolic_link),
        TEST(names_a_few_of_many),
        TEST(names_lock_holders_to_other_users),
        TEST(finds_nobody_where_nothing_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
