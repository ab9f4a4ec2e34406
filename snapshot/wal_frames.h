/*
 * wal_frames.h - the pages that are in the log of a database in WAL mode, at one moment.
 *
 * Which frame has which page is in the shared memory, the frames are read through SQLite's own
 * handle of the log: no descriptor of ours, no lock.  Good as long as a read transaction lasts that
 * was begun at that moment, for the log is not begun anew under it, and nothing in it is changed.
 *
 * Source: sqlite.org/walformat.html
 */
#ifndef SNAPSHOT_WAL_FRAMES_H
#define SNAPSHOT_WAL_FRAMES_H

#include "snapshot/wal_index.h"

struct err;
struct wal_frames;

/* 8 bytes of memory a frame: past that, the log is not read so. */
#define WAL_FRAMES_MAX (UINT32_C(1) << 20)

/* index: of the moment.  ERR_UNSUPPORTED when the log has more frames than WAL_FRAMES_MAX, or there
 * is no such handle. */
int wal_frames_new(sqlite3 *db, const struct wal_index *index, uint32_t page_size,
                   struct wal_frames **ret_frames, struct err *err);
void wal_frames_free(struct wal_frames *frames); /* NULL is fine */

/* Put the pages first .. first+count-1 that are in the log over those at `pages`, which are of the
 * file.  ERR_IO when the log is not what its index says. */
int wal_frames_put(struct wal_frames *frames, uint32_t first, uint32_t count, uint8_t *pages,
                   struct err *err);

#endif
