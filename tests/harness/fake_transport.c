#include "tests/harness/fake_transport.h"

#include "tests/harness/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/io.h"

#define PIECE_LEN 7 /* bodies arrive in pieces, to show that nobody counts on one */

static int read_body(struct io_source *source, struct buf *to, struct err *err)
{
    char piece[4096];
    size_t len;
    int r;

    for (;;) {
        r = io_read(source, piece, sizeof(piece), &len, err);
        if (r < 0 || len == 0)
            return r;
        buf_add(to, piece, len);
    }
}

static int remember(struct fake_transport *fake, const struct http_request *request,
                    struct err *err)
{
    struct fake_request *kept = &fake->requests[fake->request_count];

    if (fake->request_count == FAKE_REQUEST_COUNT_MAX)
        fail_msg("more than %d requests", FAKE_REQUEST_COUNT_MAX);
    fake->request_count++;
    kept->method = request->method;
    kept->answer_timeout_ms = request->answer_timeout_ms;
    kept->cancel = request->cancel;
    kept->is_local = request->is_local;
    kept->no_expect = request->no_expect;
    buf_add_text(&kept->url, request->url);
    for (size_t i = 0; i < request->headers->count; i++) {
        buf_addf(&kept->headers, "%s: %s\n", request->headers->items[i].name,
                 request->headers->items[i].value);
    }
    return request->body != NULL ? read_body(request->body, &kept->body, err) : 0;
}

static void set_headers(const char *text, struct http_response *response)
{
    while (text != NULL && *text != '\0') {
        const size_t len = strcspn(text, "\n"), name_len = strcspn(text, ":");
        char name[128], value[1024];

        (void)snprintf(name, sizeof(name), "%.*s", (int)name_len, text);
        (void)snprintf(value, sizeof(value), "%.*s", (int)(len - name_len - 2),
                       text + name_len + 2);
        assert_int_equal(http_headers_add(&response->headers, name, value, NULL), 0);
        text += len + (text[len] == '\n' ? 1 : 0);
    }
}

static int send_body(const struct fake_reply *reply, const struct http_request *request,
                     const struct http_response *response, struct err *err)
{
    const size_t len = reply->body != NULL ? strlen(reply->body) : 0;

    for (size_t at = 0; at < len; at += PIECE_LEN) {
        const size_t piece = len - at < PIECE_LEN ? len - at : PIECE_LEN;
        const int r = request->on_body(request->context, response, reply->body + at, piece, err);

        if (r < 0)
            return r;
    }
    return 0;
}

static int fake_perform(struct http_transport *transport, const struct http_request *request,
                        struct http_response *response, struct err *err)
{
    struct fake_transport *fake = (struct fake_transport *)transport;
    const struct fake_reply *reply;
    int r;

    r = remember(fake, request, err);
    if (r < 0)
        return r;
    if (fake->request_count == fake->fault_at)
        return err_set(err, fake->fault_code, "fault at request %zu", fake->fault_at);
    if (fake->replied_count == fake->reply_count)
        fail_msg("no reply left for %s %s", http_method_name(request->method), request->url);
    reply = &fake->replies[fake->replied_count++];
    response->status = reply->status;
    set_headers(reply->headers, response);
    if (request->method != HTTP_HEAD) {
        r = send_body(reply, request, response, err);
        if (r < 0)
            return r;
    }
    return reply->code < 0 ? err_set(err, reply->code, "scripted failure") : 0;
}

static void fake_free(struct http_transport *transport)
{
    (void)transport;
}

void fake_transport_init(struct fake_transport *fake, const struct fake_reply *replies,
                         size_t reply_count)
{
    static const struct http_transport_ops ops = { fake_perform, fake_free };

    memset(fake, 0, sizeof(*fake));
    fake->transport.ops = &ops;
    fake->replies = replies;
    fake->reply_count = reply_count;
    for (size_t i = 0; i < FAKE_REQUEST_COUNT_MAX; i++) {
        fake->requests[i].url = (struct buf)BUF_INIT(65536);
        fake->requests[i].headers = (struct buf)BUF_INIT(65536);
        fake->requests[i].body = (struct buf)BUF_INIT(1u << 24);
    }
}

void fake_transport_dispose(struct fake_transport *fake)
{
    for (size_t i = 0; i < FAKE_REQUEST_COUNT_MAX; i++) {
        buf_dispose(&fake->requests[i].url);
        buf_dispose(&fake->requests[i].headers);
        buf_dispose(&fake->requests[i].body);
    }
}

const char *fake_request_header(const struct fake_transport *fake, size_t index, const char *name)
{
    static char value[2048];
    const size_t name_len = strlen(name);

    for (const char *line = fake->requests[index].headers.ptr; *line != '\0';) {
        const size_t len = strcspn(line, "\n");

        if (strncasecmp(line, name, name_len) == 0 && line[name_len] == ':') {
            (void)snprintf(value, sizeof(value), "%.*s", (int)(len - name_len - 2),
                           line + name_len + 2);
            return value;
        }
        line += len + 1;
    }
    return NULL;
}
