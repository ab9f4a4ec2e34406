/* Goal: a fingerprint never says "unchanged" of a database that has changed.
 *
 *   test_fingerprint TRIALS [SEED]
 *
 * A few dozen databases, so that time passes between two looks at one of them; each trial does
 * something to one, or nothing, and compares what the fingerprint says with what a connection
 * reads.
 */
#include "base/clock.h"
#include "base/err.h"
#include "base/parse.h"
#include "snapshot/fingerprint.h"
#include "snapshot/source.h"
#include "tests/harness/image.h"
#include "tests/harness/sqlite_fixture.h"
#include "tests/harness/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DATABASES 40
/* A file counts as settled when it was left alone for so long, and not for FINGERPRINT_SETTLE_MS:
 * ours are on a file system whose time stamps are finer than two seconds. */
#define SETTLE_MS 25

struct database {
    struct sqlite_fixture fixture;
    sqlite3 *app; /* the application's connection; NULL while it does not run */
    struct fingerprint before;
    bool has_before;
    struct image *image;
};

static unsigned trials = 10000, seed = 1;

static int64_t later_ms(struct clock *clock)
{
    (void)clock;
    return clock_now_ms(clock_system()) + FINGERPRINT_SETTLE_MS - SETTLE_MS;
}

static void no_sleep(struct clock *clock, int64_t ms, const struct cancel *cancel)
{
    (void)clock;
    (void)ms;
    (void)cancel;
}

static const struct clock_ops later_ops = { later_ms, later_ms, no_sleep };
static struct clock later = { &later_ops };

static unsigned draw(unsigned below)
{
    return (unsigned)rand_r(&seed) % below;
}

static void stop_app(struct database *database)
{
    (void)sqlite3_close(database->app);
    database->app = NULL;
}

static sqlite3 *app(struct database *database)
{
    if (database->app == NULL) {
        database->app = sqlite_fixture_open(&database->fixture);
        /* When its bytes reach the disk makes no difference to who reads the file. */
        sqlite_fixture_exec(database->app, "PRAGMA synchronous = OFF");
    }
    return database->app;
}

static void run(struct database *database, const char *sql)
{
    /* What a closed log or another mode refuses is refused: nothing has changed then. */
    (void)sqlite3_exec(app(database), sql, NULL, NULL, NULL);
}

static void copy_file(const char *from, const char *to)
{
    uint8_t block[65536];
    ssize_t n;
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_true(in >= 0 && out >= 0);
    while ((n = read(in, block, sizeof(block))) > 0)
        assert_int_equal(write(out, block, (size_t)n), n);
    (void)close(in);
    (void)close(out);
}

/* Somebody puts an older copy back, or keeps one: in place, or by renaming; with the time stamp
 * that the file had, which is the worst that `cp -p`, `rsync -t` or `touch -r` can do, or without.
 */
static void swap_files(struct database *database)
{
    const char *path = database->fixture.path;
    char copy[128], aside[128];
    struct stat st, was;

    stop_app(database);
    assert_int_equal(stat(path, &was), 0);
    (void)snprintf(copy, sizeof(copy), "%s.copy", path);
    (void)snprintf(aside, sizeof(aside), "%s.aside", path);
    if (stat(copy, &st) < 0) {
        copy_file(path, copy);
        return;
    }
    if (draw(2) == 0) {
        copy_file(path, aside);
        copy_file(copy, path);
        assert_int_equal(truncate(path, st.st_size), 0);
        assert_int_equal(rename(aside, copy), 0);
    } else {
        assert_int_equal(rename(path, aside), 0);
        assert_int_equal(rename(copy, path), 0);
        assert_int_equal(rename(aside, copy), 0);
    }
    if (draw(2) == 0) {
        const struct timespec times[2] = { was.st_atim, was.st_mtim };

        assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    }
    (void)snprintf(aside, sizeof(aside), "%s-wal", path);
    (void)unlink(aside);
    (void)snprintf(aside, sizeof(aside), "%s-shm", path);
    (void)unlink(aside);
}

