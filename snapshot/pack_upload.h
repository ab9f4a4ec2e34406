/*
 * pack_upload.h - a spool that is still growing, on its way into the store as one object.
 *
 * While the bytes fit one part nothing is sent; a pack that ends so goes up in one PUT.  A larger
 * one becomes a multipart upload of equal parts, sent by threads of its own as they fill: as many
 * at a time as the store's upload_concurrency says, none of them held in memory.  The first part
 * goes last, because its beginning is known last.  A directory store gives a descriptor instead,
 * and then the spool is the object.
 */
#ifndef SNAPSHOT_PACK_UPLOAD_H
#define SNAPSHOT_PACK_UPLOAD_H

#include <stdint.h>

struct cancel;
struct err;
struct object_store;
struct pack_upload;
struct progress;
struct spool;

struct pack_upload_options {
    struct object_store *store;
    const char *key; /* copied */
    uint64_t part_size;
    struct spool *spool;             /* borrowed, outlives the upload */
    const struct progress *progress; /* may be NULL */
    const struct cancel *cancel;     /* may be NULL */
};

int pack_upload_new(const struct pack_upload_options *options, struct pack_upload **ret_upload,
                    struct err *err);
/* Waits for the parts under way; aborts unless finished.  NULL is fine. */
void pack_upload_free(struct pack_upload *upload);

/* Call before the spool grows to size. */
int pack_upload_reserve(struct pack_upload *upload, uint64_t size, struct err *err);
/* Bytes below size will not change any more, except in the first part: send what makes whole parts.
 * Never waits; fails with what has gone wrong with earlier parts. */
int pack_upload_advance(struct pack_upload *upload, uint64_t size, struct err *err);
/* All of the spool is final: send the rest, and make the object visible and durable. */
int pack_upload_finish(struct pack_upload *upload, struct err *err);

#endif
