/*
 * repack_source.h - the needed pages of one pack, one after the other, in the order of their
 * numbers.
 */
#ifndef SNAPSHOT_REPACK_SOURCE_H
#define SNAPSHOT_REPACK_SOURCE_H

#include "snapshot/live_pages.h"
#include "snapshot/pack_format.h"

struct err;
struct manifest;
struct object_store;
struct repack_source;

struct repack_source_options {
    struct object_store *store;
    const struct manifest *manifest;
    const struct live_pages *live;
    size_t pack;      /* index in the manifest */
    size_t span_size; /* bytes that one request fetches, about: at least one frame */
    const char *spool_dir;
    size_t slots_memory; /* as in spool_new() */
};

/* Reads the index; the options are copied, what they refer to is borrowed. */
int repack_source_new(const struct repack_source_options *options,
                      struct repack_source **ret_source, struct err *err);
void repack_source_free(struct repack_source *source); /* NULL is fine */

/* The page that is due; NULL at the end. */
const struct index_slot *repack_source_slot(const struct repack_source *source);
/* Its content, checked against its hash, until the next call of any function here. */
int repack_source_page(struct repack_source *source, const uint8_t **ret_page, struct err *err);
int repack_source_next(struct repack_source *source, struct err *err);

#endif
