/* Goal: a container's endpoint is asked as ECS and EKS want it, and its token goes nowhere else. */
#include "tests/harness/test.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "tests/harness/credentials_rig.h"
#include "tests/harness/temp_dir.h"

#define RELATIVE   "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
#define FULL       "AWS_CONTAINER_CREDENTIALS_FULL_URI"
#define TOKEN      "AWS_CONTAINER_AUTHORIZATION_TOKEN"
#define TOKEN_FILE "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
#define DOCUMENT                                                                                   \
    "{\"AccessKeyId\":\"I\",\"SecretAccessKey\":\"S\",\"Token\":\"T\","                            \
    "\"Expiration\":\"2026-11-23T13:05:28Z\"}"

static struct s3_credentials_source *source(struct credentials_rig *rig)
{
    struct s3_credentials_source *made = NULL;

    assert_int_equal(s3_source_container_new(&rig->context, &made, NULL), 0);
    return made;
}

static void is_there_when_a_variable_says_so(void **state)
{
    (void)state;
    assert_false(s3_container_is_announced());
    credentials_rig_set(RELATIVE, "/x");
    assert_true(s3_container_is_announced());
    credentials_rig_set(RELATIVE, NULL);
    credentials_rig_set(FULL, "http://127.0.0.1/");
    assert_true(s3_container_is_announced());
}

static void ecs_is_asked_at_its_own_address(void **state)
{
    static const struct fake_reply replies[] = { FAKE_REPLY(200, NULL, DOCUMENT) };
    struct credentials_rig rig;

    (void)state;
    CREDENTIALS_RIG_INIT(&rig, replies);
    credentials_rig_set(RELATIVE, "/v2/credentials/abc");
    credentials_rig_expect(&rig, source(&rig), "I", "S", "T");
    assert_string_equal(rig.fake.requests[0].url.ptr, "http://169.254.170.2/v2/credentials/abc");
    assert_string_equal(fake_request_header(&rig.fake, 0, "Host"), "169.254.170.2");
    assert_null(fake_request_header(&rig.fake, 0, "Authorization"));
    assert_true(rig.fake.requests[0].is_local); /* never through a proxy */
    credentials_rig_dispose(&rig);
}

static void eks_gets_the_token_of_the_file_as_it_is_now(void **state)
{
    static const struct fake_reply replies[] = { FAKE_REPLY(200, NULL, DOCUMENT),
                                                 FAKE_REPLY(200, NULL, DOCUMENT) };
    static const char *const tokens[] = { "first\n", "second\r\n" };
    char *dir = temp_dir_new(), *path = path_join(dir, "token");
    struct credentials_rig rig;

    (void)state;
    CREDENTIALS_RIG_INIT(&rig, replies);
    credentials_rig_set(FULL, "http://169.254.170.23/v1/credentials");
    credentials_rig_set(TOKEN, "not this one");
    credentials_rig_set(TOKEN_FILE, path);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(file_write_atomic(path, tokens[i], strlen(tokens[i]), 0600, NULL), 0);
        credentials_rig_expect(&rig, source(&rig), "I", "S", "T");
    }
    assert_string_equal(fake_request_header(&rig.fake, 0, "Authorization"), "first");
    assert_string_equal(fake_request_header(&rig.fake, 1, "Authorization"), "second");
    credentials_rig_dispose(&rig);
    free(path);
    temp_dir_free(dir);
}

static void a_token_in_the_environment_is_sent_as_it_is(void **state)
{
    static const struct fake_reply replies[] = { FAKE_REPLY(200, NULL, DOCUMENT) };
    struct credentials_rig rig;

    (void)state;
    CREDENTIALS_RIG_INIT(&rig, replies);
    credentials_rig_set(FULL, "https://greengrass.example/x");
    credentials_rig_set(TOKEN, "Basic abc");
    credentials_rig_expect(&rig, source(&rig), "I", "S", "T");
    assert_string_equal(fake_request_header(&rig.fake, 0, "Authorization"), "Basic abc");
    credentials_rig_dispose(&rig);
}

