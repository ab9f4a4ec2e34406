/*
 * policy.h - which backups to keep.  Pure.
 *
 * The semantics are those of restic's `forget` (restic.readthedocs.io, "Removing snapshots
 * according to a policy", version 0.14): from the newest to the oldest, a backup is kept as hourly
 * when no newer one of its hour was, as long as there are hours left, and so on; the results are
 * ORed. Hours, days, ISO weeks, months and years are those of local time (TZ).
 *
 * Beyond it: pinned and guarded backups and the newest verified one are always kept.  Backups that
 * a restore made of what it replaced take no part in the counting; they are kept for
 * RETENTION_UNDO_MS, and so are damaged ones, which may yet be mended.
 */
#ifndef RETENTION_POLICY_H
#define RETENTION_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

#define RETENTION_UNDO_MS   (INT64_C(7) * 24 * 60 * 60 * 1000)
#define RETENTION_COUNT_MAX 1000000u

struct retention_within {
    unsigned years, months, days, hours;
};

struct retention_policy {
    unsigned last, hourly, daily, weekly, monthly, yearly;
    struct retention_within within; /* of the newest backup that is not in the future */
};

/* 24 hourly, 7 daily, 4 weekly, 12 monthly. */
extern const struct retention_policy retention_policy_default;

/* An empty policy keeps everything. */
bool retention_policy_is_empty(const struct retention_policy *policy);

/* restic's format: "1y5m7d2h", any of the four, in any order.  ERR_CONFIG. */
int retention_within_parse(const char *text, struct retention_within *ret_within, struct err *err);

struct retention_item {
    int64_t created_at_ms;
    bool pinned, damaged, pre_restore, verified;
    bool guarded; /* the database has lost much since */
};

enum retention_reason {
    RETENTION_LAST = 1 << 0,
    RETENTION_HOURLY = 1 << 1,
    RETENTION_DAILY = 1 << 2,
    RETENTION_WEEKLY = 1 << 3,
    RETENTION_MONTHLY = 1 << 4,
    RETENTION_YEARLY = 1 << 5,
    RETENTION_WITHIN = 1 << 6,
    RETENTION_NO_POLICY = 1 << 7,
    RETENTION_PINNED = 1 << 8,
    RETENTION_VERIFIED = 1 << 9, /* the newest that was */
    RETENTION_UNDO = 1 << 10,
    RETENTION_DAMAGED = 1 << 11,
    RETENTION_NEWEST = 1 << 12,
    RETENTION_GUARDED = 1 << 13
};

/* items: count of them, oldest first.  reasons[i] becomes a sum of enum retention_reason: 0 for
 * what expires.  now_ms: what is later is in the future. */
void retention_apply(const struct retention_policy *policy, const struct retention_item *items,
                     size_t count, int64_t now_ms, unsigned *reasons);

/* "hourly, daily, pinned"; "expires" for 0. */
void retention_reasons_format(unsigned reasons, struct buf *out);

#endif
