/* Goal: the files of AWS's own tools are read as those tools read them. */
#include "tests/harness/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "s3/profile.h"
#include "tests/harness/credentials_rig.h"
#include "tests/harness/temp_dir.h"

static void expect_text(const char *value, const char *want)
{
    if ((value == NULL) != (want == NULL) || (value != NULL && strcmp(value, want) != 0))
        fail_msg("'%s' is not '%s'", value != NULL ? value : "(none)", want != NULL ? want : "");
}

static void reads_lines_as_the_aws_tools_do(void **state)
{
    static const struct {
        enum s3_profile_file file;
        const char *text, *profile, *key, *value;
    } cases[] = {
        { S3_PROFILE_CREDENTIALS, "[p]\nregion = I\n", "p", "region", "I" },
        { S3_PROFILE_CREDENTIALS, "[p]\r\nREGION=I\r\n", "p", "Region", "I" },
        { S3_PROFILE_CREDENTIALS, "# c\n[ p ] # c\n; c\nregion=S#no ;c\n", "p", "region", "S#no" },
        { S3_PROFILE_CREDENTIALS, "[profile p]\nregion=I", "p", "region", "I" },
        { S3_PROFILE_CREDENTIALS, "[p]\nx=1\n[q]\nx=3\n[p]\ny=2\n", "p", "x", "1" },
        { S3_PROFILE_CREDENTIALS, "[p]\nx=1\n[q]\nx=3\n[p]\ny=2\n", "p", "y", "2" },
        { S3_PROFILE_CREDENTIALS, "[p]\ns3 =\n  x = nested\nregion=I\nnonsense\n", "p", "x", NULL },
        { S3_PROFILE_CREDENTIALS, "[p]\ns3 =\n  x = nested\nregion=I\n", "p", "region", "I" },
        { S3_PROFILE_CREDENTIALS, "x=before\n[p]\nx=old\nx=new\n", "p", "x", "new" },
        { S3_PROFILE_CREDENTIALS, "[p\nx=1\n", "p", "x", NULL },
        { S3_PROFILE_CREDENTIALS, "[p]\nx=\n", "p", "x", NULL },
        { S3_PROFILE_CONFIG, "[profile p]\nx=1\n", "p", "x", "1" },
        { S3_PROFILE_CONFIG, "[profile  p q ]\nx=1\n", "p q", "x", "1" },
        { S3_PROFILE_CONFIG, "[default]\nx=1\n", "default", "x", "1" },
        { S3_PROFILE_CONFIG, "[p]\nx=1\n", "p", "x", NULL },
        { S3_PROFILE_CONFIG, "[sso-session p]\nx=1\n", "p", "x", NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct s3_profiles *profiles = NULL;

        assert_int_equal(s3_profiles_new(&profiles, NULL), 0);
        assert_int_equal(s3_profiles_parse(profiles, str_from(cases[i].text), cases[i].file, NULL),
                         0);
        expect_text(s3_profiles_get(profiles, cases[i].profile, cases[i].key), cases[i].value);
        s3_profiles_free(profiles);
    }
}

static void finds_what_is_set_for_one_service(void **state)
{
    static const char text[] = "[services local]\ns3 =\n  endpoint_url = http://s3\n"
                               "sts =\n  endpoint_url = http://sts\n[profile p]\nservices=local\n";
    struct s3_profiles *profiles = NULL;

    (void)state;
    assert_int_equal(s3_profiles_new(&profiles, NULL), 0);
    assert_int_equal(s3_profiles_parse(profiles, str_from(text), S3_PROFILE_CONFIG, NULL), 0);
    expect_text(s3_profiles_get_service(profiles, "local", "s3", "endpoint_url"), "http://s3");
    expect_text(s3_profiles_get_service(profiles, "local", "sts", "endpoint_url"), "http://sts");
    expect_text(s3_profiles_get_service(profiles, "local", "sqs", "endpoint_url"), NULL);
    expect_text(s3_profiles_get_service(profiles, "other", "s3", "endpoint_url"), NULL);
    expect_text(s3_profiles_get(profiles, "p", "services"), "local");
    assert_true(s3_profiles_has(profiles, "p"));
    assert_false(s3_profiles_has(profiles, "local"));
    s3_profiles_free(profiles);
}

static void write_text(const char *dir, const char *name, const char *text)
{
    char *path = path_join(dir, name);

    assert_int_equal(file_write_atomic(path, text, strlen(text), 0600, NULL), 0);
    free(path);
}

static void the_credentials_file_wins_over_the_config_file(void **state)
{
    struct s3_profiles *profiles = NULL;
    char *home = temp_dir_new(), *aws = path_join(home, ".aws");

    (void)state;
    assert_int_equal(file_mkdirs(aws, 0700, NULL), 0);
    write_text(aws, "config", "[default]\nx = config\ny = config\n");
    write_text(aws, "credentials", "[default]\nx = credentials\n");
    credentials_rig_set("HOME", home);
    assert_int_equal(s3_profiles_load(&profiles, NULL), 0);
    assert_int_equal(s3_profiles_check(profiles, NULL), 0);
    expect_text(s3_profiles_get(profiles, "default", "x"), "credentials");
    expect_text(s3_profiles_get(profiles, "default", "y"), "config");
    s3_profiles_free(profiles);
    free(aws);
    temp_dir_free(home);
}

static void a_file_that_was_named_must_be_there(void **state)
{
    static const char *const variables[] = { "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE" };
    struct s3_profiles *profiles = NULL;
    struct err err;

    (void)state;
    credentials_rig_set("HOME", "/nonexistent");
    assert_int_equal(s3_profiles_load(&profiles, NULL), 0);
    assert_int_equal(s3_profiles_check(profiles, NULL), 0); /* nobody said that there is one */
    s3_profiles_free(profiles);
    for (size_t i = 0; i < 2; i++) {
        err_clear(&err);
        credentials_rig_set(variables[i], "/nonexistent/file");
        assert_int_equal(s3_profiles_load(&profiles, NULL), 0);
        assert_int_equal(s3_profiles_check(profiles, &err), ERR_CONFIG);
        assert_int_equal(err.code, ERR_CONFIG);
        assert_non_null(strstr(err.msg, "/nonexistent/file"));
        assert_non_null(strstr(err.hint, variables[i]));
        s3_profiles_free(profiles);
        credentials_rig_set(variables[i], NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_lines_as_the_aws_tools_do),
        cmocka_unit_test(finds_what_is_set_for_one_service),
        cmocka_unit_test_setup(the_credentials_file_wins_over_the_config_file,
                               credentials_rig_no_environment),
        cmocka_unit_test_setup(a_file_that_was_named_must_be_there, credentials_rig_no_environment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
