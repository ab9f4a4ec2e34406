#include "base/buf.h"
#include "base/cancel.h"
#include "base/err.h"
#include "snapshot/sqlite_db.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define READ_SIZE        (1u << 20)
#define PROGRESS_OPS     10000 /* virtual machine instructions: a few milliseconds */
#define URI_LEN_MAX      16384u
#define REPORT_LINES_MAX 3
#define REPORT_LEN_MAX   400

/* integrity_check reads at random: on a cold file that takes 14 s a GB, after one sequential read
 * of it 0.8 s. */
static int warm_up(const char *path, const struct cancel *cancel, struct err *err)
{
    char *data = NULL;
    ssize_t n;
    int fd, r = 0;

    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, "open '%s'", path);
    data = malloc(READ_SIZE);
    if (data == NULL) {
        r = err_nomem(err);
        goto out;
    }
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    do {
        r = cancel_check(cancel, err);
        if (r < 0)
            goto out;
        n = read(fd, data, READ_SIZE);
    } while (n > 0);
    if (n < 0)
        r = err_set_errno(err, "read '%s'", path);
out:
    free(data);
    (void)close(fd);
    return r;
}

/* "file:<path>?immutable=1": nobody else has this file, so no lock and no -wal or -shm is needed,
 * not even for a database in WAL mode. */
static int immutable_uri(const char *path, struct buf *uri, struct err *err)
{
    buf_add_text(uri, "file:");
    for (const char *p = path; *p != '\0'; p++) {
        if (*p == '%' || *p == '?' || *p == '#') {
            buf_addf(uri, "%%%02X", (unsigned)(unsigned char)*p);
        } else {
            buf_add_char(uri, *p);
        }
    }
    buf_add_text(uri, "?immutable=1");
    return buf_check(uri, err);
}

struct check {
    const struct cancel *cancel;
};

static int stop_when_canceled(void *context)
{
    const struct check *check = context;

    return cancel_is_set(check->cancel) ? 1 : 0;
}

static int run_check(sqlite3 *db, struct err *err)
{
    struct buf report = BUF_INIT(REPORT_LEN_MAX);
    sqlite3_stmt *statement = NULL;
    int lines = 0, r = 0, rc;

    rc = sqlite3_prepare_v2(db, "PRAGMA integrity_check(10)", -1, &statement, NULL);
    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(statement);
        if (rc != SQLITE_ROW)
            break;
        const char *line = (const char *)sqlite3_column_text(statement, 0);

        if (line != NULL && lines++ < REPORT_LINES_MAX)
            buf_addf(&report, "%s%s", report.len > 0 ? "; " : "", line);
    }
    if (rc != SQLITE_DONE) {
        r = sqlite_db_err(err, db, rc, "integrity_check");
    } else if (lines != 1 || !str_eq_text(buf_str(&report), "ok")) {
        r = err_set(err, ERR_CORRUPT, "failed integrity_check: %s", report.ptr);
    }
    (void)sqlite3_finalize(statement);
    buf_dispose(&report);
    return r;
}

int sqlite_db_open_own(const char *path, sqlite3 **ret_db, struct err *err)
{
    struct buf uri = BUF_INIT(URI_LEN_MAX);
    sqlite3 *db = NULL;
    int r, rc;

    r = immutable_uri(path, &uri, err);
    if (r < 0)
        goto out;
    rc = sqlite3_open_v2(uri.ptr, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX,
                         NULL);
    if (rc != SQLITE_OK) {
        r = sqlite_db_err(err, db, rc, "open '%s'", path);
        goto out;
    }
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
out:
    buf_dispose(&uri);
    if (r < 0) {
        (void)sqlite3_close(db);
        return r;
    }
    *ret_db = db;
    return 0;
}

int sqlite_db_attach_own(sqlite3 *db, const char *path, const char *schema, struct err *err)
{
    struct buf uri = BUF_INIT(URI_LEN_MAX);
    sqlite3_stmt *statement = NULL;
    int r, rc;

    r = immutable_uri(path, &uri, err);
    if (r < 0)
        goto out;
    rc = sqlite3_prepare_v2(db, "ATTACH ?1 AS ?2", -1, &statement, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(statement, 1, uri.ptr, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(statement, 2, schema, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    if (rc != SQLITE_DONE)
        r = sqlite_db_err(err, db, rc, "attach '%s'", path);
out:
    (void)sqlite3_finalize(statement);
    buf_dispose(&uri);
    return r;
}

int sqlite_db_integrity_check(const char *path, const struct cancel *cancel, struct err *err)
{
    struct check check = { cancel };
    sqlite3 *db = NULL;
    int r;

    r = warm_up(path, cancel, err);
    if (r < 0)
        return r;
    r = sqlite_db_open_own(path, &db, err);
    if (r < 0)
        return r;
    sqlite3_progress_handler(db, PROGRESS_OPS, stop_when_canceled, &check);
    r = run_check(db, err);
    if (r < 0 && cancel_is_set(cancel))
        r = cancel_check(cancel, err);
    (void)sqlite3_close(db);
    return r;
}
