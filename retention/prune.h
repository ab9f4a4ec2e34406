/*
 * prune.h - the store holds what the manifest needs, and nothing else for long.
 *
 * The manifest without a pack is written first; then the pack's object is deleted.  Killed in
 * between, it is a leftover, which the next run finds by listing the store.  What is young is left
 * alone: another program may be about to name it in a manifest.  Several at a time, and backups
 * meanwhile, do each other no harm as long as the grace is longer than it takes from a pack's last
 * byte to the manifest that names it.
 */
#ifndef RETENTION_PRUNE_H
#define RETENTION_PRUNE_H

#include "retention/expire.h"
#include "retention/sweep.h"
#include "snapshot/repack.h"

struct cancel;
struct clock;
struct err;
struct object_store;

/* A backup with a policy looks for leftovers and old generations once in so many generations: it is
 * generations that there is one more of each time, and a listing is a request for each thousand. */
#define PRUNE_SWEEP_EVERY 24u

struct prune_options {
    const char *database;
    const struct retention_policy *policy; /* NULL: no backup expires */
    int64_t grace_ms;
    bool repack;                     /* packs that are not needed as a whole are written anew */
    unsigned max_unused;             /* as in snapshot/repack.h */
    const char *spool_dir;           /* as in snapshot/spool.h */
    const struct progress *progress; /* of packs that are written anew; may be NULL */
    bool dry_run;                    /* report, and change nothing */
    struct clock *clock;             /* NULL: the system's */
    const struct cancel *cancel;     /* may be NULL */
};

struct prune_backup {
    struct backup_record backup; /* its packs are not filled in */
    unsigned reasons;            /* 0: it expires */
};

struct prune_report {
    struct prune_backup *backups; /* oldest first */
    size_t backup_count;
    size_t expired_count;
    /* What was deleted, or would be. */
    size_t objects[SWEEP_KIND_COUNT];
    size_t uploads;
    uint64_t bytes;
    /* Of these, what is locked: the store only hides it, and keeps it until its time. */
    size_t locked;
    uint64_t locked_bytes;
    size_t waiting; /* packs that no backup needs, within their grace */
    size_t missing; /* packs that backups need and the store does not have, or not whole */
    struct repack_report repacked;
    size_t denied; /* objects that these credentials may not delete: found again next time */
};

void prune_report_dispose(struct prune_report *report); /* may be repeated */

/* Without the right to delete, or to list everything, the policy is applied all the same: what may
 * not be done is said once.  ERR_NOT_FOUND: no such database. */
int prune_run(struct object_store *store, const struct prune_options *options,
              struct prune_report *ret_report, struct err *err);

/* The policy in a backup's own commit: for backup_options.amend and amend_context. */
struct prune_amend {
    struct object_store *store;
    struct prune_options options;
    struct expired_packs expired; /* that the manifest gives up: filled in by prune_amend() */
    uint64_t generation;          /* in which it does; 0: prune_amend() was not called */
};
int prune_amend(void *context, struct manifest *manifest, int64_t now_ms, struct err *err);
/* When that commit has gone through: delete what it gave up, in one request; now and then, prune
 * everything. */
int prune_amend_finish(struct prune_amend *amend, struct err *err);
void prune_amend_dispose(struct prune_amend *amend); /* may be repeated */

#endif