static void act(struct database *database)
{
    static const char *const statements[] = {
        "UPDATE t SET body = hex(randomblob(20)) WHERE id = 3",
        "UPDATE t SET body = hex(randomblob(20)) WHERE id = 2; PRAGMA wal_checkpoint(PASSIVE)",
        "UPDATE t SET body = hex(randomblob(20)) WHERE id = 2; PRAGMA wal_checkpoint(TRUNCATE)",
        "BEGIN; UPDATE t SET body = hex(randomblob(20)); ROLLBACK",
        "INSERT INTO t(body) VALUES('new'); DELETE FROM t WHERE id > 12",
        "PRAGMA wal_checkpoint(TRUNCATE)",
        "PRAGMA wal_checkpoint(RESTART)",
        "PRAGMA wal_checkpoint(PASSIVE)",
        "PRAGMA user_version = 7; PRAGMA user_version = 8",
        "VACUUM",
        "PRAGMA journal_mode = delete",
        "PRAGMA journal_mode = wal",
    };
    const unsigned what = draw(40);

    if (what < sizeof(statements) / sizeof(statements[0])) {
        run(database, statements[what]);
        if (draw(4) == 0)
            stop_app(database);
    } else if (what == 20) {
        stop_app(database);
    } else if (what == 21) {
        (void)app(database);
    } else if (what >= 22 && what < 26) {
        swap_files(database);
    }
}

static struct image *read_image(const struct database *database)
{
    sqlite3 *db = sqlite_fixture_open(&database->fixture);
    struct image *image = image_new(db);
    int off = 0;

    /* To look must not be to act: the last one to close a log would copy it into the file. */
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, &off);
    (void)sqlite3_close(db);
    return image;
}

static bool same_image(const struct image *a, const struct image *b)
{
    size_t a_len, b_len;
    const uint8_t *a_bytes = image_bytes(a, &a_len), *b_bytes = image_bytes(b, &b_len);

    return a_len == b_len && memcmp(a_bytes, b_bytes, a_len) == 0;
}

/* @return 1 when the fingerprint says "unchanged", 0 otherwise. */
static unsigned look(struct database *database, unsigned trial)
{
    const struct source_options options = { .path = database->fixture.path, .clock = &later };
    struct source *source = NULL;
    struct fingerprint now;
    struct image *image;
    bool has_now, same;

    assert_int_equal(source_open(&options, &source, NULL), 0);
    has_now = source_fingerprint(source, &now);
    source_close(source);
    image = read_image(database);
    same = database->has_before && has_now && fingerprint_same(&database->before, &now);
    if (same && !same_image(database->image, image))
        fail_msg("trial %u: the database has changed", trial);
    image_free(database->image);
    database->image = image;
    database->before = now;
    database->has_before = has_now;
    return same;
}

static void never_says_unchanged_of_what_has_changed(void **state)
{
    static struct database databases[DATABASES];
    struct database *last = &databases[0];
    unsigned unchanged = 0;

    (void)state;
    for (size_t i = 0; i < DATABASES; i++)
        sqlite_fixture_make(&databases[i].fixture, 512, i % 2 == 0 ? "wal" : "delete", 10);
    for (unsigned trial = 1; trial <= trials; trial++) {
        /* Sometimes the same one again, within the grain of its time stamps. */
        struct database *database = draw(3) == 0 ? last : &databases[draw(DATABASES)];

        last = database;
        for (unsigned i = draw(3); i > 0; i--)
            act(database);
        unchanged += look(database, trial);
    }
    print_message("%u trials, %u times unchanged\n", trials, unchanged);
    assert_true(unchanged > trials / 20); /* it does say so */
    for (size_t i = 0; i < DATABASES; i++) {
        stop_app(&databases[i]);
        image_free(databases[i].image);
        sqlite_fixture_remove(&databases[i].fixture);
    }
}

static unsigned read_number(const char *text)
{
    uint64_t number = 0;

    assert_int_equal(parse_u64(text, 1, UINT32_MAX, &number, NULL), 0);
    return (unsigned)number;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(never_says_unchanged_of_what_has_changed),
    };

    if (argc > 1)
        trials = read_number(argv[1]);
    if (argc > 2)
        seed = read_number(argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
