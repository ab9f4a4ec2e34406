#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "snapshot/publish.h"
#include "snapshot/sqlite_db.h"
#include "snapshot/stage.h"
#include "snapshot/target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define USERS_TEXT_MAX 512

static int64_t mono_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int publish_swap_check(const struct target *target, struct err *err)
{
    struct buf users = BUF_INIT(USERS_TEXT_MAX);
    int r;

    r = target_users(target->path, &users, err);
    if (r > 0) {
        r = err_set(err, ERR_REFUSED, "'%s' is open in process %s", target->path, users.ptr);
        err_hint(err, "stop the application first; without --swap it can go on while the backup is "
                      "restored");
    }
    buf_dispose(&users);
    return r;
}

/* What keeps others out of the target while it is exchanged. */
struct guard {
    sqlite3 *db; /* a database: SQLite's own exclusive lock */
    int fd;      /* no database: the same lock, without SQLite */
};

/* Out of WAL mode, which only its sole user can do: that also moves what the log holds into the
 * database, so that what is exchanged is all there is of the old one. */
static int lock_database(const struct publish *publish, struct guard *guard, struct err *err)
{
    struct sqlite_db_options options = {
        .busy_timeout_ms = publish->busy_timeout_ms,
        .cancel = publish->cancel,
        .write = true,
    };
    int r;

    r = sqlite_db_open(publish->target->path, &options, &guard->db, err);
    if (r == 0)
        r = sqlite_db_exec(guard->db, "PRAGMA journal_mode=DELETE", err);
    if (r == 0)
        r = sqlite_db_exec(guard->db, "BEGIN EXCLUSIVE", err);
    if (r == ERR_BUSY)
        err_hint(err, "stop the application first");
    return r;
}

static void unlock(struct guard *guard)
{
    sqlite_db_close(guard->db);
    if (guard->fd >= 0)
        (void)close(guard->fd);
}

/* The application must be able to use the new file as it used the old one. */
static int copy_owner(const struct publish *publish, struct err *err)
{
    const struct stat *st = &publish->target->st;
    int r = 0;

    if ((st->st_uid != geteuid() || st->st_gid != getegid()) &&
        fchown(publish->stage->fd, st->st_uid, st->st_gid) < 0) {
        r = err_set_errno(err, "give '%s' the owner of '%s'", publish->stage->path,
                          publish->target->path);
        err_hint(err, "run as the application's user, or as root");
    } else if (fchmod(publish->stage->fd, st->st_mode & 07777) < 0) {
        r = err_set_errno(err, "set the mode of '%s'", publish->stage->path);
    }
    return r;
}

/* Afterwards the stage is the old file, or is gone. */
static int exchange(const struct publish *publish, struct err *err)
{
    struct stage *stage = publish->stage;
    const char *path = publish->target->path;

    if (renameat2(AT_FDCWD, stage->path, AT_FDCWD, path, RENAME_EXCHANGE) == 0)
        return file_sync_parent(path, err);
    if (errno != EINVAL && errno != ENOSYS)
        return err_set_errno(err, "exchange '%s' and '%s'", stage->path, path);
    /* The file system cannot: replacing is as atomic, but the old file goes at once. */
    return stage_publish(stage, path, true, err);
}

/* The new file was verified where it lay, and its bytes have not moved: that it has the name now is
 * all there is to check. */
static int check_published(const struct publish *publish, struct err *err)
{
    struct stat staged, now;

    if (fstat(publish->stage->fd, &staged) < 0 || stat(publish->target->path, &now) < 0)
        return err_set_errno(err, "stat '%s'", publish->target->path);
    if (staged.st_dev != now.st_dev || staged.st_ino != now.st_ino) {
        return err_set(err, ERR_BUSY, "'%s' was replaced by someone else meanwhile",
                       publish->target->path);
    }
    return 0;
}

int publish_swap(const struct publish *publish, uint64_t *ret_locked_us, struct err *err)
{
    struct guard guard = { .fd = -1 };
    int64_t began_us = mono_us();
    int r;

    r = copy_owner(publish, err);
    if (r == 0)
        r = stage_sync(publish->stage, err);
    if (r == 0)
        r = publish_swap_check(publish->target, err);
    if (r == 0) {
        r = publish->target->kind == TARGET_DATABASE
                ? lock_database(publish, &guard, err)
                : target_lock_file(publish->target->path, &guard.fd, err);
    }
    if (r == 0) /* again: one that came since would go on with the old file */
        r = publish_swap_check(publish->target, err);
    if (r == 0)
        r = target_remove_side_files(publish->target, err);
    if (r == 0)
        r = exchange(publish, err);
    if (r == 0)
        r = check_published(publish, err);
    unlock(&guard);
    if (r == 0)
        *ret_locked_us = (uint64_t)(mono_us() - began_us);
    return r;
}

/* A root that prepares a volume for an application makes the file the application's. */
static int give_to_owner_of_directory(const struct publish *publish, struct err *err)
{
    char *parent = path_parent(publish->target->path);
    struct stat st;
    int r = 0;

    if (parent == NULL)
        return err_nomem(err);
    if (geteuid() == 0) {
        if (stat(parent, &st) < 0) {
            r = err_set_errno(err, "stat '%s'", parent);
        } else if (fchown(publish->stage->fd, st.st_uid, st.st_gid) < 0) {
            r = err_set_errno(err, "give '%s' the owner of '%s'", publish->stage->path, parent);
        }
    }
    free(parent);
    return r;
}

int publish_new_check(const struct target *target, struct err *err)
{
    for (size_t i = 0; i < TARGET_SIDE_FILE_COUNT; i++) {
        if (!target_has_side_file(target->path, target_side_files[i]))
            continue;
        (void)err_set(err, ERR_REFUSED, "'%s' is not there, but '%s%s' is", target->path,
                      target->path, target_side_files[i]);
        err_hint(err, "SQLite would apply it to the restored database: move it away");
        return ERR_REFUSED;
    }
    return 0;
}

int publish_new(const struct publish *publish, struct err *err)
{
    int r;

    r = publish_new_check(publish->target, err);
    if (r == 0)
        r = give_to_owner_of_directory(publish, err);
    return r < 0 ? r : stage_publish(publish->stage, publish->target->path, false, err);
}
