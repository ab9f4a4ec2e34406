/*
 * pass.h - one pass over jobs, as `run` makes it: what is due is backed up, one after the other,
 * and then what restore drills are due.
 *
 * Each store has a thread of its own, so that one that is down or slow delays no other.
 */
#ifndef AGENT_PASS_H
#define AGENT_PASS_H

#include <stdbool.h>
#include <stddef.h>

struct err;
struct job;
struct jobs;
struct session;

struct pass_options {
    struct session *session;
    struct jobs *jobs;
    bool all; /* also what is not due */
    /* A job's outcome, for JSON; one call at a time.  What it fails with ends the pass. */
    int (*print)(struct session *session, const struct job *job, const char *outcome,
                 struct err *err);
};

struct pass_result {
    size_t failed, drills_failed; /* jobs */
    size_t busy;                  /* among those that failed: another pass was at work on them */
};

/* ERR_BUSY when another pass is at work on all of them; ERR_CANCELED.  What fails otherwise is in
 * the jobs, in the log and in the result. */
int pass_run(const struct pass_options *options, struct pass_result *ret_result, struct err *err);

#endif
