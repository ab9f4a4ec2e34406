#include "snapshot/sqlite_db.h"

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "snapshot/sqlite_file.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUSY_TIMEOUT_DEFAULT_MS 5000
#define BUSY_POLL_MS            1
#define RETRY_POLL_MS           10
/* What passes by itself while another process starts, recovers or ends, passes in less. */
#define TRANSIENT_MS 1000

/* What one connection needs beside itself: the context of its busy handler. */
struct connection {
    char *path; /* resolved */
    const struct cancel *cancel;
    int64_t timeout_ms;
    int64_t wait_began_ms;
    bool wal_was_absent; /* before we opened it */
};

static const char *rc_name(int rc)
{
    static const struct {
        int rc;
        const char *name;
    } names[] = {
        { SQLITE_ERROR, "SQLITE_ERROR" },
        { SQLITE_PERM, "SQLITE_PERM" },
        { SQLITE_ABORT, "SQLITE_ABORT" },
        { SQLITE_BUSY, "SQLITE_BUSY" },
        { SQLITE_LOCKED, "SQLITE_LOCKED" },
        { SQLITE_NOMEM, "SQLITE_NOMEM" },
        { SQLITE_READONLY, "SQLITE_READONLY" },
        { SQLITE_INTERRUPT, "SQLITE_INTERRUPT" },
        { SQLITE_IOERR, "SQLITE_IOERR" },
        { SQLITE_CORRUPT, "SQLITE_CORRUPT" },
        { SQLITE_FULL, "SQLITE_FULL" },
        { SQLITE_CANTOPEN, "SQLITE_CANTOPEN" },
        { SQLITE_PROTOCOL, "SQLITE_PROTOCOL" },
        { SQLITE_SCHEMA, "SQLITE_SCHEMA" },
        { SQLITE_MISUSE, "SQLITE_MISUSE" },
        { SQLITE_NOTADB, "SQLITE_NOTADB" },
        { SQLITE_BUSY_RECOVERY, "SQLITE_BUSY_RECOVERY" },
        { SQLITE_BUSY_SNAPSHOT, "SQLITE_BUSY_SNAPSHOT" },
        { SQLITE_READONLY_RECOVERY, "SQLITE_READONLY_RECOVERY" },
        { SQLITE_READONLY_CANTINIT, "SQLITE_READONLY_CANTINIT" },
        { SQLITE_READONLY_DIRECTORY, "SQLITE_READONLY_DIRECTORY" },
        { SQLITE_READONLY_ROLLBACK, "SQLITE_READONLY_ROLLBACK" },
        { SQLITE_READONLY_DBMOVED, "SQLITE_READONLY_DBMOVED" },
        { SQLITE_IOERR_READ, "SQLITE_IOERR_READ" },
        { SQLITE_IOERR_SHORT_READ, "SQLITE_IOERR_SHORT_READ" },
        { SQLITE_IOERR_WRITE, "SQLITE_IOERR_WRITE" },
        { SQLITE_IOERR_FSYNC, "SQLITE_IOERR_FSYNC" },
        { SQLITE_IOERR_LOCK, "SQLITE_IOERR_LOCK" },
        { SQLITE_IOERR_SHMMAP, "SQLITE_IOERR_SHMMAP" },
    };

    const char *primary = "SQLITE_ERROR";

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].rc == rc)
            return names[i].name;
        if (names[i].rc == (rc & 0xff))
            primary = names[i].name;
    }
    return primary;
}

static int rc_code(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_NOMEM:
        return ERR_NOMEM;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
        return ERR_BUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_CORRUPT;
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
        return ERR_DENIED;
    case SQLITE_INTERRUPT:
        return ERR_CANCELED;
    default:
        return ERR_IO;
    }
}

int sqlite_db_err(struct err *err, sqlite3 *db, int rc, const char *format, ...)
{
    char text[ERR_MSG_SIZE];
    int code = rc_code(rc);
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);

    (void)err_set(err, code, "%s: %s (%s)", text,
                  db != NULL ? sqlite3_errmsg(db) : sqlite3_errstr(rc), rc_name(rc));
    if (err != NULL && db != NULL && code == ERR_IO)
        err->os_errno = sqlite3_system_errno(db);
    if ((rc & 0xff) == SQLITE_FULL)
        err_hint(err, "free some space on the file system of the database");
    return code;
}

/* Locks are polled, because SQLite's own waits grow to 100 ms: far longer than the moments in
 * which a busy application lets others in. */
