/*
 * sink_vfs.h - a SQLite file system that holds one file, writes it nowhere and hands each of its
 * pages to a function.
 *
 * The destination of sqlite3_backup: SQLite's own copy of a database, as a stream.  Measured with
 * 3.40.1 (journal_mode=OFF, cache_size=10): every page is written once, 2, 3, 4, ... as the cache
 * spills, page 1 and the last few at the commit, the lock-byte page never.  Nothing here relies on
 * that order: the reader of the stream checks it.  One connection, one thread at a time.
 *
 * Source: sqlite.org/c3ref/vfs.html, sqlite.org/c3ref/io_methods.html
 */
#ifndef SNAPSHOT_SINK_VFS_H
#define SNAPSHOT_SINK_VFS_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct sink_vfs;

/* One page other than page 1, once for each time that SQLite writes it. */
typedef int (*sink_page_fn)(void *context, uint32_t page_number, const void *page, size_t page_size,
                            struct err *err);

int sink_vfs_new(sink_page_fn page_fn, void *context, struct sink_vfs **ret_vfs, struct err *err);
/* After every connection on it is closed; NULL is fine. */
void sink_vfs_free(struct sink_vfs *vfs);

/* A connection to the file, configured to stream. */
int sink_vfs_open(struct sink_vfs *vfs, sqlite3 **ret_db, struct err *err);

/* What page_fn reported, when SQLite failed because of it; otherwise 0 and *err untouched. */
int sink_vfs_failure(const struct sink_vfs *vfs, struct err *err);

/* The last content of page 1 and its size; NULL when it was never written. */
const void *sink_vfs_page_one(const struct sink_vfs *vfs, size_t *ret_page_size);

#endif
