/*
 * verify.h - do the backups restore?
 *
 * Always: every object that a backup needs is there with its size, found by one listing, and its
 * page map can be read and fits.  With read: every pack that is needed is read once, however many
 * backups share it; each frame is decoded, each page compared with its hash, and each backup's
 * pages make up its database hash.  With restore: each is downloaded to a temporary file, checked
 * by SQLite, and its tables counted.
 *
 * What is found goes into the manifest, in one commit: verified_at of what was read or restored and
 * is whole, and which backups are damaged.
 */
#ifndef SNAPSHOT_VERIFY_H
#define SNAPSHOT_VERIFY_H

#include "snapshot/manifest.h"

struct cancel;
struct clock;
struct err;
struct object_store;
struct progress;

#define VERIFY_SAMPLE_ALL 1000000u

struct verify_options {
    bool read;
    unsigned sample_ppm;  /* of the frames, with read; 0: VERIFY_SAMPLE_ALL, all of them */
    uint64_t sample_seed; /* which frames */
    bool restore;
    const char *spool_dir;           /* as in spool.h; and where databases are restored to */
    const struct progress *progress; /* may be NULL */
    const struct cancel *cancel;     /* may be NULL */
    struct clock *clock;             /* NULL: the system's */
};

#define VERIFY_REASON_SIZE 512

struct verify_result {
    char id[UUID_TEXT_SIZE];
    bool damaged;
    char reason[VERIFY_REASON_SIZE]; /* what is damaged, and where */
    int64_t lost_pages; /* as far as was looked; -1: the page map is lost, and thus all of them */
    int64_t num_rows;   /* counted by a restore; -1 */
    int64_t restore_ms; /* what that took, with SQLite's check and without the counting; 0 */
};

/* Look at the backups of the manifest whose flag is set (NULL: at all), newest first; results has
 * room for all, and *ret_count of them are filled in.  Damage is no failure: those are of the store
 * itself, and of memory. */
int verify_run(struct object_store *store, const struct manifest *manifest, const bool *selected,
               const struct verify_options *options, struct verify_result *results,
               size_t *ret_count, struct err *err);

/* As verify_run(), when the packs have been looked at. */
struct pack_survey;
int verify_surveyed(const struct pack_survey *survey, const bool *selected,
                    struct verify_result *results, size_t *ret_count, struct err *err);

/* Put down in the manifest what was found; proves: whether it was looked at closely enough to say
 * that a backup is whole. */
void verify_write_down(struct manifest *manifest, const struct verify_result *results, size_t count,
                       bool proves, int64_t now_ms);

/* Write down what was found in the store. */
int verify_commit(struct object_store *store, struct manifest *manifest,
                  const struct verify_result *results, size_t count,
                  const struct verify_options *options, struct err *err);

#endif
