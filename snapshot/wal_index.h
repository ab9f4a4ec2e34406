/*
 * wal_index.h - what the shared memory of a database in WAL mode says of its log.
 *
 * Read through SQLite's own mapping: no descriptor of ours, no lock.
 *
 * Source: sqlite.org/walformat.html#walidxfmt
 */
#ifndef SNAPSHOT_WAL_INDEX_H
#define SNAPSHOT_WAL_INDEX_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#define WAL_INDEX_HEADER_SIZE 48

struct wal_index {
    uint8_t header[WAL_INDEX_HEADER_SIZE]; /* changes with every commit */
    uint32_t frame_count;                  /* mxFrame: committed frames in the log */
    uint32_t backfilled_count;             /* nBackfill: of these, those that the file has too */
};

/* db has been read from.  False when there is none, or it does not stand still. */
bool wal_index_read(sqlite3 *db, struct wal_index *ret_index);

#endif
