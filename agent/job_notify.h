/*
 * job_notify.h - what whoever watches a job from elsewhere is to know of it, and when.
 */
#ifndef AGENT_JOB_NOTIFY_H
#define AGENT_JOB_NOTIFY_H

#include <stdbool.h>

#include "agent/notify.h"

struct backup_job_result;
struct drill_result;
struct job;

struct notify_subject job_subject(const struct job *job);

/* A failure that lasts is told once, and again so often. */
#define JOB_NOTIFY_AGAIN_MS (INT64_C(24) * 60 * 60 * 1000)

/* After a backup, when the job's status says how it went; result: NULL when it failed, with the
 * hint; recovered: there were failures before it.  Notes in the status what has been told. */
struct job_notify_backup {
    const struct backup_job_result *result;
    const char *hint;
    bool recovered;
};
void job_notify_backup(struct job *job, struct notify *notify,
                       const struct job_notify_backup *backup);

/* After a restore drill; recovered as above.  error: NULL when it was good. */
struct job_notify_drill {
    const struct drill_result *result;
    const char *error, *hint;
    bool recovered;
    bool again; /* the failure has been told, and is the same still */
};
void job_notify_drill(struct job *job, const struct cancel *cancel,
                      const struct job_notify_drill *drill);

#endif
