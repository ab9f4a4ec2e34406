/* Temporary credentials from the Security Token Service: for a web identity's token, which needs
 * no signature, and for a role, asked for with other credentials.
 *
 * Source: docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html and
 * API_AssumeRole.html */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/random.h"
#include "s3/credentials.h"
#include "s3/credentials_fetch.h"
#include "s3/credentials_source.h"
#include "s3/endpoint.h"
#include "s3/retry.h"
#include "s3/sigv4.h"
#include "s3/uri.h"
#include "s3/xml.h"

#define REGION_DEFAULT "us-east-1"
#define TIMEOUT_MS     10000
#define ATTEMPTS_MAX   3
#define PAUSE_MS       1000
#define TOKEN_LEN_MAX  32768u /* bytes; STS takes 20,000 */
#define BODY_LEN_MAX   ((size_t)4 * TOKEN_LEN_MAX)
#define FORM_LEN_USUAL (64u << 10)
#define FORM_TYPE      "application/x-www-form-urlencoded; charset=utf-8"
#define WEB_IDENTITY   "AssumeRoleWithWebIdentity"
#define ASSUME_ROLE    "AssumeRole"

struct sts_source {
    struct s3_credentials_source source;
    const struct s3_source_context *context;
    struct s3_credentials_source *base; /* who signs; NULL: nobody, the token does */
    char *arn, *session_name, *external_id, *duration_seconds, *token_file, *url, *region;
};

static char *copy_or_null(const char *text)
{
    return text != NULL && text[0] != '\0' ? strdup(text) : NULL;
}

static int make_url(const struct s3_role *role, const char *region, char **ret_url, struct err *err)
{
    struct buf url = BUF_INIT(2048);

    if (role->endpoint != NULL && role->endpoint[0] != '\0') {
        if (strncmp(role->endpoint, "https://", 8) != 0 &&
            strncmp(role->endpoint, "http://", 7) != 0) {
            return err_set(err, ERR_CONFIG,
                           "the endpoint of STS begins with neither http:// nor "
                           "https://");
        }
        buf_add_text(&url, role->endpoint);
        if (url.ptr[url.len - 1] != '/')
            buf_add_char(&url, '/');
    } else {
        buf_addf(&url, "https://sts%s.%s.%s/", role->use_fips ? "-fips" : "", region,
                 s3_endpoint_aws_suffix(region));
    }
    *ret_url = buf_detach(&url);
    return *ret_url != NULL ? 0 : err_nomem(err);
}

static int read_token(const char *path, struct buf *token, struct err *err)
{
    int r;

    (void)buf_reserve(token, TOKEN_LEN_MAX - 1);
    buf_commit(token, 0);
    r = file_read(path, token, err);
    if (r < 0) {
        if (err != NULL)
            err->code = ERR_CONFIG;
        return err_wrap(err, ERR_CONFIG, "the web identity's token");
    }
    while (token->len > 0 && strchr("\r\n \t", token->ptr[token->len - 1]) != NULL)
        token->ptr[--token->len] = '\0';
    if (token->len == 0 || strlen(token->ptr) != token->len)
        return err_set(err, ERR_CONFIG, "the web identity's token: '%s' holds none", path);
    return 0;
}

static int build_form(const struct sts_source *self, const char *token, struct buf *to,
                      struct err *err)
{
    char session_name[32];
    struct uri_param params[7] = {
        { "Action", self->base == NULL ? WEB_IDENTITY : ASSUME_ROLE },
        { "Version", "2011-06-15" },
        { "RoleArn", self->arn },
        { "RoleSessionName", self->session_name },
    };
    size_t count = 4;

    if (self->session_name == NULL) {
        (void)snprintf(session_name, sizeof(session_name), "holdfast-%016llx",
                       (unsigned long long)random_u64());
        params[3].value = session_name;
    }
    if (self->duration_seconds != NULL)
        params[count++] = (struct uri_param){ "DurationSeconds", self->duration_seconds };
    if (self->base != NULL && self->external_id != NULL)
        params[count++] = (struct uri_param){ "ExternalId", self->external_id };
    if (token != NULL)
        params[count++] = (struct uri_param){ "WebIdentityToken", token };
    return uri_query(to, params, count, err);
}

