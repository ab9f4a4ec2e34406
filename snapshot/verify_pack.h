/*
 * verify_pack.h - one pack, read as a whole: which of its frames are damaged, and which page with
 * which hash each slot should hold.
 */
#ifndef SNAPSHOT_VERIFY_PACK_H
#define SNAPSHOT_VERIFY_PACK_H

#include "snapshot/manifest.h"

struct cancel;
struct err;
struct object_store;
struct spool;

struct pack_check {
    uint64_t first_slot;  /* where its slots begin in the spool */
    uint64_t *bad_frames; /* offsets, ascending */
    size_t bad_frame_count;
    char reason[256];     /* why none of its pages can be had; "" when they can */
    char own_reason[256]; /* what is damaged of that which only its own backup's record needs */
};

void pack_check_dispose(struct pack_check *check); /* may be repeated */

struct pack_check_options {
    struct object_store *store;
    const struct manifest *manifest;
    uint32_t page_size;
    unsigned sample_ppm; /* of the frames, chosen by sample_seed */
    uint64_t sample_seed;
    struct spool *slots; /* appended to: struct index_slot */
    const struct cancel *cancel;
};

/* Failures are those of the store; damage is told in *ret_check. */
int pack_check_run(const struct pack_check_options *options, const struct pack_record *pack,
                   struct pack_check *ret_check, struct err *err);
bool pack_check_is_bad_frame(const struct pack_check *check, uint64_t offset);

#endif
