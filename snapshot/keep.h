/*
 * keep.h - what a restore replaces, kept as files when it is no database that could be backed up.
 */
#ifndef SNAPSHOT_KEEP_H
#define SNAPSHOT_KEEP_H

#include <stdint.h>

struct cancel;
struct err;

/* Copy path, and its -journal and -wal where they are, to "<path>.unreadable-<time>" and so on,
 * with mode and, where allowed, owner; durable when this returns.  *ret_path is malloc'd.  Not
 * while this process has the file open through SQLite. */
int keep_files(const char *path, int64_t now_ms, const struct cancel *cancel, char **ret_path,
               struct err *err);
/* Bytes that the copies will take. */
uint64_t keep_files_size(const char *path);

#endif
