/*
 * Sign requests read as JSON lines and print each step as a JSON line: the other half of
 * sigv4_botocore.py.
 *
 * in:  {"method", "path", "params": [[name, value]...], "headers": [[name, value]...],
 *       "payload_hash", "date_time", "region", "access_key", "secret_key"}; path and params raw
 * out: {"canonical_request", "string_to_sign", "authorization"}
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/secret.h"
#include "s3/http.h"
#include "s3/sigv4.h"
#include "s3/uri.h"

struct signing {
    struct buf path, query, canonical, string_to_sign, authorization;
    struct http_headers headers;
    struct secret secret;
};

#define SIGNING_INIT                                                                               \
    {                                                                                              \
        BUF_INIT(1u << 20), BUF_INIT(1u << 20), BUF_INIT(1u << 20), BUF_INIT(1u << 20),            \
            BUF_INIT(1u << 20), HTTP_HEADERS_INIT, SECRET_INIT                                     \
    }

static void signing_dispose(struct signing *signing)
{
    buf_dispose(&signing->path);
    buf_dispose(&signing->query);
    buf_dispose(&signing->canonical);
    buf_dispose(&signing->string_to_sign);
    buf_dispose(&signing->authorization);
    http_headers_dispose(&signing->headers);
    secret_dispose(&signing->secret);
}

static const char *text_of(json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text != NULL ? text : "";
}

static const char *text_at(json_t *pair, size_t index)
{
    const char *text = json_string_value(json_array_get(pair, index));

    return text != NULL ? text : "";
}

static int read_request(json_t *input, struct signing *signing, struct err *err)
{
    struct uri_param params[URI_PARAM_COUNT_MAX];
    const char *secret = text_of(input, "secret_key");
    size_t count = 0, i;
    json_t *pair;
    int r;

    json_array_foreach(json_object_get(input, "params"), i, pair)
    {
        if (count < URI_PARAM_COUNT_MAX)
            params[count++] = (struct uri_param){ text_at(pair, 0), text_at(pair, 1) };
    }
    uri_encode(&signing->path, str_from(text_of(input, "path")), true);
    r = uri_query(&signing->query, params, count, err);
    json_array_foreach(json_object_get(input, "headers"), i, pair)
    {
        if (r == 0)
            r = http_headers_add(&signing->headers, text_at(pair, 0), text_at(pair, 1), err);
    }
    return r < 0 ? r : secret_set(&signing->secret, secret, strlen(secret), err);
}

static int sign(json_t *input, struct signing *signing, struct err *err)
{
    const struct sigv4_scope scope = { text_of(input, "date_time"), text_of(input, "region"),
                                       "s3" };
    struct sigv4_request request = { .method = text_of(input, "method"),
                                     .headers = &signing->headers,
                                     .payload_hash = text_of(input, "payload_hash") };
    int r;

    r = read_request(input, signing, err);
    if (r < 0)
        return r;
    request.path = signing->path.ptr;
    request.query = signing->query.ptr;
    r = sigv4_canonical_request(&request, &signing->canonical, err);
    if (r == 0) {
        r = sigv4_string_to_sign(&scope, buf_str(&signing->canonical), &signing->string_to_sign,
                                 err);
    }
    if (r == 0) {
        r = sigv4_authorization(&request, &scope, text_of(input, "access_key"), &signing->secret,
                                &signing->authorization, err);
    }
    return r;
}

static int answer(const char *line)
{
    struct signing signing = SIGNING_INIT;
    json_t *input = json_loads(line, 0, NULL), *output = NULL;
    struct err err = { 0 };
    int r = -1;

    if (input != NULL)
        r = sign(input, &signing, &err);
    if (r == 0) {
        output = json_pack("{s:s, s:s, s:s}", "canonical_request", signing.canonical.ptr,
                           "string_to_sign", signing.string_to_sign.ptr, "authorization",
                           signing.authorization.ptr);
    }
    if (output == NULL || json_dumpf(output, stdout, JSON_COMPACT) != 0 || putchar('\n') == EOF)
        r = -1;
    if (r < 0)
        (void)fprintf(stderr, "sigv4_botocore: %s\n", err.msg);
    json_decref(output);
    json_decref(input);
    signing_dispose(&signing);
    return r;
}

int main(void)
{
    char *line = NULL;
    size_t size = 0;
    int r = 0;

    while (r == 0 && getline(&line, &size, stdin) > 0)
        r = answer(line);
    free(line);
    return r == 0 ? 0 : 1;
}
