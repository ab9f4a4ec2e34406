/*
 * versions.h - what a versioned bucket still has of objects that were deleted or overwritten.
 *
 * A DELETE that names no version puts a delete marker on top of an object's versions; a PUT puts
 * another version there.  Each has an id, and can be read by it.
 *
 * Source: docs.aws.amazon.com/AmazonS3/latest/userguide/versioning-workflows.html
 */
#ifndef S3_VERSIONS_H
#define S3_VERSIONS_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct io_sink;
struct s3_client;
struct s3_object_info;

enum s3_versioning {
    S3_VERSIONING_NONE, /* never was */
    S3_VERSIONING_ENABLED,
    S3_VERSIONING_SUSPENDED /* what was kept is there; nothing more is kept */
};

int s3_get_bucket_versioning(struct s3_client *client, enum s3_versioning *ret_versioning,
                             struct err *err);

struct s3_object_version {
    const char *key;
    const char *version_id; /* "null" of what was put while versioning was off */
    bool is_latest;
    bool is_delete_marker;
    const struct s3_object_info *info; /* size and ETag: not of a delete marker */
};

/* By key, of one key the newest first; markers stand among the versions.  A negative return ends
 * the listing with that code. */
typedef int (*s3_list_version_fn)(void *context, const struct s3_object_version *version,
                                  struct err *err);
/* ListObjectVersions, all pages. */
int s3_list_object_versions(struct s3_client *client, const char *prefix,
                            s3_list_version_fn callback, void *context, struct err *err);

struct s3_version_range {
    const char *key, *version_id;
    uint64_t offset, len; /* bytes; len S3_TO_END: the rest */
};

/* As s3_get_object(), of one version. */
int s3_get_object_version(struct s3_client *client, const struct s3_version_range *range,
                          struct io_sink *sink, struct s3_object_info *ret_info, struct err *err);

#endif
