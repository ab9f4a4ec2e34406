/*
 * job_run.h - one backup or one restore drill of a job, and how it went: in the job, in the state
 * directory, in the log.
 *
 * A job's backup and its drill may run at the same time, each in a thread of its own.
 */
#ifndef AGENT_JOB_RUN_H
#define AGENT_JOB_RUN_H

struct cancel;
struct job;
struct jobs;

/* Back it up, and apply the policy.  The return value is that of the backup. */
int job_run(const struct jobs *jobs, struct job *job);

/* The return value is that of drill_run(), of which ERR_NOT_FOUND is no failure: there is nothing
 * to restore yet.  cancel: as the jobs' own. */
int job_drill(const struct jobs *jobs, struct job *job, struct cancel *cancel);

#endif
