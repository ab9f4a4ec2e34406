/*
 * sigv4.h - AWS Signature Version 4 for one request.
 *
 * Pure steps in the order of the specification, each visible to tests: canonical request ->
 * string to sign -> key -> signature.  No clock and no network: the caller passes the date, so a
 * signature can be reproduced byte for byte.  Sign every attempt anew.
 *
 * Path and query are taken as they will be sent and must be canonical already (s3/uri.h): S3, as
 * the only service, encodes the path once and normalises nothing.
 *
 * Source: docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 */
#ifndef S3_SIGV4_H
#define S3_SIGV4_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct err;
struct http_headers;
struct secret;

#define SIGV4_KEY_LEN        32
#define SIGV4_SIGNATURE_SIZE 65 /* hex and the NUL */
#define SIGV4_DATE_TIME_LEN  16 /* YYYYMMDD'T'HHMMSS'Z' */
#define SIGV4_EMPTY_SHA256   "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* Valid for one date, region and service; wipe with sigv4_key_wipe(). */
struct sigv4_key {
    uint8_t bytes[SIGV4_KEY_LEN];
};

struct sigv4_scope {
    const char *date_time; /* SIGV4_DATE_TIME_LEN characters, UTC */
    const char *region;
    const char *service;
};

struct sigv4_request {
    const char *method;
    const char *path;                   /* canonical, begins with '/' */
    const char *query;                  /* canonical, without '?'; "" when none */
    const struct http_headers *headers; /* those that sigv4_is_signed() leaves out are skipped */
    const char *payload_hash;           /* hex SHA-256, or "UNSIGNED-PAYLOAD" */
};

/* False for headers that proxies and HTTP libraries add or change on the way. */
bool sigv4_is_signed(const char *header_name);

/* Names in lower case, sorted, joined with ';'.  Appends. */
int sigv4_signed_headers(const struct http_headers *headers, struct buf *to, struct err *err);
/* Appends. */
int sigv4_canonical_request(const struct sigv4_request *request, struct buf *to, struct err *err);
int sigv4_string_to_sign(const struct sigv4_scope *scope, struct str canonical_request,
                         struct buf *to, struct err *err);

int sigv4_key_derive(const struct secret *secret_access_key, const struct sigv4_scope *scope,
                     struct sigv4_key *ret_key, struct err *err);
void sigv4_key_wipe(struct sigv4_key *key);
int sigv4_sign(const struct sigv4_key *key, struct str string_to_sign,
               char ret_signature[SIGV4_SIGNATURE_SIZE], struct err *err);

/* All steps: append the value of the Authorization header. */
int sigv4_authorization(const struct sigv4_request *request, const struct sigv4_scope *scope,
                        const char *access_key_id, const struct secret *secret_access_key,
                        struct buf *to, struct err *err);

#endif
