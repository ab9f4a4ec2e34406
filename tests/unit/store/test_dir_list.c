/* Goal: files below a directory are listed as a bucket lists its keys. */
#include "store/dir_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "tests/harness/temp_dir.h"
#include "tests/harness/test.h"

static const char *const files[] = { "a-b",      "a/c",     "a/b/d", "a0",    "b/x",
                                     "b/.tmp-1", ".hidden", "a.b",   "z/y/x", "a/bb" };

static int setup(void **state)
{
    char *root = temp_dir_new();

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        char *path = path_join(root, files[i]), *parent = path_parent(path);

        assert_int_equal(file_mkdirs(parent, 0700, NULL), 0);
        assert_int_equal(file_write_atomic(path, "12345", 5, 0600, NULL), 0);
        free(parent);
        free(path);
    }
    *state = root;
    return 0;
}

static int teardown(void **state)
{
    temp_dir_free(*state);
    return 0;
}

static int note(void *context, const char *key, const struct object_info *info, struct err *err)
{
    (void)err;
    assert_true(info == NULL || info->size == 5);
    buf_addf(context, "%s ", key);
    return 0;
}

static void keys_come_in_byte_order_below_a_prefix(void **state)
{
    static const struct {
        const char *prefix, *start_after, *expected;
    } cases[] = {
        { "", NULL, "a-b a.b a/b/d a/bb a/c a0 b/x z/y/x " },
        { "a", NULL, "a-b a.b a/b/d a/bb a/c a0 " },
        { "a/", NULL, "a/b/d a/bb a/c " },
        { "a/b", NULL, "a/b/d a/bb " },
        { "a/b/", NULL, "a/b/d " },
        { "a/b/d", NULL, "a/b/d " },
        { "a/b/de", NULL, "" },
        { "nothing/here/", NULL, "" },
        { "a0/", NULL, "" },
        { "", "a/b/d", "a/bb a/c a0 b/x z/y/x " },
        { "", "a/b/", "a/b/d a/bb a/c a0 b/x z/y/x " },
        { "", "a/b", "a/b/d a/bb a/c a0 b/x z/y/x " },
        { "a/", "a/c", "" },
        { "", "zz", "" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf seen = BUF_INIT(1000);

        print_message("  '%s' after '%s'\n", cases[i].prefix,
                      cases[i].start_after != NULL ? cases[i].start_after : "");
        assert_int_equal(
            dir_list_objects(*state, cases[i].prefix, cases[i].start_after, note, &seen, NULL), 0);
        assert_string_equal(seen.ptr, cases[i].expected);
        buf_dispose(&seen);
    }
}

static void folders_are_the_common_prefixes(void **state)
{
    struct buf seen = BUF_INIT(1000);

    assert_int_equal(dir_list_folders(*state, "", note, &seen, NULL), 0);
    assert_string_equal(seen.ptr, "a/ b/ z/ ");
    buf_clear(&seen);
    assert_int_equal(dir_list_folders(*state, "a/", note, &seen, NULL), 0);
    assert_string_equal(seen.ptr, "a/b/ ");
    buf_clear(&seen);
    assert_int_equal(dir_list_folders(*state, "none/", note, &seen, NULL), 0);
    assert_string_equal(seen.ptr, "");
    buf_dispose(&seen);
}

static int stop_at_second(void *context, const char *key, const struct object_info *info,
                          struct err *err)
{
    int *count = context;

    (void)key;
    (void)info;
    return ++*count == 2 ? err_set(err, ERR_CANCELED, "enough") : 0;
}

static void the_callback_ends_the_listing(void **state)
{
    int count = 0;

    assert_int_equal(dir_list_objects(*state, "", NULL, stop_at_second, &count, NULL),
                     ERR_CANCELED);
    assert_int_equal(count, 2);
}

static void a_root_that_is_not_there_yet_is_empty(void **state)
{
    struct buf seen = BUF_INIT(1000);

    (void)state;
    assert_int_equal(dir_list_objects("/nonexistent/store", "", NULL, note, &seen, NULL), 0);
    assert_string_equal(seen.ptr, "");
    buf_dispose(&seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_come_in_byte_order_below_a_prefix),
        cmocka_unit_test(folders_are_the_common_prefixes),
        cmocka_unit_test(the_callback_ends_the_listing),
        cmocka_unit_test(a_root_that_is_not_there_yet_is_empty),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
