#include "agent/args.h"

#include "agent/text.h"
#include "base/buf.h"
#include "base/err.h"

#include <stdio.h>
#include <string.h>

#define WHERE_SIZE 80

/* argv on its way into args. */
struct parser {
    struct args *args;
    char *const *next; /* the argument to look at; *end is NULL */
    char *const *end;
};

void args_dispose(struct args *args)
{
    option_set_dispose(&args->options);
    *args = (struct args)ARGS_INIT;
}

static bool find_flag(struct str name, enum flag_id *ret_id)
{
    for (size_t id = 0; id < FLAG_COUNT; id++) {
        if (str_eq_text(name, flag_spec((enum flag_id)id)->name)) {
            *ret_id = (enum flag_id)id;
            return true;
        }
    }
    return false;
}

static bool find_letter(char letter, enum flag_id *ret_id)
{
    for (size_t id = 0; id < FLAG_COUNT; id++) {
        if (flag_spec((enum flag_id)id)->letter == letter) {
            *ret_id = (enum flag_id)id;
            return true;
        }
    }
    return false;
}

static int unknown_flag(const char *given, const char *name, struct err *err)
{
    char names[OPTION_COUNT][OPTION_NAME_SIZE];
    struct nearest nearest;

    nearest_init(&nearest, name);
    for (size_t id = 0; id < FLAG_COUNT; id++)
        nearest_offer(&nearest, flag_spec((enum flag_id)id)->name);
    for (size_t id = 0; id < OPTION_COUNT; id++) {
        option_flag_name((enum option_id)id, names[id]);
        nearest_offer(&nearest, names[id]);
    }
    (void)err_set(err, ERR_CONFIG, "no flag '%s'", given);
    if (nearest.best != NULL)
        err_hint(err, "did you mean '--%s'?", nearest.best);
    err_hint(err, "'--help' after a command lists its flags");
    return ERR_CONFIG;
}

/* The value of a flag: what stands behind '=' or the letter, or the next argument. */
static int take_value(struct parser *parser, const char *flag, const char *attached,
                      const char **ret_value, struct err *err)
{
    if (attached != NULL) {
        *ret_value = attached;
        return 0;
    }
    if (parser->next == parser->end)
        return err_set(err, ERR_CONFIG, "'%s' needs a value", flag);
    *ret_value = *parser->next++;
    return 0;
}

static int set_flag(struct parser *parser, enum flag_id id, const char *given, const char *attached,
                    struct err *err)
{
    const char *value = "";
    int r;

    if (flag_spec(id)->argument != NULL) {
        r = take_value(parser, given, attached, &value, err);
        if (r < 0)
            return r;
        if (*value == '\0')
            return err_set(err, ERR_CONFIG, "'%s' needs a value", given);
        if (args_has(parser->args, id))
            return err_set(err, ERR_CONFIG, "'%s' is given twice", given);
    } else if (attached != NULL) {
        return err_set(err, ERR_CONFIG, "'%s' takes no value", given);
    }
    parser->args->flags[id] = value;
    return 0;
}

static int set_option(struct parser *parser, struct option_name name, const char *given,
                      const char *attached, struct err *err)
{
    const char *value = NULL;
    int r;

    if (option_spec(name.id)->type == OPTION_SECRET && !name.is_file) {
        char variable[OPTION_NAME_SIZE];

        option_env_name(name.id, variable);
        (void)err_set(err, ERR_CONFIG, "'%s': every user of this machine could read it", given);
        err_hint(err, "use %s-file FILE, or the variable %s", given, variable);
        return ERR_CONFIG;
    }
    r = take_value(parser, given, attached, &value, err);
    if (r < 0)
        return r;
    return option_set_put(&parser->args->options, name, value, given, err);
}

/* "--name" or "--name=value". */
static int parse_long(struct parser *parser, const char *argument, struct err *err)
{
    const size_t len = strcspn(argument, "=");
    const char *attached = argument[len] == '=' ? argument + len + 1 : NULL;
    char given[WHERE_SIZE];
    struct option_name name;
    enum flag_id id;

    if (len >= sizeof(given))
        return unknown_flag(argument, argument, err);
    (void)snprintf(given, sizeof(given), "%.*s", (int)len, argument);
    if (find_flag(str_from(given + 2), &id))
        return set_flag(parser, id, given, attached, err);
    if (option_find_flag(given + 2, &name))
        return set_option(parser, name, given, attached, err);
    return unknown_flag(given, given + 2, err);
}

