/* Goal: a program's credentials are taken without a shell, without waiting for ever, and what goes
 * wrong with it is said. */
#include "tests/harness/test.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "s3/credentials_process.h"
#include "tests/harness/credentials_rig.h"

#define KEYS                                                                                       \
    "{\"Version\":1,\"AccessKeyId\":\"I\",\"SecretAccessKey\":\"S\",\"SessionToken\":\"T\"}"

static void splits_as_a_shell_would_without_being_one(void **state)
{
    static const struct {
        const char *command;
        const char *words[4];
    } cases[] = {
        { "a", { "a" } },
        { " a  b\tc ", { "a", "b", "c" } },
        { "a 'b c' \"d e\"", { "a", "b c", "d e" } },
        { "a'b'\"c\"d", { "abcd" } },
        { "a\\ b '\\x' \"\\x\\\"\"", { "a b", "\\x", "\\x\"" } },
        { "a '' \"\"", { "a", "", "" } },
        { "a $HOME *.c `b`", { "a", "$HOME", "*.c", "`b`" } },
        { "a|b;c", { "a|b;c" } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char **arguments = NULL;

        assert_int_equal(s3_command_split(cases[i].command, &arguments, NULL), 0);
        for (size_t k = 0; k < 4 && cases[i].words[k] != NULL; k++)
            assert_string_equal(arguments[k], cases[i].words[k]);
        if (cases[i].words[3] == NULL)
            assert_null(arguments[3]);
        free(arguments);
    }
}

static void refuses_what_it_cannot_split(void **state)
{
    static const char *const cases[] = { "", "  ", "a 'b", "a \"b" };
    char **arguments = NULL, many[2 * S3_ARGUMENT_COUNT_MAX + 1];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(s3_command_split(cases[i], &arguments, NULL), ERR_CONFIG);
    for (size_t i = 0; i < sizeof(many) - 1; i++)
        many[i] = i % 2 == 0 ? 'a' : ' ';
    many[sizeof(many) - 1] = '\0';
    assert_int_equal(s3_command_split(many, &arguments, NULL), ERR_CONFIG);
    many[sizeof(many) - 3] = '\0';
    assert_int_equal(s3_command_split(many, &arguments, NULL), 0);
    free(arguments);
}

static struct s3_credentials_source *source(struct credentials_rig *rig, const char *command)
{
    struct s3_credentials_source *made = NULL;

    credentials_rig_init(rig, NULL, 0);
    assert_int_equal(s3_source_process_new(&rig->context, command, &made, NULL), 0);
    return made;
}

static void takes_what_a_program_prints(void **state)
{
    struct credentials_rig rig;

    (void)state;
    credentials_rig_expect(&rig, source(&rig, "printf %s '" KEYS "'"), "I", "S", "T");
    credentials_rig_dispose(&rig);
    /* It has no input, and may complain while it succeeds. */
    credentials_rig_expect(&rig, source(&rig, "sh -c 'cat; echo x >&2; echo \"$0\"' '" KEYS "'"),
                           "I", "S", "T");
    credentials_rig_dispose(&rig);
}

static void says_what_goes_wrong(void **state)
{
    static const struct {
        const char *command;
        int code;
        const char *says;
    } cases[] = {
        { "/nonexistent/helper x", ERR_CONFIG, "/nonexistent/helper" },
        { "sh -c 'echo first >&2; echo log in again >&2; exit 3'", ERR_DENIED,
          "failed with status 3: log in again" },
        { "false", ERR_DENIED, "failed with status 1" },
        { "sh -c 'kill -9 $$'", ERR_DENIED, "signal 9" },
        { "echo hello", ERR_PROTOCOL, "not a JSON object" },
        { "head -c 100000 /dev/zero", ERR_LIMIT, "" },
        { "a 'b", ERR_CONFIG, "quote" },
    };
    struct credentials_rig rig;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        credentials_rig_expect_error(&rig, source(&rig, cases[i].command), cases[i].code,
                                     cases[i].says);
        credentials_rig_dispose(&rig);
    }
}

static void ends_it_when_told_to_stop(void **state)
{
    struct s3_credentials_source *made;
    struct credentials_rig rig;

    (void)state;
    made = source(&rig, "sleep 1000");
    cancel_set(&rig.cancel, SIGTERM);
    credentials_rig_expect_error(&rig, made, ERR_CANCELED, "");
    credentials_rig_dispose(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splits_as_a_shell_would_without_being_one),
        cmocka_unit_test(refuses_what_it_cannot_split),
        cmocka_unit_test(takes_what_a_program_prints),
        cmocka_unit_test(says_what_goes_wrong),
        cmocka_unit_test(ends_it_when_told_to_stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
