/*
 * pipeline.h - groups of pages in, frames out, in the same order, on several threads.
 *
 * The caller's thread fills groups; compressors hash and encode them; whichever thread finishes the
 * next frame in order hands it, and those after it that are ready, to the output function: one at a
 * time, in order, on any thread.  The groups are a fixed pool, so a slow output makes
 * pipeline_acquire() wait, and memory does not depend on how many pages pass.
 */
#ifndef SNAPSHOT_PIPELINE_H
#define SNAPSHOT_PIPELINE_H

#include "snapshot/page_hash.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cancel;
struct err;
struct pipeline;

#define PIPELINE_THREADS_MAX 16u

/* The pages of one frame.  raw has room for FRAME_RAW_SIZE_MAX bytes, stored for
 * FRAME_STORED_SIZE_MAX, hashes for frame_slots(page_size). */
struct page_group {
    uint64_t sequence;   /* the pipeline's own */
    uint32_t first_page; /* the submitter sets these two... */
    uint32_t page_count;
    uint8_t *raw;             /* ...and fills either this, */
    uint8_t *stored;          /* or this with a frame that is encoded already, */
    size_t stored_len;        /* whose length is then not 0 */
    bool hashed;              /* out: false for a frame that was encoded already */
    struct page_hash *hashes; /* out: of each page, when hashed */
};

enum pipeline_work {
    PIPELINE_HASH_AND_ENCODE,
    PIPELINE_HASH,  /* no frames come out */
    PIPELINE_ENCODE /* the pages of a group need not be neighbours */
};

typedef int (*pipeline_output_fn)(void *context, const struct page_group *group, struct err *err);

struct pipeline_options {
    enum pipeline_work work;
    unsigned thread_count; /* 1 .. PIPELINE_THREADS_MAX */
    int compression_level;
    uint32_t page_size;
    uint64_t hash_seed;
    pipeline_output_fn output;
    void *context;
    const struct cancel *cancel; /* may be NULL */
};

int pipeline_new(const struct pipeline_options *options, struct pipeline **ret_pipeline,
                 struct err *err);
/* Discards what is under way; no output happens after it has returned.  NULL is fine. */
void pipeline_free(struct pipeline *pipeline);

/* Wait for a free group.  Fails with what has gone wrong further down. */
int pipeline_acquire(struct pipeline *pipeline, struct page_group **ret_group, struct err *err);
void pipeline_submit(struct pipeline *pipeline, struct page_group *group);
/* Wait until everything submitted was handed to output.  Nothing can be submitted after it. */
int pipeline_finish(struct pipeline *pipeline, struct err *err);

#endif
