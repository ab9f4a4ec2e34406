/* Goal: answers are sorted into those worth another try and those not; waits grow, are capped, and
 * heed the server; the budget is kept. */
#include "tests/harness/test.h"

#include "base/err.h"
#include "s3/retry.h"

static const struct s3_retry_policy policy = { 10, 900000 };

static void classifies_by_code_then_by_status(void **state)
{
    static const struct {
        int status;
        const char *s3_code;
        int code;
    } cases[] = {
        { 503, "SlowDown", ERR_THROTTLED },
        { 503, "", ERR_THROTTLED },
        { 429, "", ERR_THROTTLED },
        { 400, "RequestRateLimitExceeded", ERR_THROTTLED },
        { 400, "RequestTimeout", ERR_TIMEOUT },
        { 408, "", ERR_TIMEOUT },
        { 408, "RequestCanceled", ERR_SERVER },
        { 500, "InternalError", ERR_SERVER },
        { 502, "", ERR_SERVER },
        { 504, "", ERR_SERVER },
        { 520, "", ERR_SERVER },
        { 499, "", ERR_SERVER },
        { 200, "InternalError", ERR_SERVER },
        { 200, "Unheard-of", ERR_SERVER },
        { 200, "InvalidPart", ERR_PROTOCOL },
        { 409, "OperationAborted", ERR_SERVER },
        { 409, "ConditionalRequestConflict", ERR_SERVER },
        { 409, "", ERR_EXISTS },
        { 412, "PreconditionFailed", ERR_EXISTS },
        { 412, "", ERR_EXISTS },
        { 400, "BadDigest", ERR_SERVER },
        { 400, "InvalidArgument", ERR_PROTOCOL },
        { 401, "", ERR_DENIED },
        { 403, "", ERR_DENIED },
        { 400, "ExpiredToken", ERR_DENIED },
        { 403, "QuotaExceeded", ERR_LIMIT },
        { 413, "", ERR_LIMIT },
        { 404, "", ERR_NOT_FOUND },
        { 404, "NoSuchUpload", ERR_NOT_FOUND },
        { 405, "", ERR_UNSUPPORTED },
        { 501, "NotImplemented", ERR_UNSUPPORTED },
        { 416, "", ERR_CORRUPT },
        { 301, "", ERR_CONFIG },
        { 307, "TemporaryRedirect", ERR_CONFIG },
        { 400, "AuthorizationHeaderMalformed", ERR_CONFIG },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const int code = s3_classify(cases[i].status, cases[i].s3_code);

        if (code != cases[i].code)
            fail_msg("%d %s: %d, not %d", cases[i].status, cases[i].s3_code, code, cases[i].code);
    }
}

static struct s3_failure failure(int code)
{
    return (struct s3_failure){ .code = code, .s3_code = "" };
}

static void tries_ten_times_with_longer_and_longer_waits(void **state)
{
    static const int64_t longest[] = { 200, 400, 800, 1600, 3200, 6400, 12800, 20000, 20000 };
    const struct s3_failure net = failure(ERR_NET);
    struct s3_retry retry;
    int64_t wait_ms;

    (void)state;
    s3_retry_init(&retry, &policy, 0);
    for (size_t i = 0; i < 9; i++) {
        /* The random number that gives the longest wait. */
        assert_true(s3_retry_next(&retry, &net, 0, (uint64_t)longest[i], &wait_ms));
        assert_int_equal(wait_ms, longest[i]);
    }
    assert_false(s3_retry_next(&retry, &net, 0, 0, &wait_ms));
}

static void a_throttling_server_is_given_a_second_at_least(void **state)
{
    const struct s3_failure throttled = failure(ERR_THROTTLED);
    struct s3_retry retry;
    int64_t wait_ms;

    (void)state;
    s3_retry_init(&retry, &policy, 0);
    assert_true(s3_retry_next(&retry, &throttled, 0, 0, &wait_ms));
    assert_int_equal(wait_ms, 1000);
    assert_true(s3_retry_next(&retry, &throttled, 0, 400, &wait_ms));
    assert_int_equal(wait_ms, 1400);
}

