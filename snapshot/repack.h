/*
 * repack.h - packs of which backups need only some pages are written anew with just those.
 *
 * A pack goes when no backup that is kept needs a page of it; until then the pages in it that
 * nobody needs cost what the others cost.  A new pack stands in for one or several old ones as one
 * that repairs them does (pack_repair.h): no page map is written again.  The old packs' records
 * stay, with replaced_at_ms; their objects are deleted after the grace, by retention/sweep.h.
 * Killed at any time, this leaves packs that no manifest names, which go the same way.
 */
#ifndef SNAPSHOT_REPACK_H
#define SNAPSHOT_REPACK_H

#include "snapshot/live_pages.h"
#include "snapshot/manifest.h"

struct cancel;
struct clock;
struct err;
struct object_store;
struct progress;

struct repack_options {
    const char *database;
    /* Percent of what is stored that may be of no use.  100: all of it; 0: none, whatever that
     * costs; else what pays. */
    unsigned max_unused;
    int64_t grace_ms; /* how long what is replaced is still stored */
    bool dry_run;
    const char *spool_dir;           /* as in spool.h */
    const struct progress *progress; /* of what is read; may be NULL */
    struct clock *clock;             /* NULL: the system's */
    const struct cancel *cancel;     /* may be NULL */
};

struct repack_report {
    size_t pack_count; /* that were replaced, or would be */
    uint64_t bytes;    /* that this frees when the grace is over, about */
};

/* manifest: the newest one; afterwards what was committed, if anything was.  Packs that are damaged
 * are left as they are. */
int repack_run(struct object_store *store, struct manifest *manifest,
               const struct repack_options *options, struct repack_report *ret_report,
               struct err *err);

/* Packs to be replaced by one.  No page number is needed in two of them. */
#define REPACK_GROUP_MAX 32u
struct repack_group {
    size_t packs[REPACK_GROUP_MAX]; /* indexes in the manifest */
    size_t count;
};

struct repack_limits {
    unsigned max_unused; /* percent */
    int64_t since_ms;    /* packs that were replaced since then are still stored */
};

/* The packs with the largest part of no use, until what is left of it is little enough; and, where
 * many small ones have the same oldest backup that needs them, these.  Malloc'd.  Packs of backups
 * that are listed, and those that repair others or are repaired, are left alone.  Pure. */
int repack_choose(const struct manifest *manifest, const struct live_pages *live,
                  const struct repack_limits *limits, struct repack_group **ret_groups,
                  size_t *ret_count, struct err *err);

/* The needed pages of a group, and the one map that may be needed, into a new pack: its record,
 * which is in no manifest yet.  What pack_is_damage() says when an old one is not whole. */
int repack_write(struct object_store *store, const struct manifest *manifest,
                 const struct live_pages *live, const struct repack_group *group,
                 const struct repack_options *options, struct pack_record *ret_record,
                 struct err *err);

#endif
