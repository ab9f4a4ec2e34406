/*
 * storage.h - how objects are stored: encrypted by the server, in which class, with which tags; and
 * who pays for the requests.
 *
 * The server encrypts, and decrypts for whoever may read.  With a key of the customer's (SSE-C) it
 * does so only for a request that brings this key, and forgets the key: without it nothing can be
 * read any more.
 *
 * Sources: docs.aws.amazon.com/AmazonS3/latest/userguide/serv-side-encryption.html,
 * storage-class-intro.html, object-tagging.html, RequesterPaysBuckets.html
 */
#ifndef S3_STORAGE_H
#define S3_STORAGE_H

#include <stdbool.h>

#include "base/secret.h"
#include "s3/counters.h"
#include "s3/md5.h"

struct err;
struct http_headers;
struct s3_endpoint;

enum s3_sse {
    S3_SSE_NONE, /* as the bucket does it */
    S3_SSE_AES256,
    S3_SSE_KMS
};

#define S3_TAG_COUNT_MAX 10

/* All strings are copied by s3_storage_init(); NULL or empty means unset. */
struct s3_storage_options {
    enum s3_sse sse;
    const char *kms_key_id;            /* or its ARN, with S3_SSE_KMS; unset: AWS's own */
    const struct secret *customer_key; /* SSE-C: base64 of 32 bytes; not together with sse */
    const char *storage_class;         /* such as "STANDARD_IA" */
    const char *storage_class_suffix;  /* of the keys that are put into it; unset: all */
    const char *tags;                  /* "name=value, name=value" */
    bool requester_pays;
};

struct s3_storage {
    enum s3_sse sse;
    char *kms_key_id, *storage_class, *storage_class_suffix;
    char *tags; /* as the header has them */
    struct secret customer_key;
    char customer_key_md5[S3_MD5_SIZE];
    bool requester_pays;
};

/* Check and copy them: ERR_CONFIG names the setting.  Classes that must be restored before they can
 * be read are refused. */
int s3_storage_init(struct s3_storage *storage, const struct s3_storage_options *options,
                    struct err *err);
void s3_storage_dispose(struct s3_storage *storage); /* may be repeated */

/* A customer's key goes over no wire in the clear: ERR_CONFIG for http, unless to this machine. */
int s3_storage_check_endpoint(const struct s3_storage *storage, const struct s3_endpoint *endpoint,
                              struct err *err);

/* Add what a request of this operation on this key needs; key is NULL for the bucket. */
int s3_storage_add_headers(const struct s3_storage *storage, enum s3_operation operation,
                           const char *key, struct http_headers *headers, struct err *err);
/* A server that knows an encryption says so in its answer to what begins an object; one that does
 * not passes over the request and stores it as it is: ERR_CONFIG. */
int s3_storage_check_answer(const struct s3_storage *storage, enum s3_operation operation,
                            const struct http_headers *headers, struct err *err);
/* code, with a hint where how objects are stored is why a request failed. */
int s3_storage_explain(const struct s3_storage *storage, enum s3_operation operation, int code,
                       struct err *err);

/* For how many days an object in this class is paid at least; 0 when for as long as it is there. */
unsigned s3_storage_class_days(const char *storage_class);

#endif
