/* Goal: headers keep their order, are found without case, and nothing can smuggle in another. */
#include "tests/harness/test.h"

#include <stdio.h>

#include "base/err.h"
#include "s3/http.h"

static void finds_the_first_of_a_name_without_case(void **state)
{
    struct http_headers headers = HTTP_HEADERS_INIT;

    (void)state;
    assert_null(http_headers_get(&headers, "etag"));
    assert_int_equal(http_headers_add(&headers, "ETag", "one", NULL), 0);
    assert_int_equal(http_headers_add(&headers, "etag", "two", NULL), 0);
    assert_string_equal(http_headers_get(&headers, "ETAG"), "one");
    assert_int_equal(headers.count, 2);
    http_headers_dispose(&headers);
    http_headers_dispose(&headers); /* may be repeated */
    assert_int_equal(headers.count, 0);
}

static void refuses_what_could_begin_another_header(void **state)
{
    static const char *const bad[] = { "a\nb", "a\r", "\x01", "\x7f" };
    struct http_headers headers = HTTP_HEADERS_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(http_headers_add(&headers, "name", bad[i], NULL), ERR_CONFIG);
        assert_int_equal(http_headers_add(&headers, bad[i], "value", NULL), ERR_CONFIG);
    }
    assert_int_equal(http_headers_add(&headers, "name", "tab\tand \xc3\xbc", NULL), 0);
    http_headers_dispose(&headers);
}

static void has_a_limit(void **state)
{
    struct http_headers headers = HTTP_HEADERS_INIT;

    (void)state;
    for (int i = 0; i < HTTP_HEADER_COUNT_MAX; i++)
        assert_int_equal(http_headers_add(&headers, "a", "b", NULL), 0);
    assert_int_equal(http_headers_add(&headers, "a", "b", NULL), ERR_LIMIT);
    http_headers_dispose(&headers);
}

static void names_the_methods(void **state)
{
    (void)state;
    assert_string_equal(http_method_name(HTTP_GET), "GET");
    assert_string_equal(http_method_name(HTTP_HEAD), "HEAD");
    assert_string_equal(http_method_name(HTTP_PUT), "PUT");
    assert_string_equal(http_method_name(HTTP_POST), "POST");
    assert_string_equal(http_method_name(HTTP_DELETE), "DELETE");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_first_of_a_name_without_case),
        cmocka_unit_test(refuses_what_could_begin_another_header),
        cmocka_unit_test(has_a_limit),
        cmocka_unit_test(names_the_methods),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
