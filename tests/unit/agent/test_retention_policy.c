/* Goal: the policy is the default one until something is set, and then what is set alone. */
#include "agent/retention_policy.h"

#include "agent/options.h"
#include "base/err.h"
#include "tests/harness/test.h"

static int read_policy(enum option_id id, const char *text, struct retention_policy *ret_policy)
{
    struct option_set set = OPTION_SET_INIT;
    const struct settings settings = { { &set } };
    int r;

    if (text != NULL) {
        assert_int_equal(option_set_put(&set, (struct option_name){ id, false }, text, "x", NULL),
                         0);
    }
    r = retention_policy_from_settings(&settings, ret_policy, NULL);
    option_set_dispose(&set);
    return r;
}

static void is_the_default_until_something_is_set(void **state)
{
    struct retention_policy policy;

    (void)state;
    assert_int_equal(read_policy(OPTION_KEEP_LAST, NULL, &policy), 0);
    assert_int_equal(policy.hourly, retention_policy_default.hourly);
    assert_int_equal(policy.monthly, 12);
    assert_int_equal(read_policy(OPTION_KEEP_DAILY, "30", &policy), 0);
    assert_int_equal(policy.daily, 30);
    assert_int_equal(policy.hourly, 0);
    assert_int_equal(read_policy(OPTION_KEEP_LAST, "0", &policy), 0);
    assert_true(retention_policy_is_empty(&policy));
    assert_int_equal(read_policy(OPTION_KEEP_WITHIN, "1y2d", &policy), 0);
    assert_int_equal(policy.within.years, 1);
    assert_int_equal(policy.within.days, 2);
    assert_int_equal(policy.daily, 0);
    assert_int_equal(read_policy(OPTION_KEEP_WITHIN, "soon", &policy), ERR_CONFIG);
}

static bool outlasts(const char *mode, const char *days, const char *keep, int64_t *ret_kept)
{
    struct option_set set = OPTION_SET_INIT;
    const struct settings settings = { { &set } };
    const struct {
        enum option_id id;
        const char *text;
    } values[] = { { OPTION_OBJECT_LOCK, mode },
                   { OPTION_OBJECT_LOCK_DAYS, days },
                   { OPTION_KEEP_DAILY, keep } };
    int64_t locked = 0;
    bool found;

    for (size_t i = 0; i < 3; i++) {
        if (values[i].text == NULL)
            continue;
        assert_int_equal(option_set_put(&set, (struct option_name){ values[i].id, false },
                                        values[i].text, "x", NULL),
                         0);
    }
    found = retention_outlasts_lock(&settings, ret_kept, &locked);
    if (found)
        assert_int_equal(locked, 30);
    option_set_dispose(&set);
    return found;
}

static void is_held_against_the_locks(void **state)
{
    int64_t kept = 0;

    (void)state;
    assert_false(outlasts(NULL, NULL, "365", &kept));
    assert_false(outlasts("none", NULL, "365", &kept));
    assert_false(outlasts("compliance", "30", "30", &kept));
    assert_true(outlasts("governance", "30", "31", &kept));
    assert_int_equal(kept, 31);
    assert_true(outlasts("governance", "30", NULL, &kept)); /* 12 months by default */
    assert_true(kept > 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_the_default_until_something_is_set),
        cmocka_unit_test(is_held_against_the_locks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
