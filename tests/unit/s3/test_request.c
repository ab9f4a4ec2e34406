/* Goal: every attempt is signed for its own moment; what is worth another try gets one, nothing
 * else does; clock and region are mended once; no secret leaves by a message or the log. */
#include "tests/harness/test.h"

#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/log.h"
#include "s3/request.h"
#include "tests/harness/s3_rig.h"

#define SKEWED_DATE "Date: Mon, 23 Nov 2026 08:05:28 GMT" /* an hour past S3_RIG_NOW_MS */

static const struct s3_call get_call = { .method = HTTP_GET, .key = "k" };

static int perform(struct s3_rig *rig, const struct s3_call *call, struct buf *ret_body)
{
    struct s3_answer answer = S3_ANSWER_INIT;
    const int r = s3_perform(rig->client, call, &answer, &rig->err);

    if (ret_body != NULL)
        buf_add_str(ret_body, buf_str(&answer.body));
    s3_answer_dispose(&answer);
    return r;
}

static void sends_a_signed_request_and_returns_the_answer(void **state)
{
    static const struct fake_reply replies[] = { FAKE_REPLY(200, "ETag: \"x\"", "hello, world") };
    struct buf body = BUF_INIT(100);
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(perform(&rig, &get_call, &body), 0);
    assert_string_equal(body.ptr, "hello, world");
    s3_rig_check(&rig, 0, HTTP_GET, "/k");
    assert_string_equal(fake_request_header(&rig.fake, 0, "Host"), "s3.test");
    assert_string_equal(fake_request_header(&rig.fake, 0, "x-amz-date"), "20261123T070528Z");
    assert_non_null(strstr(fake_request_header(&rig.fake, 0, "Authorization"),
                           "Credential=AKID/20261123/us-east-1/s3/aws4_request, "
                           "SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature="));
    buf_dispose(&body);
    s3_rig_dispose(&rig);
}

static void encodes_keys_and_queries_as_they_are_signed(void **state)
{
    static const struct fake_reply replies[] = { FAKE_REPLY(200, NULL, NULL),
                                                 FAKE_REPLY(200, NULL, NULL) };
    static const struct uri_param params[] = { { "uploads", NULL }, { "a", "/ +" } };
    const struct s3_call call = {
        .method = HTTP_GET, .key = "a b+c//../\xc3\xbc", .params = params, .param_count = 2
    };
    const struct s3_call bucket_call = { .method = HTTP_GET };
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(perform(&rig, &call, NULL), 0);
    s3_rig_check(&rig, 0, HTTP_GET, "/a%20b%2Bc//../%C3%BC?a=%2F%20%2B&uploads=");
    assert_int_equal(perform(&rig, &bucket_call, NULL), 0);
    s3_rig_check(&rig, 1, HTTP_GET, "");
    s3_rig_dispose(&rig);
}

static void signs_every_attempt_anew(void **state)
{
    static const struct fake_reply replies[] = {
        FAKE_REPLY(500, NULL, NULL), FAKE_REPLY(503, "Retry-After: 3", S3_ERROR("SlowDown")),
        FAKE_REPLY(200, NULL, NULL)
    };
    char first[32];
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(perform(&rig, &get_call, NULL), 0);
    memcpy(first, fake_request_header(&rig.fake, 0, "x-amz-date"), 17);
    assert_string_not_equal(fake_request_header(&rig.fake, 2, "x-amz-date"), first);
    assert_true(rig.clock.longest_sleep_ms >= 3000); /* what the server asked for */
    s3_rig_dispose(&rig);
}

static void gives_up_after_ten_attempts_and_says_so(void **state)
{
    struct fake_reply replies[10];
    struct s3_rig rig;

    (void)state;
    for (size_t i = 0; i < 10; i++) {
        replies[i] =
            (struct fake_reply)FAKE_REPLY(503, "x-amz-request-id: R7", S3_ERROR("SlowDown"));
    }
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(perform(&rig, &get_call, NULL), ERR_THROTTLED);
    assert_string_equal(rig.err.msg, "after 10 attempts: HTTP 503 SlowDown (request R7)");
    assert_int_equal(rig.err.http_status, 503);
    assert_string_equal(rig.err.s3_code, "SlowDown");
    assert_string_equal(rig.err.request_id, "R7");
    s3_rig_dispose(&rig);
}