static int hash_text(const char *text, char out[65], struct err *err)
{
    struct buf hex = BUF_INIT(64);
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    int r;

    if (EVP_Digest(text, strlen(text), digest, &len, EVP_sha256(), NULL) != 1)
        return err_nomem(err);
    buf_add_hex(&hex, digest, len);
    r = buf_check(&hex, err);
    if (r == 0)
        memcpy(out, hex.ptr, 65);
    buf_dispose(&hex);
    return r;
}

static int sign(const struct sts_source *self, const struct s3_credentials *base, const char *form,
                struct http_headers *headers, struct err *err)
{
    char date[FORMAT_TIME_SIZE], hash[65];
    const char *path = strchr(strstr(self->url, "://") + 3, '/');
    const struct sigv4_scope scope = { date, self->region, "sts" };
    const struct sigv4_request request = {
        .method = "POST", .path = path, .query = "", .headers = headers, .payload_hash = hash
    };
    struct buf authorization = BUF_INIT(8192);
    int r;

    format_time_basic(clock_now_ms(self->context->clock), date);
    r = hash_text(form, hash, err);
    if (r == 0)
        r = http_headers_add(headers, "x-amz-date", date, err);
    if (r == 0 && secret_is_set(&base->session_token))
        r = http_headers_add(headers, "x-amz-security-token", base->session_token.ptr, err);
    if (r == 0) {
        r = sigv4_authorization(&request, &scope, base->access_key_id, &base->secret_access_key,
                                &authorization, err);
    }
    if (r == 0)
        r = http_headers_add(headers, "Authorization", authorization.ptr, err);
    buf_wipe(&authorization);
    return r;
}

static int post(const struct sts_source *self, const struct s3_credentials *base, const char *form,
                struct s3_fetched *fetched, struct err *err)
{
    struct http_headers headers = HTTP_HEADERS_INIT;
    const struct s3_fetch fetch = { .method = HTTP_POST,
                                    .url = self->url,
                                    .headers = &headers,
                                    .body = form,
                                    .attempts_max = ATTEMPTS_MAX,
                                    .pause_ms = PAUSE_MS,
                                    .timeout_ms = TIMEOUT_MS };
    char *host = s3_fetch_host(self->url);
    int r;

    r = host == NULL ? err_nomem(err) : http_headers_add(&headers, "Host", host, err);
    if (r == 0)
        r = http_headers_add(&headers, "Content-Type", FORM_TYPE, err);
    if (r == 0 && base != NULL)
        r = sign(self, base, form, &headers, err);
    if (r == 0)
        r = s3_fetch(self->context, &fetch, fetched, err);
    if (r < 0)
        r = err_wrap(err, r, "ask STS at '%s'", host != NULL ? host : "");
    http_headers_dispose(&headers);
    free(host);
    return r;
}

static int refused(const struct sts_source *self, const struct s3_fetched *fetched, struct err *err)
{
    struct s3_xml_error error = { .code = "" };
    int code = s3_classify(fetched->status, "");

    (void)s3_xml_error_parse(buf_str(&fetched->body), &error);
    if (fetched->status >= 400 && fetched->status < 500 && fetched->status != 429)
        code = ERR_DENIED;
    (void)err_set(err, code, "STS does not give out role '%s': HTTP %d %s%s%s", self->arn,
                  fetched->status, error.code, error.message[0] != '\0' ? ": " : "", error.message);
    if (err != NULL) {
        err->http_status = fetched->status;
        (void)snprintf(err->s3_code, sizeof(err->s3_code), "%s", error.code);
    }
    if (self->base == NULL) {
        err_hint(err, "check the role's trust policy, and that '%s' is fresh", self->token_file);
    } else {
        err_hint(err, "check the role's trust policy, and the keys of its source");
    }
    return code;
}

/* STS asks to be asked again when it could not reach the identity's provider. */
static bool is_worth_another(const struct s3_fetched *fetched)
{
    struct s3_xml_error error = { .code = "" };

    if (!s3_xml_error_parse(buf_str(&fetched->body), &error))
        return false;
    return strcmp(error.code, "IDPCommunicationError") == 0 ||
           strcmp(error.code, "InvalidIdentityToken") == 0;
}

static int assume(const struct sts_source *self, const struct s3_credentials *base,
                  struct s3_credentials *ret, struct err *err)
{
    struct buf token = BUF_INIT(TOKEN_LEN_MAX), form = BUF_INIT(BODY_LEN_MAX);
    struct s3_fetched fetched = S3_FETCHED_INIT;
    int r = 0;

