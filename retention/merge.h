/*
 * merge.h - what a backup that will be kept for long should stand on alone.  Pure.
 *
 * The last backup of a day, a week, a month outlives those before it.  If it refers to their packs,
 * each with a few pages that it needs, it keeps all of them.  So it writes once more, from the live
 * database, what was written since the last backup of the day, week, month before; the packs
 * between go when the backups that made them do.  A page is sent a second time once a day at most,
 * and nothing is ever downloaded.  See docs/retention.md for what that costs and saves.
 */
#ifndef RETENTION_MERGE_H
#define RETENTION_MERGE_H

#include "retention/policy.h"

struct manifest;

#define MERGE_BASES_MAX 5u /* years, months, weeks, days, hours */

/* Which of the items (oldest first) a backup at now_ms should stand on: indexes, the furthest back
 * first, each but once; how many.  It is taken for the last one of its day when the next, as long
 * after it as it is after the newest item, is on another day; and so on for each of the lengths
 * that the policy keeps. */
size_t retention_merge_bases(const struct retention_policy *policy,
                             const struct retention_item *items, size_t count, int64_t now_ms,
                             size_t ret_bases[MERGE_BASES_MAX]);

/* The same of a manifest's backups, for backup_options.merge_bases: context is the policy. */
size_t merge_bases(const void *context, const struct manifest *manifest, int64_t now_ms,
                   size_t *ret_bases);

#endif
