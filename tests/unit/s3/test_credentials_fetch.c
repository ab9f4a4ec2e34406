/* Goal: what is asked is asked again when that may help, and only documents with whole credentials
 * are taken. */
#include "tests/harness/test.h"

#include <stdlib.h>
#include <string.h>

#include "s3/credentials_fetch.h"
#include "tests/harness/credentials_rig.h"

static int fetch(struct credentials_rig *rig, struct s3_fetched *fetched)
{
    struct http_headers headers = HTTP_HEADERS_INIT;
    const struct s3_fetch wanted = { .method = HTTP_GET,
                                     .url = "http://x/y",
                                     .headers = &headers,
                                     .attempts_max = 3,
                                     .pause_ms = 1000,
                                     .timeout_ms = 2000,
                                     .is_local = true };

    return s3_fetch(&rig->context, &wanted, fetched, &rig->err);
}

static void asks_again_what_may_be_answered_later(void **state)
{
    static const struct fake_reply replies[] = {
        { .code = ERR_NET },
        FAKE_REPLY(503, NULL, "later"),
        FAKE_REPLY(200, NULL, "now"),
    };
    struct s3_fetched fetched = S3_FETCHED_INIT;
    struct credentials_rig rig;

    (void)state;
    CREDENTIALS_RIG_INIT(&rig, replies);
    assert_int_equal(fetch(&rig, &fetched), 0);
    assert_int_equal(fetched.status, 200);
    assert_string_equal(fetched.body.ptr, "now");
    assert_int_equal(rig.clock.slept_ms, 2000);
    assert_true(rig.fake.requests[0].is_local);
    s3_fetched_dispose(&fetched);
    credentials_rig_dispose(&rig);
}

static void gives_up_after_as_many_as_it_may(void **state)
{
    static const struct fake_reply down[] = { { .code = ERR_NET },
                                              { .code = ERR_NET },
                                              { .code = ERR_TIMEOUT } };
    static const struct fake_reply busy[] = { FAKE_REPLY(429, NULL, ""), FAKE_REPLY(429, NULL, ""),
                                              FAKE_REPLY(500, NULL, "") };
    struct s3_fetched fetched = S3_FETCHED_INIT;
    struct credentials_rig rig;

    (void)state;
    CREDENTIALS_RIG_INIT(&rig, down);
    assert_int_equal(fetch(&rig, &fetched), ERR_TIMEOUT);
    credentials_rig_dispose(&rig);
    CREDENTIALS_RIG_INIT(&rig, busy);
    assert_int_equal(fetch(&rig, &fetched), 0);
    assert_int_equal(fetched.status, 500);
    s3_fetched_dispose(&fetched);
    credentials_rig_dispose(&rig);
}

static void takes_no_endless_answer(void **state)
{
    char *body = malloc(S3_FETCHED_LEN_MAX + 2);
    struct fake_reply replies[] = { { .status = 200, .body = body } };
    struct s3_fetched fetched = S3_FETCHED_INIT;
    struct credentials_rig rig;

    (void)state;
    assert_non_null(body);
    memset(body, 'x', S3_FETCHED_LEN_MAX + 1);
    body[S3_FETCHED_LEN_MAX + 1] = '\0';
    CREDENTIALS_RIG_INIT(&rig, replies);
    assert_int_equal(fetch(&rig, &fetched), ERR_LIMIT);
    s3_fetched_dispose(&fetched);
    credentials_rig_dispose(&rig);
    free(body);
}

