/* Goal: the instance metadata service is asked in its version 2, quickly given up where there is
 * none, and never through a proxy. */
#include "tests/harness/test.h"

#include <stdlib.h>
#include <string.h>

#include "tests/harness/credentials_rig.h"

#define BASE  "http://169.254.169.254/latest"
#define ROLES BASE "/meta-data/iam/security-credentials/"
#define DOCUMENT                                                                                   \
    "{\"Code\":\"Success\",\"AccessKeyId\":\"I\",\"SecretAccessKey\":\"S\",\"Token\":\"T\","       \
    "\"Expiration\":\"2026-11-23T13:05:28Z\"}"

static struct s3_credentials_source *source(struct credentials_rig *rig, const char *endpoint)
{
    struct s3_credentials_source *made = NULL;

    assert_int_equal(s3_source_imds_new(&rig->context, endpoint, &made, NULL), 0);
    return made;
}

static void asks_for_a_token_the_role_and_its_keys(void **state)
{
    static const struct fake_reply replies[] = {
        FAKE_REPLY(200, NULL, "TOKEN=="),
        FAKE_REPLY(200, NULL, "back up\nother"),
        FAKE_REPLY(200, NULL, DOCUMENT),
    };
    struct credentials_rig rig;

    (void)state;
    CREDENTIALS_RIG_INIT(&rig, replies);
    credentials_rig_expect(&rig, source(&rig, NULL), "I", "S", "T");
    assert_int_equal(rig.fake.requests[0].method, HTTP_PUT);
    assert_string_equal(rig.fake.requests[0].url.ptr, BASE "/api/token");
    assert_string_equal(fake_request_header(&rig.fake, 0, "x-aws-ec2-metadata-token-ttl-seconds"),
                        "21600");
    assert_string_equal(rig.fake.requests[1].url.ptr, ROLES);
    assert_string_equal(rig.fake.requests[2].url.ptr, ROLES "back%20up");
    for (size_t i = 0; i < 3; i++) {
        const char *token = fake_request_header(&rig.fake, i, "x-aws-ec2-metadata-token");

        assert_true(rig.fake.requests[i].is_local);
        assert_int_equal(token != NULL, i > 0);
        if (token != NULL)
            assert_string_equal(token, "TOKEN==");
    }
    credentials_rig_dispose(&rig);
}

static void a_token_that_has_ended_is_replaced_once(void **state)
{
    static const struct fake_reply replies[] = {
        FAKE_REPLY(200, NULL, "OLD"),    FAKE_REPLY(401, NULL, NULL),
        FAKE_REPLY(200, NULL, "NEW"),    FAKE_REPLY(200, NULL, "backups"),
        FAKE_REPLY(200, NULL, DOCUMENT),
    };
    static const struct fake_reply never[] = {
        FAKE_REPLY(200, NULL, "OLD"),
        FAKE_REPLY(401, NULL, NULL),
        FAKE_REPLY(200, NULL, "NEW"),
        FAKE_REPLY(401, NULL, NULL),
    };
    struct credentials_rig rig;

    (void)state;
    CREDENTIALS_RIG_INIT(&rig, replies);
    credentials_rig_expect(&rig, source(&rig, NULL), "I", "S", "T");
    assert_string_equal(fake_request_header(&rig.fake, 3, "x-aws-ec2-metadata-token"), "NEW");
    credentials_rig_dispose(&rig);
    CREDENTIALS_RIG_INIT(&rig, never);
    credentials_rig_expect_error(&rig, source(&rig, NULL), ERR_DENIED, "HTTP 401");
    credentials_rig_dispose(&rig);
}

static void where_there_is_none_it_says_so_after_two_tries(void **state)
{
    static const struct fake_reply nobody[] = { { .code = ERR_TIMEOUT }, { .code = ERR_NET } };
    static const struct fake_reply off[] = { FAKE_REPLY(403, NULL, NULL) };
    static const struct fake_reply no_role[] = { FAKE_REPLY(200, NULL, "TOKEN"),
                                                 FAKE_REPLY(404, NULL, NULL) };
    struct credentials_rig rig;

    (void)state;
    CREDENTIALS_RIG_INIT(&rig, nobody);
    credentials_rig_expect_error(&rig, source(&rig, NULL), ERR_NOT_FOUND, "metadata service");
    assert_int_equal(rig.clock.slept_ms, 0);
    credentials_rig_dispose(&rig);
    CREDENTIALS_RIG_INIT(&rig, off);
    credentials_rig_expect_error(&rig, source(&rig, NULL), ERR_NOT_FOUND, "HTTP 403");
    assert_non_null(strstr(rig.err.hint, "hop limit"));
    credentials_rig_dispose(&rig);
    CREDENTIALS_RIG_INIT(&rig, no_role);
    credentials_rig_expect_error(&rig, source(&rig, NULL), ERR_NOT_FOUND, "has no role");
    credentials_rig_dispose(&rig);
}

