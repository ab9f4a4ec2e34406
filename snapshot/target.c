#include "snapshot/target.h"

#include "base/err.h"
#include "base/file.h"
#include "snapshot/page_hash.h"
#include "snapshot/sqlite_db.h"
#include "snapshot/sqlite_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* SQLite takes a file of one byte for an empty one: sqlite.org/src/artifact/os_unix.c
 * "unixFileSize". */
#define SQLITE_EMPTY_SIZE_MAX 1

/* Where SQLite's locks lie: sqlite.org/src/artifact/os.h "PENDING_BYTE" */
#define LOCK_BYTE_FIRST 0x40000000
#define LOCK_BYTE_COUNT 512

const char *const target_side_files[TARGET_SIDE_FILE_COUNT] = { "-journal", "-wal", "-shm" };

void target_dispose(struct target *target)
{
    free(target->path);
    *target = (struct target)TARGET_INIT;
}

bool target_has_side_file(const char *path, const char *suffix)
{
    char *side_path = NULL;
    struct stat st;
    bool has;

    if (asprintf(&side_path, "%s%s", path, suffix) < 0)
        return true; /* the answer that makes callers careful */
    has = lstat(side_path, &st) == 0 || errno != ENOENT;
    free(side_path);
    return has;
}

/* Where a file that is not there yet will be: its directory resolved, its name kept. */
static int resolve_missing(const char *path, char **ret_path, struct err *err)
{
    char *parent = path_parent(path), *real_parent = NULL;
    struct stat st;
    int r = 0;

    if (parent == NULL)
        return err_nomem(err);
    if (lstat(path, &st) == 0) {
        r = err_set(err, ERR_NOT_FOUND, "'%s' is a symbolic link to a file that is not there",
                    path);
        err_hint(err, "remove the link, or name the file that it should point to");
        goto out;
    }
    real_parent = realpath(parent, NULL);
    if (real_parent == NULL) {
        r = err_set_errno(err, "find the directory '%s'", parent);
        goto out;
    }
    *ret_path = path_join(real_parent, path_base(path));
    if (*ret_path == NULL)
        r = err_nomem(err);
out:
    free(real_parent);
    free(parent);
    return r;
}

static int check_writable(const char *path, struct err *err)
{
    int r = 0;

    if (faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) < 0 && errno != ENOENT) {
        r = err_set_errno(err, "write '%s'", path);
        err_hint(err, "run as the application's user, or as root");
    }
    return r;
}

static int check_permissions(const char *path, struct err *err)
{
    char *parent = path_parent(path);
    int r;

    if (parent == NULL)
        return err_nomem(err);
    r = check_writable(parent, err);
    if (r == 0)
        r = check_writable(path, err);
    free(parent);
    return r;
}

static int read_facts(sqlite3 *db, struct target *target, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    const char *mode = NULL;
    int64_t page_size = 0;
    int r, rc;

    r = sqlite_db_get_int(db, "PRAGMA page_size", &page_size, err);
    if (r < 0)
        return r;
    target->page_size = (uint32_t)page_size;
    rc = sqlite3_prepare_v2(db, "PRAGMA journal_mode", -1, &statement, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        mode = (const char *)sqlite3_column_text(statement, 0);
    if (mode == NULL) {
        r = sqlite_db_err(err, db, rc, "read the journal mode of '%s'", target->path);
    } else {
        target->wal = sqlite3_stricmp(mode, "wal") == 0;
    }
    (void)sqlite3_finalize(statement);
    return r;
}

static int look_inside(struct target *target, int64_t busy_timeout_ms, const struct cancel *cancel,
                       struct err *err)
{
    struct sqlite_db_options options = { .busy_timeout_ms = busy_timeout_ms, .cancel = cancel };
    sqlite3 *db = NULL;
    int r;

    r = sqlite_db_open(target->path, &options, &db, err);
    if (r == ERR_CORRUPT) {
        target->kind = TARGET_UNREADABLE;
        err_clear(err);
        return 0;
    }
    if (r < 0)
        return r;
    target->kind = TARGET_DATABASE;
    r = read_facts(db, target, err);
    sqlite_db_close(db);
    return r;
}

static int examine(struct target *target, const char *path, int64_t busy_timeout_ms,
                   const struct cancel *cancel, struct err *err)
{
    int r;

    r = sqlite_file_check(path, true, cancel, &target->path, err);
    if (r == ERR_NOT_FOUND) {
        err_clear(err);
        target->kind = TARGET_MISSING;
        r = resolve_missing(path, &target->path, err);
        return r < 0 ? r : check_permissions(target->path, err);
    }
    if (r < 0)
        return r;
    r = check_permissions(target->path, err);
    if (r < 0)
        return r;
    if (stat(target->path, &target->st) < 0)
        return err_set_errno(err, "stat '%s'", target->path);
    target->kind = TARGET_EMPTY;
    if (target->st.st_size <= SQLITE_EMPTY_SIZE_MAX)
        return 0;
    return look_inside(target, busy_timeout_ms, cancel, err);
}

int target_examine(const char *path, int64_t busy_timeout_ms, const struct cancel *cancel,
                   struct target *ret_target, struct err *err)
{
    struct target target = TARGET_INIT;
    int r = examine(&target, path, busy_timeout_ms, cancel, err);

    if (r < 0) {
        target_dispose(&target);
        return r;
    }
    *ret_target = target;
    return 0;
}

/* An open file description's lock meets SQLite's, and is ours alone. */
int target_lock_file(const char *path, int *ret_fd, struct err *err)
{
    struct flock lock = {
        .l_type = F_WRLCK,
        .l_whence = SEEK_SET,
        .l_start = LOCK_BYTE_FIRST,
        .l_len = LOCK_BYTE_COUNT,
    };
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    int r;

    if (fd < 0)
        return err_set_errno(err, "open '%s'", path);
    if (fcntl(fd, F_OFD_SETLK, &lock) == 0) {
        *ret_fd = fd;
        return 0;
    }
    if (errno == EAGAIN || errno == EACCES) {
        r = err_set(err, ERR_BUSY, "'%s' is locked by another process", path);
    } else {
        r = err_set_errno(err, "lock '%s'", path);
    }
    (void)close(fd);
    return r;
}

/* A journal beside a database that is locked is a finished one, which the journal modes TRUNCATE
 * and PERSIST leave; a log means that someone went back to WAL mode. */
int target_remove_side_files(const struct target *target, struct err *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < TARGET_SIDE_FILE_COUNT; i++) {
        const char *suffix = target_side_files[i];
        char *path = NULL;

        if (!target_has_side_file(target->path, suffix))
            continue;
        if (target->kind == TARGET_DATABASE && strcmp(suffix, "-journal") != 0)
            return err_set(err, ERR_BUSY, "'%s%s' has appeared again", target->path, suffix);
        if (asprintf(&path, "%s%s", target->path, suffix) < 0)
            return err_nomem(err);
        if (unlink(path) < 0 && errno != ENOENT)
            r = err_set_errno(err, "remove '%s'", path);
        free(path);
    }
    return r;
}
