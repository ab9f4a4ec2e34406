/*
 * capture.h - all pages of one moment of a live database, as a pack that lacks only its end.
 *
 * In WAL mode one pass: readers block nobody there.  In rollback mode a reader holds up every
 * commit, so there are two: the first reads, hashes and compresses without any lock; the second
 * reads again under the lock, compares hashes, and sets aside what has changed, which is compressed
 * when the lock is gone.  Either way the lock lasts as long as a local scan and never as long as
 * the network.
 */
#ifndef SNAPSHOT_CAPTURE_H
#define SNAPSHOT_CAPTURE_H

#include "snapshot/pack_writer.h"
#include "snapshot/source.h"

#include <stdint.h>

struct err;
struct hash_spool;
struct source;

/* Below this, in rollback mode too, one pass: the pages fit the pipeline, so nothing is waited for
 * while the lock is held. */
#define CAPTURE_TWO_PASSES_SIZE (1u << 20)

struct capture_options {
    struct source *source;
    struct pack_writer_options pack; /* page_size, page_count and hold are set here */
    uint64_t hash_seed;
    unsigned thread_count; /* 1 .. PIPELINE_THREADS_MAX */
    int compression_level;
};

struct capture {
    struct source_facts facts;
    struct pack_writer *pack;
    struct hash_spool *hashes; /* of page 2 to the last */
    uint8_t *page_one;
    uint64_t lock_us;             /* how long the read transaction of the moment lasted */
    uint64_t discarded_spool_max; /* bytes that a first attempt spooled and that were not used */
};

#define CAPTURE_INIT                                                                               \
    {                                                                                              \
        .pack = NULL                                                                               \
    }

int capture_run(const struct capture_options *options, struct capture *ret_capture,
                struct err *err);
void capture_dispose(struct capture *capture); /* may be repeated */

#endif
