/* Goal: what a server tells without a key is told, and nothing is made of what it does not tell. */
#include "tests/harness/test.h"

#include "s3/survey.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "tests/harness/s3_rig.h"

static void any_answer_will_do_and_gives_the_time(void **state)
{
    static const struct fake_reply replies[] = {
        FAKE_REPLY(403, "Date: Mon, 23 Nov 2026 07:00:00 GMT", "<Error/>"),
    };
    struct s3_survey survey;
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(s3_survey_server(rig.client, &survey, &rig.err), 0);
    assert_string_equal(survey.server, "http://s3.test");
    assert_false(survey.is_tls);
    assert_int_equal(survey.certificate_ends_ms, 0);
    assert_true(survey.has_date);
    assert_int_equal(survey.clock_offset_ms, -328000); /* 07:05:28 here */
    assert_string_equal(rig.fake.requests[0].url.ptr, "http://s3.test/");
    assert_null(fake_request_header(&rig.fake, 0, "Authorization"));
    s3_rig_dispose(&rig);
}

static void a_server_that_tells_no_time_is_not_asked_twice(void **state)
{
    static const struct fake_reply replies[] = { FAKE_REPLY(503, "Date: soon", NULL) };
    struct s3_survey survey;
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(s3_survey_server(rig.client, &survey, &rig.err), 0);
    assert_false(survey.has_date);
    s3_rig_dispose(&rig);
}

static void no_answer_is_a_failure_that_leaves_the_result_alone(void **state)
{
    static const struct fake_reply replies[] = { { .code = ERR_NET } };
    struct s3_survey survey = { .clock_offset_ms = 7 };
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(s3_survey_server(rig.client, &survey, &rig.err), ERR_NET);
    assert_int_equal(survey.clock_offset_ms, 7);
    s3_rig_dispose(&rig);
}

static struct s3_client *client_at(const char *endpoint)
{
    char text[] = "SECRET";
    const struct secret secret = { text, 6 };
    const struct s3_options options = { .bucket = "bucket",
                                        .endpoint = endpoint,
                                        .region = "eu-north-7",
                                        .addressing = S3_ADDRESSING_PATH,
                                        .access_key_id = "AKID",
                                        .secret_access_key = &secret };
    struct s3_client *client = NULL;

    assert_int_equal(s3_client_new(&options, &client, NULL), 0);
    return client;
}

static void the_way_is_told_with_who_says_so(void **state)
{
    char text[] = "http://me:hunter2@proxy:3128";
    const struct secret proxy = { text, sizeof(text) - 1 };
    const struct s3_options options = { .bucket = "bucket",
                                        .endpoint = "https://minio:9000/s3",
                                        .region = "garage",
                                        .proxy = &proxy,
                                        .anonymous = true };
    struct s3_client *client = NULL;
    struct s3_way way;

    (void)state;
    assert_int_equal(s3_client_new(&options, &client, NULL), 0);
    s3_survey_way(client, &way);
    assert_string_equal(way.endpoint, "https://minio:9000/s3/bucket");
    assert_string_equal(way.endpoint_from, "as set");
    assert_string_equal(way.region, "garage");
    assert_string_equal(way.region_from, "as set");
    assert_string_equal(way.proxy, "proxy:3128");
    assert_string_equal(way.proxy_from, "the setting");
    assert_int_equal(way.client_certificate_ends_ms, 0);
    s3_client_free(client);
}

static void addresses_of(const char *endpoint, struct buf *to)
{
    struct s3_client *client = client_at(endpoint);

    buf_clear(to);
    assert_int_equal(s3_survey_addresses(client, to, NULL), 0);
    s3_client_free(client);
}

/* Which no name server need know. */
static void names_below_localhost_are_this_machine(void **state)
{
    struct buf below = BUF_INIT(1000), localhost = BUF_INIT(1000);

    (void)state;
    addresses_of("http://localhost:9000", &localhost);
    addresses_of("http://bucket.localhost:9000", &below);
    assert_string_equal(below.ptr, localhost.ptr);
    buf_dispose(&below);
    buf_dispose(&localhost);
}

static void names_and_addresses_have_addresses(void **state)
{
    static const struct {
        const char *endpoint, *wanted;
    } rows[] = {
        { "http://127.0.0.1:9000", "127.0.0.1" },
        { "http://[::1]:9000", "::1" },
        { "http://192.0.2.7", "192.0.2.7" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct s3_client *client = client_at(rows[i].endpoint);
        struct buf addresses = BUF_INIT(1000);

        assert_int_equal(s3_survey_addresses(client, &addresses, NULL), 0);
        assert_string_equal(addresses.ptr, rows[i].wanted);
        buf_dispose(&addresses);
        s3_client_free(client);
    }
}

static void a_name_without_an_address_is_told_with_what_to_check(void **state)
{
    struct s3_client *client = client_at("http://nowhere.invalid:9000");
    struct buf addresses = BUF_INIT(1000);
    struct err err = { 0 };

    (void)state;
    assert_int_equal(s3_survey_addresses(client, &addresses, &err), ERR_NET);
    assert_non_null(strstr(err.msg, "'nowhere.invalid'"));
    assert_non_null(strstr(err.hint, "name servers"));
    s3_client_free(client);
}

static void the_region_is_the_one_that_requests_are_signed_for(void **state)
{
    struct s3_client *client = client_at("http://127.0.0.1:9000");
    char *region = s3_survey_region(client);

    (void)state;
    assert_string_equal(region, "eu-north-7");
    free(region);
    s3_client_free(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_answer_will_do_and_gives_the_time),
        cmocka_unit_test(a_server_that_tells_no_time_is_not_asked_twice),
        cmocka_unit_test(no_answer_is_a_failure_that_leaves_the_result_alone),
        cmocka_unit_test(the_way_is_told_with_who_says_so),
        cmocka_unit_test(names_and_addresses_have_addresses),
        cmocka_unit_test(names_below_localhost_are_this_machine),
        cmocka_unit_test(a_name_without_an_address_is_told_with_what_to_check),
        cmocka_unit_test(the_region_is_the_one_that_requests_are_signed_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
