/*
 * health.h - whether all is well with the backups of a database, as far as is known here.
 *
 * One judgement, for `health`, /healthz, the metrics and the status page.
 */
#ifndef AGENT_HEALTH_H
#define AGENT_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct drill_status;
struct job;
struct job_status;
struct schedule;

/* What a backup may take, with its jitter, before it is missed. */
#define HEALTH_GRACE_MS (INT64_C(10) * 60 * 1000)

/* From well to ill. */
enum health {
    HEALTH_GOOD,
    HEALTH_FAILING,      /* the last one failed; the last good one is new enough */
    HEALTH_SHRUNK,       /* new enough, but it lost much, and shrink_guard = fail: see guard.h */
    HEALTH_UNRESTORABLE, /* new enough, but the last restore drill failed */
    HEALTH_LATE,         /* the last good one is too old */
    HEALTH_NEVER         /* there is no good one */
};

/* Until when the last good backup, begun at success_ms, is new enough: max_age_ms after it.  Where
 * that is 0, until the second slot of the schedule since, and the grace: one may be missed.  0 when
 * there is none (success_ms is 0); INT64_MAX when there are no such slots. */
int64_t health_deadline_ms(const struct schedule *schedule, int64_t success_ms, int64_t max_age_ms);
/* As the job's settings have it. */
int64_t job_deadline_ms(const struct job *job);

enum health health_of(const struct job_status *status, const struct drill_status *drill,
                      int64_t deadline_ms, int64_t now_ms);
/* Good, or failing: a retry may still make it. */
bool health_is_enough(enum health health);

/* What is wrong with one of which that is not enough: "last good backup: never; restore drill
 * failed: ...". */
void health_explain(struct buf *why, const struct job_status *status,
                    const struct drill_status *drill, int64_t deadline_ms, int64_t now_ms);

/* "2026-11-23 07:00:00 CET (2 hours ago)"; "never" for 0. */
void health_add_when(struct buf *text, int64_t ms, int64_t now_ms);

#endif
