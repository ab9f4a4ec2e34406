/*
 * credentials_fetch.h - inside s3/: ask a server for credentials, and read the JSON of the answer.
 *
 * Sources: docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html,
 * feature-imds-credentials.html and feature-process-credentials.html
 */
#ifndef S3_CREDENTIALS_FETCH_H
#define S3_CREDENTIALS_FETCH_H

#include <stdint.h>

#include "base/buf.h"
#include "s3/http.h"

struct err;
struct s3_credentials;
struct s3_source_context;

struct s3_fetch {
    enum http_method method;
    const char *url;
    const struct http_headers *headers; /* Host among them */
    const char *body;                   /* NULL: none */
    unsigned attempts_max;              /* of what is worth another try */
    int64_t pause_ms;                   /* between them */
    int64_t timeout_ms;                 /* to connect, and then again for the answer */
    bool is_local;                      /* never through a proxy */
};

#define S3_FETCHED_LEN_MAX (64u << 10)

struct s3_fetched {
    int status;
    struct buf body; /* wiped */
};

#define S3_FETCHED_INIT                                                                            \
    {                                                                                              \
        0, BUF_INIT(S3_FETCHED_LEN_MAX)                                                            \
    }

/* 0 when there is an answer, whatever its status: 5xx and 429 are the last attempt's. */
int s3_fetch(const struct s3_source_context *context, const struct s3_fetch *fetch,
             struct s3_fetched *ret_fetched, struct err *err);
void s3_fetched_dispose(struct s3_fetched *fetched);

/* ERR_DENIED, ERR_THROTTLED or ERR_SERVER for a status; the message begins with who answered. */
int s3_fetch_refused(const char *who, int status, struct err *err);

/* "host:port" of a URL, malloc'd: what Host: says.  NULL when out of memory. */
char *s3_fetch_host(const char *url);

/* The members that a document's secret parts are called by. */
enum s3_credentials_document {
    S3_DOCUMENT_PROCESS,  /* Version 1, SessionToken */
    S3_DOCUMENT_METADATA, /* Code "Success" where it has one, Token */
};

/* who is for messages.  ERR_PROTOCOL when text is no such document; ERR_DENIED when it says that
 * the server refuses. */
int s3_credentials_document_parse(struct str text, enum s3_credentials_document kind,
                                  const char *who, struct s3_credentials *ret, struct err *err);

#endif
