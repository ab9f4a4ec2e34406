/* Goal: credentials are taken whole or not at all, and nothing of them can end a header's line. */
#include "tests/harness/test.h"

#include <string.h>

#include "tests/harness/credentials_rig.h"

static const struct s3_credentials_names names = { "the test", "ID", "SECRET", "TOKEN" };

static int take(const char *id, const char *secret, const char *token,
                struct s3_credentials *credentials, struct err *err)
{
    return s3_credentials_take(&names, str_from(id), str_from(secret), str_from(token), credentials,
                               err);
}

static void are_taken_whole_or_not_at_all(void **state)
{
    static const struct {
        const char *id, *secret, *token;
        const char *says; /* NULL: they are taken */
    } cases[] = {
        { "I", "S", "T", NULL },
        { "I", "S e/+=", NULL, NULL },
        { "I", NULL, NULL, "SECRET of the test is missing" },
        { NULL, "S", NULL, "ID of the test is missing" },
        { NULL, NULL, "T", "ID of the test is missing" },
        { "I\n", "S", NULL, "ID of the test is not" },
        { "I", "S\r", NULL, "SECRET of the test is not" },
        { "I", "S", "T ", "TOKEN of the test is not" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct s3_credentials found = S3_CREDENTIALS_INIT;
        struct err err = { 0 };
        const int r = take(cases[i].id, cases[i].secret, cases[i].token, &found, &err);

        assert_int_equal(r, cases[i].says == NULL ? 1 : ERR_CONFIG);
        if (cases[i].says != NULL) {
            assert_non_null(strstr(err.msg, cases[i].says));
            assert_true(err.hint[0] != '\0');
        } else {
            assert_string_equal(found.access_key_id, cases[i].id);
            assert_string_equal(found.secret_access_key.ptr, cases[i].secret);
            assert_int_equal(secret_is_set(&found.session_token), cases[i].token != NULL);
        }
        s3_credentials_dispose(&found);
    }
}

static void nothing_is_no_failure(void **state)
{
    struct s3_credentials found = S3_CREDENTIALS_INIT;

    (void)state;
    assert_int_equal(take(NULL, NULL, NULL, &found, NULL), 0);
    assert_null(found.access_key_id);
}

static void a_copy_stands_alone(void **state)
{
    struct s3_credentials one = S3_CREDENTIALS_INIT, two = S3_CREDENTIALS_INIT;

    (void)state;
    assert_int_equal(take("I", "S", "T", &one, NULL), 1);
    one.expires_ms = 7;
    assert_int_equal(s3_credentials_copy(&two, &one, NULL), 0);
    s3_credentials_dispose(&one);
    s3_credentials_dispose(&one);
    assert_string_equal(two.access_key_id, "I");
    assert_string_equal(two.secret_access_key.ptr, "S");
    assert_string_equal(two.session_token.ptr, "T");
    assert_int_equal(two.expires_ms, 7);
    s3_credentials_dispose(&two);
}

static void an_empty_variable_is_unset(void **state)
{
    (void)state;
    credentials_rig_set("AWS_PROFILE", "");
    assert_null(s3_env("AWS_PROFILE"));
    credentials_rig_set("AWS_PROFILE", "x");
    assert_string_equal(s3_env("AWS_PROFILE"), "x");
    assert_false(s3_env_is_true("AWS_PROFILE"));
    credentials_rig_set("AWS_PROFILE", "True");
    assert_true(s3_env_is_true("AWS_PROFILE"));
    credentials_rig_set("AWS_PROFILE", NULL);
    assert_false(s3_env_is_true("AWS_PROFILE"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(are_taken_whole_or_not_at_all),
        cmocka_unit_test(nothing_is_no_failure),
        cmocka_unit_test(a_copy_stands_alone),
        cmocka_unit_test(an_empty_variable_is_unset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
