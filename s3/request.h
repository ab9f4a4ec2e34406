/*
 * request.h - inside s3/: build, sign and perform one call, with its retries.
 *
 * Every attempt is built and signed anew, so that it carries the present time, region and
 * credentials.  Four things are mended once a call without counting as a failure: a clock that the
 * server does not accept (its Date is used from then on), a wrong region that it names, credentials
 * that it no longer takes, if there are others to be had, and "Expect: 100-continue".
 */
#ifndef S3_REQUEST_H
#define S3_REQUEST_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "s3/configured.h"
#include "s3/credentials_source.h"
#include "s3/endpoint.h"
#include "s3/http.h"
#include "s3/proxy.h"
#include "s3/retry.h"
#include "s3/storage.h"
#include "s3/uri.h"

struct cancel;
struct clock;
struct err;
struct rate_limit;
struct s3_credentials_provider;

struct s3_client {
    struct clock *clock;
    const struct cancel *cancel;
    struct rate_limit *upload_limit, *download_limit;
    struct http_transport *transport;
    bool owns_transport;
    int64_t connect_timeout_ms, stall_timeout_ms;
    struct s3_retry_policy policy;
    struct s3_source_context context; /* what the provider's sources ask with */
    struct s3_credentials_provider *credentials;
    char *bucket;
    enum s3_addressing addressing;
    enum s3_lock_mode lock_mode; /* of all that is put */
    int64_t lock_duration_ms;
    struct s3_storage storage;
    atomic_bool refuses_expect; /* something on the way: 417 (RFC 9110 section 10.1.1) */
    atomic_bool knows_locks;    /* the server, so that it may be asked to change one */

    /* For survey.h: who says where to go, and how. */
    char endpoint_from[S3_ORIGIN_SIZE], region_from[S3_ORIGIN_SIZE];
    char proxy[HTTP_PROXY_TEXT_SIZE];   /* "": none */
    const char *proxy_from;             /* NULL: nobody names one */
    int64_t client_certificate_ends_ms; /* 0: there is none */

    pthread_mutex_t lock; /* over endpoint, which changes when the region is mended */
    struct s3_endpoint endpoint;

    atomic_llong clock_offset_ms; /* server's time minus this machine's, once it mattered */
    atomic_bool has_clock_offset;
    atomic_bool has_answered; /* the server, ever */
    atomic_ullong counts[HTTP_DELETE + 1], retry_count, sent_bytes, received_bytes;
    atomic_ullong requests[S3_OPERATION_COUNT][S3_STATUS_COUNT];
};

struct s3_call {
    enum http_method method;
    enum s3_operation operation; /* as it is counted */
    const char *key;             /* NULL: the bucket itself */
    const struct uri_param *params;
    size_t param_count;
    const struct http_headers *headers; /* beyond what every request has; may be NULL */
    struct io_source *body;             /* rewound before each attempt; NULL: none */
    const char *payload_hash;           /* hex SHA-256 of body; NULL: of nothing */
    http_body_fn on_body;               /* for the body of a success; NULL: kept in the answer */
    void *context;                      /* for on_body */
    bool is_slow;                       /* the server may take minutes to answer */
    bool is_cleanup;                    /* goes on after cancel is set, but does not insist */
};

struct s3_answer {
    struct http_response response;
    struct buf body;
};

#define S3_ANSWER_INIT                                                                             \
    {                                                                                              \
        HTTP_RESPONSE_INIT, BUF_INIT(S3_BODY_LEN_MAX)                                              \
    }
#define S3_BODY_LEN_MAX (16u << 20)

void s3_answer_dispose(struct s3_answer *answer);

/* The attempts of one call. */
struct s3_attempts {
    struct s3_retry retry;
    bool has_mended_clock, has_mended_region, has_mended_key, has_mended_expect;
    bool wants_clock, wants_region, wants_key; /* what the last failure taught */
    uint64_t key_generation;                   /* of the credentials that it was signed with */
    bool is_key_temporary;
    int64_t clock_offset_ms;
    char region[S3_REGION_LEN_MAX + 1];
    int64_t retry_after_ms;
    unsigned count;
};

void s3_attempts_init(struct s3_attempts *attempts, const struct s3_client *client,
                      const struct s3_call *call);

/* One attempt: 0 for a 2xx whose kept body is no error document. */
int s3_attempt(struct s3_client *client, const struct s3_call *call, struct s3_attempts *attempts,
               struct s3_answer *answer, struct err *err);

/* After a failed attempt: 0 when it is time for another one, having waited and mended what can
 * be; else the code to give up with. */
int s3_attempt_again(struct s3_client *client, const struct s3_call *call,
                     struct s3_attempts *attempts, int code, struct err *err);

/* Attempts until one succeeds or none is left.  answer is S3_ANSWER_INIT; dispose of it. */
int s3_perform(struct s3_client *client, const struct s3_call *call, struct s3_answer *answer,
               struct err *err);

/* 0, or ERR_CONFIG: 1 to S3_KEY_LEN_MAX bytes of UTF-8 without control characters. */
int s3_key_check(const char *key, struct err *err);

#define S3_PAYLOAD_HASH_SIZE 65 /* hex and the NUL */
/* Read source to its end to hash it; ERR_IO when it is not as long as it says. */
int s3_payload_hash(struct io_source *source, const struct cancel *cancel,
                    char ret_hash[S3_PAYLOAD_HASH_SIZE], struct err *err);

#endif
