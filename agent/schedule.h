/*
 * schedule.h - when backups are due: the slots of a schedule, in a time zone.
 *
 * Pure: the caller says what time it is.  Times are milliseconds since 1970.
 *
 * Slots depend on nothing but the schedule, so they are the same after a restart and on every
 * machine: `every` counts from 1970-01-01T00:00Z, not from a start or from the last backup.
 *
 * When clocks change, as in Debian's cron:
 * - if the hour field begins with a star (and for @hourly), a slot is wherever the wall shows it:
 * an hour that comes twice has its slots twice, one that is skipped has none;
 * - otherwise, slots that are skipped are made up for by one at the moment of the change, and what
 *   comes twice counts the first time only.
 * Unlike there, a star in the minute field changes nothing ("0-59/15 2 * * *" and a star with a
 * step are the same), and a change of three hours or more, where a zone itself was moved, is no
 * different from a smaller one.
 */
#ifndef AGENT_SCHEDULE_H
#define AGENT_SCHEDULE_H

#include "agent/cron.h"

struct buf;
struct err;
struct zone;

#define SCHEDULE_EVERY_MS_MIN (INT64_C(60) * 1000)
#define SCHEDULE_EVERY_MS_MAX (INT64_C(366) * 24 * 60 * 60 * 1000)
#define SCHEDULE_NEVER        INT64_MAX /* no slot: those of cron end with the year 9999 */
#define SCHEDULE_NONE         INT64_MIN /* no slot: there is none before 1970 */

/* A value. */
struct schedule {
    int64_t every_ms;        /* 0: by cron */
    struct cron cron;        /* meaningless unless every_ms is 0 */
    const struct zone *zone; /* borrowed; NULL is UTC; `every` does not ask it */
};

/**
 * @param text  what cron_parse() reads, or "15m" or "every 15m": whole seconds, 1 minute to 366
 * days
 * @param zone  borrowed, and must outlive *ret; NULL is UTC
 *
 * Errors: ERR_CONFIG, which says what is allowed.
 */
int schedule_parse(const char *text, const struct zone *zone, struct schedule *ret,
                   struct err *err);

/* "every 1h30m" or "0 * * * *", without the zone: see zone_name().  schedule_parse() makes the same
 * value of it. */
void schedule_format(const struct schedule *schedule, struct buf *out);

/* The first slot after after_ms, not at it; SCHEDULE_NEVER. */
int64_t schedule_next(const struct schedule *schedule, int64_t after_ms);

/* The last slot at or before now_ms, to catch up with; SCHEDULE_NONE. */
int64_t schedule_previous(const struct schedule *schedule, int64_t now_ms);

/* 0 to jitter_max_ms, spread evenly over seeds and always the same for one: how much later than
 * their slots to run things.  seed: what tells them apart, such as "host/database". */
int64_t schedule_jitter_ms(const char *seed, int64_t jitter_max_ms);

#endif
