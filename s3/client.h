/*
 * client.h - the S3 operations that a backup needs, against any S3-compatible server.
 *
 * A client may be used by many threads at once; each call borrows an HTTP connection from a pool
 * of the client's.  Every call blocks until it has an answer, its deadline has passed or the
 * client's cancel is set.  Calls retry what is worth it (docs/architecture.md "Retries"): each
 * attempt is signed anew.  Knows nothing of SQLite or of backups; logs no header value.
 *
 * Keys are raw (not percent-encoded) UTF-8 of 1..1024 bytes; control characters are refused.
 *
 * Errors common to all: ERR_NET, ERR_TIMEOUT, ERR_THROTTLED, ERR_SERVER after the last attempt;
 * ERR_DENIED (403, wrong key, signature, skew); ERR_NOT_FOUND (NoSuchBucket, NoSuchKey: s3_code
 * tells which); ERR_UNSUPPORTED (501); ERR_CANCELED; ERR_PROTOCOL for an answer S3 does not allow.
 *
 * Source: docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
 */
#ifndef S3_CLIENT_H
#define S3_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/secret.h"
#include "s3/counters.h"
#include "s3/object_lock.h"
#include "s3/storage.h"

struct cancel;
struct clock;
struct err;
struct http_transport;
struct io_sink;
struct io_source;
struct rate_limit;
struct s3_client;

#define S3_PART_SIZE_MIN  (UINT64_C(5) << 20) /* bytes; the last part is exempt */
#define S3_PART_SIZE_MAX  (UINT64_C(5) << 30) /* bytes */
#define S3_PART_COUNT_MAX 10000u
#define S3_KEY_LEN_MAX    1024
#define S3_ETAG_SIZE      80

enum s3_addressing {
    S3_ADDRESSING_AUTO, /* virtual-hosted for AWS where the bucket's name allows, else path */
    S3_ADDRESSING_PATH,
    S3_ADDRESSING_VIRTUAL_HOST
};

enum s3_choice {
    S3_CHOICE_UNSET,
    S3_CHOICE_NO,
    S3_CHOICE_YES
};

/* All strings are copied by s3_client_new(); NULL or empty means unset, and then AWS's variables
 * and profile may say (s3/configured.h). */
struct s3_options {
    const char *bucket;
    const char *endpoint; /* "http://minio:9000", "https://host/path"; unset: AWS of the region */
    const char *region;   /* unset: from the endpoint's host, else "us-east-1" */
    enum s3_addressing addressing;
    enum s3_choice dualstack, fips; /* which of AWS's hosts */
    const char
        *access_key_id; /* with secret: explicit keys; both unset: s3/credentials.h's chain */
    const struct secret *secret_access_key;   /* borrowed for the call */
    const struct secret *session_token;       /* borrowed for the call */
    const char *profile;                      /* of the shared credentials file */
    const char *ca_file;                      /* PEM bundle; unset: the system's */
    const char *client_cert;                  /* PEM, for servers that ask for one */
    const char *client_key;                   /* PEM; unset: in client_cert */
    const struct secret *client_key_password; /* borrowed for the call, as the next */
    const struct secret *proxy;               /* its URL, or "none"; unset: the environment's */
    int64_t connect_timeout_ms;               /* 0: 10 s */
    int64_t stall_timeout_ms;                 /* 0: 60 s without a byte in either direction */
    unsigned attempts_max;                    /* 0: 10 */
    int64_t deadline_ms;                      /* of one operation with its retries; 0: 15 min */
    struct rate_limit *upload_limit;          /* of bodies; borrowed, may be NULL, as the next */
    struct rate_limit *download_limit;
    const struct cancel *cancel;      /* borrowed, may be NULL */
    struct clock *clock;              /* borrowed; NULL: the system's */
    struct http_transport *transport; /* takes no ownership; NULL: libcurl */
    struct s3_lock lock;              /* of all that is put */
    struct s3_storage_options storage;
    /* Look for no key: then nothing but s3/survey.h may be asked. */
    bool anonymous;
};

/* Check the options, find credentials: those of a role, a container or an instance are asked for.
 * ERR_CONFIG names the option. */
int s3_client_new(const struct s3_options *options, struct s3_client **ret_client, struct err *err);
void s3_client_free(struct s3_client *client); /* NULL is fine */

struct s3_object_info {
    uint64_t size; /* bytes */
    int64_t modified_ms;
    char etag[S3_ETAG_SIZE]; /* as sent, quotes included; opaque */
};

