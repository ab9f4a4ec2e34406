/*
 * s3_store.h - a bucket, or a prefix in it, as an object store.
 */
#ifndef STORE_S3_STORE_H
#define STORE_S3_STORE_H

#include <stdint.h>

#include "s3/versions.h"

struct err;
struct io_sink;
struct object_info;
struct object_store;
struct s3_client;
struct s3_counters;
struct s3_options;
struct s3_retention;

/* prefix may be NULL or empty; slashes at its ends are dropped.  options->lock.duration_ms is what
 * is promised (object_store.h, lock_promise_ms); what is put is locked for longer. */
int s3_store_new(const struct s3_options *options, const char *prefix,
                 struct object_store **ret_store, struct err *err);

/* The client behind it, borrowed; NULL for a store of another kind. */
struct s3_client *s3_store_client(const struct object_store *store);

/* As in s3/versions.h, with keys of the store.  The store must be S3's. */
int s3_store_list_versions(struct object_store *store, const char *prefix,
                           s3_list_version_fn callback, void *context, struct err *err);
struct s3_store_version {
    const char *key, *id;
    uint64_t offset, len; /* as for object_get() */
};
int s3_store_get_version(struct object_store *store, const struct s3_store_version *version,
                         struct io_sink *sink, struct object_info *ret_info, struct err *err);

/* As in s3/object_lock.h.  The store must be S3's. */
int s3_store_get_retention(struct object_store *store, const char *key,
                           struct s3_retention *ret_retention, struct err *err);

/* How much longer than promised objects are locked: a quarter, and a day at least. */
int64_t s3_store_lock_margin_ms(int64_t promise_ms);

/* What has been requested so far; all zero for a store of another kind. */
void s3_store_counters(const struct object_store *store, struct s3_counters *ret_counters);

#endif
