/* Goal: each part of the way to the server is taken from the first place that has it, in the order
 * of AWS's own tools, and it is known which place that was. */
#include "tests/harness/test.h"

#include "s3/configured.h"

#include <string.h>

#include "base/err.h"
#include "s3/client.h"
#include "s3/profile.h"
#include "tests/harness/credentials_rig.h"

static const char config[] = "[profile work]\n"
                             "region = eu-west-1\n"
                             "endpoint_url = http://of-profile\n"
                             "services = mine\n"
                             "ca_bundle = /profile.pem\n"
                             "use_fips_endpoint = True\n"
                             "use_dualstack_endpoint = false\n"
                             "[profile plain]\n"
                             "endpoint_url = http://plain\n"
                             "[profile quiet]\n"
                             "endpoint_url = http://quiet\n"
                             "ignore_configured_endpoint_urls = true\n"
                             "[profile vague]\n"
                             "use_fips_endpoint = maybe\n"
                             "[services mine]\n"
                             "sts =\n"
                             "  endpoint_url = http://of-sts\n"
                             "s3 =\n"
                             "  endpoint_url = http://of-services\n";

static struct s3_profiles *read_config(void)
{
    struct s3_profiles *profiles = NULL;

    assert_int_equal(s3_profiles_new(&profiles, NULL), 0);
    assert_int_equal(s3_profiles_parse(profiles, str_from(config), S3_PROFILE_CONFIG, NULL), 0);
    return profiles;
}

static struct s3_configured find(const struct s3_options *options,
                                 const struct s3_profiles *profiles, const char *profile)
{
    struct s3_configured found;
    struct err err = { 0 };

    if (s3_configured_find(options, profiles, profile, &found, &err) < 0)
        fail_msg("%s", err.msg);
    return found;
}

static void check(const char *value, const char *from, const char *expected,
                  const char *expected_from)
{
    assert_string_equal(value != NULL ? value : "", expected);
    assert_string_equal(from, expected_from);
}

static void the_endpoint_is_that_of_the_first_place(void **state)
{
    struct s3_options options = { .endpoint = "http://option" };
    struct s3_profiles *profiles = read_config();
    struct s3_configured found;

    (void)state;
    credentials_rig_set("AWS_ENDPOINT_URL_S3", "http://s3-variable");
    credentials_rig_set("AWS_ENDPOINT_URL", "http://variable");
    found = find(&options, profiles, "work");
    check(found.endpoint, found.endpoint_from, "http://option", "as set");
    options.endpoint = "";
    found = find(&options, profiles, "work");
    check(found.endpoint, found.endpoint_from, "http://s3-variable", "AWS_ENDPOINT_URL_S3");
    credentials_rig_set("AWS_ENDPOINT_URL_S3", "");
    found = find(&options, profiles, "work");
    check(found.endpoint, found.endpoint_from, "http://variable", "AWS_ENDPOINT_URL");
    credentials_rig_set("AWS_ENDPOINT_URL", NULL);
    found = find(&options, profiles, "work");
    check(found.endpoint, found.endpoint_from, "http://of-services",
          "services 'mine' of profile 'work'");
    found = find(&options, profiles, "plain");
    check(found.endpoint, found.endpoint_from, "http://plain", "profile 'plain'");
    found = find(&options, profiles, "default");
    check(found.endpoint, found.endpoint_from, "", "");
    s3_profiles_free(profiles);
}

