/*
 * file.h - files that are there whole or not at all.
 *
 * Never used on a SQLite database, its -wal or its -shm: closing a descriptor of ours would drop
 * SQLite's POSIX locks on them (see docs/architecture.md).
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct buf;
struct err;

/* Append the whole of path to buf; ERR_LIMIT past the buf's cap, ERR_NOT_FOUND when absent. */
int file_read(const char *path, struct buf *buf, struct err *err);

/* All or error, EINTR handled.  name is for messages. */
int file_write_all(int fd, const void *data, size_t len, const char *name, struct err *err);
int file_pwrite_all(int fd, const void *data, size_t len, uint64_t offset, const char *name,
                    struct err *err);
/* Exactly len bytes; a shorter file is ERR_CORRUPT "ends at byte N". */
int file_pread_all(int fd, void *data, size_t len, uint64_t offset, const char *name,
                   struct err *err);

/* Replace path with data durably: temporary file beside it, fsync, rename, directory fsync. */
int file_write_atomic(const char *path, const void *data, size_t len, mode_t mode, struct err *err);

/* Rename from to `to`, which must not exist (ERR_EXISTS): renameat2(RENAME_NOREPLACE), or link and
 * unlink where the file system cannot; then fsync the directory. */
int file_publish(const char *from, const char *to, struct err *err);

/* fsync the directory that holds path. */
int file_sync_parent(const char *path, struct err *err);

/* mkdir -p; existing directories are fine. */
int file_mkdirs(const char *path, mode_t mode, struct err *err);

/* A read-write file without a name in dir: O_TMPFILE, or create and unlink where the file system
 * cannot.  The caller closes it. */
int file_temp_unlinked(const char *dir, int *ret_fd, struct err *err);

/* "<dir>/<prefix>XXXXXX" created O_CLOEXEC, mode 0600.  *ret_path is malloc'd. */
int file_temp_named(const char *dir, const char *prefix, int *ret_fd, char **ret_path,
                    struct err *err);

/* malloc'd; NULL when out of memory.  path_parent("a") is ".", path_base("/x/a.db") is "a.db". */
char *path_join(const char *dir, const char *name);
char *path_parent(const char *path);
const char *path_base(const char *path);

#endif