static void a_service_that_is_there_and_fails_is_a_failure(void **state)
{
    static const struct fake_reply failing[] = { FAKE_REPLY(500, NULL, NULL),
                                                 FAKE_REPLY(503, NULL, NULL) };
    static const struct fake_reply refuses[] = {
        FAKE_REPLY(200, NULL, "TOKEN"), FAKE_REPLY(200, NULL, "r"),
        FAKE_REPLY(200, NULL, "{\"Code\":\"AssumeRoleUnauthorizedAccess\"}")
    };
    struct credentials_rig rig;

    (void)state;
    CREDENTIALS_RIG_INIT(&rig, failing);
    credentials_rig_expect_error(&rig, source(&rig, NULL), ERR_SERVER, "HTTP 503");
    credentials_rig_dispose(&rig);
    CREDENTIALS_RIG_INIT(&rig, refuses);
    credentials_rig_expect_error(&rig, source(&rig, NULL), ERR_DENIED, "AssumeRoleUnauthorized");
    credentials_rig_dispose(&rig);
}

static void its_address_can_be_another(void **state)
{
    static const struct fake_reply replies[] = { FAKE_REPLY(404, NULL, NULL) };
    static const struct {
        const char *endpoint, *mode, *option, *url;
    } cases[] = {
        { "http://127.0.0.1:1338/", "IPv6", "http://option",
          "http://127.0.0.1:1338/latest/api/"
          "token" },
        { NULL, "ipv6", NULL, "http://[fd00:ec2::254]/latest/api/token" },
        { NULL, "ipv6", "http://option", "http://option/latest/api/token" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct credentials_rig rig;

        credentials_rig_set("AWS_EC2_METADATA_SERVICE_ENDPOINT", cases[i].endpoint);
        credentials_rig_set("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", cases[i].mode);
        CREDENTIALS_RIG_INIT(&rig, replies);
        credentials_rig_expect_error(&rig, source(&rig, cases[i].option), ERR_NOT_FOUND, "");
        assert_string_equal(rig.fake.requests[0].url.ptr, cases[i].url);
        credentials_rig_dispose(&rig);
    }
}

static void tells_the_region(void **state)
{
    static const struct fake_reply replies[] = { FAKE_REPLY(200, NULL, "TOKEN"),
                                                 FAKE_REPLY(200, NULL, "eu-central-1\n") };
    static const struct fake_reply nonsense[] = { FAKE_REPLY(200, NULL, "TOKEN"),
                                                  FAKE_REPLY(200, NULL, "evil.com/") };
    struct credentials_rig rig;
    char *region = NULL;

    (void)state;
    CREDENTIALS_RIG_INIT(&rig, replies);
    assert_int_equal(s3_imds_region(&rig.context, NULL, &region, NULL), 0);
    assert_string_equal(region, "eu-central-1");
    assert_string_equal(rig.fake.requests[1].url.ptr, BASE "/meta-data/placement/region");
    free(region);
    credentials_rig_dispose(&rig);
    CREDENTIALS_RIG_INIT(&rig, nonsense);
    assert_int_equal(s3_imds_region(&rig.context, NULL, &region, NULL), ERR_PROTOCOL);
    credentials_rig_dispose(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(asks_for_a_token_the_role_and_its_keys,
                               credentials_rig_no_environment),
        cmocka_unit_test_setup(a_token_that_has_ended_is_replaced_once,
                               credentials_rig_no_environment),
        cmocka_unit_test_setup(where_there_is_none_it_says_so_after_two_tries,
                               credentials_rig_no_environment),
        cmocka_unit_test_setup(a_service_that_is_there_and_fails_is_a_failure,
                               credentials_rig_no_environment),
        cmocka_unit_test_setup(its_address_can_be_another, credentials_rig_no_environment),
        cmocka_unit_test_setup(tells_the_region, credentials_rig_no_environment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
