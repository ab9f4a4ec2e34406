/* Goal: the table of commands is whole, and a misspelt name is understood. */
#include "tests/harness/test.h"

#include "agent/command.h"
#include "base/err.h"

#include <string.h>

static void knows_every_command_by_its_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        const struct command *command = command_at(i);

        assert_ptr_equal(command_find(command->name), command);
        assert_non_null(command->run);
        assert_non_null(command->summary);
        assert_true(command->positional_max >= command->positional_min);
        assert_true(command_has_flag(command, FLAG_JSON));
        assert_true(command_has_flag(command, FLAG_HELP));
    }
}

static void has_no_command_that_is_not_in_the_table(void **state)
{
    static const char *const absent[] = { "launch", "serve" };

    (void)state;
    for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++)
        assert_null(command_find(absent[i]));
}

static void suggests_the_nearest_name(void **state)
{
    const struct command *command = NULL;
    struct err err;

    (void)state;
    assert_int_equal(command_require("resotre", &command, &err), ERR_CONFIG);
    assert_string_equal(err.msg, "no command 'resotre'");
    assert_non_null(strstr(err.hint, "'restore'"));
    assert_int_equal(command_require("zzz", &command, &err), ERR_CONFIG);
    assert_string_equal(err.hint, "'holdfast help' lists all commands");
    assert_null(command);
    assert_int_equal(command_require("list", &command, &err), 0);
    assert_string_equal(command->name, "list");
}

static void gives_flags_only_to_commands_that_take_them(void **state)
{
    (void)state;
    assert_true(command_has_flag(command_find("create"), FLAG_LABEL));
    assert_false(command_has_flag(command_find("list"), FLAG_LABEL));
    assert_true(command_has_flag(command_find("restore"), FLAG_DRY_RUN));
    assert_false(command_has_flag(command_find("list"), FLAG_DRY_RUN));
}

static void uses_no_letter_twice(void **state)
{
    (void)state;
    for (size_t a = 0; a < FLAG_COUNT; a++) {
        for (size_t b = 0; b < a; b++) {
            const char letter = flag_spec((enum flag_id)a)->letter;

            assert_true(letter == 0 || letter != flag_spec((enum flag_id)b)->letter);
            assert_string_not_equal(flag_spec((enum flag_id)a)->name,
                                    flag_spec((enum flag_id)b)->name);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_every_command_by_its_name),
        cmocka_unit_test(has_no_command_that_is_not_in_the_table),
        cmocka_unit_test(suggests_the_nearest_name),
        cmocka_unit_test(gives_flags_only_to_commands_that_take_them),
        cmocka_unit_test(uses_no_letter_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
