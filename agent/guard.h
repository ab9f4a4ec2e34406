/*
 * guard.h - has a database lost much of what it had at its last backup?
 *
 * It has when it is less than half as large, or has less than half of the rows, and was not small
 * before, or when tables are gone.  Then the backup from before is marked in the manifest, in the
 * commit of the new one: no policy removes it until somebody has unpinned it and so said that all
 * is well.  At most one is marked at a time, the first: what a database that shrinks every night
 * would otherwise keep has no end.
 */
#ifndef AGENT_GUARD_H
#define AGENT_GUARD_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/random.h"

struct backup_record;
struct err;
struct manifest;

#define GUARD_SIZE_MIN    (UINT64_C(1) << 20) /* bytes; what is smaller shrinks unnoticed */
#define GUARD_ROWS_MIN    1000
#define GUARD_REASON_SIZE 512

/* In the order of the option's choices. */
enum guard_mode {
    GUARD_WARN,
    GUARD_FAIL,
    GUARD_OFF
};

struct guard_verdict {
    bool shrunk;                    /* a backup is marked: nobody has said yet that all is well */
    bool is_new;                    /* by this backup */
    char kept_id[UUID_TEXT_SIZE];   /* the one that is marked; "" */
    char reason[GUARD_REASON_SIZE]; /* "12.0 MiB of 96.0 MiB are left; tables lost: a, b"; or "" */
};

/* One backup's guard. */
struct guard {
    const char *state_dir; /* where the tables' names are remembered; NULL: nowhere */
    const char *database;
    enum guard_mode mode;
    struct buf tables;    /* of the backup being made: for backup_options.tables */
    json_t *known_tables; /* those of the backup before; NULL: not known */
    char known_id[UUID_TEXT_SIZE];
    struct guard_verdict verdict;
};

/* Borrows the texts; reads what is remembered. */
void guard_init(struct guard *guard, const char *state_dir, const char *database,
                enum guard_mode mode);
void guard_dispose(struct guard *guard); /* may be repeated */

/* In a backup's commit: compare the manifest's newest backup with the one before, mark that if need
 * be, and fill in the verdict.  May be called again with a fresh manifest. */
void guard_compare(struct guard *guard, struct manifest *manifest);
/* Without a new backup: is one still marked? */
void guard_review(struct guard *guard, const struct manifest *manifest);
/* The commit has gone through: log what is new, and remember the tables.  What cannot be remembered
 * is no failure: the next comparison knows how many there were, and not which. */
void guard_finish(struct guard *guard, const struct backup_record *record);

#endif
