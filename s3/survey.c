#include "s3/survey.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/parse.h"
#include "s3/request.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define TOTAL_TIMEOUT_MS 30000

/* "https://host:9000" and "host:9000", as the endpoint is now. */
static int find_server(struct s3_client *client, char url[S3_SURVEY_TEXT_SIZE],
                       char host[S3_SURVEY_TEXT_SIZE], struct err *err)
{
    int len;

    (void)pthread_mutex_lock(&client->lock);
    len = snprintf(url, S3_SURVEY_TEXT_SIZE, "%s://%s", client->endpoint.scheme,
                   client->endpoint.host);
    (void)snprintf(host, S3_SURVEY_TEXT_SIZE, "%s", client->endpoint.host);
    (void)pthread_mutex_unlock(&client->lock);
    if (len >= S3_SURVEY_TEXT_SIZE)
        return err_set(err, ERR_LIMIT, "the endpoint's name is too long");
    return 0;
}

void s3_survey_way(struct s3_client *client, struct s3_way *ret_way)
{
    struct s3_way way = { .proxy_from = client->proxy_from,
                          .client_certificate_ends_ms = client->client_certificate_ends_ms };

    (void)pthread_mutex_lock(&client->lock);
    (void)snprintf(way.endpoint, sizeof(way.endpoint), "%s://%s%s", client->endpoint.scheme,
                   client->endpoint.host, client->endpoint.path);
    (void)snprintf(way.region, sizeof(way.region), "%s", client->endpoint.region);
    (void)pthread_mutex_unlock(&client->lock);
    (void)snprintf(way.endpoint_from, sizeof(way.endpoint_from), "%s", client->endpoint_from);
    (void)snprintf(way.region_from, sizeof(way.region_from), "%s", client->region_from);
    (void)snprintf(way.proxy, sizeof(way.proxy), "%s", client->proxy);
    *ret_way = way;
}

/* "[::1]:9000" is ::1, "host:9000" is host. */
static const char *without_port(char *host)
{
    char *end;

    if (host[0] == '[') {
        end = strchr(host, ']');
        host++;
    } else {
        end = strchr(host, ':');
    }
    if (end != NULL)
        *end = '\0';
    return host;
}

static void add_addresses(struct buf *out, const struct addrinfo *list)
{
    for (const struct addrinfo *a = list; a != NULL; a = a->ai_next) {
        char text[NI_MAXHOST];

        if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof(text), NULL, 0, NI_NUMERICHOST) ==
            0)
            buf_addf(out, "%s%s", a == list ? "" : ", ", text);
    }
}

static bool ends_in(const char *text, const char *end)
{
    const size_t len = strlen(text), end_len = strlen(end);

    return len > end_len && strcmp(text + len - end_len, end) == 0;
}

int s3_survey_addresses(struct s3_client *client, struct buf *ret_addresses, struct err *err)
{
    const struct addrinfo wanted = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
    char url[S3_SURVEY_TEXT_SIZE], host[S3_SURVEY_TEXT_SIZE];
    struct addrinfo *list = NULL;
    const char *name;
    int r;

    r = find_server(client, url, host, err);
    if (r < 0)
        return r;
    name = without_port(host);
    if (ends_in(name, ".localhost")) /* this machine, whatever name servers say (RFC 6761) */
        name = "localhost";
    r = getaddrinfo(name, NULL, &wanted, &list);
    if (r != 0) {
        (void)err_set(err, ERR_NET, "the name '%s' has no address: %s", name, gai_strerror(r));
        err_hint(err, "check the endpoint's name, and this machine's name servers");
        return ERR_NET;
    }
    add_addresses(ret_addresses, list);
    freeaddrinfo(list);
    return buf_check(ret_addresses, err);
}

static int ignore_body(void *context, const struct http_response *response, const void *data,
                       size_t len, struct err *err)
{
    (void)context;
    (void)response;
    (void)data;
    (void)len;
    (void)err;
    return 0;
}

int s3_survey_server(struct s3_client *client, struct s3_survey *ret_survey, struct err *err)
{
    char url[S3_SURVEY_TEXT_SIZE], host[S3_SURVEY_TEXT_SIZE], root[S3_SURVEY_TEXT_SIZE + 1];
    struct http_response response = HTTP_RESPONSE_INIT;
    struct http_headers headers = HTTP_HEADERS_INIT;
    struct s3_survey survey = { 0 };
    struct http_request request = {
        .method = HTTP_GET,
        .headers = &headers,
        .on_body = ignore_body,
        .connect_timeout_ms = client->connect_timeout_ms,
        .stall_timeout_ms = client->stall_timeout_ms,
        .total_timeout_ms = TOTAL_TIMEOUT_MS,
        .want_certificate = true,
        .cancel = client->cancel,
    };
    const char *date;
    int64_t date_ms;
    int r;

    r = find_server(client, url, host, err);
    if (r < 0)
        return r;
    (void)snprintf(root, sizeof(root), "%s/", url);
    request.url = root;
    r = http_headers_add(&headers, "Host", host, err);
    if (r == 0)
        r = http_perform(client->transport, &request, &response, err);
    if (r < 0)
        goto out;
    (void)snprintf(survey.server, sizeof(survey.server), "%s", url);
    survey.is_tls = strncmp(url, "https:", 6) == 0;
    survey.certificate_ends_ms = response.certificate_ends_ms;
    date = http_headers_get(&response.headers, "Date");
    if (date != NULL && parse_http_date(date, &date_ms, NULL) == 0) {
        survey.has_date = true;
        survey.clock_offset_ms = date_ms - clock_now_ms(client->clock) / 1000 * 1000;
    }
    *ret_survey = survey;
out:
    http_headers_dispose(&headers);
    http_response_dispose(&response);
    return r;
}

char *s3_survey_region(struct s3_client *client)
{
    char *region;

    (void)pthread_mutex_lock(&client->lock);
    region = strdup(client->endpoint.region);
    (void)pthread_mutex_unlock(&client->lock);
    return region;
}
