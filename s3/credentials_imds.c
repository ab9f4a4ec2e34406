/* The instance metadata service of EC2, version 2 only: version 1 answers to whoever can make a
 * program fetch a URL, and every instance has had version 2 since 2019.
 *
 * Source: docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-v2-how-it-works.html */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "s3/credentials.h"
#include "s3/credentials_fetch.h"
#include "s3/credentials_source.h"
#include "s3/endpoint.h"
#include "s3/uri.h"

#define V4_URL       "http://169.254.169.254"
#define V6_URL       "http://[fd00:ec2::254]"
#define TOKEN_PATH   "/latest/api/token"
#define ROLES_PATH   "/latest/meta-data/iam/security-credentials/"
#define REGION_PATH  "/latest/meta-data/placement/region"
#define TOKEN_TTL    "21600" /* seconds, the most that there is */
#define TIMEOUT_MS   1000    /* elsewhere nobody answers, and in a container too many hops away */
#define ATTEMPTS_MAX 2
#define URL_LEN_MAX  2048u
#define WHO          "the instance metadata service"

struct imds_source {
    struct s3_credentials_source source;
    const struct s3_source_context *context;
    char *url; /* without a slash at its end */
};

static const char *find_url(const char *endpoint)
{
    const char *named = s3_env("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    const char *mode = s3_env("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");

    if (named != NULL)
        return named;
    if (endpoint != NULL && endpoint[0] != '\0')
        return endpoint;
    return mode != NULL && strcasecmp(mode, "IPv6") == 0 ? V6_URL : V4_URL;
}

/* One request; token NULL asks for one. */
static int ask(const struct imds_source *self, const char *path, const char *token,
               struct s3_fetched *fetched, struct err *err)
{
    struct http_headers headers = HTTP_HEADERS_INIT;
    struct buf url = BUF_INIT(URL_LEN_MAX);
    struct s3_fetch fetch = { .method = token == NULL ? HTTP_PUT : HTTP_GET,
                              .headers = &headers,
                              .body = token == NULL ? "" : NULL,
                              .attempts_max = ATTEMPTS_MAX,
                              .timeout_ms = TIMEOUT_MS,
                              .is_local = true };
    char *host = s3_fetch_host(self->url);
    int r;

    buf_addf(&url, "%s%s", self->url, path);
    fetch.url = url.ptr;
    r = host == NULL ? err_nomem(err) : buf_check(&url, err);
    if (r == 0)
        r = http_headers_add(&headers, "Host", host, err);
    if (r == 0 && token == NULL)
        r = http_headers_add(&headers, "X-aws-ec2-metadata-token-ttl-seconds", TOKEN_TTL, err);
    if (r == 0 && token != NULL)
        r = http_headers_add(&headers, "X-aws-ec2-metadata-token", token, err);
    if (r == 0)
        r = s3_fetch(self->context, &fetch, fetched, err);
    http_headers_dispose(&headers);
    buf_dispose(&url);
    free(host);
    return r;
}

/* No connection means that this is no instance: not a failure of something that is there. */
static int get_token(const struct imds_source *self, struct secret *token, struct err *err)
{
    struct s3_fetched fetched = S3_FETCHED_INIT;
    int r;

    r = ask(self, TOKEN_PATH, NULL, &fetched, err);
    if (r == ERR_NET || r == ERR_TIMEOUT) {
        r = err_wrap(err, ERR_NOT_FOUND, WHO);
        if (err != NULL)
            err->code = r;
    } else if (r == 0 && fetched.status >= 400 && fetched.status < 500 && fetched.status != 429) {
        r = err_set(err, ERR_NOT_FOUND, WHO " gives no token: HTTP %d", fetched.status);
        err_hint(err, "is it turned on for this instance, with version 2, and a hop limit of 2 "
                      "for containers?");
    } else if (r == 0 && fetched.status != 200) {
        r = s3_fetch_refused(WHO, fetched.status, err);
    }
    if (r == 0)
        r = secret_set(token, fetched.body.ptr, strcspn(fetched.body.ptr, "\r\n"), err);
    s3_fetched_dispose(&fetched);
    return r;
}

/* A GET with a token; a 401 says that it has ended, and then with another one. */
static int get(const struct imds_source *self, const char *path, struct secret *token,
               struct s3_fetched *fetched, struct err *err)
{
    int r = 0;

    for (int i = 0; i < 2 && r == 0; i++) {
        if (!secret_is_set(token))
            r = get_token(self, token, err);
        if (r == 0)
            r = ask(self, path, token->ptr != NULL ? token->ptr : "", fetched, err);
        if (r < 0 || fetched->status != 401)
            break;
        secret_dispose(token);
    }
    if (r == 0 && fetched->status == 404)
        return err_set(err, ERR_NOT_FOUND, WHO " has no '%s'", path);
    if (r == 0 && fetched->status != 200)
        r = s3_fetch_refused(WHO, fetched->status, err);
    return r;
}

static int imds_fetch(struct s3_credentials_source *source, struct s3_credentials *ret,
                      struct err *err)
{
    const struct imds_source *self = (struct imds_source *)source;
    struct s3_fetched role = S3_FETCHED_INIT, document = S3_FETCHED_INIT;
    struct buf path = BUF_INIT(URL_LEN_MAX);
    struct secret token = SECRET_INIT;
    int r;

    r = get(self, ROLES_PATH, &token, &role, err);
    if (r == ERR_NOT_FOUND && secret_is_set(&token)) {
        (void)err_set(err, ERR_NOT_FOUND, WHO ": this instance has no role");
        err_hint(err, "attach an instance profile to it");
    }
    if (r < 0)
        goto out;
    buf_add_text(&path, ROLES_PATH);
    uri_encode(&path, (struct str){ role.body.ptr, strcspn(role.body.ptr, "\r\n") }, false);
    r = get(self, path.ptr, &token, &document, err);
    if (r == 0) {
        r = s3_credentials_document_parse(buf_str(&document.body), S3_DOCUMENT_METADATA, WHO, ret,
                                          err);
    }
out:
    secret_dispose(&token);
    buf_dispose(&path);
    s3_fetched_dispose(&role);
    s3_fetched_dispose(&document);
    return r;
}

static void imds_free(struct s3_credentials_source *source)
{
    struct imds_source *self = (struct imds_source *)source;

    free(self->url);
    free(self);
}

int s3_source_imds_new(const struct s3_source_context *context, const char *endpoint,
                       struct s3_credentials_source **ret_source, struct err *err)
{
    static const struct s3_credentials_source_ops ops = { imds_fetch, imds_free };
    struct imds_source *self = calloc(1, sizeof(*self));
    struct str url = str_from(find_url(endpoint));

    if (self == NULL)
        return err_nomem(err);
    self->source = (struct s3_credentials_source){ &ops, WHO, false, true };
    self->context = context;
    while (url.len > 0 && url.ptr[url.len - 1] == '/')
        url.len--;
    self->url = str_dup(url);
    if (self->url == NULL) {
        free(self);
        return err_nomem(err);
    }
    *ret_source = (struct s3_credentials_source *)self;
    return 0;
}

int s3_imds_region(const struct s3_source_context *context, const char *endpoint, char **ret_region,
                   struct err *err)
{
    struct s3_credentials_source *source = NULL;
    struct s3_fetched fetched = S3_FETCHED_INIT;
    struct secret token = SECRET_INIT;
    char *region = NULL;
    int r;

    r = s3_source_imds_new(context, endpoint, &source, err);
    if (r == 0)
        r = get((struct imds_source *)source, REGION_PATH, &token, &fetched, err);
    if (r == 0) {
        region = str_dup((struct str){ fetched.body.ptr, strcspn(fetched.body.ptr, "\r\n") });
        r = region == NULL ? err_nomem(err) : 0;
    }
    if (r == 0 && !s3_region_is_valid(region))
        r = err_set(err, ERR_PROTOCOL, WHO " names no region");
    if (r == 0) {
        *ret_region = region;
        region = NULL;
    }
    free(region);
    secret_dispose(&token);
    s3_fetched_dispose(&fetched);
    s3_credentials_source_free(source);
    return r;
}
