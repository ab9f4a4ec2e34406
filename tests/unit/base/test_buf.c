/* Goal: what is appended is there, up to the cap, and a failure is not forgotten. */
#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "tests/harness/cleanse_spy.h"
#include "tests/harness/test.h"

static void appends_of_every_kind_follow_each_other(void **state)
{
    struct buf buf = BUF_INIT(1000);
    struct err err = { 0 };
    char *text;

    (void)state;
    buf_add_text(&buf, "a");
    buf_add_char(&buf, 'b');
    buf_add_str(&buf, STR_LIT("cd"));
    buf_addf(&buf, "%d-%s", 7, "x");
    buf_add_hex(&buf, "\x0f\xa0", 2);
    memcpy(buf_reserve(&buf, 3), "end", 3);
    buf_commit(&buf, 3);
    assert_int_equal(buf_check(&buf, &err), 0);
    text = buf_detach(&buf);
    assert_string_equal(text, "abcd7-x0fa0end");
    assert_int_equal(buf.len, 0);
    free(text);
    buf_dispose(&buf);
}

static void the_cap_is_exact_and_the_failure_sticks(void **state)
{
    struct buf buf = BUF_INIT(100);
    struct err err = { 0 };
    char fill[100];

    (void)state;
    memset(fill, 'x', sizeof(fill));
    buf_add(&buf, fill, sizeof(fill));
    assert_int_equal(buf_check(&buf, &err), 0);
    buf_add_char(&buf, 'y');
    assert_int_equal(buf_check(&buf, &err), ERR_LIMIT);
    buf.len = 0; /* room again, but the contents are not what was appended */
    buf_add_char(&buf, 'y');
    assert_int_equal(buf_check(&buf, &err), ERR_LIMIT);
    assert_int_equal(buf.len, 0);
    assert_null(buf_reserve(&buf, 1));
    assert_null(buf_detach(&buf));
    buf_add_char(&buf, 'z'); /* after detach it can be used again */
    assert_int_equal(buf_check(&buf, &err), 0);
    assert_string_equal(buf.ptr, "z");
    buf_dispose(&buf);
}

static void an_empty_one_is_an_empty_string(void **state)
{
    struct buf buf = BUF_INIT(10);
    char *text;

    (void)state;
    assert_string_equal(buf.ptr, "");
    buf_add_text(&buf, "");
    buf_addf(&buf, "%s", "");
    assert_string_equal(buf.ptr, "");
    text = buf_detach(&buf);
    assert_string_equal(text, "");
    free(text);
    buf_wipe(&buf);
    buf_dispose(&buf);
}

static void clear_keeps_the_memory_and_forgets_a_failure(void **state)
{
    struct buf buf = BUF_INIT(4);

    (void)state;
    buf_add_text(&buf, "toolong");
    assert_int_not_equal(buf.failed, 0);
    buf_clear(&buf);
    buf_add_text(&buf, "ok");
    assert_string_equal(buf.ptr, "ok");
    buf_clear(&buf);
    assert_string_equal(buf.ptr, "");
    buf_dispose(&buf);
}

static void always_ends_in_a_nul_however_long(void **state)
{
    struct buf buf = BUF_INIT(1000);

    (void)state;
    for (size_t len = 1; len <= 1000; len++) {
        buf_add_char(&buf, 'x');
        assert_int_equal(strlen(buf.ptr), len);
    }
    buf_dispose(&buf);
}

static void wiping_overwrites_the_contents(void **state)
{
    struct buf buf = BUF_INIT(100);
    const char *was;

    (void)state;
    buf_add_text(&buf, "secret");
    was = buf.ptr;
    buf_wipe(&buf);
    assert_ptr_equal(last_cleansed().data, was);
    assert_true(last_cleansed().len >= strlen("secret"));
    assert_int_equal(buf.len, 0);
}

static void views_compare_by_content(void **state)
{
    (void)state;
    assert_true(str_eq(STR_LIT("ab"), str_from("ab")));
    assert_false(str_eq(STR_LIT("ab"), STR_LIT("abc")));
    assert_true(str_eq(str_from(NULL), STR_LIT("")));
    assert_true(str_eq_text(STR_LIT("k"), "k"));
    assert_true(str_starts_with(STR_LIT("prefix/a"), STR_LIT("prefix/")));
    assert_false(str_starts_with(STR_LIT("pre"), STR_LIT("prefix")));
    assert_true(str_ends_with(STR_LIT("a.zst"), STR_LIT(".zst")));
    assert_false(str_ends_with(STR_LIT("zst"), STR_LIT(".zst")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_of_every_kind_follow_each_other),
        cmocka_unit_test(the_cap_is_exact_and_the_failure_sticks),
        cmocka_unit_test(an_empty_one_is_an_empty_string),
        cmocka_unit_test(clear_keeps_the_memory_and_forgets_a_failure),
        cmocka_unit_test(always_ends_in_a_nul_however_long),
        cmocka_unit_test(wiping_overwrites_the_contents),
        cmocka_unit_test(views_compare_by_content),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
