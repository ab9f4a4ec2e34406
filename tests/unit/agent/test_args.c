/* Goal: a command line means the same in every way of writing it, and a slip is explained. */
#include "tests/harness/test.h"

#include "agent/args.h"
#include "base/err.h"

#include <string.h>

#define WORDS_MAX 16

/* Splits the line at spaces; "_" stands for an empty argument. */
static int parse(const char *line, struct args *args, struct err *err)
{
    static char copy[512];
    static char empty[] = "";
    char *argv[WORDS_MAX + 1] = { NULL };
    char *rest = copy;
    int argc = 0;

    assert_true(strlen(line) < sizeof(copy));
    memcpy(copy, line, strlen(line) + 1);
    while (rest != NULL && *rest != '\0') {
        char *word = strsep(&rest, " ");

        argv[argc++] = strcmp(word, "_") == 0 ? empty : word;
    }
    return args_parse(argc, argv, args, err);
}

static void parse_ok(const char *line, struct args *args)
{
    struct err err;

    if (parse(line, args, &err) < 0)
        fail_msg("%s: %s", line, err.msg);
}

static void takes_flags_before_and_after_the_rest(void **state)
{
    static const char *const lines[] = {
        "holdfast download app 1b4e --output x.db --threads 3 --force",
        "holdfast --threads=3 download --force app --output=x.db 1b4e",
        "holdfast --force --threads 3 -o x.db download app 1b4e",
        "holdfast download -ox.db --force app --threads=3 -- 1b4e",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct args args = ARGS_INIT;

        parse_ok(lines[i], &args);
        assert_string_equal(args.command->name, "download");
        assert_int_equal(args.positional_count, 2);
        assert_string_equal(args.positionals[0], "app");
        assert_string_equal(args.positionals[1], "1b4e");
        assert_string_equal(args.flags[FLAG_OUTPUT], "x.db");
        assert_true(args_has(&args, FLAG_FORCE));
        assert_int_equal(args.options.values[OPTION_THREADS].number, 3);
        args_dispose(&args);
    }
}

static void takes_a_hyphen_and_what_follows_two_as_they_are(void **state)
{
    struct args args = ARGS_INIT;

    (void)state;
    parse_ok("holdfast download app latest -o -", &args);
    assert_string_equal(args.flags[FLAG_OUTPUT], "-");
    args_dispose(&args);
    parse_ok("holdfast list -- --json", &args);
    assert_string_equal(args.positionals[0], "--json");
    assert_false(args_has(&args, FLAG_JSON));
    args_dispose(&args);
    parse_ok("holdfast download -- -- latest", &args);
    assert_string_equal(args.positionals[0], "--");
    args_dispose(&args);
}

static void takes_switches_in_a_row(void **state)
{
    struct args args = ARGS_INIT;

    (void)state;
    parse_ok("holdfast restore app latest -ny", &args);
    assert_true(args_has(&args, FLAG_DRY_RUN) && args_has(&args, FLAG_YES));
    args_dispose(&args);
}

static void takes_usual_ways_to_ask_for_help(void **state)
{
    static const struct {
        const char *line, *command;
        bool flag;
    } rows[] = {
        { "holdfast --help", "help", true },          { "holdfast -h", "help", true },
        { "holdfast help", "help", false },           { "holdfast help create", "help", false },
        { "holdfast create --help", "create", true }, { "holdfast --version", "version", false },
        { "holdfast -V", "version", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct args args = ARGS_INIT;

        parse_ok(rows[i].line, &args);
        assert_string_equal(args.command->name, rows[i].command);
        assert_int_equal(args_has(&args, FLAG_HELP), rows[i].flag);
        args_dispose(&args);
    }
}

static void explains_what_is_wrong(void **state)
{
    static const struct {
        const char *line, *message, *hint;
    } rows[] = {
        { "holdfast", "no command given", "holdfast help" },
        { "holdfast --json", "no command given", "holdfast help" },
        { "holdfast creat x", "no command 'creat'", "'create'" },
        { "holdfast create", "'create' needs DB", "help create" },
        { "holdfast download app", "'download' needs DB BACKUP", "help download" },
        { "holdfast list a b", "'list': 'b' is one argument too many", "help list" },
        { "holdfast restore a b c d", "'restore': 'c' is one argument too many", "" },
        { "holdfast list a --thread 3", "no flag '--thread'", "'--threads'" },
        { "holdfast list a --jsno", "no flag '--jsno'", "'--json'" },
        { "holdfast list a -z", "no flag '-z'", "--help" },
        { "holdfast list a --force", "'list' has no flag '--force'", "help list" },
        { "holdfast create a --label", "'--label' needs a value", "" },
        { "holdfast create a --label _", "'--label' needs a value", "" },
        { "holdfast create a --label=", "'--label' needs a value", "" },
        { "holdfast create a --label x --label y", "'--label' is given twice", "" },
        { "holdfast list a --json=yes", "'--json' takes no value", "" },
        { "holdfast list a --threads 0", "--threads: ", "" },
        { "holdfast list a --threads 1 --threads 2", "--threads: given twice", "" },
        { "holdfast list a --secret-access-key hush",
          "'--secret-access-key': every user of this machine could read it",
          "HOLDFAST_SECRET_ACCESS_KEY" },
        { "holdfast list a --region", "'--region' needs a value", "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct args args = ARGS_INIT;
        struct err err;

        err_clear(&err);
        assert_int_equal(parse(rows[i].line, &args, &err), ERR_CONFIG);
        if (strncmp(err.msg, rows[i].message, strlen(rows[i].message)) != 0)
            fail_msg("%s: %s", rows[i].line, err.msg);
        if (strstr(err.hint, rows[i].hint) == NULL)
            fail_msg("%s: hint: %s", rows[i].line, err.hint);
        args_dispose(&args);
    }
}

static void never_repeats_a_secret_from_the_command_line(void **state)
{
    struct args args = ARGS_INIT;
    struct err err;

    (void)state;
    assert_int_equal(parse("holdfast list a --secret-access-key=hush", &args, &err), ERR_CONFIG);
    assert_null(strstr(err.msg, "hush"));
    assert_null(strstr(err.hint, "hush"));
    args_dispose(&args);
}

static void sees_json_even_when_the_rest_is_wrong(void **state)
{
    struct args args = ARGS_INIT;

    (void)state;
    assert_int_equal(parse("holdfast nonsense --json", &args, NULL), ERR_CONFIG);
    assert_true(args_has(&args, FLAG_JSON));
    args_dispose(&args);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_flags_before_and_after_the_rest),
        cmocka_unit_test(takes_a_hyphen_and_what_follows_two_as_they_are),
        cmocka_unit_test(takes_switches_in_a_row),
        cmocka_unit_test(takes_usual_ways_to_ask_for_help),
        cmocka_unit_test(explains_what_is_wrong),
        cmocka_unit_test(never_repeats_a_secret_from_the_command_line),
        cmocka_unit_test(sees_json_even_when_the_rest_is_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