static void plain_http_only_goes_where_no_network_is(void **state)
{
    static const struct {
        const char *url;
        bool is_fine;
    } cases[] = {
        { "http://127.0.0.1/x", true },          { "http://127.9.9.9:80/x", true },
        { "http://localhost:80/x", true },       { "http://[::1]/x", true },
        { "http://169.254.170.2/x", true },      { "http://169.254.170.23/x", true },
        { "http://[fd00:ec2::23]/v1", true },    { "https://example.com/x", true },
        { "http://example.com/x", false },       { "http://169.254.169.254/x", false },
        { "http://127.0.0.1.evil.com/", false }, { "http://localhost@evil.com/", false },
        { "http://[fd00:ec2::24]/", false },     { "ftp://127.0.0.1/", false },
        { "http://127.0.0.1/a b", false },       { "https://user@example.com/", false },
    };
    static const struct fake_reply replies[] = { FAKE_REPLY(200, NULL, DOCUMENT) };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct credentials_rig rig;

        credentials_rig_init(&rig, replies, cases[i].is_fine ? 1 : 0);
        credentials_rig_set(FULL, cases[i].url);
        if (cases[i].is_fine) {
            credentials_rig_expect(&rig, source(&rig), "I", "S", "T");
        } else {
            credentials_rig_expect_error(&rig, source(&rig), ERR_CONFIG, "");
        }
        credentials_rig_dispose(&rig);
    }
}

static void says_what_is_wrong(void **state)
{
    static const struct fake_reply refused[] = { FAKE_REPLY(403, NULL, "secret things") };
    static const struct fake_reply down[] = { { .code = ERR_NET },
                                              { .code = ERR_NET },
                                              { .code = ERR_NET } };
    struct credentials_rig rig;

    (void)state;
    credentials_rig_set(RELATIVE, "no-slash");
    credentials_rig_init(&rig, NULL, 0);
    credentials_rig_expect_error(&rig, source(&rig), ERR_CONFIG, "does not begin with '/'");
    credentials_rig_dispose(&rig);
    credentials_rig_set(RELATIVE, "/x");
    CREDENTIALS_RIG_INIT(&rig, refused);
    credentials_rig_expect_error(&rig, source(&rig), ERR_DENIED, "answers with HTTP 403");
    assert_null(strstr(rig.err.msg, "secret things"));
    credentials_rig_dispose(&rig);
    CREDENTIALS_RIG_INIT(&rig, down);
    credentials_rig_expect_error(&rig, source(&rig), ERR_NET, "container's credentials endpoint");
    assert_int_equal(rig.clock.slept_ms, 2000);
    credentials_rig_dispose(&rig);
    credentials_rig_set(TOKEN_FILE, "/nonexistent/token");
    credentials_rig_init(&rig, NULL, 0);
    credentials_rig_expect_error(&rig, source(&rig), ERR_CONFIG, "/nonexistent/token");
    credentials_rig_dispose(&rig);
    credentials_rig_set(TOKEN_FILE, NULL);
    credentials_rig_set(TOKEN, "a\r\nX-Evil: b");
    credentials_rig_init(&rig, NULL, 0);
    credentials_rig_expect_error(&rig, source(&rig), ERR_CONFIG, "");
    assert_null(strstr(rig.err.msg, "Evil"));
    credentials_rig_dispose(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(is_there_when_a_variable_says_so, credentials_rig_no_environment),
        cmocka_unit_test_setup(ecs_is_asked_at_its_own_address, credentials_rig_no_environment),
        cmocka_unit_test_setup(eks_gets_the_token_of_the_file_as_it_is_now,
                               credentials_rig_no_environment),
        cmocka_unit_test_setup(a_token_in_the_environment_is_sent_as_it_is,
                               credentials_rig_no_environment),
        cmocka_unit_test_setup(plain_http_only_goes_where_no_network_is,
                               credentials_rig_no_environment),
        cmocka_unit_test_setup(says_what_is_wrong, credentials_rig_no_environment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
