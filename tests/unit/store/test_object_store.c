/* Goal: names that servers treat differently never reach a store. */
#include "store/object_store.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "tests/harness/memory_store.h"
#include "tests/harness/test.h"

static void names_of_plain_segments_only(void **state)
{
    static const char *const good[] = { "a", "a/b", "app/packs/0f.zst", "A-b_c.d/9" };
    static const char *const bad[] = { "",     "/a",  "a/",   "a//b", "./a",   "a/../b",
                                       "..",   ".a",  "a/.b", "a b",  "a%20b", "\xc3\xbc",
                                       "a\nb", "a?b", "a+b",  "a:b",  "a\\b" };
    char longest[OBJECT_KEY_LEN_MAX + 2];

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_int_equal(object_key_check(good[i], NULL), 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        print_message("  '%s'\n", bad[i]);
        assert_int_equal(object_key_check(bad[i], NULL), ERR_CONFIG);
    }
    memset(longest, 'a', sizeof(longest));
    longest[OBJECT_KEY_LEN_MAX] = '\0';
    assert_int_equal(object_key_check(longest, NULL), 0);
    longest[OBJECT_KEY_LEN_MAX] = 'a';
    longest[OBJECT_KEY_LEN_MAX + 1] = '\0';
    assert_int_equal(object_key_check(longest, NULL), ERR_CONFIG);
}

static void every_call_checks_the_name_first(void **state)
{
    struct memory_quirks quirks = { 0 };
    const char *keys[] = { "good", "../bad" };
    struct object_upload *upload = NULL;
    struct object_store *store = NULL;
    struct object_info info;
    struct io_sink *sink = NULL;
    struct buf buf = BUF_INIT(10);

    (void)state;
    assert_int_equal(memory_store_new(&quirks, &store, NULL), 0);
    assert_int_equal(buf_sink_new(&buf, &sink, NULL), 0);
    assert_int_equal(object_put_bytes(store, "/a", "x", 1, OBJECT_PUT_PLAIN, NULL), ERR_CONFIG);
    assert_int_equal(object_get(store, "/a", 0, 1, sink, NULL, NULL), ERR_CONFIG);
    assert_int_equal(object_head(store, "/a", &info, NULL), ERR_CONFIG);
    assert_int_equal(object_delete(store, keys, 2, NULL), ERR_CONFIG);
    assert_int_equal(object_upload_new(store, "/a", 1, &upload, NULL), ERR_CONFIG);
    assert_int_equal(object_delete(store, NULL, 0, NULL), 0); /* nothing to ask for */
    assert_int_equal(quirks.calls, 0);
    io_sink_free(sink);
    object_store_free(store);
    object_store_free(NULL);
    object_upload_free(NULL);
}

static void a_missing_bucket_is_more_than_a_missing_object(void **state)
{
    const struct err bucket = { .code = ERR_NOT_FOUND, .s3_code = "NoSuchBucket" };
    const struct err object = { .code = ERR_NOT_FOUND, .s3_code = "NoSuchKey" };

    (void)state;
    assert_true(object_store_is_missing(&bucket));
    assert_false(object_store_is_missing(&object));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_plain_segments_only),
        cmocka_unit_test(every_call_checks_the_name_first),
        cmocka_unit_test(a_missing_bucket_is_more_than_a_missing_object),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
