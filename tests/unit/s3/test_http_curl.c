/* Goal: over a real socket, what is given is what is sent, what comes is what is reported, and each
 * way to fail has its code and its advice. */
#include "tests/harness/test.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/io.h"
#include "base/rate_limit.h"
#include "base/secret.h"
#include "s3/http.h"
#include "tests/harness/fake_clock.h"

#define ANSWER_COUNT_MAX 4
#define OK               "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: \"e\"\r\n\r\nhello"
#define INTERIM          "HTTP/1.1 100 Continue\r\nETag: \"interim\"\r\n\r\n"
#define HANG             "" /* answer nothing, keep the connection open */

/* Answers the requests of one connection after the other, as the script says. */
struct server {
    int fd;
    unsigned port;
    pthread_t thread;
    const char *answers[ANSWER_COUNT_MAX]; /* raw; NULL: no more */
    struct buf received;                   /* all that came; read after server_stop() */
    unsigned connection_count;
    atomic_int stopping;
};

/* The bytes of the first request in text, 0 when it is not whole yet. */
static size_t request_len(struct str text)
{
    const char *end = memmem(text.ptr, text.len, "\r\n\r\n", 4);
    const char *length;
    size_t body = 0;

    if (end == NULL)
        return 0;
    length = strcasestr(text.ptr, "\r\ncontent-length: ");
    if (length != NULL && length < end) {
        for (length += 18; *length >= '0' && *length <= '9'; length++)
            body = body * 10 + (size_t)(*length - '0');
    }
    body += (size_t)(end - text.ptr) + 4;
    return text.len >= body ? body : 0;
}

static bool wait_readable(const struct server *server, int fd)
{
    struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

    while (!atomic_load(&server->stopping)) {
        if (poll(&poll_fd, 1, 20) > 0)
            return true;
    }
    return false;
}

/* One request; false when the connection ended. */
static bool receive(struct server *server, int fd)
{
    const size_t begin = server->received.len;
    bool continued = false;

    for (;;) {
        const struct str text = { server->received.ptr + begin, server->received.len - begin };
        char piece[65536];
        ssize_t len;

        if (request_len(text) > 0)
            return true;
        if (!continued && memmem(text.ptr, text.len, "\r\n\r\n", 4) != NULL &&
            strcasestr(text.ptr, "expect: 100-continue") != NULL) {
            continued = true;
            (void)send(fd, INTERIM, sizeof(INTERIM) - 1, MSG_NOSIGNAL);
        }
        if (!wait_readable(server, fd))
            return false;
        len = recv(fd, piece, sizeof(piece), 0);
        if (len <= 0)
            return false;
        buf_add(&server->received, piece, (size_t)len);
    }
}

static void *serve(void *argument)
{
    struct server *server = argument;
    const char *const *answer = server->answers;

    while (*answer != NULL && wait_readable(server, server->fd)) {
        const int fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC);

        server->connection_count++;
        while (fd >= 0 && *answer != NULL && receive(server, fd)) {
            if (strcmp(*answer, HANG) == 0)
                (void)wait_readable(server, -1);
            (void)send(fd, *answer, strlen(*answer), MSG_NOSIGNAL);
            answer++;
            if (answer[-1][0] != 'H' || strstr(answer[-1], "Connection: close") != NULL)
                break;
            if (*answer == NULL) /* the client is the one to hang up */
                (void)wait_readable(server, fd);
        }
        (void)close(fd);
    }
    return NULL;
}

