/*
 * delta.h - the pages of a live database that a backup of before does not have: one scan that
 * hashes every page, compares, and sets aside what differs.
 *
 * The read transaction lasts as long as the scan; what was set aside is compressed and sent
 * afterwards.  Memory does not depend on the database: hashes and pages wait in spools.
 */
#ifndef SNAPSHOT_DELTA_H
#define SNAPSHOT_DELTA_H

#include "snapshot/page_hash.h"
#include "snapshot/source.h"

#include <stdbool.h>
#include <stdint.h>

struct cancel;
struct err;
struct hash_spool;
struct pack_writer;
struct parent;
struct spool;

struct delta_options {
    struct source *source;
    const struct parent *parent;
    const uint8_t *rewrite; /* bit p%8 of byte p/8: page p is taken although it is the same; or NULL
                             */
    uint64_t hash_seed;
    unsigned thread_count; /* 1 .. PIPELINE_THREADS_MAX */
    int compression_level;
    const char *spool_dir;       /* as in spool.h */
    const struct cancel *cancel; /* may be NULL */
};

struct delta {
    struct source_facts facts;
    struct hash_spool *hashes; /* of all pages */
    struct page_hash sum;      /* XOR of them */
    struct spool *pages;       /* numbers of the pages set aside, ascending, as uint32_t */
    struct spool *raw;         /* their content, in the same order */
    uint32_t page_count;       /* set aside */
    uint32_t changed_count;    /* of these, how many differ */
    uint64_t lock_us;          /* how long the read transaction lasted */
    bool too_many; /* half of the pages or more differ, or their size does: the scan was given up */
};

#define DELTA_INIT                                                                                 \
    {                                                                                              \
        .hashes = NULL                                                                             \
    }

int delta_scan(const struct delta_options *options, struct delta *ret_delta, struct err *err);
void delta_dispose(struct delta *delta); /* may be repeated */
/* What was set aside, compressed, as the frames of a pack. */
int delta_write(const struct delta_options *options, struct delta *delta, struct pack_writer *pack,
                struct err *err);

#endif
