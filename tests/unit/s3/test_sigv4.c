/* Goal: every published vector is reproduced step by step, and what is signed depends on nothing
 * that a proxy changes or on the order that headers are added in. */
#include "tests/harness/test.h"

#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/err.h"
#include "base/secret.h"
#include "s3/http.h"
#include "s3/sigv4.h"
#include "s3/uri.h"
#include "tests/data/sigv4/vectors.h"

struct made {
    struct buf canonical, string_to_sign, authorization;
    struct http_headers headers;
};

#define MADE_INIT                                                                                  \
    {                                                                                              \
        BUF_INIT(65536), BUF_INIT(1024), BUF_INIT(8192), HTTP_HEADERS_INIT                         \
    }

static void made_dispose(struct made *made)
{
    buf_dispose(&made->canonical);
    buf_dispose(&made->string_to_sign);
    buf_dispose(&made->authorization);
    http_headers_dispose(&made->headers);
}

static void add(struct http_headers *headers, const char *name, const char *value)
{
    assert_int_equal(http_headers_add(headers, name, value, NULL), 0);
}

static void add_headers(const struct sigv4_vector *v, struct http_headers *headers)
{
    for (size_t i = 0; v->headers[i] != NULL; i += 2)
        add(headers, v->headers[i], v->headers[i + 1]);
    if (!v->is_presigned)
        add(headers, "X-Amz-Date", v->date_time);
    if (v->sends_hash)
        add(headers, "x-amz-content-sha256", v->payload_hash);
}

static size_t count_params(const struct sigv4_vector *v)
{
    size_t count = 0;

    while (v->params[count].name != NULL)
        count++;
    return count;
}

static void make(const struct sigv4_vector *v, struct made *made)
{
    struct buf path = BUF_INIT(4096), query = BUF_INIT(4096);
    const struct sigv4_scope scope = { v->date_time, v->region, v->service };
    struct secret secret = SECRET_INIT;
    struct sigv4_request request = { .method = v->method,
                                     .headers = &made->headers,
                                     .payload_hash = v->payload_hash };

    add_headers(v, &made->headers);
    uri_encode(&path, str_from(v->raw_path), true);
    assert_int_equal(uri_query(&query, v->params, count_params(v), NULL), 0);
    request.path = path.ptr;
    request.query = query.ptr;
    assert_int_equal(sigv4_canonical_request(&request, &made->canonical, NULL), 0);
    assert_int_equal(
        sigv4_string_to_sign(&scope, buf_str(&made->canonical), &made->string_to_sign, NULL), 0);
    assert_int_equal(secret_set(&secret, v->secret_access_key, strlen(v->secret_access_key), NULL),
                     0);
    assert_int_equal(sigv4_authorization(&request, &scope, v->access_key_id, &secret,
                                         &made->authorization, NULL),
                     0);
    secret_dispose(&secret);
    buf_dispose(&path);
    buf_dispose(&query);
}

static void check_vector(const struct sigv4_vector *v)
{
    struct made made = MADE_INIT;
    struct buf hex = BUF_INIT(128);
    uint8_t digest[32];

    (void)printf("    %s\n", v->name);
    make(v, &made);
    if (v->canonical_sha256 != NULL) {
        assert_int_equal(
            EVP_Digest(made.canonical.ptr, made.canonical.len, digest, NULL, EVP_sha256(), NULL),
            1);
        buf_add_hex(&hex, digest, sizeof(digest));
        assert_string_equal(hex.ptr, v->canonical_sha256);
        assert_true(str_ends_with(buf_str(&made.string_to_sign), buf_str(&hex)));
    }
    assert_string_equal(made.authorization.ptr + made.authorization.len - 64, v->signature);
    buf_dispose(&hex);
    made_dispose(&made);
}

static void reproduces_every_published_vector(void **state)
{
    const size_t count = sizeof(sigv4_vectors) / sizeof(sigv4_vectors[0]);

    (void)state;
    for (size_t i = 0; i < count; i++)
        check_vector(&sigv4_vectors[i]);
}