static int wait_for_lock(void *context, int count)
{
    struct connection *connection = context;
    struct clock *clock = clock_system();

    if (count == 0)
        connection->wait_began_ms = clock_mono_ms(clock);
    if (cancel_is_set(connection->cancel) ||
        clock_mono_ms(clock) - connection->wait_began_ms >= connection->timeout_ms)
        return 0;
    clock_sleep_ms(clock, BUSY_POLL_MS, connection->cancel);
    return 1;
}

static int never_checkpoint(void *context, sqlite3 *db, const char *schema, int frame_count)
{
    (void)context;
    (void)db;
    (void)schema;
    (void)frame_count;
    return SQLITE_OK;
}

static void connection_free(struct connection *connection)
{
    if (connection == NULL)
        return;
    free(connection->path);
    free(connection);
}

static int connection_new(const char *path, const struct sqlite_db_options *options,
                          struct connection **ret_connection, struct err *err)
{
    struct connection *connection = calloc(1, sizeof(*connection));
    int r;

    if (connection == NULL)
        return err_nomem(err);
    connection->cancel = options->cancel;
    connection->timeout_ms =
        options->busy_timeout_ms > 0 ? options->busy_timeout_ms : BUSY_TIMEOUT_DEFAULT_MS;
    r = sqlite_file_check(path, options->write, options->cancel, &connection->path, err);
    if (r < 0) {
        connection_free(connection);
        return r;
    }
    connection->wal_was_absent = sqlite_file_wal_state(connection->path) == WAL_ABSENT;
    *ret_connection = connection;
    return 0;
}

/* The first statement that reads is where SQLite finds out what is wrong. */
static int configure(sqlite3 *db, struct connection *connection,
                     const struct sqlite_db_options *options)
{
    static const char pragmas[] = "PRAGMA mmap_size=0; PRAGMA cache_size=10;"
                                  "SELECT count(*) FROM sqlite_schema;";
    int rc;

    (void)sqlite3_extended_result_codes(db, 1);
    (void)sqlite3_busy_handler(db, wait_for_lock, connection);
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_RESET_DATABASE, options->reset ? 1 : 0, NULL);
    /* Takes the place of the hook that checkpoints automatically, and keeps what the connection
     * needs until sqlite_db_close(). */
    (void)sqlite3_wal_hook(db, never_checkpoint, connection);
    rc = sqlite3_exec(db, options->write ? "PRAGMA query_only=0" : "PRAGMA query_only=1", NULL,
                      NULL, NULL);
    if (rc == SQLITE_OK && !options->reset) /* what is reset has no schema to read */
        rc = sqlite3_exec(db, pragmas, NULL, NULL, NULL);
    return rc;
}

static int try_open(struct connection *connection, const struct sqlite_db_options *options,
                    sqlite3 **ret_db)
{
    /* Where permissions allow no more, SQLite itself falls back to reading only. */
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_NOMUTEX;
    int rc = sqlite3_open_v2(connection->path, ret_db, flags, NULL);

    if (rc != SQLITE_OK)
        return *ret_db != NULL ? sqlite3_extended_errcode(*ret_db) : rc;
    return configure(*ret_db, connection, options);
}

/* Seen for a moment while another process creates, recovers or removes the -wal and -shm. */
static bool is_transient(int rc)
{
    switch (rc) {
    case SQLITE_BUSY_RECOVERY:
    case SQLITE_PROTOCOL:
    case SQLITE_READONLY_CANTINIT:
    case SQLITE_READONLY_RECOVERY:
        return true;
    default:
        return (rc & 0xff) == SQLITE_CANTOPEN;
    }
}

static int explain_denied(struct err *err, sqlite3 *db, int rc, const char *path)
{
    char *dir = path_parent(path);
    bool dir_writable = dir != NULL && faccessat(AT_FDCWD, dir, W_OK | X_OK, AT_EACCESS) == 0;
    int code;

    free(dir);
    if (rc == SQLITE_READONLY_ROLLBACK) {
        code = err_set(err, ERR_DENIED,
                       "'%s' has a journal that must be rolled back, and cannot be written (%s)",
                       path, rc_name(rc));
        err_hint(err, "open it once with its application, or run as the application's user");
        return code;
    }
    if ((rc & 0xff) == SQLITE_READONLY || !dir_writable) {
        code = err_set(err, ERR_DENIED,
                       "'%s' is in WAL mode, and its -shm file can neither be used nor made (%s)",
                       path, rc_name(rc));
        err_hint(err, "run as the application's user, with its directory writable; or while the "
                      "application has the database open");
        return code;
    }
    return sqlite_db_err(err, db, rc, "open '%s'", path);
}

