/*
 * command.h - the commands: what each is for, what it takes, and the function that does it.
 *
 * The tables here drive the command line's parser and the help.
 */
#ifndef AGENT_COMMAND_H
#define AGENT_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

struct err;
struct session;

/* Flags of commands; those that are settings are in options.h. */
enum flag_id {
    FLAG_CONFIG,
    FLAG_JSON,
    FLAG_HELP,
    FLAG_NAME,
    FLAG_LABEL,
    FLAG_ADOPT,
    FLAG_OUTPUT,
    FLAG_FORCE,
    FLAG_SEED,
    FLAG_FULL,
    FLAG_PRUNE,
    FLAG_READ,
    FLAG_RESTORE,
    FLAG_SAMPLE,
    FLAG_ALL,
    FLAG_QUICK_CHECK,
    FLAG_FROM_PACKS,
    FLAG_PAGES,
    FLAG_ROWS,
    FLAG_LIMIT,
    FLAG_AT,
    FLAG_AS_OF,
    FLAG_UNDO,
    FLAG_SWAP,
    FLAG_NO_UNDO,
    FLAG_IF_MISSING,
    FLAG_NO_RESTORE,
    FLAG_YES,
    FLAG_DRY_RUN,
    FLAG_COUNT
};

struct flag_spec {
    const char *name;     /* without "--" */
    char letter;          /* 0: none */
    const char *argument; /* NULL: a switch */
};

const struct flag_spec *flag_spec(enum flag_id id);
/* Flags that every command has. */
bool flag_is_common(enum flag_id id);

#define ARGS_DATABASES_MAX 64 /* that a command takes */

#define COMMAND_FLAGS_MAX 12

struct command_flag {
    enum flag_id id;
    const char *help; /* NULL ends the list */
};

struct command {
    const char *name;
    const char *summary;     /* a phrase */
    const char *usage;       /* lines, without "holdfast NAME" */
    const char *description; /* paragraphs */
    const char *examples;    /* lines: a comment, then what to type */
    struct command_flag flags[COMMAND_FLAGS_MAX];
    size_t positional_min, positional_max;
    bool has_options;   /* takes settings, and has the configuration read */
    bool loads_itself;  /* calls session_load() itself, for it goes on when that fails */
    bool takes_program; /* "-- PROGRAM ARG..." ends its arguments */
    int (*run)(struct session *session, struct err *err);
};

#define COMMAND_COUNT 18

const struct command *command_at(size_t index); /* in the order of the help */
/* NULL when there is none. */
const struct command *command_find(const char *name);
/* As command_find, but ERR_CONFIG with the nearest name as the hint. */
int command_require(const char *name, const struct command **ret_command, struct err *err);
bool command_has_flag(const struct command *command, enum flag_id id);

int cmd_create(struct session *session, struct err *err);
int cmd_list(struct session *session, struct err *err);
int cmd_download(struct session *session, struct err *err);
int cmd_restore(struct session *session, struct err *err);
int cmd_diff(struct session *session, struct err *err);
int cmd_verify(struct session *session, struct err *err);
int cmd_repair(struct session *session, struct err *err);
int cmd_prune(struct session *session, struct err *err);
int cmd_pin(struct session *session, struct err *err);
int cmd_unpin(struct session *session, struct err *err);
int cmd_run(struct session *session, struct err *err);
int cmd_agent(struct session *session, struct err *err);
int cmd_exec(struct session *session, struct err *err);
int cmd_status(struct session *session, struct err *err);
int cmd_health(struct session *session, struct err *err);
int cmd_doctor(struct session *session, struct err *err);
int cmd_version(struct session *session, struct err *err);
int cmd_help(struct session *session, struct err *err);

#endif
