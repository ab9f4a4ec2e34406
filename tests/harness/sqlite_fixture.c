#include "tests/harness/sqlite_fixture.h"

#include "tests/harness/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_SIZE 128

void sqlite_fixture_exec(sqlite3 *db, const char *sql)
{
    char *text = NULL;
    int rc = sqlite3_exec(db, sql, NULL, NULL, &text);

    if (rc != SQLITE_OK)
        fail_msg("%s: %s", sql, text);
}

sqlite3 *sqlite_fixture_open(const struct sqlite_fixture *fixture)
{
    sqlite3 *db = NULL;

    assert_int_equal(sqlite3_open(fixture->path, &db), SQLITE_OK);
    (void)sqlite3_busy_timeout(db, 10000);
    return db;
}

void sqlite_fixture_init(struct sqlite_fixture *fixture)
{
    (void)snprintf(fixture->dir, sizeof(fixture->dir), "/tmp/holdfast-test-XXXXXX");
    assert_non_null(mkdtemp(fixture->dir));
    (void)snprintf(fixture->path, sizeof(fixture->path), "%s/app.db", fixture->dir);
}

void sqlite_fixture_make(struct sqlite_fixture *fixture, unsigned page_size,
                         const char *journal_mode, unsigned row_count)
{
    char sql[512];
    sqlite3 *db;

    sqlite_fixture_init(fixture);
    db = sqlite_fixture_open(fixture);
    (void)snprintf(sql, sizeof(sql),
                   "PRAGMA page_size=%u; PRAGMA journal_mode=%s; PRAGMA synchronous=OFF;"
                   "BEGIN;"
                   "CREATE TABLE t(id INTEGER PRIMARY KEY, body TEXT);"
                   "CREATE INDEX t_body ON t(body); CREATE TABLE u(id INTEGER PRIMARY KEY);"
                   "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %u)"
                   " INSERT INTO t SELECT i, printf('%%d %%s', i * 7919 %% 10007,"
                   " hex(zeroblob(100 + i %% 57))) FROM n WHERE %u > 0;"
                   "COMMIT;",
                   page_size, journal_mode, row_count, row_count);
    sqlite_fixture_exec(db, sql);
    (void)sqlite3_close(db);
}

void sqlite_fixture_remove(struct sqlite_fixture *fixture)
{
    DIR *dir = opendir(fixture->dir);
    struct dirent *entry;

    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) { /* NOLINT(concurrency-mt-unsafe): not shared */
        if (entry->d_name[0] != '.' || strlen(entry->d_name) > 2)
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
    }
    (void)closedir(dir);
    (void)rmdir(fixture->dir);
}

static void name(const struct sqlite_fixture *fixture, const char *suffix, char out[NAME_SIZE])
{
    (void)snprintf(out, NAME_SIZE, "%s%s", fixture->path, suffix);
}

bool sqlite_fixture_has(const struct sqlite_fixture *fixture, const char *suffix)
{
    char path[NAME_SIZE];

    name(fixture, suffix, path);
    return access(path, F_OK) == 0;
}

uint8_t *sqlite_fixture_read(const struct sqlite_fixture *fixture, const char *suffix,
                             size_t *ret_len)
{
    char path[NAME_SIZE];
    struct stat st;
    uint8_t *data;
    int fd;

    name(fixture, suffix, path);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    data = malloc((size_t)st.st_size + 1);
    assert_non_null(data);
    assert_int_equal(read(fd, data, (size_t)st.st_size), st.st_size);
    (void)close(fd);
    *ret_len = (size_t)st.st_size;
    return data;
}

void sqlite_fixture_write(const struct sqlite_fixture *fixture, const char *suffix,
                          const void *data, size_t len)
{
    char path[NAME_SIZE];
    int fd;

    name(fixture, suffix, path);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), (ssize_t)len);
    (void)close(fd);
}
