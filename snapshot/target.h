/*
 * target.h - what is there where a backup is to be restored to, and who uses it.
 *
 * The database, its -wal and its -shm are looked at by path and through SQLite only: see
 * sqlite_file.h.
 */
#ifndef SNAPSHOT_TARGET_H
#define SNAPSHOT_TARGET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

struct buf;
struct cancel;
struct err;

enum target_kind {
    TARGET_MISSING,
    TARGET_EMPTY,     /* 0 bytes, or one, which SQLite takes for none */
    TARGET_DATABASE,  /* SQLite can open it */
    TARGET_UNREADABLE /* garbage, truncated, encrypted: SQLite cannot */
};

struct target {
    char *path; /* symlinks resolved, absolute */
    enum target_kind kind;
    struct stat st;     /* unless missing */
    uint32_t page_size; /* of a database */
    bool wal;           /* a database in WAL mode */
};

#define TARGET_INIT                                                                                \
    {                                                                                              \
        0                                                                                          \
    }

/* Errors: ERR_NOT_FOUND (its directory is missing; a symlink to nothing), ERR_REFUSED (a directory,
 * not a regular file, a network file system), ERR_DENIED (file or directory cannot be written),
 * ERR_BUSY. */
int target_examine(const char *path, int64_t busy_timeout_ms, const struct cancel *cancel,
                   struct target *ret_target, struct err *err);
void target_dispose(struct target *target);

/* What SQLite keeps beside a database, in the order in which it may be removed. */
#define TARGET_SIDE_FILE_COUNT 3
extern const char *const target_side_files[TARGET_SIDE_FILE_COUNT]; /* "-journal" "-wal" "-shm" */
/* Whether "<path><suffix>" is there; malloc'd *ret_path (may be NULL) is its name. */
bool target_has_side_file(const char *path, const char *suffix);

/* Lock what is no database as SQLite's exclusive lock would, until *ret_fd is closed.  ERR_BUSY.
 * Not while this process has the file open through SQLite: closing would drop SQLite's locks. */
int target_lock_file(const char *path, int *ret_fd, struct err *err);
/* Remove what SQLite would apply to a file that takes the target's place; under a lock.  ERR_BUSY
 * when a database has a log again. */
int target_remove_side_files(const struct target *target, struct err *err);

/* Other processes that are seen to have the database, its -wal or its -shm open or locked, as "123
 * (app), 124 (app)"; at most a few are named.  Nothing is appended, and 0 returned, when none is
 * seen: which is no proof, since the files of other users' processes, or of those in other
 * containers, show only to root.  @return their number, or a negative error. */
int target_users(const char *path, struct buf *ret_text, struct err *err);

#endif