static void does_not_repeat_what_cannot_get_better(void **state)
{
    static const struct {
        struct fake_reply reply;
        int code;
    } cases[] = {
        { FAKE_REPLY(403, NULL, S3_ERROR("AccessDenied")), ERR_DENIED },
        { FAKE_REPLY(403, NULL, S3_ERROR("SignatureDoesNotMatch")), ERR_DENIED },
        { FAKE_REPLY(404, NULL, S3_ERROR("NoSuchKey")), ERR_NOT_FOUND },
        { FAKE_REPLY(412, NULL, S3_ERROR("PreconditionFailed")), ERR_EXISTS },
        { FAKE_REPLY(501, NULL, S3_ERROR("NotImplemented")), ERR_UNSUPPORTED },
        { FAKE_REPLY(400, NULL, S3_ERROR("InvalidArgument")), ERR_PROTOCOL },
        { { .code = ERR_PROTOCOL }, ERR_PROTOCOL },
        { { .code = ERR_CANCELED }, ERR_CANCELED },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct s3_rig rig;

        s3_rig_init(&rig, &cases[i].reply, 1);
        assert_int_equal(perform(&rig, &get_call, NULL), cases[i].code);
        assert_int_equal(rig.fake.request_count, 1);
        s3_rig_dispose(&rig);
    }
}

static void an_error_document_under_a_status_of_success_is_a_failure(void **state)
{
    static const struct fake_reply replies[] = { FAKE_REPLY(200, NULL,
                                                            "\n  " S3_ERROR("InternalError")),
                                                 FAKE_REPLY(200, NULL, S3_ERROR("AccessDenied")) };
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(perform(&rig, &get_call, NULL), ERR_DENIED);
    assert_string_equal(rig.err.msg, "HTTP 200 AccessDenied");
    s3_rig_dispose(&rig);
}

static void survives_a_fault_at_any_attempt(void **state)
{
    static const int codes[] = { ERR_NET, ERR_TIMEOUT, ERR_SERVER, ERR_THROTTLED };
    static const struct fake_reply replies[] = { FAKE_REPLY(500, NULL, NULL),
                                                 FAKE_REPLY(200, NULL, NULL) };

    (void)state;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        for (size_t at = 1; at <= 3; at++) {
            struct s3_rig rig;

            S3_RIG_INIT(&rig, replies);
            rig.fake.fault_at = at;
            rig.fake.fault_code = codes[i];
            assert_int_equal(perform(&rig, &get_call, NULL), 0);
            assert_int_equal(rig.fake.request_count, at <= 2 ? 3 : 2);
            s3_rig_dispose(&rig);
        }
    }
}

static void a_host_that_never_answered_gets_five_attempts(void **state)
{
    static const struct fake_reply refused = { .code = ERR_NET };
    const struct fake_reply unknown[] = { refused, refused, refused, refused, refused };
    const struct fake_reply known[] = { { .status = 200 }, refused, refused, refused,
                                        refused,           refused, refused, { .status = 200 } };
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, unknown);
    assert_int_equal(perform(&rig, &get_call, NULL), ERR_NET);
    s3_rig_dispose(&rig);
    S3_RIG_INIT(&rig, known); /* one that is being restarted is waited for */
    assert_int_equal(perform(&rig, &get_call, NULL), 0);
    assert_int_equal(perform(&rig, &get_call, NULL), 0);
    s3_rig_dispose(&rig);
}

static void signs_with_the_servers_time_once_it_refuses_ours(void **state)
{
    static const struct fake_reply replies[] = {
        FAKE_REPLY(403, SKEWED_DATE, S3_ERROR("RequestTimeTooSkewed")),
        FAKE_REPLY(200, NULL, NULL),
        FAKE_REPLY(200, NULL, NULL),
    };
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(perform(&rig, &get_call, NULL), 0);
    assert_string_equal(fake_request_header(&rig.fake, 1, "x-amz-date"), "20261123T080528Z");
    assert_int_equal(rig.clock.sleep_count, 0); /* mended, not waited for */
    assert_non_null(strstr(rig.warnings, "clock is 1 h 0 min behind"));
    assert_int_equal(perform(&rig, &get_call, NULL), 0); /* the next call knows already */
    assert_string_equal(fake_request_header(&rig.fake, 2, "x-amz-date"), "20261123T080528Z");
    s3_rig_dispose(&rig);
}

static void a_clock_that_stays_refused_is_an_error_that_names_it(void **state)
{
    static const struct fake_reply replies[] = {
        FAKE_REPLY(403, SKEWED_DATE, S3_ERROR("RequestTimeTooSkewed")),
        FAKE_REPLY(403, SKEWED_DATE, S3_ERROR("RequestTimeTooSkewed")),
    };
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(perform(&rig, &get_call, NULL), ERR_DENIED);
    assert_non_null(strstr(rig.err.hint, "clock"));
    assert_non_null(strstr(rig.err.hint, "s3.test"));
    s3_rig_dispose(&rig);
}

static void a_head_without_a_reason_is_mended_when_the_clocks_are_far_apart(void **state)
{
    static const struct fake_reply replies[] = { FAKE_REPLY(403, SKEWED_DATE, NULL),
                                                 FAKE_REPLY(200, "Content-Length: 5", NULL) };
    struct s3_object_info info;
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(s3_head_object(rig.client, "k", &info, &rig.err), 0);
    s3_rig_dispose(&rig);
}

