/*
 * http.h - the seam between S3 and the network: one request, one answer.
 *
 * A transport sends exactly what it is given (path, query and header values are signed), follows
 * no redirect, decodes nothing and retries nothing.  Any number of threads may call perform at
 * once.
 */
#ifndef S3_HTTP_H
#define S3_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cancel;
struct err;
struct http_transport;
struct io_source;
struct rate_limit;
struct secret;

#define HTTP_HEADER_COUNT_MAX 128

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_PUT,
    HTTP_POST,
    HTTP_DELETE
};

const char *http_method_name(enum http_method method);

struct http_header {
    char *name;
    char *value;
};

/* In the order of addition; names compare without case.  Wiped when disposed of, for some hold
 * signatures and tokens. */
struct http_headers {
    struct http_header *items;
    size_t count;
};

#define HTTP_HEADERS_INIT                                                                          \
    {                                                                                              \
        NULL, 0                                                                                    \
    }

/* Copies both.  A control character in either is ERR_CONFIG: it could begin another header. */
int http_headers_add(struct http_headers *headers, const char *name, const char *value,
                     struct err *err);
/* The first of that name, or NULL. */
const char *http_headers_get(const struct http_headers *headers, const char *name);
void http_headers_dispose(struct http_headers *headers);

struct http_response {
    int status; /* 0 before there is one */
    struct http_headers headers;
    int64_t certificate_ends_ms; /* when want_certificate was set and there is one; else 0 */
};

#define HTTP_RESPONSE_INIT                                                                         \
    {                                                                                              \
        0, HTTP_HEADERS_INIT, 0                                                                    \
    }

/* A piece of the body; status and headers are complete by then.  A negative return ends the
 * transfer, and perform fails with that code. */
typedef int (*http_body_fn)(void *context, const struct http_response *response, const void *data,
                            size_t len, struct err *err);

struct http_request {
    enum http_method method;
    const char *url;                    /* sent as it is */
    const struct http_headers *headers; /* Host among them */
    struct io_source *body;             /* at its first byte; NULL: none */
    http_body_fn on_body;
    void *context;              /* for on_body */
    int64_t connect_timeout_ms; /* TCP and TLS */
    int64_t stall_timeout_ms;   /* longest time without a byte in either direction */
    int64_t answer_timeout_ms;  /* the same, once the request is sent and no answer has begun */
    int64_t total_timeout_ms;   /* for all of it, plus what the bodies take at 32 KiB/s */
    bool want_certificate;      /* until when the server's is valid */
    struct rate_limit *upload_limit, *download_limit; /* of the bodies; may be NULL */
    const struct cancel *cancel;                      /* may be NULL */
    bool no_expect; /* send the body at once, however large, and not after "100 Continue" */
    bool is_local;  /* what only this machine can ask: never through a proxy */
};

struct http_transport_ops {
    /**
     * 0 when an answer of any status came in whole.
     *
     * Errors: ERR_NET (no connection, or it broke), ERR_TIMEOUT, ERR_CANCELED, ERR_PROTOCOL (not
     * HTTP; a certificate that does not verify), ERR_CONFIG (a certificate file that cannot be
     * used), and what body and on_body return.  response may hold a status and headers all the
     * same; os_errno is set where no connection could be made.
     */
    int (*perform)(struct http_transport *transport, const struct http_request *request,
                   struct http_response *response, struct err *err);
    void (*free)(struct http_transport *transport);
};

struct http_transport {
    const struct http_transport_ops *ops;
};

void http_response_dispose(struct http_response *response);

/* Copied; all may be NULL. */
struct http_curl_options {
    const char *ca_file;     /* PEM; NULL: the system's */
    const char *client_cert; /* PEM, for servers that ask for one */
    const char *client_key;  /* PEM; NULL: in client_cert */
    const struct secret *client_key_password;
    const struct secret *proxy; /* as in s3/proxy.h; NULL: what the environment says */
};

/* libcurl, HTTP/1.1, with a pool of connections.  options may be NULL. */
int http_curl_new(const struct http_curl_options *options, struct http_transport **ret_transport,
                  struct err *err);

static inline int http_perform(struct http_transport *transport, const struct http_request *request,
                               struct http_response *response, struct err *err)
{
    return transport->ops->perform(transport, request, response, err);
}

void http_transport_free(struct http_transport *transport); /* NULL is fine */

#endif
