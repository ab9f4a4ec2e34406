/*
 * sqlite_db.h - open a SQLite database that belongs to somebody else, and say in words what is
 * wrong with it.
 *
 * Never creates, never checkpoints (wal_autocheckpoint=0, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE), polls
 * locks every millisecond.  See docs/architecture.md "The source is never changed".
 */
#ifndef SNAPSHOT_SQLITE_DB_H
#define SNAPSHOT_SQLITE_DB_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

struct cancel;
struct err;

struct sqlite_db_options {
    int64_t busy_timeout_ms;     /* 0: 5 s */
    const struct cancel *cancel; /* ends a wait for locks */
    bool write;                  /* the target of a live restore; otherwise query_only */
    bool reset;                  /* with write: whatever is there is taken for an empty database */
};

/* Errors: ERR_NOT_FOUND (missing), ERR_REFUSED (a directory, not a regular file, 0 bytes: being
 * created, a network file system), ERR_CORRUPT (not a database or encrypted; malformed),
 * ERR_DENIED (permissions; a WAL database in a directory that cannot be written), ERR_BUSY (held
 * by locking_mode=EXCLUSIVE or for longer than the timeout).  Each with a hint.
 * Reads the schema once, so a connection that is returned can be read. */
int sqlite_db_open(const char *path, const struct sqlite_db_options *options, sqlite3 **ret_db,
                   struct err *err);
void sqlite_db_close(sqlite3 *db); /* NULL is fine */

/* Whether the file begins as a database does; SQLite reads it, without a lock, so that closing it
 * does not drop the locks of other connections in this process (sqlite_file.h).  What cannot be
 * read is taken for one; what is missing is none. */
bool sqlite_db_is_database(const char *path);

/* A file of our own, that nobody else has: read-only, without locks, -wal or -shm even in WAL mode,
 * which it must therefore not need.  Close with sqlite3_close(). */
int sqlite_db_open_own(const char *path, sqlite3 **ret_db, struct err *err);

/* ATTACH another such file to db, under the name of schema. */
int sqlite_db_attach_own(sqlite3 *db, const char *path, const char *schema, struct err *err);

/* Record the failure `rc` of db (may be NULL) with its text: "read 'app.db': database disk image is
 * malformed (SQLITE_CORRUPT)".  @return the code, as above. */
int sqlite_db_err(struct err *err, sqlite3 *db, int rc, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* One integer from one row: "PRAGMA page_size". */
int sqlite_db_get_int(sqlite3 *db, const char *sql, int64_t *ret, struct err *err);
/* Run statements, rows ignored. */
int sqlite_db_exec(sqlite3 *db, const char *sql, struct err *err);

/* PRAGMA integrity_check, all of it; ERR_CORRUPT with the first lines it reports, and without the
 * path, which says nothing to those who did not choose it: wrap it.  The file is read
 * sequentially first, so that a cold one takes seconds and not minutes; only for files of our own
 * (staged, downloaded): it opens them. */
int sqlite_db_integrity_check(const char *path, const struct cancel *cancel, struct err *err);

#endif
