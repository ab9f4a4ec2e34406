/*
 * drill_status.h - how the restore drills of a database have gone, for `status`, `health` and the
 * next run: "<state dir>/<database>/drill.json".
 */
#ifndef AGENT_DRILL_STATUS_H
#define AGENT_DRILL_STATUS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/random.h"

struct drill_status {
    int64_t verdict_ms;  /* when the last one began that showed whether the backup restores; or 0 */
    int64_t verified_ms; /* when the last good one began; 0: none */
    int64_t restore_ms;  /* how long that took to restore */
    unsigned failures;   /* since then */
    char backup_id[UUID_TEXT_SIZE];               /* that it restored */
    char message[sizeof(((struct err *)0)->msg)]; /* of the last failure; "" after a success */
};

/* Zeros, and 0, when there is none.  ERR_CORRUPT when it is not one; ERR_IO. */
int drill_status_load(const char *state_dir, const char *database, struct drill_status *ret_status,
                      struct err *err);
int drill_status_save(const char *state_dir, const char *database,
                      const struct drill_status *status, struct err *err);

/* A drill or a verification that began at begin_ms has restored the newest backup. */
void drill_status_verified(struct drill_status *status, const char *backup_id, int64_t begin_ms,
                           int64_t restore_ms);

/* Fields for the document about the database: verified_at, verified_backup, restore_ms,
 * drill_failures, drill_error. */
void drill_status_json(const struct drill_status *status, json_t *document);

#endif
