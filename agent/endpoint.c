#include "agent/endpoint.h"

#include "agent/endpoint_address.h"
#include "agent/health_report.h"
#include "agent/metrics.h"
#include "agent/status_page.h"
#include "agent/watch.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"

#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECTIONS_MAX   16u
#define STALL_SEC         10u          /* without a byte in either direction */
#define HEADERS_LEN_MAX   (16u << 10)  /* of a request; memory of a connection */
#define BODY_LEN_MAX      (256u << 20) /* of an answer: 1,000 databases have 2 MB */
#define LOG_LINE_SIZE     256
#define BACKLOG           16
#define TEXT_CONTENT_TYPE "text/plain; charset=utf-8"

struct endpoint {
    struct watch *watch;
    struct MHD_Daemon *daemon;
    bool is_loopback;
    char page_policy[STATUS_PAGE_POLICY_SIZE];
};

struct route {
    const char *path;
    const char *content_type;
    watch_render_fn render;
};

/* The program is there and answers: for whoever restarts what hangs. */
static int render_alive(const struct watch_view *view, struct buf *out)
{
    (void)view;
    buf_add_text(out, "ok\n");
    return MHD_HTTP_OK;
}

static const struct route routes[] = {
    { "/", "text/html; charset=utf-8", status_page_render },
    { "/metrics", METRICS_CONTENT_TYPE, metrics_render },
    { "/healthz", TEXT_CONTENT_TYPE, health_report_render },
    { "/livez", TEXT_CONTENT_TYPE, render_alive },
};

static const struct route *find_route(const char *path)
{
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (strcmp(routes[i].path, path) == 0)
            return &routes[i];
    }
    return NULL;
}