static void reads_whole_documents_only(void **state)
{
    static const struct {
        enum s3_credentials_document kind;
        const char *text;
        int code;
    } cases[] = {
        { S3_DOCUMENT_PROCESS, "{\"Version\":1,\"AccessKeyId\":\"I\",\"SecretAccessKey\":\"S\"}",
          0 },
        { S3_DOCUMENT_PROCESS, "{\"AccessKeyId\":\"I\",\"SecretAccessKey\":\"S\"}", ERR_PROTOCOL },
        { S3_DOCUMENT_PROCESS, "{\"Version\":2,\"AccessKeyId\":\"I\",\"SecretAccessKey\":\"S\"}",
          ERR_PROTOCOL },
        { S3_DOCUMENT_PROCESS, "{\"Version\":1,\"AccessKeyId\":\"I\"}", ERR_CONFIG },
        { S3_DOCUMENT_PROCESS, "{\"Version\":1}", ERR_PROTOCOL },
        { S3_DOCUMENT_PROCESS, "[]", ERR_PROTOCOL },
        { S3_DOCUMENT_PROCESS, "", ERR_PROTOCOL },
        { S3_DOCUMENT_METADATA, "{\"AccessKeyId\":\"I\",\"SecretAccessKey\":\"S\"}", 0 },
        { S3_DOCUMENT_METADATA,
          "{\"Code\":\"Success\",\"AccessKeyId\":\"I\",\"SecretAccessKey\":\"S\"}", 0 },
        { S3_DOCUMENT_METADATA, "{\"Code\":\"AssumeRoleUnauthorizedAccess\"}", ERR_DENIED },
        { S3_DOCUMENT_METADATA,
          "{\"AccessKeyId\":\"I\",\"SecretAccessKey\":\"S\",\"Expiration\":\"2h\"}", ERR_PROTOCOL },
        { S3_DOCUMENT_METADATA, "{\"AccessKeyId\":\"I\",\"SecretAccessKey\":\"S\\u0000\"}",
          ERR_PROTOCOL },
        { S3_DOCUMENT_METADATA, "{\"AccessKeyId\":\"I\\nX: y\",\"SecretAccessKey\":\"S\"}",
          ERR_CONFIG },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct s3_credentials found = S3_CREDENTIALS_INIT;
        const int r = s3_credentials_document_parse(str_from(cases[i].text), cases[i].kind, "it",
                                                    &found, NULL);

        if (r != cases[i].code)
            fail_msg("%s: %d", cases[i].text, r);
        assert_int_equal(found.access_key_id != NULL, r == 0);
        s3_credentials_dispose(&found);
    }
}

static void reads_when_they_end(void **state)
{
    static const char *const times[] = { "2026-11-23T07:05:28Z", "2026-11-23T07:05:28.000Z",
                                         "2026-11-23T08:05:28+01:00" };

    (void)state;
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        struct s3_credentials found = S3_CREDENTIALS_INIT;
        struct buf text = BUF_INIT(512);

        buf_addf(&text,
                 "{\"AccessKeyId\":\"I\",\"SecretAccessKey\":\"S\",\"Token\":\"T\","
                 "\"Expiration\":\"%s\"}",
                 times[i]);
        assert_int_equal(
            s3_credentials_document_parse(buf_str(&text), S3_DOCUMENT_METADATA, "it", &found, NULL),
            0);
        assert_int_equal(found.expires_ms, CREDENTIALS_RIG_NOW_MS);
        assert_string_equal(found.session_token.ptr, "T");
        s3_credentials_dispose(&found);
        buf_dispose(&text);
    }
}

static void says_of_a_refusal_who_and_how(void **state)
{
    struct err err = { 0 };

    (void)state;
    assert_int_equal(s3_fetch_refused("it", 403, &err), ERR_DENIED);
    assert_string_equal(err.msg, "it answers with HTTP 403");
    assert_int_equal(s3_fetch_refused("it", 429, NULL), ERR_THROTTLED);
    assert_int_equal(s3_fetch_refused("it", 500, NULL), ERR_SERVER);
}

static void finds_the_host_of_a_url(void **state)
{
    static const char *const cases[][2] = { { "http://a:8/b", "a:8" },
                                            { "https://[::1]:9?x", "[::1]:9" },
                                            { "http://a", "a" } };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *host = s3_fetch_host(cases[i][0]);

        assert_string_equal(host, cases[i][1]);
        free(host);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asks_again_what_may_be_answered_later),
        cmocka_unit_test(gives_up_after_as_many_as_it_may),
        cmocka_unit_test(takes_no_endless_answer),
        cmocka_unit_test(reads_whole_documents_only),
        cmocka_unit_test(reads_when_they_end),
        cmocka_unit_test(says_of_a_refusal_who_and_how),
        cmocka_unit_test(finds_the_host_of_a_url),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
