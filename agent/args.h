/*
 * args.h - the command line as values.
 *
 * Flags stand before or after what they belong to, as "--flag value", "--flag=value", "-f value" or
 * "-fvalue"; "--" ends them, and all arguments of a command that starts a program.  Nothing is
 * abbreviated: a flag that is not known is an error with the nearest one as the hint.
 */
#ifndef AGENT_ARGS_H
#define AGENT_ARGS_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/command.h"
#include "agent/options.h"

struct err;

#define ARGS_POSITIONAL_MAX ARGS_DATABASES_MAX

/* Strings are borrowed from argv. */
struct args {
    const struct command *command;
    const char *flags[FLAG_COUNT]; /* NULL: not given; of a switch: "" */
    const char *positionals[ARGS_POSITIONAL_MAX];
    size_t positional_count;
    char *const *program; /* what stands behind "--", of a command that starts it; else NULL */
    struct option_set options;
};

#define ARGS_INIT                                                                                  \
    {                                                                                              \
        .command = NULL, .options = OPTION_SET_INIT                                                \
    }

void args_dispose(struct args *args);

/* Always ERR_CONFIG.  On failure ret_args has what was understood until then: whether --json was
 * asked for anywhere decides how the error is shown. */
int args_parse(int argc, char *const *argv, struct args *ret_args, struct err *err);

static inline bool args_has(const struct args *args, enum flag_id id)
{
    return args->flags[id] != NULL;
}

#endif
