/*
 * s3_store.h - a bucket, or a prefix in it, as an object store.
 */
#ifndef STORE_S3_STORE_H
#define STORE_S3_STORE_H

struct err;
struct object_store;
struct s3_client;
struct s3_counters;
struct s3_options;

/* prefix may be NULL or empty; slashes at its ends are dropped. */
int s3_store_new(const struct s3_options *options, const char *prefix,
                 struct object_store **ret_store, struct err *err);

/* The client behind it, borrowed; NULL for a store of another kind. */
struct s3_client *s3_store_client(const struct object_store *store);

/* What has been requested so far; all zero for a store of another kind. */
void s3_store_counters(const struct object_store *store, struct s3_counters *ret_counters);

#endif
