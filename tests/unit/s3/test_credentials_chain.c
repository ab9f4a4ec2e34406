/* Goal: credentials come from the first place that has any; what a place says by half is never
 * passed over in silence; profiles lead to roles without going in circles. */
#include "tests/harness/test.h"

#include <stdlib.h>
#include <string.h>

#include "s3/credentials_chain.h"
#include "s3/profile.h"
#include "tests/harness/credentials_rig.h"

#define DOCUMENT "{\"AccessKeyId\":\"C\",\"SecretAccessKey\":\"c\",\"Token\":\"ct\"}"
#define ANSWER                                                                                     \
    "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>R</AccessKeyId>"              \
    "<SecretAccessKey>r</SecretAccessKey><SessionToken>rt</SessionToken></Credentials>"            \
    "</AssumeRoleResult></AssumeRoleResponse>"

static int choose(struct credentials_rig *rig, const struct s3_credentials_options *options,
                  const char *text, struct s3_credentials_source **ret_source)
{
    struct s3_profiles *profiles = NULL;
    int r;

    assert_int_equal(s3_profiles_new(&profiles, NULL), 0);
    assert_int_equal(s3_profiles_parse(profiles, str_from(text), S3_PROFILE_CREDENTIALS, NULL), 0);
    err_clear(&rig->err);
    r = s3_credentials_choose(options, profiles, &rig->context, ret_source, &rig->err);
    s3_profiles_free(profiles);
    return r;
}

/* What a place that asks nobody gives. */
static void expect(const struct s3_credentials_options *options, const char *text, const char *id,
                   const char *secret, const char *token)
{
    struct s3_credentials_source *source = NULL;
    struct credentials_rig rig;

    credentials_rig_init(&rig, NULL, 0);
    if (choose(&rig, options, text, &source) < 0)
        fail_msg("%s", rig.err.msg);
    credentials_rig_expect(&rig, source, id, secret, token);
    credentials_rig_dispose(&rig);
}

static void expect_name(const char *text, const char *name)
{
    const struct s3_credentials_options none = { 0 };
    struct s3_credentials_source *source = NULL;
    struct credentials_rig rig;

    credentials_rig_init(&rig, NULL, 0);
    if (choose(&rig, &none, text, &source) < 0)
        fail_msg("%s", rig.err.msg);
    assert_string_equal(source->name, name);
    s3_credentials_source_free(source);
    credentials_rig_dispose(&rig);
}

static void expect_refusal(const struct s3_credentials_options *options, const char *text,
                           const char *says)
{
    struct s3_credentials_source *source = NULL;
    struct credentials_rig rig;

    credentials_rig_init(&rig, NULL, 0);
    assert_int_equal(choose(&rig, options, text, &source), ERR_CONFIG);
    assert_int_equal(rig.err.code, ERR_CONFIG);
    if (strstr(rig.err.msg, says) == NULL)
        fail_msg("'%s' does not say %s", rig.err.msg, says);
    assert_null(source);
    credentials_rig_dispose(&rig);
}

static void the_options_come_first(void **state)
{
    char secret_text[] = "option-secret", token_text[] = "option-token";
    const struct secret secret = { secret_text, sizeof(secret_text) - 1 };
    const struct secret token = { token_text, sizeof(token_text) - 1 };
    struct s3_credentials_options options = { .access_key_id = "OPTION",
                                              .secret_access_key = &secret };

    (void)state;
    credentials_rig_set("AWS_ACCESS_KEY_ID", "ENV");
    credentials_rig_set("AWS_SECRET_ACCESS_KEY", "env-secret");
    credentials_rig_set("AWS_SESSION_TOKEN", "env-token");
    expect(&options, "", "OPTION", "option-secret",
           NULL); /* a token of another pair is not taken */
    options.session_token = &token;
    expect(&options, "", "OPTION", "option-secret", "option-token");
}

static void then_each_place_in_its_turn(void **state)
{
    static const char profile[] = "[default]\naws_access_key_id=A\naws_secret_access_key=a\n";
    const struct s3_credentials_options none = { 0 };

    (void)state;
    expect_name("", "the instance metadata service");
    credentials_rig_set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/x");
    expect_name("", "the container's credentials endpoint");
    expect_name("[default]\nregion=x\n", "the container's credentials endpoint");
    expect_name(profile, "the keys of a profile");
    credentials_rig_set("AWS_WEB_IDENTITY_TOKEN_FILE", "/x");
    credentials_rig_set("AWS_ROLE_ARN", "arn");
    expect_name(profile, "a web identity");
    credentials_rig_set("AWS_ACCESS_KEY_ID", "ENV");
    credentials_rig_set("AWS_SECRET_ACCESS_KEY", "env-secret");
    expect(&none, profile, "ENV", "env-secret", NULL);
    credentials_rig_set("AWS_SECURITY_TOKEN", "old-name");
    expect(&none, profile, "ENV", "env-secret", "old-name");
    credentials_rig_set("AWS_SESSION_TOKEN", "env-token");
    expect(&none, profile, "ENV", "env-secret", "env-token");
    credentials_rig_set("AWS_ACCESS_KEY_ID", ""); /* empty is unset, and the token left over */
    credentials_rig_set("AWS_SECRET_ACCESS_KEY", "");
    expect_name(profile, "a web identity");
}

