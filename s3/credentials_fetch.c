#include "s3/credentials_fetch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <openssl/crypto.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/io.h"
#include "base/parse.h"
#include "s3/credentials.h"
#include "s3/credentials_source.h"

static int keep_body(void *context, const struct http_response *response, const void *data,
                     size_t len, struct err *err)
{
    struct s3_fetched *fetched = context;

    (void)response;
    buf_add(&fetched->body, data, len);
    return buf_check(&fetched->body, err);
}

static int fetch_once(const struct s3_source_context *context, const struct s3_fetch *fetch,
                      struct s3_fetched *fetched, struct err *err)
{
    struct http_response response = HTTP_RESPONSE_INIT;
    struct http_request request = {
        .method = fetch->method,
        .url = fetch->url,
        .headers = fetch->headers,
        .on_body = keep_body,
        .context = fetched,
        .connect_timeout_ms = fetch->timeout_ms,
        .stall_timeout_ms = fetch->timeout_ms,
        .answer_timeout_ms = fetch->timeout_ms,
        .total_timeout_ms = 2 * fetch->timeout_ms,
        .cancel = context->cancel,
        .is_local = fetch->is_local,
    };
    int r = 0;

    if (fetch->body != NULL)
        r = memory_source_new(fetch->body, strlen(fetch->body), &request.body, err);
    if (r == 0)
        r = http_perform(context->transport, &request, &response, err);
    fetched->status = response.status;
    io_source_free(request.body);
    http_response_dispose(&response);
    return r;
}

int s3_fetch(const struct s3_source_context *context, const struct s3_fetch *fetch,
             struct s3_fetched *ret_fetched, struct err *err)
{
    int r;

    for (unsigned attempt = 1;; attempt++) {
        /* Room from the start, so that growing leaves no copy of a secret behind. */
        buf_wipe(&ret_fetched->body);
        (void)buf_reserve(&ret_fetched->body, S3_FETCHED_LEN_MAX / 4);
        buf_commit(&ret_fetched->body, 0);
        err_clear(err);
        r = fetch_once(context, fetch, ret_fetched, err);
        if (attempt >= fetch->attempts_max ||
            !(err_is_retryable(r) ||
              (r == 0 && (ret_fetched->status >= 500 || ret_fetched->status == 429))))
            return r;
        clock_sleep_ms(context->clock, fetch->pause_ms, context->cancel);
    }
}

void s3_fetched_dispose(struct s3_fetched *fetched)
{
    buf_wipe(&fetched->body);
    fetched->status = 0;
}

int s3_fetch_refused(const char *who, int status, struct err *err)
{
    const int code = status == 429 ? ERR_THROTTLED : status >= 500 ? ERR_SERVER : ERR_DENIED;

    (void)err_set(err, code, "%s answers with HTTP %d", who, status);
    if (err != NULL)
        err->http_status = status;
    return code;
}

char *s3_fetch_host(const char *url)
{
    const char *host = strstr(url, "://");

    host = host != NULL ? host + 3 : url;
    return str_dup((struct str){ host, strcspn(host, "/?") });
}

static struct str member(const json_t *root, const char *name)
{
    const json_t *value = json_object_get(root, name);

    if (!json_is_string(value))
        return (struct str){ NULL, 0 };
    return (struct str){ json_string_value(value), json_string_length(value) };
}

/* The text of an answer may hold anything, also what must not be shown: only its code is. */
static int refused_by(const json_t *root, const char *who, struct err *err)
{
    const struct str code = member(root, "Code");
    char shown[64] = "";

    for (size_t i = 0; i < code.len && i + 1 < sizeof(shown); i++) {
        shown[i] = '?';
        if (code.ptr[i] > ' ' && code.ptr[i] < 0x7f)
            shown[i] = code.ptr[i];
    }
    return err_set(err, ERR_DENIED, "%s gives no credentials: '%s'", who, shown);
}

static int read_document(const json_t *root, enum s3_credentials_document kind, const char *who,
                         struct s3_credentials *credentials, struct err *err)
{
    const char *token = kind == S3_DOCUMENT_PROCESS ? "SessionToken" : "Token";
    const struct s3_credentials_names names = { who, "AccessKeyId", "SecretAccessKey", token };
    const struct str code = member(root, "Code"), expires = member(root, "Expiration");
    int r;

    if (kind == S3_DOCUMENT_METADATA && code.len > 0 && !str_eq_text(code, "Success"))
        return refused_by(root, who, err);
    if (kind == S3_DOCUMENT_PROCESS && json_integer_value(json_object_get(root, "Version")) != 1)
        return err_set(err, ERR_PROTOCOL, "%s: Version is not 1", who);
    r = s3_credentials_take(&names, member(root, names.id), member(root, names.secret),
                            member(root, names.token), credentials, err);
    if (r <= 0) {
        if (r == 0)
            r = err_set(err, ERR_PROTOCOL, "%s: no AccessKeyId", who);
        return r;
    }
    if (expires.len == 0)
        return 0;
    if (strlen(expires.ptr) != expires.len || strchr(expires.ptr, 'T') == NULL ||
        parse_time(expires.ptr, 0, &credentials->expires_ms, NULL) < 0)
        return err_set(err, ERR_PROTOCOL, "%s: Expiration is no time", who);
    return 0;
}

/* Jansson keeps its own copies of strings: overwrite those that are secret. */
static void wipe_strings(json_t *root)
{
    static const char *const names[] = { "SecretAccessKey", "SessionToken", "Token" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const struct str value = member(root, names[i]);

        if (value.len > 0) /* memchr() gives the same place without the const */
            OPENSSL_cleanse(memchr(value.ptr, value.ptr[0], value.len), value.len);
    }
}

int s3_credentials_document_parse(struct str text, enum s3_credentials_document kind,
                                  const char *who, struct s3_credentials *ret, struct err *err)
{
    struct s3_credentials found = S3_CREDENTIALS_INIT;
    json_t *root = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, NULL);
    int r;

    if (!json_is_object(root)) {
        r = err_set(err, ERR_PROTOCOL, "%s: not a JSON object", who);
    } else {
        r = read_document(root, kind, who, &found, err);
    }
    wipe_strings(root);
    json_decref(root);
    if (r < 0) {
        s3_credentials_dispose(&found);
        return r;
    }
    *ret = found;
    return 0;
}
