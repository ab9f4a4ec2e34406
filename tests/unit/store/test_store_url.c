/* Goal: a store's URL is taken apart as it is meant, or refused with advice. */
#include "store/store_url.h"

#include <string.h>

#include "base/err.h"
#include "store/object_store.h"
#include "tests/harness/test.h"

static void assert_text(const char *text, const char *expected)
{
    if (expected == NULL) {
        assert_null(text);
    } else {
        assert_string_equal(text, expected);
    }
}

static void good_urls_are_taken_apart(void **state)
{
    static const struct {
        const char *text, *path, *bucket, *prefix, *endpoint, *region;
        enum s3_addressing addressing;
    } cases[] = {
        { "file:///backups", "/backups", NULL, NULL, NULL, NULL, S3_ADDRESSING_AUTO },
        { "/backups", "/backups", NULL, NULL, NULL, NULL, S3_ADDRESSING_AUTO },
        { "/a b/%3F?@x", "/a b/%3F?@x", NULL, NULL, NULL, NULL, S3_ADDRESSING_AUTO },
        { "file:///a%20b/%3F", "/a b/?", NULL, NULL, NULL, NULL, S3_ADDRESSING_AUTO },
        { "s3://b", NULL, "b", "", NULL, NULL, S3_ADDRESSING_AUTO },
        { "s3://b/", NULL, "b", "", NULL, NULL, S3_ADDRESSING_AUTO },
        { "s3://b//p/q//", NULL, "b", "p/q", NULL, NULL, S3_ADDRESSING_AUTO },
        { "s3://b/p?endpoint=http://minio:9000", NULL, "b", "p", "http://minio:9000", NULL,
          S3_ADDRESSING_AUTO },
        { "s3://b?region=eu-west-1&addressing=path", NULL, "b", "", NULL, "eu-west-1",
          S3_ADDRESSING_PATH },
        { "s3://b?endpoint=https%3A%2F%2Fx%2Fp&addressing=virtual", NULL, "b", "", "https://x/p",
          NULL, S3_ADDRESSING_VIRTUAL_HOST },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct store_url url;

        print_message("  %s\n", cases[i].text);
        assert_int_equal(store_url_parse(cases[i].text, &url, NULL), 0);
        assert_int_equal(url.kind, cases[i].path != NULL ? STORE_KIND_FILE : STORE_KIND_S3);
        assert_text(url.path, cases[i].path);
        assert_text(url.bucket, cases[i].bucket);
        assert_text(url.prefix, cases[i].prefix);
        assert_text(url.endpoint, cases[i].endpoint);
        assert_text(url.region, cases[i].region);
        assert_int_equal(url.addressing, cases[i].addressing);
        store_url_dispose(&url);
        store_url_dispose(&url);
    }
}

static void bad_urls_are_refused_with_advice(void **state)
{
    static const struct {
        const char *text, *word;
    } cases[] = {
        { "", "s3://" },
        { "backups", "/absolute" },
        { "http://minio:9000/b", "endpoint" },
        { "file://backups", "absolute" },
        { "file:///a?b", "%3F" },
        { "file:///a%2", "%25" },
        { "file:///a%00", "%25" },
        { "s3://", "bucket" },
        { "s3:///p", "bucket" },
        { "s3://b/../p", "prefix" },
        { "s3://b/p q", "prefix" },
        { "s3://b?endpont=x", "endpont" },
        { "s3://b?endpoint", "endpoint" },
        { "s3://b?endpoint=", "endpoint" },
        { "s3://b?region=a&region=b", "region" },
        { "s3://b?addressing=sideways", "virtual" },
        { "s3://AKID:hunter2@b/p", "AWS_ACCESS_KEY_ID" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct err err = { 0 };
        struct store_url url;

        print_message("  %s\n", cases[i].text);
        assert_int_equal(store_url_parse(cases[i].text, &url, &err), ERR_CONFIG);
        assert_true(strstr(err.msg, cases[i].word) != NULL ||
                    strstr(err.hint, cases[i].word) != NULL);
        assert_null(strstr(err.msg, "hunter2"));
        assert_string_not_equal(err.hint, "");
    }
}

static void a_secret_in_a_url_is_not_repeated(void **state)
{
    static const char *const urls[] = {
        "s3://AKID:hunter2@b/p",
        "s3://AKID:slash/hunter2@b/p",
        "s3://b/p@hunter2",
        "s3://b?secret_access_key=hunter2",
        "s3://b?hunter2",
        "s3://b?access_key_id=A&secret=hunter2",
        "https://AKID:hunter2@host/b",
        "https://host/b?secret=hunter2",
        "file://user:hunter2@host/b",
        "s3://?secret=hunter2",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        struct store_url url;
        struct err err = { 0 };

        print_message("  %s\n", urls[i]);
        assert_int_equal(store_url_parse(urls[i], &url, &err), ERR_CONFIG);
        assert_true(err.msg[0] != '\0' && err.hint[0] != '\0');
        assert_null(strstr(err.msg, "hunter2"));
        assert_null(strstr(err.hint, "hunter2"));
    }
}

static void opening_takes_defaults_and_lets_the_url_win(void **state)
{
    struct secret secret = SECRET_INIT;
    struct s3_options defaults = {
        .bucket = "ignored",
        .endpoint = "http://127.0.0.1:1",
        .region = "r1",
        .access_key_id = "AKID",
    };
    struct object_store *store = NULL;

    (void)state;
    assert_int_equal(secret_set(&secret, "secret", 6, NULL), 0);
    defaults.secret_access_key = &secret;
    assert_int_equal(
        store_open("s3://bucket/p/?endpoint=http://127.0.0.1:2", &defaults, &store, NULL), 0);
    assert_string_equal(store->url, "s3://bucket/p?endpoint=http://127.0.0.1:2");
    object_store_free(store);
    assert_int_equal(store_open("s3://bucket", &defaults, &store, NULL), 0);
    assert_string_equal(store->url, "s3://bucket?endpoint=http://127.0.0.1:1");
    object_store_free(store);
    assert_int_equal(store_open("file:///x/", NULL, &store, NULL), 0);
    assert_string_equal(store->url, "file:///x");
    object_store_free(store);
    assert_int_equal(store_open("nothing", NULL, &store, NULL), ERR_CONFIG);
    secret_dispose(&secret);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_urls_are_taken_apart),
        cmocka_unit_test(bad_urls_are_refused_with_advice),
        cmocka_unit_test(a_secret_in_a_url_is_not_repeated),
        cmocka_unit_test(opening_takes_defaults_and_lets_the_url_win),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
