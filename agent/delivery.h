/*
 * delivery.h - tell somebody by HTTP, beside whatever else is going on, and for a limited time.
 *
 * One POST in a thread of its own.  What looks as if it could go better is tried again, up to
 * DELIVERY_ATTEMPTS_MAX times.  No redirect is followed, an answer's body is not read.
 *
 * The address may hold a token: it is in no message and in no log; the host is.
 */
#ifndef AGENT_DELIVERY_H
#define AGENT_DELIVERY_H

#include <stddef.h>
#include <stdint.h>

struct cancel;
struct delivery;
struct err;
struct http_transport;

#define DELIVERY_ATTEMPTS_MAX    3
#define DELIVERY_ATTEMPT_MS      3000 /* each may take so long */
#define DELIVERY_HURRY_MS        2000
#define DELIVERY_ADDRESS_LEN_MAX 2000

struct delivery_options {
    const char *url;          /* wiped afterwards */
    const char *content_type; /* NULL: there is no body */
    const void *body;
    size_t body_len;
    const char *ca_file;              /* as in struct http_curl_options */
    struct http_transport *transport; /* borrowed; NULL: one of its own, by libcurl */
};

/* "http://" or "https://", a host, and nothing that has no place in an address.  ERR_CONFIG, whose
 * message does not quote it. */
int delivery_check_url(const char *url, struct err *err);

/* Copies url and body, borrows the rest until delivery_end().  ERR_NOMEM; ERR_IO when there is no
 * thread to be had. */
int delivery_begin(const struct delivery_options *options, struct delivery **ret_delivery,
                   struct err *err);

/* How it went: waits for that for wait_ms, and DELIVERY_HURRY_MS at most once cancel (may be NULL)
 * is set, and then aborts it.  Errors: ERR_NET, ERR_TIMEOUT, ERR_PROTOCOL and their like;
 * ERR_SERVER and ERR_DENIED for what was answered.  0 for NULL. */
int delivery_end(struct delivery *delivery, int64_t wait_ms, const struct cancel *cancel,
                 struct err *err);

#endif
