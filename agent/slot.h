/*
 * slot.h - when one database is backed up next: its schedule, what was missed, retries.  Pure.
 *
 * - What was missed while nothing ran (downtime, sleep, a clock put forward) is made up for once.
 * - A backup that lasts past the next slot is not overtaken: the slots meanwhile count as one.
 * - A failure is tried again after a minute, then two, four, up to half an hour, and at the next
 *   slot in any case.
 * - A clock that is put back moves the next backup no further away than the next slot.
 */
#ifndef AGENT_SLOT_H
#define AGENT_SLOT_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/schedule.h"

#define SLOT_RETRY_MS_MIN (INT64_C(60) * 1000)
#define SLOT_RETRY_MS_MAX (INT64_C(30) * 60 * 1000)

struct slot {
    struct schedule schedule;
    int64_t jitter_ms; /* that each is later than the schedule says */
    int64_t due_ms;    /* of the next one; SCHEDULE_NEVER: none will be */
    unsigned failures; /* since the last success */
    bool running;
    bool asked; /* for another one, while it was running */
};

/* Whether a slot has passed since last_success_ms (0: never). */
bool slot_was_missed(const struct schedule *schedule, int64_t last_success_ms, int64_t now_ms);

void slot_init(struct slot *slot, const struct schedule *schedule, int64_t jitter_ms,
               int64_t last_success_ms, int64_t now_ms);
/* Looks at the clock too: to be asked before each wait. */
bool slot_is_due(struct slot *slot, int64_t now_ms);
/* Somebody wants one that shows what is there now: after one that is under way, another. */
void slot_ask(struct slot *slot);
void slot_begin(struct slot *slot);
void slot_end(struct slot *slot, bool ok, int64_t now_ms);

#endif