static void signs_for_the_region_that_the_server_names(void **state)
{
    static const struct fake_reply replies[] = {
        FAKE_REPLY(
            400, NULL,
            "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>"),
        FAKE_REPLY(200, NULL, NULL),
        FAKE_REPLY(200, NULL, NULL),
    };
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(perform(&rig, &get_call, NULL), 0);
    assert_non_null(strstr(fake_request_header(&rig.fake, 1, "Authorization"), "/eu-west-1/s3/"));
    assert_non_null(strstr(rig.warnings, "eu-west-1"));
    assert_int_equal(perform(&rig, &get_call, NULL), 0);
    assert_non_null(strstr(fake_request_header(&rig.fake, 2, "Authorization"), "/eu-west-1/s3/"));
    s3_rig_dispose(&rig);
}

/* What is on the way does not know it: that is no failure, and it is not asked again. */
static void waits_for_no_100_where_something_refuses_that(void **state)
{
    static const struct fake_reply replies[] = { FAKE_REPLY(417, NULL, NULL),
                                                 FAKE_REPLY(200, NULL, NULL),
                                                 FAKE_REPLY(200, NULL, NULL) };
    static const struct fake_reply stubborn[] = { FAKE_REPLY(417, NULL, NULL),
                                                  FAKE_REPLY(417, NULL, NULL) };
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(perform(&rig, &get_call, NULL), 0);
    assert_int_equal(perform(&rig, &get_call, NULL), 0);
    assert_false(rig.fake.requests[0].no_expect);
    assert_true(rig.fake.requests[1].no_expect && rig.fake.requests[2].no_expect);
    s3_rig_dispose(&rig);
    S3_RIG_INIT(&rig, stubborn);
    assert_int_equal(perform(&rig, &get_call, NULL), ERR_PROTOCOL);
    s3_rig_dispose(&rig);
}

static void asks_again_with_a_body_when_a_head_does_not_name_the_region(void **state)
{
    static const struct fake_reply replies[] = {
        FAKE_REPLY(400, NULL, NULL),
        FAKE_REPLY(
            400, NULL,
            "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>"),
        FAKE_REPLY(200, "Content-Length: 5", NULL),
    };
    struct s3_object_info info;
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(s3_head_object(rig.client, "k", &info, &rig.err), 0);
    s3_rig_check(&rig, 1, HTTP_GET, "?list-type=2&max-keys=1");
    s3_rig_check(&rig, 2, HTTP_HEAD, "/k");
    s3_rig_dispose(&rig);
}

static void never_follows_a_region_in_circles(void **state)
{
    static const struct fake_reply replies[] = {
        FAKE_REPLY(301, "x-amz-bucket-region: eu-west-1", S3_ERROR("PermanentRedirect")),
        FAKE_REPLY(301, "x-amz-bucket-region: us-east-1", S3_ERROR("PermanentRedirect")),
    };
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(perform(&rig, &get_call, NULL), ERR_CONFIG);
    assert_non_null(strstr(rig.err.hint, "us-east-1"));
    s3_rig_dispose(&rig);
}

static void takes_no_region_that_is_none(void **state)
{
    static const struct fake_reply replies[] = {
        FAKE_REPLY(301, "x-amz-bucket-region: evil.example/", S3_ERROR("PermanentRedirect")),
    };
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(perform(&rig, &get_call, NULL), ERR_CONFIG);
    s3_rig_dispose(&rig);
}

static void sends_nothing_once_canceled(void **state)
{
    struct s3_rig rig;

    (void)state;
    s3_rig_init(&rig, NULL, 0);
    cancel_set(&rig.cancel, 15);
    assert_int_equal(perform(&rig, &get_call, NULL), ERR_CANCELED);
    assert_int_equal(rig.fake.request_count, 0);
    s3_rig_dispose(&rig);
}

static void a_failure_of_the_body_is_not_the_servers(void **state)
{
    static const struct fake_reply replies[] = { FAKE_REPLY(200, NULL, NULL) };
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    rig.fake.fault_at = 1;
    rig.fake.fault_code = ERR_IO;
    assert_int_equal(perform(&rig, &get_call, NULL), ERR_IO);
    assert_int_equal(rig.fake.request_count, 1);
    s3_rig_dispose_early(&rig);
}

static void keeps_of_an_errors_body_what_a_message_can_use(void **state)
{
    char *huge = malloc(200001);
    struct fake_reply reply = FAKE_REPLY(400, NULL, huge);
    struct buf body = BUF_INIT(1u << 20);
    struct s3_rig rig;

    (void)state;
    assert_non_null(huge);
    memset(huge, 'x', 200000);
    huge[200000] = '\0';
    s3_rig_init(&rig, &reply, 1);
    assert_int_equal(perform(&rig, &get_call, &body), ERR_PROTOCOL);
    assert_int_equal(body.len, 65536);
    buf_dispose(&body);
    free(huge);
    s3_rig_dispose(&rig);
}