/* Say what rc means for the database at path, and what to do about it. */
static int explain(struct err *err, sqlite3 *db, int rc, const struct connection *connection)
{
    const char *path = connection->path;
    int code;

    switch (rc & 0xff) {
    case SQLITE_NOTADB:
        code = err_set(err, ERR_CORRUPT, "'%s' is not a SQLite database, or it is encrypted (%s)",
                       path, rc_name(rc));
        err_hint(err, "check the path; what SQLCipher or SEE has encrypted cannot be read here");
        return code;
    case SQLITE_CORRUPT:
        code = err_set(err, ERR_CORRUPT, "'%s' is damaged: %s (%s)", path, sqlite3_errmsg(db),
                       rc_name(rc));
        err_hint(err, "'PRAGMA integrity_check' says more; restore a backup to repair it");
        return code;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
        if (cancel_is_set(connection->cancel))
            return cancel_check(connection->cancel, err);
        code = err_set(err, ERR_BUSY, "'%s' stayed locked for %" PRId64 " ms (%s)", path,
                       connection->timeout_ms, rc_name(rc));
        err_hint(err, "an application with 'PRAGMA locking_mode=EXCLUSIVE' lets nobody else read; "
                      "otherwise wait for longer with busy_timeout");
        return code;
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
        return explain_denied(err, db, rc, path);
    default:
        return sqlite_db_err(err, db, rc, "open '%s'", path);
    }
}

int sqlite_db_open(const char *path, const struct sqlite_db_options *options, sqlite3 **ret_db,
                   struct err *err)
{
    struct clock *clock = clock_system();
    struct connection *connection = NULL;
    int64_t deadline_ms = clock_mono_ms(clock) + TRANSIENT_MS;
    sqlite3 *db = NULL;
    int r, rc;

    r = connection_new(path, options, &connection, err);
    if (r < 0)
        return r;
    assert(connection != NULL);
    for (;;) {
        rc = try_open(connection, options, &db);
        if (rc == SQLITE_OK)
            break;
        if (!is_transient(rc) || clock_mono_ms(clock) >= deadline_ms ||
            cancel_is_set(options->cancel)) {
            r = explain(err, db, rc, connection);
            break;
        }
        (void)sqlite3_close(db);
        db = NULL;
        clock_sleep_ms(clock, RETRY_POLL_MS, options->cancel);
    }
    if (r < 0) {
        (void)sqlite3_close(db);
        connection_free(connection);
        return r;
    }
    *ret_db = db;
    return 0;
}

bool sqlite_db_is_database(const char *path)
{
    static const char magic[16] = "SQLite format 3"; /* with its NUL: sqlite.org/fileformat.html */
    char head[sizeof(magic)];
    sqlite3_file *file = NULL;
    sqlite3 *db = NULL;
    int rc;

    rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    if (rc == SQLITE_OK)
        rc = file->pMethods->xRead(file, head, (int)sizeof(head), 0);
    (void)sqlite3_close(db);
    if (rc == SQLITE_OK)
        return memcmp(head, magic, sizeof(magic)) == 0;
    return rc != SQLITE_IOERR_SHORT_READ && access(path, F_OK) == 0;
}

void sqlite_db_close(sqlite3 *db)
{
    struct connection *connection;

    if (db == NULL)
        return;
    connection = sqlite3_wal_hook(db, never_checkpoint, NULL);
    /* Where nobody else had the database open, it was our opening that made -wal and -shm: let
     * SQLite remove them, which it does only as the sole user, under an exclusive lock.  With an
     * empty log there is nothing to checkpoint. */
    if (connection != NULL && connection->wal_was_absent &&
        sqlite_file_wal_state(connection->path) == WAL_EMPTY)
        (void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    /* Statements are finalized by those who prepared them: a refusal here is a defect of ours. */
    if (sqlite3_close(db) != SQLITE_OK)
        (void)sqlite3_close_v2(db);
    connection_free(connection);
}

int sqlite_db_get_int(sqlite3 *db, const char *sql, int64_t *ret, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    int64_t value = 0;
    int r = 0, rc;

    rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        value = sqlite3_column_int64(statement, 0);
    } else if (rc == SQLITE_DONE) {
        r = err_set(err, ERR_CORRUPT, "'%s' gave no row", sql);
    } else {
        r = sqlite_db_err(err, db, rc, "%s", sql);
    }
    (void)sqlite3_finalize(statement);
    if (r < 0)
        return r;
    *ret = value;
    return 0;
}

int sqlite_db_exec(sqlite3 *db, const char *sql, struct err *err)
{
    int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);

    return rc == SQLITE_OK ? 0 : sqlite_db_err(err, db, rc, "%s", sql);
}
