/*
 * hook.h - a command of the operator's, run by /bin/sh before or after something.
 *
 * It is told facts by variables.  What it prints goes to the log, line by line.  It has a time
 * limit, past which it and all that it started in its process group are ended.  The variables that
 * hold credentials of ours are taken out of its environment.
 */
#ifndef AGENT_HOOK_H
#define AGENT_HOOK_H

#include <stddef.h>
#include <stdint.h>

struct cancel;
struct clock;
struct err;

#define HOOK_FACT_COUNT_MAX 16

struct hook_fact {
    const char *name;  /* of the variable */
    const char *value; /* NULL: it is not set */
};

struct hook {
    const char *name; /* for the log: "before" */
    const char *database;
    const char *command;
    struct hook_fact facts[HOOK_FACT_COUNT_MAX];
    size_t fact_count;
    int64_t timeout_ms;
    struct clock *clock;
    const struct cancel *cancel; /* ends it like the time limit; may be NULL */
};

/* Wait for its end.  Errors: ERR_IO (it cannot be run, or ends with a status that is not 0),
 * ERR_TIMEOUT, ERR_CANCELED.  Any thread. */
int hook_run(const struct hook *hook, struct err *err);

#endif
