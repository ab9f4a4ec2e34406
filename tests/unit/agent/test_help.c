/* Goal: the help names everything there is, fits a terminal, and its examples are real commands. */
#include "tests/harness/test.h"

#include "agent/args.h"
#include "agent/command.h"
#include "agent/help.h"
#include "agent/options.h"
#include "agent/text.h"
#include "base/buf.h"
#include "base/err.h"

#include <string.h>

#define TEXT_LEN_MAX (64u << 10)
#define COLUMNS      80

static void names_every_command(void **state)
{
    struct buf out = BUF_INIT(TEXT_LEN_MAX);

    (void)state;
    help_overview(&out);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        assert_non_null(strstr(out.ptr, command_at(i)->name));
    buf_dispose(&out);
}

static void names_every_flag_and_setting_of_a_command(void **state)
{
    (void)state;
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        const struct command *command = command_at(i);
        struct buf out = BUF_INIT(TEXT_LEN_MAX);
        char name[OPTION_NAME_SIZE];

        help_command(&out, command);
        for (size_t id = 0; id < FLAG_COUNT; id++) {
            if (id == FLAG_CONFIG && !command->has_options)
                continue;
            if (command_has_flag(command, (enum flag_id)id) &&
                strstr(out.ptr, flag_spec((enum flag_id)id)->name) == NULL)
                fail_msg("%s: --%s", command->name, flag_spec((enum flag_id)id)->name);
        }
        for (size_t id = 0; id < OPTION_COUNT && command->has_options; id++) {
            option_flag_name((enum option_id)id, name);
            if (strstr(out.ptr, name) == NULL)
                fail_msg("%s: --%s", command->name, name);
        }
        buf_dispose(&out);
    }
}

static void fits_a_terminal(void **state)
{
    struct buf out = BUF_INIT((size_t)4 * TEXT_LEN_MAX);

    (void)state;
    help_overview(&out);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        help_command(&out, command_at(i));
    for (char *line = out.ptr, *end; *line != '\0'; line = end + 1) {
        end = strchr(line, '\n');
        assert_non_null(end);
        *end = '\0';
        if (text_width(line) > COLUMNS)
            fail_msg("%zu columns: %s", text_width(line), line);
        if (end > line && end[-1] == ' ')
            fail_msg("trailing space: '%s'", line);
    }
    buf_dispose(&out);
}

/* Up to a pipe, words separated by spaces, in quotes or not. */
static int parse_example(char *line)
{
    struct args args = ARGS_INIT;
    char *argv[32] = { NULL };
    int argc = 0, r;
    struct err err;

    while (*line != '\0' && *line != '|') {
        const char stop = *line == '\'' ? '\'' : ' ';

        line += stop == '\'';
        argv[argc++] = line;
        line += strcspn(line, stop == '\'' ? "'" : " ");
        if (*line == '\'')
            *line++ = '\0';
        if (*line == ' ')
            *line++ = '\0';
    }
    r = args_parse(argc, argv, &args, &err);
    if (r < 0)
        print_error("%s\n", err.msg);
    args_dispose(&args);
    return r;
}

static void has_examples_that_parse(void **state)
{
    int count = 0;

    (void)state;
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        char text[2048];

        assert_true(strlen(command_at(i)->examples) < sizeof(text));
        memcpy(text, command_at(i)->examples, strlen(command_at(i)->examples) + 1);
        for (char *line = text, *end; *line != '\0'; line = end + 1) {
            end = strchr(line, '\n');
            assert_non_null(end);
            *end = '\0';
            if (strncmp(line, "holdfast ", 9) != 0)
                continue;
            assert_int_equal(parse_example(line), 0);
            count++;
        }
    }
    assert_true(count > COMMAND_COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_every_command),
        cmocka_unit_test(names_every_flag_and_setting_of_a_command),
        cmocka_unit_test(fits_a_terminal),
        cmocka_unit_test(has_examples_that_parse),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
