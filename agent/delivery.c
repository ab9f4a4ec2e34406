#include "agent/delivery.h"

#include "base/buf.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/io.h"
#include "base/secret.h"
#include "s3/http.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAUSE_MS         250 /* before the second attempt; twice as long before the third */
#define POLL_MS          10
#define ANSWER_LEN_MAX   (64u << 10)
#define HOST_SIZE        256
#define STATUS_TOO_OFTEN 429

struct delivery {
    struct delivery_options options;
    struct secret url;
    char *body;
    struct http_transport *own; /* or NULL */
    pthread_t thread;
    struct cancel cancel;
    atomic_bool done;
    int result;
    struct err err;
};

/* What stands between "//", or the name and password, and the path. */
static struct str host_of(const char *url)
{
    const char *begin = strstr(url, "//");
    size_t len;

    begin = begin == NULL ? url : begin + 2;
    len = strcspn(begin, "/?#");
    for (size_t i = len; i > 0; i--) {
        if (begin[i - 1] == '@')
            return (struct str){ begin + i, len - i };
    }
    return (struct str){ begin, len };
}

int delivery_check_url(const char *url, struct err *err)
{
    const bool http = strncmp(url, "http://", strlen("http://")) == 0;
    const bool https = strncmp(url, "https://", strlen("https://")) == 0;

    if (!http && !https)
        return err_set(err, ERR_CONFIG, "it does not begin with https:// or http://");
    if (host_of(url).len == 0)
        return err_set(err, ERR_CONFIG, "it names no host");
    if (strlen(url) > DELIVERY_ADDRESS_LEN_MAX)
        return err_set(err, ERR_CONFIG, "it is longer than %d bytes", DELIVERY_ADDRESS_LEN_MAX);
    for (const char *at = url; *at != '\0'; at++) {
        if (*at <= ' ' || *at > '~')
            return err_set(err, ERR_CONFIG, "it holds a character that no address has");
    }
    return 0;
}

static int skip_answer(void *context, const struct http_response *response, const void *data,
                       size_t len, struct err *err)
{
    size_t *seen = context;

    (void)response;
    (void)data;
    *seen += len;
    return *seen > ANSWER_LEN_MAX ? err_set(err, ERR_LIMIT, "the answer has no end") : 0;
}

static int judge(const struct http_response *response, struct err *err)
{
    const int status = response->status;

    if (status >= 200 && status <= 299)
        return 0;
    if (status >= 500)
        return err_set(err, ERR_SERVER, "HTTP %d", status);
    if (status == STATUS_TOO_OFTEN)
        return err_set(err, ERR_THROTTLED, "HTTP %d", status);
    return err_set(err, ERR_DENIED, "HTTP %d", status);
}

static int attempt(struct delivery *delivery, struct http_transport *transport, struct err *err)
{
    const struct delivery_options *options = &delivery->options;
    struct http_response response = HTTP_RESPONSE_INIT;
    struct http_headers headers = HTTP_HEADERS_INIT;
    struct io_source *body = NULL;
    size_t seen = 0;
    int r = 0;

    if (options->content_type != NULL) {
        r = http_headers_add(&headers, "Content-Type", options->content_type, err);
        if (r == 0)
            r = memory_source_new(delivery->body, options->body_len, &body, err);
    }
    if (r == 0) {
        const struct http_request request = {
            .method = HTTP_POST,
            .url = delivery->url.ptr,
            .headers = &headers,
            .body = body,
            .on_body = skip_answer,
            .context = &seen,
            .connect_timeout_ms = DELIVERY_ATTEMPT_MS,
            .stall_timeout_ms = DELIVERY_ATTEMPT_MS,
            .answer_timeout_ms = DELIVERY_ATTEMPT_MS,
            .total_timeout_ms = DELIVERY_ATTEMPT_MS,
            .cancel = &delivery->cancel,
        };

        r = http_perform(transport, &request, &response, err);
    }
    if (r == 0 || (r == ERR_LIMIT && response.status != 0))
        r = judge(&response, err);
    io_source_free(body);
    http_headers_dispose(&headers);
    http_response_dispose(&response);
    return r;
}

