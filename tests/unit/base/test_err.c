/* Goal: a failure keeps its code, its cause and its advice on the way up. */
#include "base/err.h"

#include <errno.h>
#include <string.h>

#include "tests/harness/test.h"

static void set_replaces_what_was_there(void **state)
{
    struct err err = { .http_status = 503, .hint = "old advice" };

    (void)state;
    assert_int_equal(err_set(&err, ERR_NOT_FOUND, "no '%s'", "x"), ERR_NOT_FOUND);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(err.http_status, 0);
    assert_string_equal(err.msg, "no 'x'");
    assert_string_equal(err.hint, "");
}

static void errno_decides_the_code(void **state)
{
    static const struct {
        int os_errno, code;
    } cases[] = { { ENOENT, ERR_NOT_FOUND }, { EACCES, ERR_DENIED }, { EPERM, ERR_DENIED },
                  { EROFS, ERR_DENIED },     { EEXIST, ERR_EXISTS }, { ENOMEM, ERR_NOMEM },
                  { ENOSPC, ERR_IO },        { EIO, ERR_IO } };
    struct err err = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        errno = cases[i].os_errno;
        assert_int_equal(err_set_errno(&err, "open '%s'", "f"), cases[i].code);
        assert_int_equal(err.os_errno, cases[i].os_errno);
        assert_int_equal(strncmp(err.msg, "open 'f': ", 10), 0);
        assert_true(strlen(err.msg) > 10);
    }
}

static void a_disk_that_takes_nothing_comes_with_advice(void **state)
{
    static const struct {
        int os_errno;
        const char *word;
    } cases[] = { { ENOSPC, "space" }, { EDQUOT, "space" }, { EROFS, "read-only" } };
    struct err err = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        errno = cases[i].os_errno;
        (void)err_set_errno(&err, "write");
        assert_non_null(strstr(err.hint, cases[i].word));
    }
}

static void wrap_puts_knowledge_in_front_and_keeps_the_rest(void **state)
{
    struct err err = { 0 };

    (void)state;
    (void)err_set(&err, ERR_SERVER, "HTTP 503");
    err.http_status = 503;
    err_hint(&err, "later");
    assert_int_equal(err_wrap(&err, ERR_THROTTLED, "upload part %d", 7), ERR_THROTTLED);
    assert_int_equal(err.code, ERR_THROTTLED);
    assert_string_equal(err.msg, "upload part 7: HTTP 503");
    assert_int_equal(err.http_status, 503);
    assert_string_equal(err.hint, "later");
}

static void the_first_hint_stays(void **state)
{
    struct err err = { 0 };

    (void)state;
    err_hint(&err, "near the cause");
    err_hint(&err, "far from it");
    assert_string_equal(err.hint, "near the cause");
}

static void messages_that_are_too_long_are_cut(void **state)
{
    struct err err = { 0 };
    char text[2 * ERR_MSG_SIZE];

    (void)state;
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    (void)err_set(&err, ERR_IO, "%s", text);
    (void)err_wrap(&err, ERR_IO, "%s", text);
    assert_int_equal(strlen(err.msg), ERR_MSG_SIZE - 1);
}

static void nobody_needs_to_want_the_detail(void **state)
{
    (void)state;
    assert_int_equal(err_set(NULL, ERR_IO, "x"), ERR_IO);
    errno = ENOENT;
    assert_int_equal(err_set_errno(NULL, "x"), ERR_NOT_FOUND);
    assert_int_equal(err_wrap(NULL, ERR_NET, "x"), ERR_NET);
    assert_int_equal(err_nomem(NULL), ERR_NOMEM);
    err_hint(NULL, "x");
    err_clear(NULL);
}

static void every_code_has_a_name_and_an_exit_status(void **state)
{
    (void)state;
    for (int code = ERR_PARTIAL; code <= ERR_NOMEM; code++) {
        assert_string_not_equal(err_code_name(code), "unknown");
        assert_true(err_exit_status(code) > 0);
        assert_int_equal(err_is_retryable(code), code == ERR_NET || code == ERR_TIMEOUT ||
                                                     code == ERR_THROTTLED || code == ERR_SERVER);
    }
    assert_int_equal(err_exit_status(0), 0);
    assert_int_equal(err_exit_status(ERR_CONFIG), 2);
    assert_int_equal(err_exit_status(ERR_NOT_FOUND), 10);
    assert_int_equal(err_exit_status(ERR_BUSY), 11);
    assert_int_equal(err_exit_status(ERR_DENIED), 12);
    assert_int_equal(err_exit_status(ERR_CORRUPT), 13);
    assert_int_equal(err_exit_status(ERR_REFUSED), 14);
    assert_int_equal(err_exit_status(ERR_EXISTS), 14);
    assert_int_equal(err_exit_status(ERR_CANCELED), 130);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_replaces_what_was_there),
        cmocka_unit_test(errno_decides_the_code),
        cmocka_unit_test(a_disk_that_takes_nothing_comes_with_advice),
        cmocka_unit_test(wrap_puts_knowledge_in_front_and_keeps_the_rest),
        cmocka_unit_test(the_first_hint_stays),
        cmocka_unit_test(messages_that_are_too_long_are_cut),
        cmocka_unit_test(nobody_needs_to_want_the_detail),
        cmocka_unit_test(every_code_has_a_name_and_an_exit_status),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