static void what_is_configured_for_all_tools_can_be_ignored(void **state)
{
    struct s3_options options = { .bucket = "bucket" };
    struct s3_profiles *profiles = read_config();

    (void)state;
    assert_null(find(&options, profiles, "quiet").endpoint);
    credentials_rig_set("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "TRUE");
    credentials_rig_set("AWS_ENDPOINT_URL_S3", "http://s3-variable");
    assert_null(find(&options, profiles, "work").endpoint);
    options.endpoint = "http://option"; /* which is ours */
    assert_string_equal(find(&options, profiles, "work").endpoint, "http://option");
    options.endpoint = NULL;
    credentials_rig_set("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "false");
    assert_string_equal(find(&options, profiles, "quiet").endpoint, "http://s3-variable");
    s3_profiles_free(profiles);
}

static void the_region_is_that_of_the_first_place(void **state)
{
    struct s3_options options = { .region = "option" };
    struct s3_profiles *profiles = read_config();
    struct s3_configured found;

    (void)state;
    credentials_rig_set("AWS_REGION", "one");
    credentials_rig_set("AWS_DEFAULT_REGION", "two");
    found = find(&options, profiles, "work");
    check(found.region, found.region_from, "option", "as set");
    options.region = NULL;
    found = find(&options, profiles, "work");
    check(found.region, found.region_from, "one", "AWS_REGION");
    credentials_rig_set("AWS_REGION", NULL);
    found = find(&options, profiles, "work");
    check(found.region, found.region_from, "two", "AWS_DEFAULT_REGION");
    credentials_rig_set("AWS_DEFAULT_REGION", NULL);
    found = find(&options, profiles, "work");
    check(found.region, found.region_from, "eu-west-1", "profile 'work'");
    found = find(&options, profiles, "plain");
    check(found.region, found.region_from, "", "");
    s3_profiles_free(profiles);
}

static void authorities_and_switches_have_the_same_order(void **state)
{
    struct s3_options options = { .ca_file = "/option.pem", .fips = S3_CHOICE_NO };
    struct s3_profiles *profiles = read_config();
    struct s3_configured found;

    (void)state;
    credentials_rig_set("SSL_CERT_FILE", "/openssl.pem");
    credentials_rig_set("AWS_CA_BUNDLE", "/variable.pem");
    credentials_rig_set("AWS_USE_DUALSTACK_ENDPOINT", "true");
    found = find(&options, profiles, "work");
    assert_string_equal(found.ca_file, "/option.pem");
    assert_false(found.fips);
    assert_true(found.dualstack);
    options = (struct s3_options){ .dualstack = S3_CHOICE_NO };
    found = find(&options, profiles, "work");
    assert_string_equal(found.ca_file, "/variable.pem");
    assert_true(found.fips);
    assert_false(found.dualstack);
    credentials_rig_set("AWS_CA_BUNDLE", NULL);
    credentials_rig_set("AWS_USE_FIPS_ENDPOINT", "false");
    credentials_rig_set("AWS_USE_DUALSTACK_ENDPOINT", NULL);
    options = (struct s3_options){ .bucket = "bucket" };
    found = find(&options, profiles, "work");
    assert_string_equal(found.ca_file, "/profile.pem");
    assert_false(found.fips);
    assert_false(found.dualstack);
    assert_string_equal(find(&options, profiles, "plain").ca_file, "/openssl.pem");
    credentials_rig_set("SSL_CERT_FILE", NULL);
    assert_null(find(&options, profiles, "plain").ca_file);
    options.dualstack = S3_CHOICE_YES;
    assert_true(find(&options, profiles, "plain").dualstack);
    s3_profiles_free(profiles);
}

/* Who demands FIPS and misspells it must not go without. */
static void a_switch_that_is_neither_on_nor_off_is_refused(void **state)
{
    const struct s3_options options = { .bucket = "bucket" };
    struct s3_profiles *profiles = read_config();
    struct s3_configured found;
    struct err err = { 0 };

    (void)state;
    assert_int_equal(s3_configured_find(&options, profiles, "vague", &found, &err), ERR_CONFIG);
    assert_non_null(strstr(err.msg, "profile 'vague': 'maybe'"));
    credentials_rig_set("AWS_USE_FIPS_ENDPOINT", "1");
    err_clear(&err);
    assert_int_equal(s3_configured_find(&options, profiles, "work", &found, &err), ERR_CONFIG);
    assert_non_null(strstr(err.msg, "AWS_USE_FIPS_ENDPOINT: '1'"));
    s3_profiles_free(profiles);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_endpoint_is_that_of_the_first_place,
                               credentials_rig_no_environment),
        cmocka_unit_test_setup(what_is_configured_for_all_tools_can_be_ignored,
                               credentials_rig_no_environment),
        cmocka_unit_test_setup(the_region_is_that_of_the_first_place,
                               credentials_rig_no_environment),
        cmocka_unit_test_setup(authorities_and_switches_have_the_same_order,
                               credentials_rig_no_environment),
        cmocka_unit_test_setup(a_switch_that_is_neither_on_nor_off_is_refused,
                               credentials_rig_no_environment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
