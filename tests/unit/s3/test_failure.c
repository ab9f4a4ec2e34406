/* Goal: each refusal says what happened in one line and what to do in another, and teaches what it
 * can about clock and region. */
#include "tests/harness/test.h"

#include <string.h>

#include "base/err.h"
#include "s3/failure.h"
#include "s3/http.h"

#define SIGNED_MS INT64_C(1795417528000) /* Mon, 23 Nov 2026 07:05:28 GMT */

static const struct s3_failure_context context = {
    .bucket = "bucket", .host = "s3.test", .region = "us-east-1", .signed_ms = SIGNED_MS
};

static int describe(int status, const char *name, const char *value, const char *body,
                    struct s3_lesson *ret_lesson, struct err *err)
{
    struct http_response response = { .status = status };
    int r;

    if (name != NULL)
        assert_int_equal(http_headers_add(&response.headers, name, value, NULL), 0);
    r = s3_failure_describe(&response, str_from(body), &context, ret_lesson, err);
    http_response_dispose(&response);
    return r;
}

static void says_what_happened_and_what_to_do(void **state)
{
    static const struct {
        int status;
        const char *body;
        int code;
        const char *msg, *hint; /* hint: a part of it */
    } cases[] = {
        { 403, "<Error><Code>SignatureDoesNotMatch</Code><RequestId>R1</RequestId></Error>",
          ERR_DENIED, "HTTP 403 SignatureDoesNotMatch (request R1)", "secret_access_key" },
        { 403, "<Error><Code>InvalidAccessKeyId</Code></Error>", ERR_DENIED,
          "HTTP 403 InvalidAccessKeyId", "'s3.test' does not know it" },
        { 403, "<Error><Code>AccessDenied</Code></Error>", ERR_DENIED, "HTTP 403 AccessDenied",
          "'bucket'" },
        { 400, "<Error><Code>ExpiredToken</Code></Error>", ERR_DENIED, "HTTP 400 ExpiredToken",
          "session token" },
        { 404, "<Error><Code>NoSuchBucket</Code></Error>", ERR_NOT_FOUND, "HTTP 404 NoSuchBucket",
          "create bucket 'bucket'" },
        { 503, "<Error><Code>SlowDown</Code></Error>", ERR_THROTTLED, "HTTP 503 SlowDown",
          "later" },
        { 500, "", ERR_SERVER, "HTTP 500", "later" },
        { 400, "<Error><Code>InvalidArgument</Code><Message>part\nnumber</Message></Error>",
          ERR_PROTOCOL, "HTTP 400 InvalidArgument: part number", "" },
        { 400, "<html><body>The plain HTTP request was sent to HTTPS port</body></html>",
          ERR_PROTOCOL, "HTTP 400", "http or https" },
        { 301, "<Error><Code>PermanentRedirect</Code><Endpoint>b.eu.example</Endpoint></Error>",
          ERR_CONFIG, "HTTP 301 PermanentRedirect", "'b.eu.example'" },
        { 400,
          "<Error><Code>AuthorizationHeaderMalformed</Code><Message>expecting garage</Message>"
          "</Error>",
          ERR_CONFIG, "HTTP 400 AuthorizationHeaderMalformed", "expecting garage" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct err err = { 0 };

        assert_int_equal(describe(cases[i].status, NULL, NULL, cases[i].body, NULL, &err),
                         cases[i].code);
        assert_string_equal(err.msg, cases[i].msg);
        if (strstr(err.hint, cases[i].hint) == NULL)
            fail_msg("'%s' does not say %s", err.hint, cases[i].hint);
        assert_int_equal(err.http_status, cases[i].status);
    }
}

static void the_request_id_of_the_header_wins(void **state)
{
    struct err err = { 0 };

    (void)state;
    (void)describe(500, "x-amz-request-id", "H", "<Error><RequestId>B</RequestId></Error>", NULL,
                   &err);
    assert_string_equal(err.request_id, "H");
    assert_string_equal(err.msg, "HTTP 500 (request H)");
}

static void learns_the_region_from_header_or_body(void **state)
{
    struct s3_lesson lesson;
    struct err err = { 0 };

    (void)state;
    (void)describe(301, "x-amz-bucket-region", "eu-west-1", "<Error><Region>other</Region></Error>",
                   &lesson, &err);
    assert_string_equal(lesson.region, "eu-west-1");
    assert_non_null(strstr(err.hint, "'eu-west-1', not 'us-east-1'"));
    (void)describe(400, NULL, NULL, "<Error><Region>garage</Region></Error>", &lesson, NULL);
    assert_string_equal(lesson.region, "garage");
    (void)describe(301, "x-amz-bucket-region", "Evil/../host", "", &lesson, NULL);
    assert_string_equal(lesson.region, "");
}

static void says_by_how_much_and_whose_clock_is_wrong(void **state)
{
    static const char skewed[] = "<Error><Code>RequestTimeTooSkewed</Code></Error>";
    struct s3_lesson lesson;
    struct err err = { 0 };

    (void)state;
    (void)describe(403, "Date", "Mon, 23 Nov 2026 08:05:28 GMT", skewed, &lesson, &err);
    assert_true(lesson.has_skew);
    assert_int_equal(lesson.skew_ms, 3600000);
    assert_non_null(strstr(err.hint, "clock is 1 h 0 min behind that of 's3.test'"));
    err_clear(&err);
    (void)describe(403, "Date", "Mon, 23 Nov 2026 06:05:28 GMT", skewed, &lesson, &err);
    assert_int_equal(lesson.skew_ms, -3600000);
    assert_non_null(strstr(err.hint, "ahead of"));
    (void)describe(403, "Date", "gibberish", skewed, &lesson, &err);
    assert_false(lesson.has_skew);
}

static void an_answer_without_a_body_teaches_only_what_is_plain(void **state)
{
    struct s3_lesson lesson;

    (void)state;
    (void)describe(403, "Date", "Mon, 23 Nov 2026 08:05:28 GMT", "", &lesson, NULL);
    assert_true(lesson.has_skew);
    (void)describe(403, "Date", "Mon, 23 Nov 2026 07:06:28 GMT", "", &lesson, NULL);
    assert_false(lesson.has_skew); /* a minute is no reason to refuse */
    (void)describe(404, "Date", "Mon, 23 Nov 2026 08:05:28 GMT", "", &lesson, NULL);
    assert_false(lesson.has_skew);
    (void)describe(403, "Date", "Mon, 23 Nov 2026 08:05:28 GMT",
                   "<Error><Code>AccessDenied</Code></Error>", &lesson, NULL);
    assert_false(lesson.has_skew); /* it says what it is about */
}

static int check_success(int status, const char *name, const char *value, const char *body)
{
    struct http_response response = { .status = status };
    int r;

    if (name != NULL)
        assert_int_equal(http_headers_add(&response.headers, name, value, NULL), 0);
    r = s3_failure_check_success(&response, body, body != NULL ? strlen(body) : 0, NULL);
    http_response_dispose(&response);
    return r;
}

static void a_page_and_what_was_encoded_are_no_success(void **state)
{
    (void)state;
    assert_int_equal(check_success(200, "Content-Type", "Text/HTML; charset=utf-8", "x"),
                     ERR_PROTOCOL);
    assert_int_equal(check_success(200, "Content-Type", "text/html", NULL), ERR_PROTOCOL);
    assert_int_equal(check_success(200, NULL, NULL, "<!DOCTYPE html>"), ERR_PROTOCOL);
    assert_int_equal(check_success(200, NULL, NULL, "<HTML>"), ERR_PROTOCOL);
    assert_int_equal(check_success(206, NULL, NULL, "<html>"), 0); /* the middle of something */
    assert_int_equal(check_success(200, NULL, NULL, "<htm"), 0);
    assert_int_equal(check_success(200, "Content-Type", "application/xml", "<a/>"), 0);
    assert_int_equal(check_success(200, "Content-Encoding", "gzip", "x"), ERR_PROTOCOL);
    assert_int_equal(check_success(200, "Content-Encoding", "aws-chunked", "x"), 0);
    assert_int_equal(check_success(200, "Content-Encoding", "identity", "x"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_happened_and_what_to_do),
        cmocka_unit_test(the_request_id_of_the_header_wins),
        cmocka_unit_test(learns_the_region_from_header_or_body),
        cmocka_unit_test(says_by_how_much_and_whose_clock_is_wrong),
        cmocka_unit_test(an_answer_without_a_body_teaches_only_what_is_plain),
        cmocka_unit_test(a_page_and_what_was_encoded_are_no_success),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
