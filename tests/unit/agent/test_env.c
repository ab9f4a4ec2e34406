/* Goal: an empty variable counts as none. */
#include "tests/harness/test.h"

#include "agent/env.h"

#include <stdlib.h>

static void takes_an_empty_variable_for_an_unset_one(void **state)
{
    (void)state;
    assert_int_equal(setenv("HOLDFAST_TEST_A", "value", 1), 0);
    assert_int_equal(setenv("HOLDFAST_TEST_B", "", 1), 0);
    assert_string_equal(env_get("HOLDFAST_TEST_A"), "value");
    assert_null(env_get("HOLDFAST_TEST_B"));
    assert_null(env_get("HOLDFAST_TEST_C"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_an_empty_variable_for_an_unset_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
