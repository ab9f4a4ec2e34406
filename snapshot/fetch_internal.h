/*
 * fetch_internal.h - what the two ways to fetch, in parallel and in page order, have in common, and
 * the page hashes that both compare with.
 */
#ifndef SNAPSHOT_FETCH_INTERNAL_H
#define SNAPSHOT_FETCH_INTERNAL_H

#include <stdatomic.h>

#include "snapshot/fetch.h"
#include "snapshot/page_map.h"
#include "snapshot/restore.h"

struct frame_codec;
struct index_slot;
struct spool;

/* Where the slots of one pack of the map are. */
struct pack_slots {
    struct spool *spool; /* NULL: no run refers to the pack */
    uint64_t first;      /* of the pack's, among those in the spool */
};

struct fetch {
    struct object_store *store;
    const struct manifest *manifest;
    const struct backup_record *backup;
    struct fetch_options options;
    const struct fetch *sibling; /* whose slots are used where it has them; NULL: none */
    struct page_map map;
    struct pack_slots *slots; /* of each pack of the map */
    struct spool **spools;    /* ours, of struct index_slot; not written to after fetch_open() */
    size_t spool_count;
    bool *copied; /* runs that seed_copy() has put into the file; NULL: it was not called */
    uint64_t copied_bytes;
    struct page_hash copied_sum;
    atomic_uint_fast64_t fetched_bytes;
};

/* How many threads do task_count tasks: as many as the options say, but no more than useful. */
size_t fetch_thread_count(const struct fetch *fetch, size_t task_count);

/* The page hashes of every pack of the map, by several threads; fetch_hashes_free() even when it
 * fails. */
int fetch_hashes_read(struct fetch *fetch, struct err *err);
void fetch_hashes_free(struct fetch *fetch);
/* The slots of the pages of run; slots has room for run->page_count.  From any thread. */
int fetch_hashes_get(const struct fetch *fetch, const struct page_run *run,
                     struct index_slot *slots, struct err *err);

/* One frame at a time: what one thread needs to decode and verify. */
struct frame_reader {
    const struct fetch *fetch;
    struct frame_codec *codec;
    uint8_t *stored;          /* room for FRAME_STORED_SIZE_MAX */
    uint8_t *raw;             /* room for FRAME_RAW_SIZE_MAX */
    struct index_slot *slots; /* room for those of one frame */
    struct page_hash sum;     /* XOR of the hashes of all pages that were verified */
};

int frame_reader_init(struct frame_reader *reader, const struct fetch *fetch, struct err *err);
void frame_reader_dispose(struct frame_reader *reader);

/* Decode the frame of run from stored, into reader->raw. */
int frame_reader_decode(struct frame_reader *reader, const struct page_run *run, const void *stored,
                        struct err *err);
/* Verify the pages of run, whose frame is in raw; *ret_pages points to the first. */
int frame_reader_verify(struct frame_reader *reader, const struct page_run *run, const uint8_t *raw,
                        const uint8_t **ret_pages, struct err *err);

/* A range of a pack of the map to sink, not finished. */
int fetch_get(struct fetch *fetch, uint32_t pack, uint64_t offset, uint64_t len,
              struct io_sink *sink, struct err *err);
/* Say which backup a failure is about; what was canceled needs no more words. */
int fetch_wrap(const struct fetch *fetch, int r, struct err *err);
/* ERR_CORRUPT unless sum is the database hash. */
int fetch_check_sum(const struct fetch *fetch, struct page_hash sum, struct err *err);

#endif
