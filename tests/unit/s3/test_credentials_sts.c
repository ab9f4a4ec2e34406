/* Goal: roles are asked for as the Security Token Service wants it: a web identity's without a
 * signature, others signed; and what it refuses is said without the token. */
#include "tests/harness/test.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "tests/harness/credentials_rig.h"
#include "tests/harness/temp_dir.h"

#define CREDENTIALS                                                                                \
    "<Credentials><AccessKeyId>I</AccessKeyId><SecretAccessKey>S</SecretAccessKey>"                \
    "<SessionToken>T</SessionToken><Expiration>2026-11-23T08:05:28Z</Expiration></Credentials>"
#define ANSWER(action)                                                                             \
    "<" action "Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><" action             \
    "Result>" CREDENTIALS "</" action "Result></" action "Response>"
#define REFUSAL(code)                                                                              \
    "<ErrorResponse><Error><Type>Sender</Type><Code>" code "</Code><Message>no</Message></Error>"  \
    "</ErrorResponse>"
#define ARN "arn:aws:iam::123456789012:role/backup"

static char *dir, *token_path;

static void write_token(const char *text)
{
    assert_int_equal(file_write_atomic(token_path, text, strlen(text), 0600, NULL), 0);
}

static struct s3_credentials_source *web_identity(struct credentials_rig *rig,
                                                  const struct s3_role *role)
{
    struct s3_credentials_source *made = NULL;

    assert_int_equal(s3_source_web_identity_new(&rig->context, role, &made, NULL), 0);
    return made;
}

static void a_web_identity_is_posted_without_a_signature(void **state)
{
    static const struct fake_reply replies[] = { FAKE_REPLY(200, NULL,
                                                            ANSWER("AssumeRoleWithWebIdentity")) };
    const struct s3_role role = {
        .arn = ARN, .session_name = "me", .token_file = token_path, .region = "eu-west-1"
    };
    struct credentials_rig rig;

    (void)state;
    write_token("ey.J/w+t\n");
    CREDENTIALS_RIG_INIT(&rig, replies);
    credentials_rig_expect(&rig, web_identity(&rig, &role), "I", "S", "T");
    assert_int_equal(rig.fake.requests[0].method, HTTP_POST);
    assert_string_equal(rig.fake.requests[0].url.ptr, "https://sts.eu-west-1.amazonaws.com/");
    assert_string_equal(rig.fake.requests[0].body.ptr,
                        "Action=AssumeRoleWithWebIdentity&"
                        "RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fbackup&"
                        "RoleSessionName=me&Version=2011-06-15&WebIdentityToken=ey.J%2Fw%2Bt");
    assert_null(fake_request_header(&rig.fake, 0, "Authorization"));
    assert_false(rig.fake.requests[0].is_local);
    credentials_rig_dispose(&rig);
}

static void sts_is_where_the_region_or_the_settings_say(void **state)
{
    static const struct {
        const char *endpoint, *region, *url;
        bool use_fips;
    } cases[] = {
        { NULL, NULL, "https://sts.us-east-1.amazonaws.com/", false },
        { NULL, "cn-north-1", "https://sts.cn-north-1.amazonaws.com.cn/", false },
        { NULL, "us-west-2", "https://sts-fips.us-west-2.amazonaws.com/", true },
        { "http://127.0.0.1:9/sts", "us-west-2", "http://127.0.0.1:9/sts/", true },
    };
    static const struct fake_reply replies[] = { FAKE_REPLY(200, NULL,
                                                            ANSWER("AssumeRoleWithWebIdentity")) };

    (void)state;
    write_token("t");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct s3_role role = { .arn = ARN,
                                      .token_file = token_path,
                                      .endpoint = cases[i].endpoint,
                                      .region = cases[i].region,
                                      .use_fips = cases[i].use_fips };
        struct credentials_rig rig;

        CREDENTIALS_RIG_INIT(&rig, replies);
        credentials_rig_expect(&rig, web_identity(&rig, &role), "I", "S", "T");
        assert_string_equal(rig.fake.requests[0].url.ptr, cases[i].url);
        assert_non_null(strstr(rig.fake.requests[0].body.ptr, "RoleSessionName=holdfast-"));
        credentials_rig_dispose(&rig);
    }
}

static void what_the_provider_of_identities_delays_is_asked_again(void **state)
{
    static const struct fake_reply replies[] = {
        FAKE_REPLY(400, NULL, REFUSAL("IDPCommunicationError")),
        FAKE_REPLY(400, NULL, REFUSAL("InvalidIdentityToken")),
        FAKE_REPLY(200, NULL, ANSWER("AssumeRoleWithWebIdentity")),
    };
    const struct s3_role role = { .arn = ARN, .token_file = token_path };
    struct credentials_rig rig;

    (void)state;
    write_token("t");
    CREDENTIALS_RIG_INIT(&rig, replies);
    credentials_rig_expect(&rig, web_identity(&rig, &role), "I", "S", "T");
    assert_int_equal(rig.clock.slept_ms, 2000);
    credentials_rig_dispose(&rig);
}

