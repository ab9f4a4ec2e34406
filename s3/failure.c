#include "s3/failure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/parse.h"
#include "s3/endpoint.h"
#include "s3/http.h"
#include "s3/retry.h"
#include "s3/xml.h"

static bool is_one_of(const char *text, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (strcmp(text, *words) == 0)
            return true;
    }
    return false;
}

static bool is_about_time(const char *s3_code)
{
    static const char *const codes[] = { "RequestTimeTooSkewed", "RequestExpired",
                                         "RequestInTheFuture", NULL };

    return is_one_of(s3_code, codes);
}

/* Temporary credentials that have ended, or keys that were replaced by others. */
static bool is_about_the_key(const char *s3_code)
{
    static const char *const codes[] = { "ExpiredToken",       "ExpiredTokenException",
                                         "InvalidToken",       "TokenRefreshRequired",
                                         "InvalidAccessKeyId", NULL };

    return is_one_of(s3_code, codes);
}

static bool is_about_region(int status, const char *s3_code)
{
    static const char *const codes[] = { "AuthorizationHeaderMalformed", "PermanentRedirect",
                                         "TemporaryRedirect", "IllegalLocationConstraintException",
                                         NULL };

    return is_one_of(s3_code, codes) || status == 301 || status == 302 || status == 307 ||
           status == 308;
}

static void learn_region(const struct http_response *response, const struct s3_xml_error *error,
                         struct s3_lesson *lesson)
{
    const char *region = http_headers_get(&response->headers, "x-amz-bucket-region");

    if (region == NULL)
        region = error->region;
    if (s3_region_is_valid(region))
        (void)snprintf(lesson->region, sizeof(lesson->region), "%s", region);
}

/* The answer to a HEAD has no body: there, a refusal and a clock that is far off say the same. */
static void learn_time(const struct http_response *response, const char *s3_code,
                       const struct s3_failure_context *context, struct s3_lesson *lesson)
{
    const char *date = http_headers_get(&response->headers, "date");
    int64_t server_ms;

    if (date == NULL || parse_http_date(date, &server_ms, NULL) < 0)
        return;
    lesson->skew_ms = server_ms - context->signed_ms;
    lesson->has_skew = is_about_time(s3_code) ||
                       (response->status == 403 && s3_code[0] == '\0' &&
                        (lesson->skew_ms > S3_SKEW_MS_MAX || lesson->skew_ms < -S3_SKEW_MS_MAX));
}

static void hint_time(const struct s3_failure_context *context, const struct s3_lesson *lesson,
                      struct err *err)
{
    char by[FORMAT_TIME_SIZE];

    if (!lesson->has_skew || context->has_time_fixed) {
        err_hint(err, "set this machine's clock, or that of '%s', right", context->host);
        return;
    }
    format_duration(lesson->skew_ms < 0 ? -lesson->skew_ms : lesson->skew_ms, by);
    err_hint(err, "this machine's clock is %s %s that of '%s': set it right", by,
             lesson->skew_ms > 0 ? "behind" : "ahead of", context->host);
}

static void hint_region(const struct s3_failure_context *context, const struct s3_lesson *lesson,
                        const struct s3_xml_error *error, struct err *err)
{
    if (lesson->region[0] != '\0' && strcmp(lesson->region, context->region) != 0) {
        err_hint(err, "the bucket is in region '%s', not '%s': set region", lesson->region,
                 context->region);
    } else if (error->endpoint[0] != '\0') {
        err_hint(err, "the bucket is at '%s': set endpoint or region", error->endpoint);
    } else {
        err_hint(err, "is region '%s' right? the server says: %s", context->region,
                 error->message[0] != '\0' ? error->message : "nothing more");
    }
}

static void hint_denied(const char *s3_code, const struct s3_failure_context *context,
                        struct err *err)
{
    if (strcmp(s3_code, "SignatureDoesNotMatch") == 0) {
        err_hint(err, "check secret_access_key, and access_key_id: they do not belong together");
    } else if (strcmp(s3_code, "InvalidAccessKeyId") == 0) {
        err_hint(err, "check access_key_id: '%s' does not know it", context->host);
    } else if (is_about_the_key(s3_code)) {
        err_hint(err, "the session token is no longer valid: get new temporary credentials");
    } else {
        err_hint(err,
                 "check the access key, and that it may list, read, write and delete in "
                 "bucket '%s'",
                 context->bucket);
    }
}