static void half_of_what_is_needed_is_an_error(void **state)
{
    static const char half[] = "[default]\naws_access_key_id=FILE\n";
    char text[] = "s";
    const struct secret secret = { text, 1 };
    const struct s3_credentials_options only_id = { .access_key_id = "A" };
    const struct s3_credentials_options only_secret = { .secret_access_key = &secret };
    const struct s3_credentials_options only_token = { .session_token = &secret };
    const struct s3_credentials_options none = { 0 };

    (void)state;
    expect_refusal(&only_id, "", "secret_access_key of the configuration is missing");
    expect_refusal(&only_secret, "", "access_key_id of the configuration is missing");
    expect_refusal(&only_token, "", "access_key_id of the configuration is missing");
    expect_refusal(&none, half, "aws_secret_access_key of profile 'default' is missing");
    credentials_rig_set("AWS_WEB_IDENTITY_TOKEN_FILE", "/x");
    expect_refusal(&none, "", "AWS_ROLE_ARN is not");
    credentials_rig_set("AWS_SECRET_ACCESS_KEY", "env-secret");
    expect_refusal(&none, "", "AWS_ACCESS_KEY_ID of the environment is missing");
    credentials_rig_set("AWS_SECRET_ACCESS_KEY", NULL);
    credentials_rig_set("AWS_ACCESS_KEY_ID", "ENV");
    expect_refusal(&none, "", "AWS_SECRET_ACCESS_KEY of the environment is missing");
}

static void when_nobody_has_any_it_says_where_it_looked(void **state)
{
    const struct s3_credentials_options none = { 0 };

    (void)state;
    credentials_rig_set("AWS_EC2_METADATA_DISABLED", "true");
    expect_refusal(&none, "", "access_key_id is not set");
    expect_refusal(&none, "", "environment");
    expect_refusal(&none, "[default]\nregion=x\n", "profile files");
}

static void a_profile_by_name_passes_over_the_environment(void **state)
{
    static const char text[] = "[default]\naws_access_key_id=D\naws_secret_access_key=d\n"
                               "[backup]\naws_access_key_id=B\naws_secret_access_key=b\n[empty]\n";
    const struct s3_credentials_options named = { .profile = "backup" };
    const struct s3_credentials_options unknown = { .profile = "nobody" };
    const struct s3_credentials_options none = { 0 };
    struct s3_credentials_source *source = NULL;
    struct credentials_rig rig;

    (void)state;
    credentials_rig_set("AWS_WEB_IDENTITY_TOKEN_FILE", "/x");
    credentials_rig_set("AWS_ROLE_ARN", "arn");
    credentials_rig_set("AWS_ACCESS_KEY_ID", "ENV");
    credentials_rig_set("AWS_SECRET_ACCESS_KEY", "env-secret");
    credentials_rig_init(&rig, NULL, 0);
    assert_int_equal(choose(&rig, &named, text, &source), 0);
    assert_string_equal(source->name, "the keys of a profile");
    s3_credentials_source_free(source);
    credentials_rig_dispose(&rig);
    expect_refusal(&unknown, text, "'nobody'");
    (void)credentials_rig_no_environment(NULL);
    credentials_rig_set("AWS_PROFILE", "empty");
    expect_refusal(&none, text, "has no access key");
}

static void what_cannot_be_done_without_a_person_is_refused(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        { "[default]\nsso_session=x\n", "SSO" },
        { "[default]\nsso_start_url=x\n", "SSO" },
        { "[default]\nrole_arn=r\nsource_profile=default\nmfa_serial=x\n", "MFA" },
        { "[default]\nrole_arn=r\n", "none of source_profile and credential_source" },
        { "[default]\nrole_arn=r\nsource_profile=x\ncredential_source=Environment\n", "both" },
        { "[default]\nrole_arn=r\ncredential_source=Moon\n", "'Moon' is not known" },
        { "[default]\nrole_arn=r\ncredential_source=Environment\n", "has no credentials" },
        { "[default]\nrole_arn=r\ncredential_source=EcsContainer\n", "has no credentials" },
        { "[default]\nrole_arn=r\nsource_profile=x\n", "there is no source_profile 'x'" },
        { "[default]\nrole_arn=r\nsource_profile=x\n[x]\nregion=y\n", "'x' has no access key" },
        { "[default]\nrole_arn=r\nsource_profile=default\n", "has no access key" },
        { "[default]\nrole_arn=r\nsource_profile=b\n[b]\nrole_arn=r\nsource_profile=default\n",
          "leads back" },
    };
    const struct s3_credentials_options none = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect_refusal(&none, cases[i].text, cases[i].says);
}

