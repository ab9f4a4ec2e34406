/*
 * backup_job.h - one backup of one database as the settings want it: under its lock, with what is
 * remembered, and with the retention policy.  What create, run and the agent share.
 */
#ifndef AGENT_BACKUP_JOB_H
#define AGENT_BACKUP_JOB_H

#include <stdbool.h>

#include "snapshot/backup.h"

struct database;
struct history_catalog;
struct session;

struct backup_job {
    struct object_store *store;
    const struct database *database;
    const char *label; /* may be NULL */
    enum backup_trigger trigger;
    bool adopt, force, full; /* as in backup.h */
    bool prune;              /* apply the policy, and delete what is due */
    const struct progress *progress;
    struct history_catalog *catalog; /* as it is afterwards, if anything was made; may be NULL */
};

/* ret_record and ret_report as backup_create() gives them.  What could not be deleted is a warning:
 * the backup is made.  Errors: those of backup_create(); ERR_BUSY; ERR_CONFIG. */
int backup_job_run(const struct session *session, const struct backup_job *job,
                   struct backup_record *ret_record, struct backup_report *ret_report,
                   struct err *err);

#endif
