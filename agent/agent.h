/*
 * agent.h - backs a set of databases up on their schedules, a bounded number at a time.
 *
 * Whoever polls keeps the schedules; workers make the backups, so that a slow or failing database
 * does not delay the others; each store has workers of its own, so that one that does not answer
 * occupies none that another one needs.  See slot.h for what is due when.
 */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct agent;
struct clock;
struct cancel;
struct err;
struct job;
struct jobs;

struct agent_options {
    size_t worker_count; /* of each store; 1 or more */
    bool final_backup;   /* a last one of each database, when asked to stop */
    int64_t jitter_ms;   /* databases start up to so much later than their slots */
    struct clock *clock;
    struct cancel *abort_jobs; /* that the jobs were loaded with */

    /* Whether somebody else is doing that job, so that it must wait.  May be NULL. */
    bool (*is_held)(void *context, const struct job *job);
    /* Called now and then while agent_finish() waits.  May be NULL. */
    void (*tick)(void *context);
    void *context; /* of both */
};

/* jobs and what options refers to are borrowed until agent_free().  ERR_NOMEM; ERR_IO when there
 * are no threads to be had. */
int agent_start(struct jobs *jobs, const struct agent_options *options, struct agent **ret_agent,
                struct err *err);

/* Start what is due; all that do not run, if `all`.  How long until there is something to do again;
 * *ret_running: how many are under way. */
int64_t agent_poll(struct agent *agent, bool all, size_t *ret_running);

/* Start nothing more; what is under way goes on. */
void agent_retire(struct agent *agent);
size_t agent_count_running(struct agent *agent);
bool agent_runs(struct agent *agent, const struct job *job);

/* For what is under way to end, until the deadline of the monotonic clock. */
void agent_wait(struct agent *agent, int64_t deadline_ms);
/* Wait for what is under way, and make the last backups, until the deadline;
 * what is left is aborted.  Then job->is_saved says which last backups are made. */
void agent_finish(struct agent *agent, int64_t deadline_ms);

/* Waits for what is under way.  NULL is fine. */
void agent_free(struct agent *agent);

#endif
