/* The endpoint that ECS, EKS Pod Identity, Greengrass and others give a container.
 *
 * Source: docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <arpa/inet.h>

#include "base/err.h"
#include "base/file.h"
#include "s3/credentials.h"
#include "s3/credentials_fetch.h"
#include "s3/credentials_source.h"

#define RELATIVE_URI "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
#define FULL_URI     "AWS_CONTAINER_CREDENTIALS_FULL_URI"
#define TOKEN        "AWS_CONTAINER_AUTHORIZATION_TOKEN"
#define TOKEN_FILE   "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
#define ECS_HOST     "http://169.254.170.2"

#define TIMEOUT_MS    2000
#define ATTEMPTS_MAX  3
#define PAUSE_MS      1000
#define URL_LEN_MAX   2048u
#define TOKEN_LEN_MAX 16384u
#define WHO           "the container's credentials endpoint"

struct container_source {
    struct s3_credentials_source source;
    const struct s3_source_context *context;
};

bool s3_container_is_announced(void)
{
    return s3_env(RELATIVE_URI) != NULL || s3_env(FULL_URI) != NULL;
}

static bool is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;

    if (strcasecmp(host, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

/* Over plain http the token must not leave this machine, or its host's own services. */
static bool may_be_plain(const char *host)
{
    static const char *const known[] = { "169.254.170.2", "169.254.170.23", "fd00:ec2::23" };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcasecmp(host, known[i]) == 0)
            return true;
    }
    return is_loopback(host);
}

static int refuse(const char *why, struct err *err)
{
    (void)err_set(err, ERR_CONFIG, FULL_URI " %s", why);
    err_hint(err, "https, or http to this machine, 169.254.170.2, 169.254.170.23 or "
                  "[fd00:ec2::23]");
    return ERR_CONFIG;
}

static int check_full(const char *url, struct err *err)
{
    const bool is_plain = strncasecmp(url, "http://", 7) == 0;
    struct str authority;
    char *host;
    bool fits;

    if (!is_plain && strncasecmp(url, "https://", 8) != 0)
        return refuse("begins with neither http:// nor https://", err);
    authority.ptr = url + (is_plain ? 7 : 8);
    authority.len = strcspn(authority.ptr, "/?#");
    if (memchr(authority.ptr, '@', authority.len) != NULL)
        return refuse("has a user name in it", err);
    if (!is_plain)
        return 0;
    if (authority.len > 0 && authority.ptr[0] == '[') {
        authority.ptr++;
        authority.len = strcspn(authority.ptr, "]");
    } else {
        authority.len = strcspn(authority.ptr, ":/?#");
    }
    host = str_dup(authority);
    if (host == NULL)
        return err_nomem(err);
    fits = may_be_plain(host);
    free(host);
    return fits ? 0 : refuse("is a host that must be asked with https", err);
}

static int find_url(struct buf *url, struct err *err)
{
    const char *relative = s3_env(RELATIVE_URI), *full = s3_env(FULL_URI);
    int r = 0;

    if (relative != NULL) {
        if (relative[0] != '/')
            return err_set(err, ERR_CONFIG, RELATIVE_URI " does not begin with '/'");
        buf_addf(url, "%s%s", ECS_HOST, relative);
    } else {
        r = check_full(full, err);
        buf_add_text(url, full);
    }
    for (size_t i = 0; i < url->len && r == 0; i++) {
        if ((unsigned char)url->ptr[i] <= 0x20 || url->ptr[i] == 0x7f)
            r = err_set(err, ERR_CONFIG, "the URI of " WHO " has a space or a control character");
    }
    return r < 0 ? r : buf_check(url, err);
}

/* EKS writes a new token long before the old one ends: read it each time. */
static int add_token(struct http_headers *headers, struct err *err)
{
    const char *path = s3_env(TOKEN_FILE), *text = s3_env(TOKEN);
    struct buf token = BUF_INIT(TOKEN_LEN_MAX);
    int r = 0;

    (void)buf_reserve(&token, TOKEN_LEN_MAX - 1);
    buf_commit(&token, 0);
    if (path != NULL) {
        r = file_read(path, &token, err);
        if (r < 0) {
            r = err_wrap(err, ERR_CONFIG, TOKEN_FILE);
            if (err != NULL)
                err->code = r;
        }
    } else {
        buf_add_text(&token, text != NULL ? text : "");
        r = buf_check(&token, err);
    }
    while (token.len > 0 && strchr("\r\n", token.ptr[token.len - 1]) != NULL)
        token.ptr[--token.len] = '\0';
    if (r == 0 && strlen(token.ptr) != token.len)
        r = err_set(err, ERR_CONFIG, "the token for " WHO " holds a NUL character");
    if (r == 0 && token.len > 0)
        r = http_headers_add(headers, "Authorization", token.ptr, err);
    buf_wipe(&token);
    return r;
}

static int container_fetch(struct s3_credentials_source *source, struct s3_credentials *ret,
                           struct err *err)
{
    const struct container_source *self = (struct container_source *)source;
    struct buf url = BUF_INIT(URL_LEN_MAX);
    struct http_headers headers = HTTP_HEADERS_INIT;
    struct s3_fetched fetched = S3_FETCHED_INIT;
    struct s3_fetch fetch = { .method = HTTP_GET,
                              .headers = &headers,
                              .attempts_max = ATTEMPTS_MAX,
                              .pause_ms = PAUSE_MS,
                              .timeout_ms = TIMEOUT_MS,
                              .is_local = true };
    char *host = NULL;
    int r;

    r = find_url(&url, err);
    if (r < 0)
        goto out;
    fetch.url = url.ptr;
    host = s3_fetch_host(url.ptr);
    r = host == NULL ? err_nomem(err) : http_headers_add(&headers, "Host", host, err);
    if (r == 0)
        r = http_headers_add(&headers, "Accept", "application/json", err);
    if (r == 0)
        r = add_token(&headers, err);
    if (r < 0)
        goto out;
    r = s3_fetch(self->context, &fetch, &fetched, err);
    if (r < 0) {
        r = err_wrap(err, r, WHO);
    } else if (fetched.status != 200) {
        r = s3_fetch_refused(WHO, fetched.status, err);
    } else {
        r = s3_credentials_document_parse(buf_str(&fetched.body), S3_DOCUMENT_METADATA, WHO, ret,
                                          err);
    }
out:
    s3_fetched_dispose(&fetched);
    http_headers_dispose(&headers);
    buf_dispose(&url);
    free(host);
    return r;
}

static void container_free(struct s3_credentials_source *source)
{
    free(source);
}

int s3_source_container_new(const struct s3_source_context *context,
                            struct s3_credentials_source **ret_source, struct err *err)
{
    static const struct s3_credentials_source_ops ops = { container_fetch, container_free };
    struct container_source *self = calloc(1, sizeof(*self));

    if (self == NULL)
        return err_nomem(err);
    self->source = (struct s3_credentials_source){ &ops, WHO, false, false };
    self->context = context;
    *ret_source = (struct s3_credentials_source *)self;
    return 0;
}