static void says_what_is_refused_and_never_the_token(void **state)
{
    static const struct fake_reply denied[] = { FAKE_REPLY(403, NULL, REFUSAL("AccessDenied")) };
    static const struct fake_reply garbled[] = { FAKE_REPLY(200, NULL, "<html/>") };
    static const struct fake_reply down[] = { FAKE_REPLY(503, NULL, ""), FAKE_REPLY(503, NULL, ""),
                                              FAKE_REPLY(503, NULL, "") };
    const struct s3_role role = { .arn = ARN, .token_file = token_path };
    const struct s3_role lost = { .arn = ARN, .token_file = "/nonexistent/token" };
    struct credentials_rig rig;

    (void)state;
    write_token("hunter2");
    CREDENTIALS_RIG_INIT(&rig, denied);
    credentials_rig_expect_error(&rig, web_identity(&rig, &role), ERR_DENIED,
                                 "'" ARN "': HTTP 403 AccessDenied: no");
    assert_string_equal(rig.err.s3_code, "AccessDenied");
    assert_null(strstr(rig.err.msg, "hunter2"));
    credentials_rig_dispose(&rig);
    CREDENTIALS_RIG_INIT(&rig, garbled);
    credentials_rig_expect_error(&rig, web_identity(&rig, &role), ERR_PROTOCOL, "AssumeRole");
    credentials_rig_dispose(&rig);
    CREDENTIALS_RIG_INIT(&rig, down);
    credentials_rig_expect_error(&rig, web_identity(&rig, &role), ERR_THROTTLED, "HTTP 503");
    credentials_rig_dispose(&rig);
    write_token("\n");
    credentials_rig_init(&rig, NULL, 0);
    credentials_rig_expect_error(&rig, web_identity(&rig, &role), ERR_CONFIG, "holds none");
    credentials_rig_expect_error(&rig, web_identity(&rig, &lost), ERR_CONFIG, "/nonexistent/token");
    credentials_rig_dispose(&rig);
}

static struct s3_credentials_source *container(struct credentials_rig *rig)
{
    struct s3_credentials_source *made = NULL;

    assert_int_equal(s3_source_container_new(&rig->context, &made, NULL), 0);
    return made;
}

static void a_role_is_asked_for_with_the_signature_of_its_base(void **state)
{
    static const struct fake_reply replies[] = {
        FAKE_REPLY(200, NULL,
                   "{\"AccessKeyId\":\"BASE\",\"SecretAccessKey\":\"B\",\"Token\":\"BT\"}"),
        FAKE_REPLY(200, NULL, ANSWER("AssumeRole")),
    };
    const struct s3_role role = {
        .arn = ARN, .session_name = "me", .external_id = "ext", .duration_seconds = "900"
    };
    struct s3_credentials_source *made = NULL;
    struct credentials_rig rig;
    const char *authorization;

    (void)state;
    CREDENTIALS_RIG_INIT(&rig, replies);
    assert_int_equal(
        s3_source_assume_role_new(&rig.context, &role, container(&rig), &made, &rig.err), 0);
    credentials_rig_set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/x");
    credentials_rig_expect(&rig, made, "I", "S", "T");
    assert_string_equal(rig.fake.requests[1].body.ptr,
                        "Action=AssumeRole&DurationSeconds=900&ExternalId=ext&"
                        "RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fbackup&"
                        "RoleSessionName=me&Version=2011-06-15");
    assert_string_equal(fake_request_header(&rig.fake, 1, "x-amz-security-token"), "BT");
    authorization = fake_request_header(&rig.fake, 1, "Authorization");
    /* The signature was computed once with botocore's signer, from the same request. */
    assert_string_equal(
        authorization,
        "AWS4-HMAC-SHA256 Credential=BASE/20261123/us-east-1/sts/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, "
        "Signature=36f90b233768b7389c7dbd4df5f43fc93b96d6a44439f267cb305040dcbfd967");
    credentials_rig_dispose(&rig);
}

static void settings_that_make_no_sense_are_refused_at_once(void **state)
{
    const struct s3_role region = { .arn = ARN, .token_file = "x", .region = "evil.com/" };
    const struct s3_role endpoint = { .arn = ARN, .token_file = "x", .endpoint = "sts.test" };
    const struct s3_role duration = { .arn = ARN, .duration_seconds = "5" };
    struct s3_credentials_source *made = NULL;
    struct credentials_rig rig;

    (void)state;
    credentials_rig_init(&rig, NULL, 0);
    assert_int_equal(s3_source_web_identity_new(&rig.context, &region, &made, NULL), ERR_CONFIG);
    assert_int_equal(s3_source_web_identity_new(&rig.context, &endpoint, &made, NULL), ERR_CONFIG);
    assert_int_equal(
        s3_source_assume_role_new(&rig.context, &duration, container(&rig), &made, NULL),
        ERR_CONFIG);
    credentials_rig_dispose(&rig);
}

static int make_dir(void **state)
{
    (void)state;
    dir = temp_dir_new();
    token_path = path_join(dir, "token");
    return token_path == NULL ? -1 : 0;
}

static int remove_dir(void **state)
{
    (void)state;
    free(token_path);
    temp_dir_free(dir);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_web_identity_is_posted_without_a_signature),
        cmocka_unit_test(sts_is_where_the_region_or_the_settings_say),
        cmocka_unit_test(what_the_provider_of_identities_delays_is_asked_again),
        cmocka_unit_test(says_what_is_refused_and_never_the_token),
        cmocka_unit_test_setup(a_role_is_asked_for_with_the_signature_of_its_base,
                               credentials_rig_no_environment),
        cmocka_unit_test(settings_that_make_no_sense_are_refused_at_once),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