static void hint(int code, const struct s3_xml_error *error,
                 const struct s3_failure_context *context, struct err *err)
{
    if (strcmp(error->code, "NoSuchBucket") == 0) {
        err_hint(err, "create bucket '%s', or check its name and the endpoint '%s'",
                 context->bucket, context->host);
    } else if (code == ERR_DENIED) {
        hint_denied(error->code, context, err);
    } else if (code == ERR_THROTTLED) {
        err_hint(err, "the server asks for fewer requests: try again later");
    } else if (code == ERR_SERVER || code == ERR_TIMEOUT) {
        err_hint(err, "the server failed: try again later, and see its log for this request");
    } else if (code == ERR_PROTOCOL && error->code[0] == '\0') {
        err_hint(err, "is '%s' an S3 server, and does it take %s on this port?", context->host,
                 "http or https");
    }
}

/* "HTTP 400 InvalidArgument (request 4442587FB7D0A2F9): The part number must ..." */
static void set_message(int code, int status, const struct s3_xml_error *error,
                        const char *request_id, struct err *err)
{
    /* The server's words help only where the code is not known. */
    const bool is_known = s3_classify(0, error->code) != ERR_PROTOCOL;
    struct buf msg = BUF_INIT(ERR_MSG_SIZE);

    buf_addf(&msg, "HTTP %d", status);
    if (error->code[0] != '\0')
        buf_addf(&msg, " %s", error->code);
    if (request_id[0] != '\0')
        buf_addf(&msg, " (request %s)", request_id);
    if (!is_known && error->message[0] != '\0')
        buf_addf(&msg, ": %s", error->message);
    (void)err_set(err, code, "%s", msg.ptr);
    buf_dispose(&msg);
}

int s3_failure_describe(const struct http_response *response, struct str body,
                        const struct s3_failure_context *context, struct s3_lesson *ret_lesson,
                        struct err *err)
{
    const char *id = http_headers_get(&response->headers, "x-amz-request-id");
    struct s3_xml_error error = { .code = "" };
    struct s3_lesson lesson = { .region = "" };
    int code;

    (void)s3_xml_error_parse(body, &error);
    if (id == NULL)
        id = error.request_id;
    code = s3_classify(response->status, error.code);
    set_message(code, response->status, &error, id, err);
    if (err != NULL) {
        err->http_status = response->status;
        (void)snprintf(err->s3_code, sizeof(err->s3_code), "%s", error.code);
        (void)snprintf(err->request_id, sizeof(err->request_id), "%.*s",
                       (int)sizeof(err->request_id) - 1, id);
    }
    learn_region(response, &error, &lesson);
    learn_time(response, error.code, context, &lesson);
    lesson.is_key_over = is_about_the_key(error.code);
    if (lesson.has_skew || is_about_time(error.code)) {
        hint_time(context, &lesson, err);
    } else if (is_about_region(response->status, error.code)) {
        hint_region(context, &lesson, &error, err);
    }
    hint(code, &error, context, err);
    if (ret_lesson != NULL)
        *ret_lesson = lesson;
    return code;
}

static bool is_page(const struct http_response *response, const char *data, size_t len)
{
    static const char *const beginnings[] = { "<!doctype html", "<html" };
    const char *type = http_headers_get(&response->headers, "content-type");

    if (type != NULL && strncasecmp(type, "text/html", 9) == 0)
        return true;
    if (response->status != 200) /* a part of an object may begin with anything */
        return false;
    for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++) {
        const size_t need = strlen(beginnings[i]);

        if (len >= need && strncasecmp(data, beginnings[i], need) == 0)
            return true;
    }
    return false;
}

int s3_failure_check_success(const struct http_response *response, const void *data, size_t len,
                             struct err *err)
{
    const char *encoding = http_headers_get(&response->headers, "content-encoding");
    int r = 0;

    if (is_page(response, data, len)) {
        r = err_set(err, ERR_PROTOCOL, "a page of HTML came instead of an S3 server's answer");
    } else if (encoding != NULL && strcasecmp(encoding, "identity") != 0 &&
               strncasecmp(encoding, "aws-chunked", 11) != 0) { /* which Ceph keeps of an upload */
        r = err_set(err, ERR_PROTOCOL, "the answer is encoded with '%.32s', which nobody asked for",
                    encoding);
    }
    if (r < 0)
        err_hint(err, "is the endpoint right, and does nothing in between answer in its stead?");
    return r;
}
