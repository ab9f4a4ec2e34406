/*
 * fingerprint.h - whether anything was committed to a database, without reading it.
 *
 * What a commit cannot leave as it is: in rollback mode the first 100 bytes of page 1, with the
 * change counter; in WAL mode the header of the wal-index (salts, mxFrame, iChange, checksums);
 * and, for logs that were checkpointed and files that were replaced, the file's identity, size and
 * time stamps.  Two equal ones say that nothing was committed in between.  Two different ones say
 * nothing: a checkpoint changes it too.
 *
 * Time stamps are coarse, so one that is younger than FINGERPRINT_SETTLE_MS when it is looked at is
 * not settled: the file may yet change without its time stamp doing so.  A clock that was set back
 * could make an old time stamp come again: then no two are the same.
 *
 * Source: sqlite.org/fileformat2.html#the_database_header, sqlite.org/walformat.html#walidxfmt
 */
#ifndef SNAPSHOT_FINGERPRINT_H
#define SNAPSHOT_FINGERPRINT_H

#include "snapshot/wal_index.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct clock;

#define FINGERPRINT_SETTLE_MS 3000 /* FAT keeps time in steps of 2 s */

#define FINGERPRINT_HEADER_SIZE  100
#define FINGERPRINT_BOOT_ID_SIZE 16

struct fingerprint {
    uint64_t device, inode, size;
    int64_t modified_ns, changed_ns; /* mtime, ctime */
    uint8_t header[FINGERPRINT_HEADER_SIZE];
    bool wal;
    uint8_t wal_index[WAL_INDEX_HEADER_SIZE]; /* zeros unless wal */
    bool settled;
    /* When it was taken, by the wall clock, by one that nobody sets, and during which boot. */
    int64_t wall_ms, boot_ms;
    uint8_t boot_id[FINGERPRINT_BOOT_ID_SIZE];
};

/* Through db, which has been read from, and by its path.  False when there is no telling: then
 * something may have been committed. */
bool fingerprint_take(sqlite3 *db, const char *path, struct clock *clock,
                      struct fingerprint *ret_fingerprint);

/* Whether nothing was committed between the moments of both.  Pure. */
bool fingerprint_same(const struct fingerprint *before, const struct fingerprint *after);

#define FINGERPRINT_STORED_SIZE 256
void fingerprint_encode(const struct fingerprint *fingerprint,
                        uint8_t out[FINGERPRINT_STORED_SIZE]);
void fingerprint_decode(const uint8_t data[FINGERPRINT_STORED_SIZE],
                        struct fingerprint *ret_fingerprint);

#endif
