/* Goal: credentials come from the first source that has any, whole; half a pair is never passed
 * over in silence; the shared file is read as the AWS tools read it. */
#include "tests/harness/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "s3/credentials.h"

static const char *const names[] = { "AWS_ACCESS_KEY_ID",           "AWS_SECRET_ACCESS_KEY",
                                     "AWS_SESSION_TOKEN",           "AWS_PROFILE",
                                     "AWS_SHARED_CREDENTIALS_FILE", "HOME" };

static char file_path[64];

static void set(const char *name, const char *value)
{
    assert_int_equal(setenv(name, value, 1), 0); /* NOLINT(concurrency-mt-unsafe): one thread */
}

static int no_environment(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        (void)unsetenv(names[i]); /* NOLINT(concurrency-mt-unsafe): one thread */
    return 0;
}

static void write_file(const char *text)
{
    assert_int_equal(file_write_atomic(file_path, text, strlen(text), 0600, NULL), 0);
    set("AWS_SHARED_CREDENTIALS_FILE", file_path);
}

/* Load and compare; want_token NULL: none. */
static void expect(const struct s3_credentials_options *options, const char *id, const char *secret,
                   const char *token)
{
    struct s3_credentials credentials = S3_CREDENTIALS_INIT;
    struct err err = { 0 };

    if (s3_credentials_load(options, &credentials, &err) < 0)
        fail_msg("%s", err.msg);
    assert_string_equal(credentials.access_key_id, id);
    assert_string_equal(credentials.secret_access_key.ptr, secret);
    assert_int_equal(secret_is_set(&credentials.session_token), token != NULL);
    if (token != NULL)
        assert_string_equal(credentials.session_token.ptr, token);
    s3_credentials_dispose(&credentials);
}

static void expect_config_error(const struct s3_credentials_options *options, const char *says)
{
    struct s3_credentials credentials = S3_CREDENTIALS_INIT;
    struct err err = { 0 };

    assert_int_equal(s3_credentials_load(options, &credentials, &err), ERR_CONFIG);
    assert_int_equal(err.code, ERR_CONFIG);
    if (strstr(err.msg, says) == NULL)
        fail_msg("'%s' does not say %s", err.msg, says);
    assert_true(err.hint[0] != '\0');
    assert_null(credentials.access_key_id);
}

static void the_options_come_first(void **state)
{
    char secret_text[] = "option-secret", token_text[] = "option-token";
    const struct secret secret = { secret_text, sizeof(secret_text) - 1 };
    const struct secret token = { token_text, sizeof(token_text) - 1 };
    struct s3_credentials_options options = { .access_key_id = "OPTION",
                                              .secret_access_key = &secret };

    (void)state;
    set("AWS_ACCESS_KEY_ID", "ENV");
    set("AWS_SECRET_ACCESS_KEY", "env-secret");
    set("AWS_SESSION_TOKEN", "env-token");
    expect(&options, "OPTION", "option-secret", NULL); /* a token of another pair is not taken */
    options.session_token = &token;
    expect(&options, "OPTION", "option-secret", "option-token");
}

static void then_the_environment_then_the_file(void **state)
{
    const struct s3_credentials_options none = { 0 };

    (void)state;
    write_file("[default]\naws_access_key_id=FILE\naws_secret_access_key=file-secret\n");
    expect(&none, "FILE", "file-secret", NULL);
    set("AWS_ACCESS_KEY_ID", "ENV");
    set("AWS_SECRET_ACCESS_KEY", "env-secret");
    expect(&none, "ENV", "env-secret", NULL);
    set("AWS_SESSION_TOKEN", "env-token");
    expect(&none, "ENV", "env-secret", "env-token");
    set("AWS_ACCESS_KEY_ID", ""); /* empty is unset */
    set("AWS_SECRET_ACCESS_KEY", "");
    expect(&none, "FILE", "file-secret", NULL);
}

static void half_a_pair_is_an_error(void **state)
{
    char text[] = "s";
    const struct secret secret = { text, 1 };
    const struct s3_credentials_options only_id = { .access_key_id = "A" };
    const struct s3_credentials_options only_secret = { .secret_access_key = &secret };
    const struct s3_credentials_options only_token = { .session_token = &secret };
    const struct s3_credentials_options none = { 0 };

    (void)state;
    write_file("[default]\naws_access_key_id=FILE\naws_secret_access_key=file-secret\n");
    expect_config_error(&only_id, "secret_access_key of the configuration is missing");
    expect_config_error(&only_secret, "access_key_id of the configuration is missing");
    expect_config_error(&only_token, "access_key_id of the configuration is missing");
    set("AWS_SECRET_ACCESS_KEY", "env-secret");
    expect_config_error(&none, "AWS_ACCESS_KEY_ID of the environment is missing");
    (void)no_environment(NULL);
    set("AWS_ACCESS_KEY_ID", "ENV");
    expect_config_error(&none, "AWS_SECRET_ACCESS_KEY of the environment is missing");
    (void)no_environment(NULL);
    write_file("[default]\naws_access_key_id=FILE\n");
    expect_config_error(&none, "aws_secret_access_key of ");
}

