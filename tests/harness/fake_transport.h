/*
 * fake_transport.h - an HTTP transport that answers from a script and remembers what it was asked.
 *
 * A request past the script's end fails the test.  One request can be made to fail beforehand, for
 * fault loops: it then uses up no reply.
 */
#ifndef TESTS_HARNESS_FAKE_TRANSPORT_H
#define TESTS_HARNESS_FAKE_TRANSPORT_H

#include <stddef.h>

#include "base/buf.h"
#include "s3/http.h"

#define FAKE_REQUEST_COUNT_MAX 64

struct fake_reply {
    int status;          /* 0: no answer at all */
    const char *headers; /* "Name: value\nName: value"; NULL: none */
    const char *body;    /* NULL: none */
    int code;            /* after all this perform fails with it; 0: the answer is whole */
};

#define FAKE_REPLY(the_status, the_headers, the_body)                                              \
    {                                                                                              \
        .status = (the_status), .headers = (the_headers), .body = (the_body)                       \
    }

struct fake_request {
    enum http_method method;
    struct buf url, headers, body; /* headers as in fake_reply, each ending in '\n' */
    int64_t answer_timeout_ms;
    const struct cancel *cancel;
    bool is_local, no_expect;
};

struct fake_transport {
    struct http_transport transport;
    const struct fake_reply *replies;
    size_t reply_count, replied_count;
    struct fake_request requests[FAKE_REQUEST_COUNT_MAX];
    size_t request_count;
    size_t fault_at; /* the request, from 1, that fails; 0: none */
    int fault_code;
};

void fake_transport_init(struct fake_transport *fake, const struct fake_reply *replies,
                         size_t reply_count);
void fake_transport_dispose(struct fake_transport *fake);

/* The value of a header of request `index`, into a buffer that the next call overwrites; NULL
 * when it was not sent. */
const char *fake_request_header(const struct fake_transport *fake, size_t index, const char *name);

#endif
