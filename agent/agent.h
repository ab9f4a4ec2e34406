/*
 * agent.h - the daemon: backs databases up on their schedules, a bounded number at a time.
 *
 * The thread that calls it keeps the schedules and sleeps; workers make the backups, so that a slow
 * or failing database does not delay the others.  See slot.h for what is due when.
 */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct clock;
struct cancel;
struct err;
struct jobs;
struct metrics_file;

struct agent_options {
    size_t worker_count; /* 1 or more */
    bool final_backup;   /* a last one of each database, when asked to stop */
    int64_t stop_ms;     /* what is under way may take so long then, before it is aborted */
    int64_t jitter_ms;   /* databases start up to so much later than their slots */
    struct clock *clock;
    const struct cancel *stop;         /* asks to stop */
    struct cancel *abort_jobs;         /* that the jobs were loaded with */
    atomic_uint *run_now;              /* raised: back up all of them at once; may be NULL */
    struct metrics_file *metrics_file; /* kept up to date; may be NULL */
    /* Called once all is ready, before the first backup: what it fails with, agent_run() does.  May
     * be NULL. */
    int (*begin)(void *context, struct err *err);
    void *begin_context;
};

/* Until asked to stop; then job->is_saved says which last backups are made.  ERR_NOMEM; ERR_IO when
 * there are no threads to be had. */
int agent_run(struct jobs *jobs, const struct agent_options *options, struct err *err);

#endif