/* "-f", "-fvalue", and switches in a row: "-ny". */
static int parse_short(struct parser *parser, const char *argument, struct err *err)
{
    for (const char *at = argument + 1; *at != '\0'; at++) {
        const char given[] = { '-', *at, '\0' };
        enum flag_id id;
        bool has_value;
        int r;

        if (!find_letter(*at, &id))
            return unknown_flag(argument, argument + 1, err);
        has_value = flag_spec(id)->argument != NULL;
        r = set_flag(parser, id, given, has_value && at[1] != '\0' ? at + 1 : NULL, err);
        if (r < 0 || has_value)
            return r;
    }
    return 0;
}

static int add_positional(struct parser *parser, const char *argument, struct err *err)
{
    struct args *args = parser->args;

    if (args->command == NULL)
        return command_require(argument, &args->command, err);
    if (args->positional_count == ARGS_POSITIONAL_MAX)
        return err_set(err, ERR_CONFIG, "'%s' is one argument too many", argument);
    args->positionals[args->positional_count++] = argument;
    return 0;
}

static int parse_all(struct parser *parser, struct err *err)
{
    struct args *args = parser->args;
    bool flags_over = false;

    while (parser->next != parser->end) {
        const char *argument = *parser->next++;
        int r;

        if (!flags_over && strcmp(argument, "--") == 0) {
            if (args->command != NULL && args->command->takes_program) {
                args->program = parser->next;
                return 0;
            }
            flags_over = true;
            continue;
        }
        if (flags_over || argument[0] != '-' || argument[1] == '\0') {
            r = add_positional(parser, argument, err);
        } else if (argument[1] == '-') {
            r = parse_long(parser, argument, err);
        } else {
            r = parse_short(parser, argument, err);
        }
        if (r < 0)
            return r;
    }
    return 0;
}

static int check_flags(const struct args *args, struct err *err)
{
    for (size_t id = 0; id < FLAG_COUNT; id++) {
        if (!args_has(args, (enum flag_id)id) || command_has_flag(args->command, (enum flag_id)id))
            continue;
        (void)err_set(err, ERR_CONFIG, "'%s' has no flag '--%s'", args->command->name,
                      flag_spec((enum flag_id)id)->name);
        err_hint(err, "'holdfast help %s' lists its flags", args->command->name);
        return ERR_CONFIG;
    }
    return 0;
}

static int check_positionals(const struct args *args, struct err *err)
{
    const struct command *command = args->command;

    if (command->takes_program && (args->program == NULL || *args->program == NULL)) {
        (void)err_set(err, ERR_CONFIG, "'%s' needs a program to start: %s", command->name,
                      command->usage);
        err_hint(err, "write '--' before it, databases before that");
        return ERR_CONFIG;
    }
    if (args->positional_count >= command->positional_min &&
        args->positional_count <= command->positional_max)
        return 0;
    if (args->positional_count > command->positional_max) {
        (void)err_set(err, ERR_CONFIG, "'%s': '%s' is one argument too many", command->name,
                      args->positionals[command->positional_max]);
    } else {
        (void)err_set(err, ERR_CONFIG, "'%s' needs %s", command->name, command->usage);
    }
    err_hint(err, "'holdfast help %s' explains it, with examples", command->name);
    return ERR_CONFIG;
}

/* "holdfast --help" and "holdfast --version" mean the commands of these names. */
static int imply_command(struct args *args, struct err *err)
{
    if (args->command == NULL && args_has(args, FLAG_HELP))
        args->command = command_find("help");
    if (args->command != NULL)
        return 0;
    (void)err_set(err, ERR_CONFIG, "no command given");
    err_hint(err, "'holdfast help' lists all commands, 'holdfast help create' begins the tour");
    return ERR_CONFIG;
}

static bool asks_for_version(int argc, char *const *argv)
{
    return argc == 2 && (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0);
}

int args_parse(int argc, char *const *argv, struct args *ret_args, struct err *err)
{
    struct args *args = ret_args;
    struct parser parser = { args, argv + (argc > 0 ? 1 : 0), argv + argc };
    int r;

    *args = (struct args)ARGS_INIT;
    for (char *const *at = parser.next; at != parser.end && strcmp(*at, "--") != 0; at++) {
        if (strcmp(*at, "--json") == 0)
            args->flags[FLAG_JSON] = "";
    }
    if (asks_for_version(argc, argv)) {
        args->command = command_find("version");
        return 0;
    }
    r = parse_all(&parser, err);
    if (r == 0)
        r = imply_command(args, err);
    if (r < 0 || args_has(args, FLAG_HELP))
        return r;
    r = check_flags(args, err);
    return r < 0 ? r : check_positionals(args, err);
}
