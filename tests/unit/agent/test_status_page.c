/* Goal: the page may load nothing. */
#include "agent/status_page.h"

#include "tests/harness/test.h"

#include <string.h>

static void nothing_may_be_loaded(void **state)
{
    char policy[STATUS_PAGE_POLICY_SIZE];

    (void)state;
    status_page_policy(policy);
    assert_non_null(strstr(policy, "default-src 'none'"));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(nothing_may_be_loaded) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
