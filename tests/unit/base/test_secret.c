/* Goal: a secret is copied, replaced and gone. */
#include "base/secret.h"

#include <string.h>

#include "base/err.h"
#include "tests/harness/cleanse_spy.h"
#include "tests/harness/test.h"

static void is_overwritten_when_it_goes(void **state)
{
    struct secret secret = SECRET_INIT;
    const char *was;

    (void)state;
    assert_int_equal(secret_set(&secret, "hunter2", 7, NULL), 0);
    was = secret.ptr;
    assert_int_equal(secret_set(&secret, "other", 5, NULL), 0);
    assert_ptr_equal(last_cleansed().data, was);
    assert_int_equal(last_cleansed().len, 7);
    was = secret.ptr;
    secret_dispose(&secret);
    assert_ptr_equal(last_cleansed().data, was);
    assert_int_equal(last_cleansed().len, 5);
}

static void is_the_same_after_a_copy_to_itself(void **state)
{
    struct secret secret = SECRET_INIT;

    (void)state;
    assert_int_equal(secret_set(&secret, "hunter2", 7, NULL), 0);
    assert_int_equal(secret_copy(&secret, &secret, NULL), 0);
    assert_string_equal(secret.ptr, "hunter2");
    secret_dispose(&secret);
}

static void holds_a_copy_until_it_is_disposed_of(void **state)
{
    struct secret secret = SECRET_INIT, copy = SECRET_INIT;
    char text[] = "hunter2 and more";

    (void)state;
    assert_false(secret_is_set(&secret));
    assert_int_equal(secret_set(&secret, text, 7, NULL), 0);
    text[0] = 'X';
    assert_string_equal(secret.ptr, "hunter2");
    assert_int_equal(secret_copy(&copy, &secret, NULL), 0);
    assert_ptr_not_equal(copy.ptr, secret.ptr);
    assert_int_equal(secret_set(&secret, "other", 5, NULL), 0);
    assert_string_equal(copy.ptr, "hunter2");
    assert_true(secret_is_set(&copy));
    secret_dispose(&secret);
    secret_dispose(&secret);
    assert_null(secret.ptr);
    assert_int_equal(secret_copy(&copy, &secret, NULL), 0);
    assert_false(secret_is_set(&copy));
}

static void an_empty_one_counts_as_unset(void **state)
{
    struct secret secret = SECRET_INIT;

    (void)state;
    assert_int_equal(secret_set(&secret, "", 0, NULL), 0);
    assert_false(secret_is_set(&secret));
    assert_false(secret_is_set(NULL));
    assert_int_equal(secret_copy(&secret, &secret, NULL), 0);
    secret_dispose(&secret);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_a_copy_until_it_is_disposed_of),
        cmocka_unit_test(is_overwritten_when_it_goes),
        cmocka_unit_test(is_the_same_after_a_copy_to_itself),
        cmocka_unit_test(an_empty_one_counts_as_unset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