static void waits_as_long_as_the_server_asks(void **state)
{
    struct s3_failure throttled = failure(ERR_THROTTLED);
    struct s3_retry retry;
    int64_t wait_ms;

    (void)state;
    throttled.retry_after_ms = 7000;
    s3_retry_init(&retry, &policy, 0);
    assert_true(s3_retry_next(&retry, &throttled, 0, 0, &wait_ms));
    assert_int_equal(wait_ms, 7000);
}

static void never_repeats_what_is_final(void **state)
{
    static const int codes[] = { ERR_NOMEM,  ERR_IO,       ERR_DENIED,     ERR_NOT_FOUND,
                                 ERR_EXISTS, ERR_CONFIG,   ERR_PROTOCOL,   ERR_CORRUPT,
                                 ERR_LIMIT,  ERR_CANCELED, ERR_UNSUPPORTED };

    (void)state;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        const struct s3_failure final = failure(codes[i]);
        struct s3_retry retry;
        int64_t wait_ms;

        s3_retry_init(&retry, &policy, 0);
        assert_false(s3_retry_next(&retry, &final, 0, 0, &wait_ms));
    }
}

static void stops_at_the_deadline(void **state)
{
    const struct s3_failure net = failure(ERR_NET);
    struct s3_retry retry;
    int64_t wait_ms = 0;

    (void)state;
    s3_retry_init(&retry, &policy, 1000);
    assert_true(s3_retry_next(&retry, &net, 901000, 0, &wait_ms));
    assert_false(s3_retry_next(&retry, &net, 901001, 0, &wait_ms));
    s3_retry_init(&retry, &policy, 1000);
    assert_false(s3_retry_next(&retry, &net, 900900, 101, &wait_ms)); /* it would wait past it */
}

static void progress_begins_anew(void **state)
{
    const struct s3_failure net = failure(ERR_NET);
    struct s3_retry retry;
    int64_t wait_ms;

    (void)state;
    s3_retry_init(&retry, &policy, 0);
    for (int64_t now = 0; now < 100; now++) {
        s3_retry_progress(&retry, now * 800000);
        assert_true(s3_retry_next(&retry, &net, now * 800000, 200, &wait_ms));
        assert_int_equal(wait_ms, 200);
    }
}

static void damage_and_strangers_have_budgets_of_their_own(void **state)
{
    const struct s3_failure damaged = { .code = ERR_SERVER, .s3_code = "BadDigest" };
    const struct s3_failure unknown = { .code = ERR_NET, .s3_code = "", .never_answered = true };
    struct s3_retry retry;
    int64_t wait_ms;

    (void)state;
    s3_retry_init(&retry, &policy, 0);
    assert_true(s3_retry_next(&retry, &damaged, 0, 0, &wait_ms));
    assert_true(s3_retry_next(&retry, &damaged, 0, 0, &wait_ms));
    assert_false(s3_retry_next(&retry, &damaged, 0, 0, &wait_ms));
    s3_retry_init(&retry, &policy, 0);
    for (int i = 0; i < 4; i++)
        assert_true(s3_retry_next(&retry, &unknown, 0, 0, &wait_ms));
    assert_false(s3_retry_next(&retry, &unknown, 0, 0, &wait_ms));
}

static void reads_retry_after(void **state)
{
    static const struct {
        const char *header;
        int64_t wait_ms;
    } cases[] = {
        { NULL, 0 },
        { "", 0 },
        { "soon", 0 },
        { "-1", 0 },
        { "0", 0 },
        { "3", 3000 },
        { "61", 60000 },
        { "999999999999999999999", 0 },
        { "Mon, 23 Nov 2026 07:05:38 GMT", 10000 },
        { "Mon, 23 Nov 2026 09:05:28 GMT", 60000 },
        { "Mon, 23 Nov 2026 07:05:00 GMT", 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(s3_retry_after_ms(cases[i].header, INT64_C(1795417528000)),
                         cases[i].wait_ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classifies_by_code_then_by_status),
        cmocka_unit_test(tries_ten_times_with_longer_and_longer_waits),
        cmocka_unit_test(a_throttling_server_is_given_a_second_at_least),
        cmocka_unit_test(waits_as_long_as_the_server_asks),
        cmocka_unit_test(never_repeats_what_is_final),
        cmocka_unit_test(stops_at_the_deadline),
        cmocka_unit_test(progress_begins_anew),
        cmocka_unit_test(damage_and_strangers_have_budgets_of_their_own),
        cmocka_unit_test(reads_retry_after),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