static int read_nothing(struct io_source *source, void *data, size_t len, size_t *ret_len,
                        struct err *err)
{
    (void)source;
    (void)data;
    (void)len;
    (void)err;
    *ret_len = 0;
    return 0;
}

static int rewind_nothing(struct io_source *source, struct err *err)
{
    (void)source;
    (void)err;
    return 0;
}

static void hashes_a_payload_and_notices_a_wrong_size(void **state)
{
    static const struct io_source_ops ops = { "short", read_nothing, rewind_nothing, NULL };
    struct io_source *source, lying = { &ops, 1 };
    char hash[S3_PAYLOAD_HASH_SIZE];

    (void)state;
    assert_int_equal(memory_source_new("Welcome to Amazon S3.", 21, &source, NULL), 0);
    assert_int_equal(s3_payload_hash(source, NULL, hash, NULL), 0);
    assert_string_equal(hash, "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072");
    io_source_free(source);
    assert_int_equal(s3_payload_hash(&lying, NULL, hash, NULL), ERR_IO);
}

static void takes_keys_that_can_be_listed_and_no_others(void **state)
{
    static const char *const fine[] = { "k", "a/b c", "//", "..", "\xc3\xbc", "\xf0\x9f\x92\xbe" };
    static const char *const bad[] = { "",         "a\nb",         "\x01",
                                       "\x7f",     "\xff",         "\xc0\xaf",
                                       "\xe0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                       "a\xc3" };
    char longest[S3_KEY_LEN_MAX + 2];

    (void)state;
    for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++)
        assert_int_equal(s3_key_check(fine[i], NULL), 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(s3_key_check(bad[i], NULL), ERR_CONFIG);
    memset(longest, 'k', sizeof(longest));
    longest[S3_KEY_LEN_MAX + 1] = '\0';
    assert_int_equal(s3_key_check(longest, NULL), ERR_CONFIG);
    longest[S3_KEY_LEN_MAX] = '\0';
    assert_int_equal(s3_key_check(longest, NULL), 0);
}

static void no_secret(void *context, enum log_level level, const char *line)
{
    (void)level;
    if (strstr(line, "SECRET") != NULL || strstr(line, "Signature") != NULL)
        *(int *)context = 1;
}

static void logs_no_secret_and_no_signature(void **state)
{
    static const struct fake_reply replies[] = { FAKE_REPLY(500, NULL, NULL),
                                                 FAKE_REPLY(403, NULL, S3_ERROR("AccessDenied")) };
    struct s3_rig rig;
    int seen = 0;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    log_set_sink(no_secret, &seen, LOG_LEVEL_TRACE);
    assert_int_equal(perform(&rig, &get_call, NULL), ERR_DENIED);
    assert_int_equal(seen, 0);
    assert_null(strstr(rig.err.msg, "SECRET"));
    s3_rig_dispose(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sends_a_signed_request_and_returns_the_answer),
        cmocka_unit_test(encodes_keys_and_queries_as_they_are_signed),
        cmocka_unit_test(signs_every_attempt_anew),
        cmocka_unit_test(gives_up_after_ten_attempts_and_says_so),
        cmocka_unit_test(does_not_repeat_what_cannot_get_better),
        cmocka_unit_test(an_error_document_under_a_status_of_success_is_a_failure),
        cmocka_unit_test(survives_a_fault_at_any_attempt),
        cmocka_unit_test(a_host_that_never_answered_gets_five_attempts),
        cmocka_unit_test(signs_with_the_servers_time_once_it_refuses_ours),
        cmocka_unit_test(a_clock_that_stays_refused_is_an_error_that_names_it),
        cmocka_unit_test(a_head_without_a_reason_is_mended_when_the_clocks_are_far_apart),
        cmocka_unit_test(signs_for_the_region_that_the_server_names),
        cmocka_unit_test(waits_for_no_100_where_something_refuses_that),
        cmocka_unit_test(asks_again_with_a_body_when_a_head_does_not_name_the_region),
        cmocka_unit_test(never_follows_a_region_in_circles),
        cmocka_unit_test(takes_no_region_that_is_none),
        cmocka_unit_test(sends_nothing_once_canceled),
        cmocka_unit_test(a_failure_of_the_body_is_not_the_servers),
        cmocka_unit_test(keeps_of_an_errors_body_what_a_message_can_use),
        cmocka_unit_test(hashes_a_payload_and_notices_a_wrong_size),
        cmocka_unit_test(takes_keys_that_can_be_listed_and_no_others),
        cmocka_unit_test(logs_no_secret_and_no_signature),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