static void *run(void *context)
{
    struct delivery *delivery = context;
    struct http_transport *transport = delivery->options.transport;
    int64_t pause_ms = PAUSE_MS;
    const struct http_curl_options curl = { .ca_file = delivery->options.ca_file };
    int r = 0;

    if (transport == NULL) {
        r = http_curl_new(&curl, &delivery->own, &delivery->err);
        transport = delivery->own;
    }
    for (int i = 1; r == 0; i++) {
        const int result = attempt(delivery, transport, &delivery->err);

        delivery->result = result;
        if (result == 0 || !err_is_retryable(result) || i == DELIVERY_ATTEMPTS_MAX ||
            cancel_is_set(&delivery->cancel))
            break;
        cancel_wait(&delivery->cancel, pause_ms);
        pause_ms *= 2;
    }
    if (r < 0)
        delivery->result = r;
    atomic_store(&delivery->done, true);
    return NULL;
}

static void delivery_free(struct delivery *delivery)
{
    http_transport_free(delivery->own);
    secret_dispose(&delivery->url);
    free(delivery->body);
    free(delivery);
}

/* Signals are for others. */
static int start_thread(struct delivery *delivery)
{
    sigset_t all, before;
    int rc;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&delivery->thread, NULL, run, delivery);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

int delivery_begin(const struct delivery_options *options, struct delivery **ret_delivery,
                   struct err *err)
{
    struct delivery *delivery = calloc(1, sizeof(*delivery));
    int r;

    if (delivery == NULL)
        return err_nomem(err);
    delivery->options = *options;
    r = secret_set(&delivery->url, options->url, strlen(options->url), err);
    if (r == 0 && options->body_len > 0) {
        delivery->body = malloc(options->body_len);
        if (delivery->body == NULL) {
            r = err_nomem(err);
        } else {
            memcpy(delivery->body, options->body, options->body_len);
        }
    }
    if (r == 0 && start_thread(delivery) != 0)
        r = err_set(err, ERR_IO, "start a thread");
    if (r < 0) {
        delivery_free(delivery);
        return r;
    }
    *ret_delivery = delivery;
    return 0;
}

static void wait_for_end(const struct delivery *delivery, int64_t wait_ms,
                         const struct cancel *cancel)
{
    struct clock *clock = clock_system();
    int64_t deadline_ms = clock_mono_ms(clock) + wait_ms;

    while (!atomic_load(&delivery->done)) {
        const int64_t now_ms = clock_mono_ms(clock);

        if (cancel_is_set(cancel) && deadline_ms - now_ms > DELIVERY_HURRY_MS)
            deadline_ms = now_ms + DELIVERY_HURRY_MS;
        if (now_ms >= deadline_ms)
            return;
        clock_sleep_ms(clock, POLL_MS, NULL);
    }
}

int delivery_end(struct delivery *delivery, int64_t wait_ms, const struct cancel *cancel,
                 struct err *err)
{
    char host[HOST_SIZE];
    struct str name;
    int r;

    if (delivery == NULL)
        return 0;
    wait_for_end(delivery, wait_ms, cancel);
    cancel_set(&delivery->cancel, 0);
    (void)pthread_join(delivery->thread, NULL);
    r = delivery->result;
    if (r == ERR_CANCELED)
        r = err_set(&delivery->err, ERR_TIMEOUT, "no answer in time");
    if (r < 0 && err != NULL) {
        name = host_of(delivery->url.ptr);
        (void)snprintf(host, sizeof(host), "%.*s", (int)name.len, name.ptr);
        *err = delivery->err;
        (void)err_wrap(err, r, "'%s'", host);
    }
    delivery_free(delivery);
    return r;
}