    for (int attempt = 1;; attempt++) {
        buf_wipe(&token);
        buf_wipe(&form);
        (void)buf_reserve(&form, FORM_LEN_USUAL);
        buf_commit(&form, 0);
        if (base == NULL)
            r = read_token(self->token_file, &token, err);
        if (r == 0)
            r = build_form(self, base == NULL ? token.ptr : NULL, &form, err);
        if (r == 0)
            r = post(self, base, form.ptr, &fetched, err);
        if (r < 0 || fetched.status == 200 || attempt == ATTEMPTS_MAX ||
            !is_worth_another(&fetched))
            break;
        clock_sleep_ms(self->context->clock, PAUSE_MS, self->context->cancel);
    }
    if (r == 0) {
        r = fetched.status == 200 ? s3_xml_sts_parse(buf_str(&fetched.body), ret, err)
                                  : refused(self, &fetched, err);
    }
    buf_wipe(&token);
    buf_wipe(&form);
    s3_fetched_dispose(&fetched);
    return r;
}

static int sts_fetch(struct s3_credentials_source *source, struct s3_credentials *ret,
                     struct err *err)
{
    const struct sts_source *self = (struct sts_source *)source;
    struct s3_credentials base = S3_CREDENTIALS_INIT;
    int r;

    if (self->base == NULL)
        return assume(self, NULL, ret, err);
    r = self->base->ops->fetch(self->base, &base, err);
    if (r == 0) {
        log_debug("credentials: role '%s' is asked for with those of %s", self->arn,
                  self->base->name);
        r = assume(self, &base, ret, err);
    }
    s3_credentials_dispose(&base);
    return r;
}

static void sts_free(struct s3_credentials_source *source)
{
    struct sts_source *self = (struct sts_source *)source;

    s3_credentials_source_free(self->base);
    free(self->arn);
    free(self->session_name);
    free(self->external_id);
    free(self->duration_seconds);
    free(self->token_file);
    free(self->url);
    free(self->region);
    free(self);
}

static int sts_new(const struct s3_source_context *context, const struct s3_role *role,
                   struct s3_credentials_source *base, struct s3_credentials_source **ret_source,
                   struct err *err)
{
    static const struct s3_credentials_source_ops ops = { sts_fetch, sts_free };
    const char *region =
        role->region != NULL && role->region[0] != '\0' ? role->region : REGION_DEFAULT;
    struct sts_source *self = calloc(1, sizeof(*self));
    uint64_t seconds;
    int r;

    if (self == NULL) {
        s3_credentials_source_free(base);
        return err_nomem(err);
    }
    self->source =
        (struct s3_credentials_source){ &ops, base == NULL ? "a web identity" : "an assumed role",
                                        false, false };
    self->context = context;
    self->base = base;
    self->arn = copy_or_null(role->arn);
    self->session_name = copy_or_null(role->session_name);
    self->external_id = copy_or_null(role->external_id);
    self->duration_seconds = copy_or_null(role->duration_seconds);
    self->token_file = copy_or_null(role->token_file);
    self->region = strdup(region);
    if (self->arn == NULL || self->region == NULL) {
        r = err_nomem(err);
    } else if (!s3_region_is_valid(region)) {
        r = err_set(err, ERR_CONFIG, "'%s' is not a region", region);
    } else {
        r = make_url(role, region, &self->url, err);
    }
    if (r == 0 && self->duration_seconds != NULL &&
        parse_u64(self->duration_seconds, 900, 43200, &seconds, NULL) < 0) {
        r = err_set(err, ERR_CONFIG, "duration_seconds of role '%s' is no number from 900 to 43200",
                    self->arn);
    }
    if (r < 0) {
        sts_free((struct s3_credentials_source *)self);
        return r;
    }
    *ret_source = (struct s3_credentials_source *)self;
    return 0;
}

int s3_source_web_identity_new(const struct s3_source_context *context, const struct s3_role *role,
                               struct s3_credentials_source **ret_source, struct err *err)
{
    return sts_new(context, role, NULL, ret_source, err);
}

int s3_source_assume_role_new(const struct s3_source_context *context, const struct s3_role *role,
                              struct s3_credentials_source *base,
                              struct s3_credentials_source **ret_source, struct err *err)
{
    return sts_new(context, role, base, ret_source, err);
}
