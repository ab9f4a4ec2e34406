/*
 * sqlite_file.h - what can be said of a database file before SQLite opens it, by path only.
 *
 * Nothing here opens the database, its -wal or its -shm: closing such a descriptor would drop
 * every POSIX lock that SQLite holds on the file in this process.
 *
 * Source: sqlite.org/src/artifact/os_unix.c "Posix Advisory Locking" (the lock is the process's)
 */
#ifndef SNAPSHOT_SQLITE_FILE_H
#define SNAPSHOT_SQLITE_FILE_H

#include <stdbool.h>

struct cancel;
struct err;

/* How long a file of 0 bytes may take to become a database. */
#define SQLITE_FILE_EMPTY_WAIT_MS 1000

/* path with its symlinks resolved, absolute and malloc'd.  ERR_NOT_FOUND, ERR_DENIED. */
int sqlite_file_resolve(const char *path, char **ret_path, struct err *err);

/* Resolve path, and refuse what cannot be backed up: ERR_NOT_FOUND (missing),
 * ERR_REFUSED (a directory, not a regular file, a network file system; 0 bytes for
 * SQLITE_FILE_EMPTY_WAIT_MS, unless may_be_empty), ERR_DENIED (unreadable). */
int sqlite_file_check(const char *path, bool may_be_empty, const struct cancel *cancel,
                      char **ret_path, struct err *err);

/* The name of a file system of this type (statfs.f_type) on which locks and shared memory are not
 * coherent between machines; NULL for all others.  *ret_refuse: false when it may be fine, because
 * the application can only be on this machine.  Pure. */
const char *sqlite_file_system_check(long type, bool *ret_refuse);

/* Whether the -wal file of the database is there, and holds anything. */
enum wal_state {
    WAL_ABSENT,
    WAL_EMPTY,
    WAL_FILLED
};
enum wal_state sqlite_file_wal_state(const char *path);

#endif
