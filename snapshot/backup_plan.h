/*
 * backup_plan.h - what the next backup goes back to, and when it is a full one.  Pure.
 */
#ifndef SNAPSHOT_BACKUP_PLAN_H
#define SNAPSHOT_BACKUP_PLAN_H

#include "snapshot/manifest.h"

struct page_map;

/* A database of no more than this is always backed up whole: it is one request in any case. */
#define BACKUP_PLAN_SMALL_SIZE    (UINT64_C(4) << 20)
#define BACKUP_PLAN_FULL_EVERY_MS (INT64_C(30) * 24 * 60 * 60 * 1000)
/* How long a remembered manifest is taken for the newest: half of the time for which generations
 * that were superseded are kept at least, so that nobody can write one anew that is gone already.
 */
#define BACKUP_PLAN_CONFIRMED_MS (INT64_C(12) * 60 * 60 * 1000)

/* The backup that the next one can differ from: the one called preferred_id if the manifest still
 * has it, else the newest; never a damaged one.  NULL when there is none. */
const struct backup_record *backup_plan_parent(const struct manifest *manifest,
                                               const char *preferred_id);

/* Why the next backup has to be a full one, as a phrase; NULL when it need not.  parent may be
 * NULL. */
struct backup_plan_question {
    const struct backup_record *parent;
    uint64_t size;         /* bytes of the database */
    uint64_t full_below;   /* 0: BACKUP_PLAN_SMALL_SIZE + 1 */
    int64_t full_every_ms; /* 0: BACKUP_PLAN_FULL_EVERY_MS */
    int64_t now_ms;
};
const char *backup_plan_full_reason(const struct backup_plan_question *question);

/* When the full backup was taken that this one goes back to. */
int64_t backup_plan_full_at(const struct backup_record *backup);

/* Whether a manifest that was the newest at confirmed_ms may be built upon without asking. */
bool backup_plan_is_confirmed(const struct manifest *manifest, int64_t confirmed_ms,
                              int64_t now_ms);

/* Whether a remembered map is not worth going on from: it names packs that were replaced long ago,
 * and so would those that stand on it, and each of them keeps a record in the manifest.  One that
 * is read anew names what there is now. */
bool backup_plan_is_dated(const struct manifest *manifest, const struct page_map *map);

#endif
