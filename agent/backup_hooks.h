/*
 * backup_hooks.h - the settings' commands around one backup of one database.
 */
#ifndef AGENT_BACKUP_HOOKS_H
#define AGENT_BACKUP_HOOKS_H

#include <stdint.h>

struct backup_job_result;
struct database;
struct err;
struct session;

/* `before`, if there is one.  Its failure is a reason not to back up. */
int backup_hooks_before(const struct session *session, const struct database *database,
                        struct err *err);

struct backup_hooks_outcome {
    const struct backup_job_result *result; /* NULL: the backup failed */
    const char *message;                    /* why */
    int64_t duration_ms;
};

/* `after`, if there is one, whatever came before: what that may have stopped is to go on.  So a
 * request to stop does not end it either, but hook_timeout does.  Its failure is a warning. */
void backup_hooks_after(const struct session *session, const struct database *database,
                        const struct backup_hooks_outcome *outcome);

#endif
