/*
 * backup_job.h - one backup of one database as the settings want it: under its lock, with what is
 * remembered, with the retention policy, and guarded against a loss.  What create, run and the
 * agent share.
 */
#ifndef AGENT_BACKUP_JOB_H
#define AGENT_BACKUP_JOB_H

#include <stdbool.h>

#include "agent/guard.h"
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
    bool review;             /* see guard_review() although nothing has changed */
    const struct progress *progress;
    struct history_catalog *catalog; /* as it is afterwards, if it was seen; may be NULL */
};

struct backup_job_result {
    struct backup_record record; /* the caller's to dispose */
    struct backup_report report; /* as backup_create() gives them */
    struct guard_verdict guard;  /* of an unchanged database, and without review: nothing */
};

/* What could not be deleted is a warning: the backup is made.  Errors: those of backup_create();
 * ERR_BUSY; ERR_CONFIG. */
int backup_job_run(const struct session *session, const struct backup_job *job,
                   struct backup_job_result *ret_result, struct err *err);

#endif
