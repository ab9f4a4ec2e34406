/*
 * store_url.h - "s3://bucket/prefix?endpoint=...&region=...", "file:///dir", and "/dir".
 *
 * Values in the query are percent-decoded.  Unknown parameters, credentials in the URL, and
 * relative file paths are ERR_CONFIG with a hint.  Endpoint without a scheme: https, or http for
 * localhost and addresses.  Pure.
 */
#ifndef STORE_STORE_URL_H
#define STORE_STORE_URL_H

#include "s3/client.h"

struct err;
struct object_store;

enum store_kind {
    STORE_KIND_FILE,
    STORE_KIND_S3
};

struct store_url {
    enum store_kind kind;
    char *path;     /* file: absolute */
    char *bucket;   /* s3 */
    char *prefix;   /* s3; "" when none */
    char *endpoint; /* s3; NULL when none */
    char *region;   /* s3; NULL when none */
    enum s3_addressing addressing;
};

int store_url_parse(const char *text, struct store_url *ret_url, struct err *err);
void store_url_dispose(struct store_url *url);

/* Open the store that url names.  For s3, what the URL leaves open is taken from defaults (its
 * bucket is ignored), the URL wins where both speak; defaults may be NULL. */
int store_open(const char *url, const struct s3_options *defaults, struct object_store **ret_store,
               struct err *err);

#endif
