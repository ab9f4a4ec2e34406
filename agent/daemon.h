/*
 * daemon.h - the agent with all that the settings give it: what `agent` and `exec` have in common.
 */
#ifndef AGENT_DAEMON_H
#define AGENT_DAEMON_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct cancel;
struct err;
struct session;

struct daemon {
    struct session *session;
    const struct cancel *stop;
    struct cancel *abort_jobs; /* what is under way, when it is set */
    atomic_uint *run_now;      /* as in agent.h; may be NULL */
    bool final_backup;
    int (*begin)(void *context, struct err *err); /* as in agent.h; may be NULL */
    void *begin_context;
};

/* Until stop is set.  ret_unsaved, which may be NULL: how many databases have no last backup,
 * although final_backup; each was told.  Errors: those of jobs_load(), endpoint_start() and
 * agent_run(). */
int daemon_run(const struct daemon *daemon, size_t *ret_unsaved, struct err *err);

#endif
