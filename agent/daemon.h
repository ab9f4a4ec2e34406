/*
 * daemon.h - the agent with all that the settings give it: what `agent` and `exec` have in common.
 *
 * Its configuration can be read again, and databases come and go with the files that a pattern
 * matches, without an end to the backups under way.
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
    const struct cancel *stop; /* a signal's handler wakes who waits for it */
    struct cancel *abort_jobs; /* what is under way, when it is set */
    atomic_uint *run_now;      /* raised: back up all of them at once; may be NULL */
    atomic_uint *reload;       /* raised: read the configuration again; may be NULL */
    bool final_backup;         /* whatever the settings say */
    bool is_talkative;         /* log_level is info, unless set */

    /* Called once all is ready, before the first backup: what it fails with, daemon_run() does.
     * May be NULL. */
    int (*begin)(void *context, struct err *err);
    void *begin_context;
};

/* Until stop is set.  ret_unsaved, which may be NULL: how many databases have no last backup,
 * although one was wanted; each was told.  Errors: those of jobs_load(), endpoint_start() and
 * agent_start(). */
int daemon_run(const struct daemon *daemon, size_t *ret_unsaved, struct err *err);

#endif