/* One request.  The payload's SHA-256 is signed: the source is read once to hash it and once more
 * each attempt.  if_absent sends If-None-Match: *, and then ERR_EXISTS means the key was there
 * (412, or 409), ERR_UNSUPPORTED that the server cannot (501).  After an attempt whose answer was
 * lost, ERR_EXISTS may be our own success: the caller compares what it wrote. */
int s3_put_object(struct s3_client *client, const char *key, struct io_source *body, bool if_absent,
                  struct err *err);

#define S3_TO_END UINT64_MAX

/* Bytes [offset, offset + len) to sink, which is not finished; len S3_TO_END: the rest.  A broken
 * transfer is resumed where it broke, guarded by If-Match.  A range that starts past the end, and
 * an object shorter than asked for, are ERR_CORRUPT: whoever asks knows the size.  ret_info may be
 * NULL; its size is the whole object's. */
int s3_get_object(struct s3_client *client, const char *key, uint64_t offset, uint64_t len,
                  struct io_sink *sink, struct s3_object_info *ret_info, struct err *err);

int s3_head_object(struct s3_client *client, const char *key, struct s3_object_info *ret_info,
                   struct err *err);

/* A key that is not there is no error. */
int s3_delete_object(struct s3_client *client, const char *key, struct err *err);

/* DeleteObjects in batches, with Content-MD5; falls back to single DELETEs where a server has no
 * DeleteObjects.  Stops at the first batch with a failure. */
int s3_delete_objects(struct s3_client *client, const char *const *keys, size_t key_count,
                      struct err *err);

/* Called for each object in key order; a negative return ends the listing with that code. */
typedef int (*s3_list_fn)(void *context, const char *key, const struct s3_object_info *info,
                          struct err *err);
/* ListObjectsV2, all pages.  start_after may be NULL: only keys greater than it are listed. */
int s3_list_objects(struct s3_client *client, const char *prefix, const char *start_after,
                    s3_list_fn callback, void *context, struct err *err);
/* ListObjectsV2 with delimiter "/": the common prefixes below prefix (each ends in '/'). */
int s3_list_prefixes(struct s3_client *client, const char *prefix, s3_list_fn callback,
                     void *context, struct err *err);

struct s3_upload; /* one multipart upload: all parts but the last have the same size */

int s3_create_multipart_upload(struct s3_client *client, const char *key,
                               struct s3_upload **ret_upload, struct err *err);
/* part_number from 1 to S3_PART_COUNT_MAX, any order, from any thread; sending a part again
 * replaces it. */
int s3_upload_part(struct s3_upload *upload, unsigned part_number, struct io_source *body,
                   struct err *err);
/* Parts 1..part_count must have been sent.  Never If-None-Match: servers ignore it here. */
int s3_complete_multipart_upload(struct s3_upload *upload, unsigned part_count, struct err *err);
/* Best effort, logged when it fails; a no-op after complete. */
void s3_abort_multipart_upload(struct s3_upload *upload);
void s3_upload_free(struct s3_upload *upload); /* does not abort; NULL is fine */

/* Unfinished uploads below prefix: callback gets the key and the upload id in info->etag's stead.
 */
typedef int (*s3_list_upload_fn)(void *context, const char *key, const char *upload_id,
                                 int64_t initiated_ms, struct err *err);
int s3_list_multipart_uploads(struct s3_client *client, const char *prefix,
                              s3_list_upload_fn callback, void *context, struct err *err);
/* One that somebody else began.  One that is not there is no error. */
int s3_abort_upload_of(struct s3_client *client, const char *key, const char *upload_id,
                       struct err *err);

/* The server's time: ours, corrected by what a server that refused ours has answered.  Others may
 * differ from ours by some minutes. */
int64_t s3_client_now_ms(const struct s3_client *client);

/* Requests sent so far, retries included; for reports and benchmarks. */
void s3_client_counters(const struct s3_client *client, struct s3_counters *ret_counters);

/**
 * Choose the part size for an object of at most object_size_max bytes: the smallest whole number
 * of MiB that is at least part_size_wanted and needs at most 9,000 parts.
 *
 * Errors: ERR_LIMIT past S3_PART_SIZE_MAX.  Pure.
 * Source: docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
 */
int s3_part_size_choose(uint64_t object_size_max, uint64_t part_size_wanted,
                        uint64_t *ret_part_size, struct err *err);

#endif