static void a_profile_by_name_passes_over_the_environment(void **state)
{
    const struct s3_credentials_options named = { .profile = "backup" };
    const struct s3_credentials_options unknown = { .profile = "nobody" };
    const struct s3_credentials_options none = { 0 };

    (void)state;
    write_file("[default]\naws_access_key_id=D\naws_secret_access_key=d\n"
               "[backup]\naws_access_key_id=B\naws_secret_access_key=b\n[empty]\n");
    set("AWS_ACCESS_KEY_ID", "ENV");
    set("AWS_SECRET_ACCESS_KEY", "env-secret");
    expect(&named, "B", "b", NULL);
    expect_config_error(&unknown, "'nobody'");
    (void)no_environment(NULL);
    set("AWS_SHARED_CREDENTIALS_FILE", file_path);
    set("AWS_PROFILE", "backup");
    expect(&none, "B", "b", NULL);
    set("AWS_PROFILE", "empty");
    expect_config_error(&none, "has no access key");
}

static void a_file_that_was_named_must_be_there(void **state)
{
    const struct s3_credentials_options none = { 0 };

    (void)state;
    set("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials");
    expect_config_error(&none, "/nonexistent/credentials");
    (void)no_environment(NULL);
    set("HOME", "/nonexistent");
    expect_config_error(&none, "access_key_id"); /* nobody said that there is one */
    (void)no_environment(NULL);
    expect_config_error(&none, "access_key_id");
}

static void what_could_end_a_header_is_refused(void **state)
{
    const struct s3_credentials_options none = { 0 };

    (void)state;
    set("AWS_ACCESS_KEY_ID", "AKID\n");
    set("AWS_SECRET_ACCESS_KEY", "secret");
    expect_config_error(&none, "AWS_ACCESS_KEY_ID");
    set("AWS_ACCESS_KEY_ID", "AKID");
    set("AWS_SECRET_ACCESS_KEY", "secret\n");
    expect_config_error(&none, "AWS_SECRET_ACCESS_KEY");
    set("AWS_SECRET_ACCESS_KEY", "secret");
    set("AWS_SESSION_TOKEN", "to ken");
    expect_config_error(&none, "AWS_SESSION_TOKEN");
}

static void reads_files_as_the_aws_tools_do(void **state)
{
    static const struct {
        const char *text, *profile, *id, *secret, *token;
    } cases[] = {
        { "[p]\naws_access_key_id = I\naws_secret_access_key = S/+=\naws_session_token = T\n", "p",
          "I", "S/+=", "T" },
        { "[p]\r\nAWS_Access_Key_Id=I\r\naws_secret_access_key=S\r\n", "p", "I", "S", NULL },
        { "# c\n[ p ] # c\n; c\naws_access_key_id=I # c\naws_secret_access_key=S#no ;c\n", "p", "I",
          "S#no", NULL },
        { "[profile p]\naws_access_key_id=I\naws_secret_access_key=S", "p", "I", "S", NULL },
        { "[p]\naws_access_key_id=I\n[q]\naws_access_key_id=X\n[p]\naws_secret_access_key=S\n", "p",
          "I", "S", NULL },
        { "[p]\ns3 =\n  aws_access_key_id = nested\naws_access_key_id=I\n"
          "aws_secret_access_key=S\nregion=x\nnonsense\n",
          "p", "I", "S", NULL },
        { "aws_access_key_id=before\n[p]\naws_access_key_id=old\naws_access_key_id=I\n"
          "aws_secret_access_key=S\n",
          "p", "I", "S", NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct s3_credentials c = S3_CREDENTIALS_INIT;

        assert_int_equal(
            s3_profile_parse(str_from(cases[i].text), "file", cases[i].profile, &c, NULL), 0);
        assert_string_equal(c.access_key_id, cases[i].id);
        assert_string_equal(c.secret_access_key.ptr, cases[i].secret);
        assert_int_equal(secret_is_set(&c.session_token), cases[i].token != NULL);
        s3_credentials_dispose(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_options_come_first, no_environment),
        cmocka_unit_test_setup(then_the_environment_then_the_file, no_environment),
        cmocka_unit_test_setup(half_a_pair_is_an_error, no_environment),
        cmocka_unit_test_setup(a_profile_by_name_passes_over_the_environment, no_environment),
        cmocka_unit_test_setup(a_file_that_was_named_must_be_there, no_environment),
        cmocka_unit_test_setup(what_could_end_a_header_is_refused, no_environment),
        cmocka_unit_test(reads_files_as_the_aws_tools_do),
    };
    char dir[] = "/tmp/holdfast-credentials-XXXXXX";
    int failed;

    if (mkdtemp(dir) == NULL)
        return 1;
    (void)snprintf(file_path, sizeof(file_path), "%s/credentials", dir);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)remove(file_path);
    (void)remove(dir);
    return failed;
}