static void server_start(struct server *server, const char *first, const char *second)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t len = sizeof(address);

    memset(server, 0, sizeof(*server));
    server->received = (struct buf)BUF_INIT(8u << 20);
    server->answers[0] = first;
    server->answers[1] = second;
    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(server->fd >= 0);
    assert_int_equal(bind(server->fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(server->fd, 4), 0);
    assert_int_equal(getsockname(server->fd, (struct sockaddr *)&address, &len), 0);
    server->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void server_stop(struct server *server)
{
    atomic_store(&server->stopping, 1);
    (void)pthread_join(server->thread, NULL);
    (void)close(server->fd);
}

/* One request through a transport of its own, unless the caller brings one. */
struct trial {
    struct http_transport *transport;
    struct http_headers headers;
    struct http_response response;
    struct buf body;
    int body_code; /* what on_body returns */
    int64_t stall_timeout_ms;
    struct rate_limit *upload_limit, *download_limit;
    struct cancel cancel;
    struct err err;
};

static int take(void *context, const struct http_response *response, const void *data, size_t len,
                struct err *err)
{
    struct trial *trial = context;

    assert_true(response->status != 0);
    buf_add(&trial->body, data, len);
    return trial->body_code < 0 ? err_set(err, trial->body_code, "enough") : 0;
}

static void trial_init(struct trial *trial)
{
    memset(trial, 0, sizeof(*trial));
    trial->body = (struct buf)BUF_INIT(1u << 20);
    trial->stall_timeout_ms = 30000; /* valgrind loads the authorities slowly */
    assert_int_equal(http_curl_new(NULL, &trial->transport, NULL), 0);
}

static void trial_dispose(struct trial *trial)
{
    http_headers_dispose(&trial->headers);
    http_response_dispose(&trial->response);
    http_transport_free(trial->transport);
    buf_dispose(&trial->body);
}

static int perform(struct trial *trial, enum http_method method, const char *scheme, unsigned port,
                   struct io_source *body)
{
    char url[256];
    const struct http_request request = {
        .method = method,
        .url = url,
        .headers = &trial->headers,
        .body = body,
        .on_body = take,
        .context = trial,
        .connect_timeout_ms = 60000, /* TLS under valgrind, on a busy machine */
        .stall_timeout_ms = trial->stall_timeout_ms,
        .total_timeout_ms = 120000,
        .upload_limit = trial->upload_limit,
        .download_limit = trial->download_limit,
        .cancel = &trial->cancel,
    };

    (void)snprintf(url, sizeof(url), "%s://127.0.0.1:%u/a/../b//c%%20d?x=1", scheme, port);
    return http_perform(trial->transport, &request, &trial->response, &trial->err);
}

static void sends_what_it_is_given_and_reports_what_comes(void **state)
{
    struct io_source *body;
    struct server server;
    struct trial trial;

    (void)state;
    server_start(&server, OK, NULL);
    trial_init(&trial);
    assert_int_equal(http_headers_add(&trial.headers, "Host", "other.example", NULL), 0);
    assert_int_equal(http_headers_add(&trial.headers, "X-Empty", "", NULL), 0);
    assert_int_equal(memory_source_new("payload", 7, &body, NULL), 0);
    assert_int_equal(perform(&trial, HTTP_PUT, "http", server.port, body), 0);
    server_stop(&server);
    assert_int_equal(trial.response.status, 200);
    assert_string_equal(http_headers_get(&trial.response.headers, "etag"), "\"e\"");
    assert_string_equal(trial.body.ptr, "hello");
    assert_true(
        str_starts_with(buf_str(&server.received), STR_LIT("PUT /a/../b//c%20d?x=1 HTTP/1.1\r\n")));
    assert_true(str_ends_with(buf_str(&server.received), STR_LIT("\r\n\r\npayload")));
    assert_non_null(strstr(server.received.ptr, "Host: other.example\r\n"));
    assert_non_null(strstr(server.received.ptr, "X-Empty:\r\n"));
    assert_non_null(strstr(server.received.ptr, "Content-Length: 7\r\n"));
    assert_null(strstr(server.received.ptr, "Accept-Encoding"));
    assert_null(strstr(server.received.ptr, "Expect"));
    io_source_free(body);
    trial_dispose(&trial);
    buf_dispose(&server.received);
}

static void each_method_is_itself_and_the_connection_is_kept(void **state)
{
    static const struct {
        enum http_method method;
        const char *line, *length;
    } cases[] = {
        { HTTP_GET, "GET /", NULL },
        { HTTP_PUT, "PUT /", "Content-Length: 0\r\n" },
        { HTTP_POST, "POST /", "Content-Length: 0\r\n" },
        { HTTP_DELETE, "DELETE /", NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct server server;
        struct trial trial;

        server_start(&server, OK, OK);
        trial_init(&trial);
        assert_int_equal(perform(&trial, cases[i].method, "http", server.port, NULL), 0);
        assert_int_equal(perform(&trial, cases[i].method, "http", server.port, NULL), 0);
        server_stop(&server);
        assert_true(str_starts_with(buf_str(&server.received), str_from(cases[i].line)));
        if (cases[i].length != NULL)
            assert_non_null(strstr(server.received.ptr, cases[i].length));
        assert_int_equal(server.connection_count, 1);
        trial_dispose(&trial);
        buf_dispose(&server.received);
    }
}

static void bodies_take_as_long_as_the_limits_say(void **state)
{
    const size_t len = 512u << 10;
    struct fake_clock clock;
    struct io_source *body;
    struct server server;
    struct trial trial;
    char *data = calloc(1, len);

    (void)state;
    assert_non_null(data);
    fake_clock_init(&clock, 0); /* it sleeps in no time */
    server_start(&server, OK, NULL);
    trial_init(&trial);
    assert_int_equal(rate_limit_new(64u << 10, &clock.clock, &trial.upload_limit, NULL), 0);
    assert_int_equal(memory_source_new(data, len, &body, NULL), 0);
    assert_int_equal(perform(&trial, HTTP_PUT, "http", server.port, body), 0);
    server_stop(&server);
    assert_int_equal(clock.slept_ms, 8000); /* 512 KiB at 64 KiB/s, */
    assert_true(clock.longest_sleep_ms <= 1000);
    assert_true(server.received.len > len);
    rate_limit_free(trial.upload_limit);
    trial.upload_limit = NULL;
    http_response_dispose(&trial.response);
    buf_dispose(&server.received);

    fake_clock_init(&clock, 0);
    server_start(&server, OK, NULL);
    assert_int_equal(rate_limit_new(RATE_LIMIT_MIN, &clock.clock, &trial.download_limit, NULL), 0);
    (void)rate_limit_wait(trial.download_limit, RATE_LIMIT_MIN, NULL);
    assert_int_equal(perform(&trial, HTTP_GET, "http", server.port, NULL), 0);
    server_stop(&server);
    (void)rate_limit_wait(trial.download_limit, RATE_LIMIT_MIN - 5, NULL);
    assert_int_equal(clock.slept_ms, 2000); /* and the five bytes of the answer count */
    rate_limit_free(trial.download_limit);
    io_source_free(body);
    free(data);
    trial_dispose(&trial);
    buf_dispose(&server.received);
}

static void a_head_has_no_body(void **state)
{
    struct server server;
    struct trial trial;

    (void)state;
    server_start(&server, "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\n", NULL);
    trial_init(&trial);
    assert_int_equal(perform(&trial, HTTP_HEAD, "http", server.port, NULL), 0);
    server_stop(&server);
    assert_int_equal(trial.response.status, 404);
    assert_int_equal(trial.body.len, 0);
    trial_dispose(&trial);
    buf_dispose(&server.received);
}

static void waits_for_100_continue_before_a_large_body(void **state)
{
    const size_t len = 3u << 20;
    char *data = calloc(1, len);
    struct io_source *body;
    struct server server;
    struct trial trial;

    (void)state;
    assert_non_null(data);
    server_start(&server, OK, NULL);
    trial_init(&trial);
    assert_int_equal(memory_source_new(data, len, &body, NULL), 0);
    assert_int_equal(perform(&trial, HTTP_PUT, "http", server.port, body), 0);
    server_stop(&server);
    assert_non_null(strstr(server.received.ptr, "Expect: 100-continue\r\n"));
    assert_true(server.received.len > len);
    assert_int_equal(trial.response.status, 200); /* not that of the interim answer, */
    assert_string_equal(http_headers_get(&trial.response.headers, "etag"), "\"e\"");
    io_source_free(body);
    free(data);
    trial_dispose(&trial);
    buf_dispose(&server.received);
}

/* What a server does, and what becomes of it. */
static void fails_with_a_code_for_each_cause(void **state)
{
    static const struct {
        const char *answer, *scheme;
        int code;
        const char *says; /* in message or hint */
    } cases[] = {
        { "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nhello", "http", ERR_NET,
          "broke" },
        { "HTTP/1.1 206 Partial Content\r\nConnection: close\r\nConten", "http", ERR_NET, "broke" },
        { "HTTP/1.1 204 No Content\r\nConnection: close\r\n", "http", ERR_NET, "broke" },
        { "SSH-2.0-OpenSSH_9.2\r\n", "http", ERR_PROTOCOL, "https://" },
        { "\x15\x03\x01\x00\x02\x02\x0a", "http", ERR_PROTOCOL, "https://" },
        { HANG, "http", ERR_TIMEOUT, "no byte" },
        { "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", "http", ERR_TIMEOUT, "no byte" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct server server;
        struct trial trial;
        int r;

        server_start(&server, cases[i].answer, NULL);
        trial_init(&trial);
        if (cases[i].code == ERR_TIMEOUT)
            trial.stall_timeout_ms = 300;
        r = perform(&trial, HTTP_GET, cases[i].scheme, server.port, NULL);
        server_stop(&server);
        if (r != cases[i].code || (strstr(trial.err.msg, cases[i].says) == NULL &&
                                   strstr(trial.err.hint, cases[i].says) == NULL))
            fail_msg("case %zu: %d '%s' | '%s'", i, r, trial.err.msg, trial.err.hint);
        trial_dispose(&trial);
        buf_dispose(&server.received);
    }
}

/* Answers anything at all, even a TLS greeting, in plain HTTP. */
static void *answer_plainly(void *argument)
{
    const struct server *server = argument;
    char greeting[4096];
    int fd;

    if (!wait_readable(server, server->fd))
        return NULL;
    fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC);
    (void)recv(fd, greeting, sizeof(greeting), 0);
    (void)send(fd, "HTTP/1.1 400 Bad Request\r\n\r\n", 28, MSG_NOSIGNAL);
    (void)close(fd);
    return NULL;
}

static void tls_to_a_port_without_it_says_so(void **state)
{
    struct server server;
    struct trial trial;

    (void)state;
    server_start(&server, NULL, NULL); /* its thread ends at once */
    (void)pthread_join(server.thread, NULL);
    assert_int_equal(pthread_create(&server.thread, NULL, answer_plainly, &server), 0);
    trial_init(&trial);
    assert_int_equal(perform(&trial, HTTP_GET, "https", server.port, NULL), ERR_PROTOCOL);
    server_stop(&server);
    assert_non_null(strstr(trial.err.msg, "does not speak TLS"));
    assert_non_null(strstr(trial.err.hint, "http://"));
    trial_dispose(&trial);
    buf_dispose(&server.received);
}

static void a_port_without_a_server_is_named(void **state)
{
    struct server server;
    struct trial trial;
    char host[32];

    (void)state;
    server_start(&server, NULL, NULL);
    server_stop(&server);
    trial_init(&trial);
    assert_int_equal(perform(&trial, HTTP_GET, "http", server.port, NULL), ERR_NET);
    (void)snprintf(host, sizeof(host), "'127.0.0.1:%u'", server.port);
    assert_non_null(strstr(trial.err.msg, host));
    assert_non_null(strstr(trial.err.hint, "is the server running"));
    assert_int_equal(trial.err.os_errno, ECONNREFUSED);
    trial_dispose(&trial);
    buf_dispose(&server.received);
}

static void what_a_callback_fails_with_is_what_is_returned(void **state)
{
    struct server server;
    struct trial trial;

    (void)state;
    server_start(&server, OK, NULL);
    trial_init(&trial);
    trial.body_code = ERR_REFUSED;
    assert_int_equal(perform(&trial, HTTP_GET, "http", server.port, NULL), ERR_REFUSED);
    server_stop(&server);
    assert_string_equal(trial.err.msg, "enough");
    trial_dispose(&trial);
    buf_dispose(&server.received);
}

static void a_body_that_ends_early_is_a_local_fault(void **state)
{
    struct io_source *body;
    struct server server;
    struct trial trial;
    char byte;
    size_t len;

    (void)state;
    server_start(&server, OK, NULL);
    trial_init(&trial);
    assert_int_equal(memory_source_new("payload", 7, &body, NULL), 0);
    assert_int_equal(io_read(body, &byte, 1, &len, NULL), 0); /* one is gone */
    assert_int_equal(perform(&trial, HTTP_PUT, "http", server.port, body), ERR_IO);
    server_stop(&server);
    io_source_free(body);
    trial_dispose(&trial);
    buf_dispose(&server.received);
}

static void stops_when_canceled(void **state)
{
    struct server server;
    struct trial trial;

    (void)state;
    server_start(&server, HANG, NULL);
    trial_init(&trial);
    cancel_set(&trial.cancel, 15);
    assert_int_equal(perform(&trial, HTTP_GET, "http", server.port, NULL), ERR_CANCELED);
    server_stop(&server);
    trial_dispose(&trial);
    buf_dispose(&server.received);
}

static void a_proxy_that_refuses_is_named_without_its_password(void **state)
{
    static const char refusal[] = "HTTP/1.1 407 Who?\r\nContent-Length: 0\r\n\r\n";
    struct secret proxy = SECRET_INIT;
    const struct http_curl_options options = { .proxy = &proxy };
    struct server server;
    struct trial trial;
    char url[64];

    (void)state;
    server_start(&server, refusal, NULL);
    (void)snprintf(url, sizeof(url), "http://me:hunter2@127.0.0.1:%u", server.port);
    assert_int_equal(secret_set(&proxy, url, strlen(url), NULL), 0);
    trial_init(&trial);
    http_transport_free(trial.transport);
    assert_int_equal(http_curl_new(&options, &trial.transport, NULL), 0);
    assert_int_equal(perform(&trial, HTTP_GET, "http", 9, NULL), ERR_DENIED);
    server_stop(&server);
    assert_non_null(strstr(server.received.ptr, "GET http://127.0.0.1:9/a/../b//c%20d?x=1 "));
    assert_non_null(strstr(server.received.ptr, "Proxy-Authorization: Basic bWU6aHVudGVyMg=="));
    assert_non_null(strstr(trial.err.msg, "the proxy '127.0.0.1:"));
    assert_non_null(strstr(trial.err.hint, "the setting"));
    assert_null(strstr(trial.err.msg, "hunter2"));
    assert_null(strstr(trial.err.hint, "hunter2"));
    trial_dispose(&trial);
    secret_dispose(&proxy);
    buf_dispose(&server.received);
}

static void a_certificate_file_that_is_none_is_a_matter_of_configuration(void **state)
{
    const struct http_curl_options options = { .ca_file = "/nonexistent.pem" };
    struct server server;
    struct trial trial;

    (void)state;
    server_start(&server, NULL, NULL);
    (void)pthread_join(server.thread, NULL);
    assert_int_equal(pthread_create(&server.thread, NULL, answer_plainly, &server), 0);
    trial_init(&trial);
    http_transport_free(trial.transport);
    assert_int_equal(http_curl_new(&options, &trial.transport, NULL), 0);
    assert_int_equal(perform(&trial, HTTP_GET, "https", server.port, NULL), ERR_CONFIG);
    server_stop(&server);
    assert_non_null(strstr(trial.err.msg, "ca_file"));
    trial_dispose(&trial);
    buf_dispose(&server.received);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sends_what_it_is_given_and_reports_what_comes),
        cmocka_unit_test(each_method_is_itself_and_the_connection_is_kept),
        cmocka_unit_test(bodies_take_as_long_as_the_limits_say),
        cmocka_unit_test(a_head_has_no_body),
        cmocka_unit_test(waits_for_100_continue_before_a_large_body),
        cmocka_unit_test(fails_with_a_code_for_each_cause),
        cmocka_unit_test(tls_to_a_port_without_it_says_so),
        cmocka_unit_test(a_port_without_a_server_is_named),
        cmocka_unit_test(what_a_callback_fails_with_is_what_is_returned),
        cmocka_unit_test(a_body_that_ends_early_is_a_local_fault),
        cmocka_unit_test(stops_when_canceled),
        cmocka_unit_test(a_proxy_that_refuses_is_named_without_its_password),
        cmocka_unit_test(a_certificate_file_that_is_none_is_a_matter_of_configuration),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