/* Takes the text.  Nothing here is to be kept, guessed at, framed, or to load anything. */
static enum MHD_Result send_text(const struct endpoint *endpoint, struct MHD_Connection *connection,
                                 int status, const char *content_type, struct buf *text)
{
    const size_t len = text->len;
    char *body = buf_detach(text);
    struct MHD_Response *response;
    enum MHD_Result result;

    if (body == NULL)
        return MHD_NO;
    response = MHD_create_response_from_buffer(len, body, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        free(body);
        return MHD_NO;
    }
    (void)MHD_add_response_header(response, "Content-Type", content_type);
    (void)MHD_add_response_header(response, "Cache-Control", "no-store");
    (void)MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    (void)MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
    (void)MHD_add_response_header(response, "Content-Security-Policy", endpoint->page_policy);
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        (void)MHD_add_response_header(response, "Allow", "GET, HEAD");
    result = MHD_queue_response(connection, (unsigned)status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result refuse(const struct endpoint *endpoint, struct MHD_Connection *connection,
                              int status, const char *why)
{
    struct buf text = BUF_INIT(BODY_LEN_MAX);
    enum MHD_Result result;

    buf_addf(&text, "%s\n", why);
    result = send_text(endpoint, connection, status, TEXT_CONTENT_TYPE, &text);
    buf_dispose(&text);
    return result;
}

static enum MHD_Result show(const struct endpoint *endpoint, struct MHD_Connection *connection,
                            const struct route *route)
{
    struct buf text = BUF_INIT(BODY_LEN_MAX);
    const int status = watch_render(endpoint->watch, route->render, &text);
    enum MHD_Result result;

    if (buf_check(&text, NULL) < 0) {
        result = refuse(endpoint, connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory");
    } else {
        result = send_text(endpoint, connection, status, route->content_type, &text);
    }
    buf_dispose(&text);
    return result;
}

static bool is_for_this_host(const struct endpoint *endpoint, struct MHD_Connection *connection)
{
    return !endpoint->is_loopback || endpoint_host_is_local(MHD_lookup_connection_value(
                                         connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST));
}

/* Answered when the headers are there: no body of a request is ever read, and each request is its
 * connection's last. */
/* NOLINTBEGIN(readability-function-size, readability-non-const-parameter): the library's type */
static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_len, void **request)
/* NOLINTEND(readability-function-size, readability-non-const-parameter) */
{
    const struct endpoint *endpoint = context;
    const struct route *route = find_route(url);

    (void)version;
    (void)upload;
    (void)upload_len;
    (void)request;
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
        return refuse(endpoint, connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET and HEAD only");
    }
    if (!is_for_this_host(endpoint, connection)) {
        return refuse(endpoint, connection, MHD_HTTP_MISDIRECTED_REQUEST,
                      "this is not the host that was asked for");
    }
    if (route == NULL) {
        return refuse(endpoint, connection, MHD_HTTP_NOT_FOUND,
                      "there are /, /metrics, /healthz and /livez");
    }
    return show(endpoint, connection, route);
}

static void log_line(void *context, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static void log_line(void *context, const char *format, va_list args)
{
    char line[LOG_LINE_SIZE];

    (void)context;
    (void)vsnprintf(line, sizeof(line), format, args);
    line[strcspn(line, "\r\n")] = '\0';
    log_debug("endpoint: %s", line);
}

/* Ours, and not the library's, for its errors to have their cause. */
static int open_socket(const char *listen_on, struct endpoint_address *address, int *ret_fd,
                       struct err *err)
{
    const int on = 1;
    const int fd =
        socket(address->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int r;

    if (fd < 0)
        return err_set_errno(err, "listen on '%s'", listen_on);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (const struct sockaddr *)&address->address, address->len) < 0 ||
        listen(fd, BACKLOG) < 0) {
        const bool in_use = errno == EADDRINUSE;

        r = err_set_errno(err, "listen on '%s'", listen_on);
        if (in_use)
            err_hint(err, "another agent, or another program, has the port: --listen with another");
        (void)close(fd);
        return r;
    }
    (void)getsockname(fd, (struct sockaddr *)&address->address, &address->len);
    *ret_fd = fd;
    return 0;
}

/* Signals are for the thread that waits for them, so the library's gets none.  Without ITC nothing
 * would wake it at the end while it has all the connections that it may have. */
static struct MHD_Daemon *start_daemon(struct endpoint *endpoint, int fd)
{
    sigset_t all, before;
    struct MHD_Daemon *daemon;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_USE_ERROR_LOG, 0, NULL, NULL, answer,
        endpoint, MHD_OPTION_EXTERNAL_LOGGER, log_line, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, STALL_SEC,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEADERS_LEN_MAX, MHD_OPTION_END);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return daemon;
}

int endpoint_start(const char *listen, struct watch *watch, struct endpoint **ret_endpoint,
                   struct err *err)
{
    struct endpoint *endpoint = calloc(1, sizeof(*endpoint));
    struct endpoint_address address;
    char where[ENDPOINT_ADDRESS_SIZE];
    int fd = -1, r;

    if (endpoint == NULL)
        return err_nomem(err);
    endpoint->watch = watch;
    status_page_policy(endpoint->page_policy);
    r = endpoint_address_parse(listen, &address, err);
    if (r == 0)
        r = open_socket(listen, &address, &fd, err);
    if (r < 0)
        goto out;
    endpoint->is_loopback = address.is_loopback;
    endpoint->daemon = start_daemon(endpoint, fd);
    if (endpoint->daemon == NULL) {
        r = err_set(err, ERR_IO, "start the endpoint on '%s'", listen);
        (void)close(fd);
        goto out;
    }
    endpoint_address_format(&address.address, where);
    log_info("listening on http://%s/", where);
    if (!endpoint->is_loopback) {
        log_warn("whoever reaches %s sees the names and the state of the databases: there is no "
                 "password; 127.0.0.1 keeps it to this machine",
                 where);
    }
out:
    if (r < 0) {
        endpoint_stop(endpoint);
        return r;
    }
    *ret_endpoint = endpoint;
    return 0;
}

void endpoint_stop(struct endpoint *endpoint)
{
    if (endpoint == NULL)
        return;
    if (endpoint->daemon != NULL)
        MHD_stop_daemon(endpoint->daemon);
    free(endpoint);
}
