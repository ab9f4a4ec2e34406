/*
 * job_status.h - how the backups of a database have gone, for `status`, `health` and the next run:
 * "<state dir>/<database>/status.json".
 */
#ifndef AGENT_JOB_STATUS_H
#define AGENT_JOB_STATUS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/guard.h"
#include "base/err.h"
#include "base/random.h"

struct job_status {
    int64_t attempt_ms; /* when the last one began; 0: there was none */
    int64_t success_ms; /* when the last good one began, made or found unnecessary; 0: none */
    int64_t duration_ms;
    unsigned failures; /* since the last success */
    char backup_id[UUID_TEXT_SIZE];
    bool unchanged;      /* the last good one found nothing new: backup_id stands */
    int64_t notified_ms; /* when the webhook took the failure that lasts; 0: none lasts */
    bool shrunk;         /* it lost much, and nobody has said that all is well: see guard.h */
    bool shrunk_fails;   /* and that counts for its health; of the settings, and not written down */
    char kept_id[UUID_TEXT_SIZE]; /* the backup from before */
    char shrunk_reason[GUARD_REASON_SIZE];
    char message[sizeof(((struct err *)0)->msg)]; /* of the last failure; "" after a success */
};

/* Zeros, and 0, when there is none.  ERR_CORRUPT when it is not one; ERR_IO. */
int job_status_load(const char *state_dir, const char *database, struct job_status *ret_status,
                    struct err *err);
int job_status_save(const char *state_dir, const char *database, const struct job_status *status,
                    struct err *err);

/* The loss was looked at. */
void job_status_acknowledge(struct job_status *status);

/* NULL when out of memory. */
json_t *job_status_json(const struct job_status *status);

#endif