static void a_profile_can_be_many_things(void **state)
{
    (void)state;
    expect_name("[default]\ncredential_process = x\n", "credential_process");
    expect_name("[default]\nrole_arn=r\nweb_identity_token_file=/x\n", "a web identity");
    expect_name("[default]\nrole_arn=r\nsource_profile=b\n[b]\ncredential_process=x\n",
                "an assumed role");
    expect_name("[default]\nrole_arn=r\ncredential_source=Ec2InstanceMetadata\n",
                "an assumed role");
    expect_name("[default]\nrole_arn=r\nsource_profile=default\naws_access_key_id=A\n"
                "aws_secret_access_key=a\n",
                "an assumed role");
}

/* The base's keys sign for the inner role, whose keys sign for the outer one. */
static void roles_are_assumed_one_through_the_other(void **state)
{
    static const char text[] =
        "[default]\nrole_arn=outer\nsource_profile=b\nexternal_id=x\n"
        "[b]\nrole_arn=inner\ncredential_source=EcsContainer\nrole_session_name=n\n";
    static const struct fake_reply replies[] = { FAKE_REPLY(200, NULL, DOCUMENT),
                                                 FAKE_REPLY(200, NULL, ANSWER),
                                                 FAKE_REPLY(200, NULL, ANSWER) };
    const struct s3_credentials_options none = { .region = "eu-west-1" };
    struct s3_credentials_source *source = NULL;
    struct credentials_rig rig;

    (void)state;
    credentials_rig_set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/x");
    credentials_rig_set("AWS_ENDPOINT_URL_STS", "http://sts.test");
    CREDENTIALS_RIG_INIT(&rig, replies);
    assert_int_equal(choose(&rig, &none, text, &source), 0);
    credentials_rig_expect(&rig, source, "R", "r", "rt");
    assert_string_equal(rig.fake.requests[1].url.ptr, "http://sts.test/");
    assert_non_null(strstr(rig.fake.requests[1].body.ptr, "RoleArn=inner&RoleSessionName=n&"));
    assert_non_null(strstr(rig.fake.requests[1].headers.ptr, "Credential=C/"));
    assert_non_null(strstr(rig.fake.requests[2].body.ptr, "ExternalId=x&RoleArn=outer&"));
    assert_non_null(strstr(rig.fake.requests[2].headers.ptr, "Credential=R/"));
    assert_non_null(strstr(rig.fake.requests[2].headers.ptr, "/eu-west-1/sts/aws4_request"));
    credentials_rig_dispose(&rig);
}

static void sts_is_where_variables_and_profiles_say(void **state)
{
    static const char text[] = "[default]\nrole_arn=r\ncredential_source=EcsContainer\n"
                               "endpoint_url=http://profile\n";
    static const struct fake_reply replies[] = { FAKE_REPLY(200, NULL, DOCUMENT),
                                                 FAKE_REPLY(200, NULL, ANSWER) };
    static const struct {
        const char *variable, *value, *url;
    } steps[] = {
        { "AWS_USE_FIPS_ENDPOINT", "true", "http://profile/" },
        { "AWS_ENDPOINT_URL", "http://all", "http://all/" },
        { "AWS_ENDPOINT_URL_STS", "http://sts", "http://sts/" },
        { "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true",
          "https://sts-fips.us-east-1.amazonaws.com/" },
    };
    const struct s3_credentials_options none = { 0 };

    (void)state;
    credentials_rig_set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/x");
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct s3_credentials_source *source = NULL;
        struct credentials_rig rig;

        CREDENTIALS_RIG_INIT(&rig, replies);
        credentials_rig_set(steps[i].variable, steps[i].value);
        assert_int_equal(choose(&rig, &none, text, &source), 0);
        credentials_rig_expect(&rig, source, "R", "r", "rt");
        assert_string_equal(rig.fake.requests[1].url.ptr, steps[i].url);
        credentials_rig_dispose(&rig);
    }
}

#define WITH_NO_ENVIRONMENT(test) cmocka_unit_test_setup(test, credentials_rig_no_environment)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_NO_ENVIRONMENT(the_options_come_first),
        WITH_NO_ENVIRONMENT(then_each_place_in_its_turn),
        WITH_NO_ENVIRONMENT(half_of_what_is_needed_is_an_error),
        WITH_NO_ENVIRONMENT(when_nobody_has_any_it_says_where_it_looked),
        WITH_NO_ENVIRONMENT(a_profile_by_name_passes_over_the_environment),
        WITH_NO_ENVIRONMENT(what_cannot_be_done_without_a_person_is_refused),
        WITH_NO_ENVIRONMENT(a_profile_can_be_many_things),
        WITH_NO_ENVIRONMENT(roles_are_assumed_one_through_the_other),
        WITH_NO_ENVIRONMENT(sts_is_where_variables_and_profiles_say),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
