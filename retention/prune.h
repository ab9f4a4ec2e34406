/*
 * prune.h - the store holds what the manifest needs, and nothing else for long.
 *
 * The manifest without a pack is written first; then the pack's object is deleted.  Killed in
 * between, it is a leftover, which the next run finds.  Anything young is left alone: another
 * program may be about to name it in a manifest.
 */
#ifndef RETENTION_PRUNE_H
#define RETENTION_PRUNE_H

#include "retention/expire.h"

struct cancel;
struct clock;
struct err;
struct object_store;

/* A generation of the manifest is deleted when the one after it was written so long ago at least,
 * and longer than the grace.  A program builds upon a generation for half of that time without
 * asking (snapshot/backup_plan.h), so it never finds the name of the next one free again. */
#define PRUNE_GENERATION_MS (INT64_C(24) * 60 * 60 * 1000)

struct prune_options {
    const char *database;
    const struct retention_policy *policy; /* NULL: no backup expires */
    int64_t grace_ms;
    bool dry_run;        /* report, and change nothing */
    struct clock *clock; /* NULL: the system's */
    const struct cancel *cancel;
};

struct prune_backup {
    struct backup_record backup; /* its packs are not filled in */
    unsigned reasons;            /* 0: it expires */
};

struct prune_report {
    struct prune_backup *backups; /* oldest first */
    size_t backup_count;
    size_t expired_count;
    /* Objects that were deleted, or would be. */
    size_t packs, leftovers, generations, probes, uploads;
    uint64_t bytes;
    size_t waiting; /* packs that no backup needs, within their grace */
    size_t missing; /* packs that the manifest names and the store does not have, or not whole */
    bool denied;    /* the store does not let us delete */
};

void prune_report_dispose(struct prune_report *report); /* may be repeated */

int prune_run(struct object_store *store, const struct prune_options *options,
              struct prune_report *ret_report, struct err *err);

/* For backup_options.amend, with a struct prune_amend: the policy in the backup's own commit.  What
 * is due for deletion then is collected by prune_run(). */
struct prune_amend {
    const struct retention_policy *policy;
};
int prune_amend(void *context, struct manifest *manifest, int64_t now_ms, struct err *err);

#endif
