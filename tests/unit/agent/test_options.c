/* Goal: a setting has one name in three forms, and is found only where it belongs. */
#include "tests/harness/test.h"

#include "agent/options.h"

#include <string.h>

static void names_each_option_alike_everywhere(void **state)
{
    char flag[OPTION_NAME_SIZE], variable[OPTION_NAME_SIZE];
    struct option_name name;

    (void)state;
    option_flag_name(OPTION_STATE_DIR, flag);
    option_env_name(OPTION_STATE_DIR, variable);
    assert_string_equal(flag, "state-dir");
    assert_string_equal(variable, "HOLDFAST_STATE_DIR");
    option_env_name(OPTION_URL, variable);
    assert_string_equal(variable, "HOLDFAST_STORE");
    for (size_t id = 0; id < OPTION_COUNT; id++) {
        const struct option_spec *spec = option_spec((enum option_id)id);

        option_flag_name((enum option_id)id, flag);
        assert_true(option_find_flag(flag, &name) && name.id == id && !name.is_file);
        assert_true(option_find_key(spec->section, false, spec->key, &name) && name.id == id);
        assert_non_null(spec->help);
    }
}

static void finds_keys_only_where_they_belong(void **state)
{
    struct option_name name;

    (void)state;
    assert_true(option_find_key("store", false, "url", &name));
    assert_false(option_find_key("agent", false, "url", &name));
    assert_true(option_find_key("database:", true, "url", &name));
    assert_false(option_find_key("database:", true, "state_dir", &name));
    assert_true(option_find_key("verify", false, "cron", &name) && name.id == OPTION_VERIFY_CRON);
    assert_true(option_find_key("database:", true, "verify_cron", &name) &&
                name.id == OPTION_VERIFY_CRON);
    assert_false(option_find_key("database:", true, "cron", &name));
    assert_true(option_find_key("store", false, "secret_access_key_file", &name));
    assert_int_equal(name.id, OPTION_SECRET_ACCESS_KEY);
    assert_true(name.is_file);
    assert_true(option_find_key("store", false, "ca_file", &name));
    assert_int_equal(name.id, OPTION_CA_FILE);
    assert_false(name.is_file);
    assert_false(option_find_flag("stat-dir", &name));
    assert_false(option_find_flag("store-files", &name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_each_option_alike_everywhere),
        cmocka_unit_test(finds_keys_only_where_they_belong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
