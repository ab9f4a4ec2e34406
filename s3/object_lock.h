/*
 * object_lock.h - S3 Object Lock: what is put cannot be deleted or replaced until a given time, by
 * nobody (compliance), or by nobody without a right of its own (governance).
 *
 * A lock holds one version of an object.  A DELETE that names no version only hides it, and a PUT
 * puts another version on top: versions.h finds the locked one again.
 *
 * Source: docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
 */
#ifndef S3_OBJECT_LOCK_H
#define S3_OBJECT_LOCK_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct http_headers;
struct s3_client;

enum s3_lock_mode {
    S3_LOCK_NONE,
    S3_LOCK_GOVERNANCE,
    S3_LOCK_COMPLIANCE
};

/* How everything that a client puts is locked. */
struct s3_lock {
    enum s3_lock_mode mode;
    int64_t duration_ms; /* from the put on, by the server's clock as far as it is known */
};

/* The lock of a version that is there. */
struct s3_retention {
    enum s3_lock_mode mode; /* S3_LOCK_NONE: it is not locked */
    int64_t until_ms;
};

/* Add what a request that begins an object needs to lock it: nothing without a lock. */
int s3_lock_add_headers(const struct s3_client *client, struct http_headers *headers,
                        struct err *err);
/* code, or ERR_CONFIG with a hint where the server refused a put because of its lock. */
int s3_lock_explain(const struct s3_client *client, int code, struct err *err);

/* Lock the newest version of a key as if it were put now.  Never shortens: a server refuses that,
 * in either mode.  The client must have a lock.  A server that knows no locks would take this for
 * a PUT of the object, so it is found out first, once: ERR_UNSUPPORTED. */
int s3_put_object_retention(struct s3_client *client, const char *key, int64_t *ret_until_ms,
                            struct err *err);
/* Of the newest version.  A server that knows no locks: ERR_UNSUPPORTED. */
int s3_get_object_retention(struct s3_client *client, const char *key,
                            struct s3_retention *ret_retention, struct err *err);
/* Whether the bucket takes locks. */
int s3_get_object_lock_configuration(struct s3_client *client, bool *ret_enabled, struct err *err);

/* "GOVERNANCE"; "" for none. */
const char *s3_lock_mode_name(enum s3_lock_mode mode);

#endif
