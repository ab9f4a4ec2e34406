/*
 * expire.h - backups that a policy does not keep leave the manifest, and packs that no backup needs
 * any more follow after a grace period.  Pure.
 */
#ifndef RETENTION_EXPIRE_H
#define RETENTION_EXPIRE_H

#include "retention/policy.h"
#include "snapshot/manifest.h"

struct err;

#define EXPIRE_GRACE_MS (INT64_C(24) * 60 * 60 * 1000)

/* A backup as a policy sees it. */
struct retention_item retention_item_of(const struct backup_record *backup);

/* reasons has room for one a backup; as retention_apply() gives them. */
int expire_choose(const struct retention_policy *policy, const struct manifest *manifest,
                  int64_t now_ms, unsigned *reasons, struct err *err);

/* Packs whose objects may be deleted once the manifest without them is written. */
struct expired_packs {
    struct pack_record *packs;
    size_t count;
};
void expired_packs_dispose(struct expired_packs *expired); /* may be repeated */

struct expire_options {
    const struct retention_policy *policy; /* NULL: no backup expires */
    int64_t grace_ms;                      /* that a pack waits after no backup needs it */
    int64_t now_ms;
};

/* Apply the policy; mark the packs that nobody needs; take out those that were marked for longer
 * than the grace.  *ret_expired is replaced; *ret_changed: whether the manifest is another now.
 *
 * No clock makes a pack go early: a mark is no older than the manifest it is made in, whatever the
 * time is said to be, and one from the future counts from now. */
int expire_apply(struct manifest *manifest, const struct expire_options *options,
                 struct expired_packs *ret_expired, bool *ret_changed, struct err *err);

#endif
