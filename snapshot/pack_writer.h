/*
 * pack_writer.h - the pack of one backup: frames in page order, index, seek table, into the store
 * as one object.
 *
 * The pack of a full backup begins with page 1, which is known last: its frame has a known length,
 * so room is left for it.  That of an incremental one holds only some of the pages.  What the store
 * cannot take yet waits in a spool.  One thread at a time.
 */
#ifndef SNAPSHOT_PACK_WRITER_H
#define SNAPSHOT_PACK_WRITER_H

#include "base/buf.h"
#include "snapshot/manifest.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cancel;
struct err;
struct hash_spool;
struct object_store;
struct pack_writer;
struct page_map;
struct parent;
struct progress;
struct spool;

struct pack_writer_options {
    struct object_store *store;
    const char *database; /* in the store */
    const char *id;       /* of the backup */
    uint32_t page_size;
    uint32_t page_count;   /* expected, for the choice of the part size */
    uint64_t part_size;    /* wanted; 0: the store's default */
    bool hold;             /* send nothing before pack_writer_release() */
    bool incremental;      /* no room is left for page 1 */
    const char *spool_dir; /* as in spool.h */
    const struct progress *progress;
    const struct cancel *cancel;
};

int pack_writer_new(const struct pack_writer_options *options, struct pack_writer **ret_writer,
                    struct err *err);
/* Leaves nothing in the store unless finished.  NULL is fine. */
void pack_writer_free(struct pack_writer *writer);

/* The next frame, of the page_count pages that follow those of the frames before it: in a full
 * backup from page 2 on. */
int pack_writer_add(struct pack_writer *writer, const void *stored, size_t stored_len,
                    uint32_t page_count, struct err *err);
/* The frames so far are final: send them, and those that follow as they come. */
int pack_writer_release(struct pack_writer *writer, struct err *err);

/* Of a full backup: frame 0 and the index up to its last block.  hashes holds those of page 2 to
 * the last; that of page 1 is added.  *ret_database_hash is made of all; *ret_record is that of the
 * pack, except that its size is that of what was written so far. */
struct pack_writer_index {
    const void *page_one;
    uint64_t hash_seed;
    struct hash_spool *hashes;
};
int pack_writer_add_index(struct pack_writer *writer, const struct pack_writer_index *index,
                          struct page_hash *ret_database_hash, struct pack_record *ret_record,
                          struct err *err);

/* Of an incremental backup: the index up to its last block.  hashes holds those of all pages, and
 * pages the numbers of those in the frames.  The page map is written as a difference from the
 * parent's base, until that is more than half as large as a whole one. */
struct pack_writer_delta {
    const struct parent *parent;
    uint32_t page_count; /* of the database */
    struct hash_spool *hashes;
    struct spool *pages; /* uint32_t, ascending */
};
int pack_writer_add_delta_index(struct pack_writer *writer, const struct pack_writer_delta *delta,
                                struct pack_record *ret_record, struct err *err);

/* Of a pack that repairs another (pack_repair.h): the index up to its last block.  slots holds
 * those of all frames, as struct index_slot; map is the payload of the page map that the other one
 * has lost, empty when it has not. */
int pack_writer_add_repair_index(struct pack_writer *writer, struct spool *slots, struct str map,
                                 struct pack_record *ret_record, struct err *err);

/* The map that was written, until pack_writer_free(). */
const struct page_map *pack_writer_map(const struct pack_writer *writer);
/* The last index block, then the seek table; sends the rest.  *ret_size is the pack's. */
int pack_writer_finish(struct pack_writer *writer, struct str info, uint64_t *ret_size,
                       struct err *err);

/* Frames again, in order, from a pack that will not be finished: each is forgotten once read.
 * stored has room for FRAME_STORED_SIZE_MAX bytes.  The first is that of page 2. */
int pack_writer_take_back(struct pack_writer *writer, void *stored, size_t *ret_stored_len,
                          struct err *err);

/* The most bytes that the spool held. */
uint64_t pack_writer_spool_max(const struct pack_writer *writer);

#endif