static void builds_each_step_of_the_documentation_byte_for_byte(void **state)
{
    struct made made = MADE_INIT;

    (void)state;
    make(&sigv4_vectors[0], &made);
    assert_string_equal(made.canonical.ptr,
                        "GET\n/test.txt\n\n"
                        "host:examplebucket.s3.amazonaws.com\n"
                        "range:bytes=0-9\n"
                        "x-amz-content-sha256:" SIGV4_EMPTY_SHA256 "\n"
                        "x-amz-date:20130524T000000Z\n\n"
                        "host;range;x-amz-content-sha256;x-amz-date\n" SIGV4_EMPTY_SHA256);
    assert_string_equal(made.string_to_sign.ptr,
                        "AWS4-HMAC-SHA256\n20130524T000000Z\n"
                        "20130524/us-east-1/s3/aws4_request\n"
                        "7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972");
    assert_string_equal(made.authorization.ptr,
                        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/"
                        "aws4_request, SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
                        "Signature="
                        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
    made_dispose(&made);
}

static void check_key(const char *secret_text, const char *date_time, const char *service,
                      const char *expected)
{
    const struct sigv4_scope scope = { date_time, "us-east-1", service };
    struct secret secret = SECRET_INIT;
    struct buf hex = BUF_INIT(128);
    struct sigv4_key key;

    assert_int_equal(secret_set(&secret, secret_text, strlen(secret_text), NULL), 0);
    assert_int_equal(sigv4_key_derive(&secret, &scope, &key, NULL), 0);
    buf_add_hex(&hex, key.bytes, sizeof(key.bytes));
    assert_string_equal(hex.ptr, expected);
    buf_dispose(&hex);
    sigv4_key_wipe(&key);
    secret_dispose(&secret);
}

static void derives_the_published_keys(void **state)
{
    (void)state;
    check_key("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "20130524T000000Z", "s3",
              "dbb893acc010964918f1fd433add87c70e8b0db6be30c1fbeafefa5ec6ba8378");
    check_key("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20150830T123600Z", "iam",
              "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9");
    check_key("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20120215T000000Z", "iam",
              "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d");
}

static void refuses_a_secret_that_no_server_has(void **state)
{
    const struct sigv4_scope scope = { "20130524T000000Z", "us-east-1", "s3" };
    struct secret secret = SECRET_INIT;
    struct sigv4_key key;
    char text[1025];

    (void)state;
    memset(text, 's', sizeof(text));
    assert_int_equal(secret_set(&secret, text, sizeof(text), NULL), 0);
    assert_int_equal(sigv4_key_derive(&secret, &scope, &key, NULL), ERR_CONFIG);
    secret_dispose(&secret);
}

static void sorts_headers_by_name_alone_and_merges_those_of_one_name(void **state)
{
    struct http_headers headers = HTTP_HEADERS_INIT;
    const struct sigv4_request request = {
        .method = "GET", .path = "/", .query = "", .headers = &headers, .payload_hash = "h"
    };
    struct buf canonical = BUF_INIT(4096);

    (void)state;
    add(&headers, "x-amz-meta-a-b", "2");
    add(&headers, "X-Amz-Meta-A", "z");
    add(&headers, "x-amz-meta-a", " a \t b ");
    add(&headers, "Host", "h");
    assert_int_equal(sigv4_canonical_request(&request, &canonical, NULL), 0);
    assert_string_equal(canonical.ptr, "GET\n/\n\nhost:h\nx-amz-meta-a:z,a b\nx-amz-meta-a-b:2\n\n"
                                       "host;x-amz-meta-a;x-amz-meta-a-b\nh");
    buf_dispose(&canonical);
    http_headers_dispose(&headers);
}

static void leaves_out_what_proxies_change(void **state)
{
    (void)state;
    assert_false(sigv4_is_signed("Content-Length"));
    assert_false(sigv4_is_signed("Accept-Encoding"));
    assert_false(sigv4_is_signed("User-Agent"));
    assert_false(sigv4_is_signed("expect"));
    assert_false(sigv4_is_signed("Authorization"));
    assert_true(sigv4_is_signed("Host"));
    assert_true(sigv4_is_signed("Range"));
    assert_true(sigv4_is_signed("x-amz-anything"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reproduces_every_published_vector),
        cmocka_unit_test(builds_each_step_of_the_documentation_byte_for_byte),
        cmocka_unit_test(derives_the_published_keys),
        cmocka_unit_test(refuses_a_secret_that_no_server_has),
        cmocka_unit_test(sorts_headers_by_name_alone_and_merges_those_of_one_name),
        cmocka_unit_test(leaves_out_what_proxies_change),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
