/*
 * failure.h - an answer that is no success, as a struct err: code, message and what to do.  Pure.
 */
#ifndef S3_FAILURE_H
#define S3_FAILURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct err;
struct http_response;

/* How far a server's clock may be from ours before requests are refused: 15 minutes. */
#define S3_SKEW_MS_MAX INT64_C(900000)

/* What is known beside the answer. */
struct s3_failure_context {
    const char *bucket;
    const char *host;    /* of the endpoint, with the port */
    const char *region;  /* that was signed for */
    int64_t signed_ms;   /* the time that was signed, ms since 1970 */
    bool has_time_fixed; /* signed_ms was taken from the server's clock */
};

/* What an answer can teach about the way to the bucket. */
struct s3_lesson {
    char region[64];  /* where the bucket is; empty when not told */
    bool has_skew;    /* the server refuses our clock, and says what time it is */
    int64_t skew_ms;  /* server's time minus the signed time */
    bool is_key_over; /* the server no longer takes these credentials: others may do */
};

/**
 * Describe an answer whose status is not 2xx, or whose body is an error document: "HTTP 403
 * SignatureDoesNotMatch (request X)".
 *
 * @return the code, never 0.  ret_lesson may be NULL.
 */
int s3_failure_describe(const struct http_response *response, struct str body,
                        const struct s3_failure_context *context, struct s3_lesson *ret_lesson,
                        struct err *err);

/**
 * Refuse a success that is not an S3 server's: a page of HTML, as a portal that wants a login
 * sends, and what a proxy has compressed unasked.  data: where the body begins; NULL when only the
 * headers are known.
 *
 * @return 0 or ERR_PROTOCOL.
 */
int s3_failure_check_success(const struct http_response *response, const void *data, size_t len,
                             struct err *err);

#endif
