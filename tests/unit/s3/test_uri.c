/* Goal: text is encoded, sorted and decoded exactly as S3 signs and lists it. */
#include "tests/harness/test.h"

#include <string.h>

#include "base/err.h"
#include "s3/uri.h"

static void encodes_all_but_the_unreserved_bytes(void **state)
{
    struct buf to = BUF_INIT(4096);

    (void)state;
    for (int c = 1; c < 256; c++) {
        const char byte = (char)c;
        const char *plain =
            strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~", byte);

        buf_clear(&to);
        uri_encode(&to, (struct str){ &byte, 1 }, false);
        if (plain != NULL) {
            assert_int_equal(to.len, 1);
            assert_int_equal((unsigned char)to.ptr[0], c);
        } else {
            static const char digits[] = "0123456789ABCDEF";

            assert_int_equal(to.len, 3);
            assert_int_equal(to.ptr[0], '%');
            assert_int_equal(to.ptr[1], digits[c >> 4]);
            assert_int_equal(to.ptr[2], digits[c & 15]);
        }
    }
    buf_dispose(&to);
}

static void keeps_slashes_in_paths_only(void **state)
{
    struct buf to = BUF_INIT(64);

    (void)state;
    uri_encode(&to, STR_LIT("a/b c"), true);
    assert_string_equal(to.ptr, "a/b%20c");
    buf_clear(&to);
    uri_encode(&to, STR_LIT("a/b c"), false);
    assert_string_equal(to.ptr, "a%2Fb%20c");
    buf_dispose(&to);
}

static void decodes_what_it_encoded(void **state)
{
    struct buf coded = BUF_INIT(1024), plain = BUF_INIT(1024);
    char all[255];

    (void)state;
    for (int c = 1; c < 256; c++)
        all[c - 1] = (char)c;
    uri_encode(&coded, (struct str){ all, sizeof(all) }, false);
    assert_int_equal(uri_decode(&plain, buf_str(&coded), true, NULL), 0);
    assert_int_equal(plain.len, sizeof(all));
    assert_memory_equal(plain.ptr, all, sizeof(all));
    buf_dispose(&coded);
    buf_dispose(&plain);
}

static void a_plus_is_a_space_only_where_asked(void **state)
{
    struct buf to = BUF_INIT(64);

    (void)state;
    assert_int_equal(uri_decode(&to, STR_LIT("a+b%2Bc"), true, NULL), 0);
    assert_string_equal(to.ptr, "a b+c");
    buf_clear(&to);
    assert_int_equal(uri_decode(&to, STR_LIT("a+b%2bc"), false, NULL), 0);
    assert_string_equal(to.ptr, "a+b+c");
    buf_dispose(&to);
}

static void refuses_broken_escapes(void **state)
{
    static const char *const broken[] = { "%", "a%2", "%zz", "%2g", "%%20", "% 1" };
    struct buf to = BUF_INIT(64);

    (void)state;
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        buf_clear(&to);
        assert_int_equal(uri_decode(&to, str_from(broken[i]), false, NULL), ERR_PROTOCOL);
    }
    buf_dispose(&to);
}

static void sorts_by_encoded_name_then_value(void **state)
{
    static const struct uri_param params[] = {
        { "b", "2" },   { "a-b", "x" },      { "a", "z" }, { "a", "1/2" },
        { "\xe1", "" }, { "uploads", NULL }, { "a", "1" },
    };
    struct buf to = BUF_INIT(256);

    (void)state;
    assert_int_equal(uri_query(&to, params, sizeof(params) / sizeof(params[0]), NULL), 0);
    assert_string_equal(to.ptr, "%E1=&a=1&a=1%2F2&a=z&a-b=x&b=2&uploads=");
    buf_dispose(&to);
}

static void reports_what_does_not_fit(void **state)
{
    static const struct uri_param params[URI_PARAM_COUNT_MAX + 1] = { { "a", "1234" } };
    struct buf to = BUF_INIT(4);

    (void)state;
    assert_int_equal(uri_query(&to, params, 1, NULL), ERR_LIMIT);
    assert_int_equal(uri_query(&to, params, URI_PARAM_COUNT_MAX + 1, NULL), ERR_LIMIT);
    buf_dispose(&to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encodes_all_but_the_unreserved_bytes),
        cmocka_unit_test(keeps_slashes_in_paths_only),
        cmocka_unit_test(decodes_what_it_encoded),
        cmocka_unit_test(a_plus_is_a_space_only_where_asked),
        cmocka_unit_test(refuses_broken_escapes),
        cmocka_unit_test(sorts_by_encoded_name_then_value),
        cmocka_unit_test(reports_what_does_not_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
