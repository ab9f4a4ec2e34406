/*
 * backup.h - take one backup: snapshot, pack, upload, commit.
 *
 * Only what has changed since the last backup is sent, as long as that is less than half of the
 * pages; see backup_plan.h for when a full one is due.  Where nothing was committed since, nothing
 * is read and nothing is sent.
 *
 * A failure at any point leaves the manifest as it was and aborts the upload.  Memory is bounded by
 * the options, not by the database.
 */
#ifndef SNAPSHOT_BACKUP_H
#define SNAPSHOT_BACKUP_H

#include "snapshot/manifest.h"

struct buf;
struct cancel;
struct clock;
struct err;
struct object_store;
struct progress;

#define BACKUP_MERGE_BASES_MAX 5u

struct backup_options {
    const char *database; /* name in the store */
    const char *path;     /* of the live database */
    const char *label;    /* may be NULL */
    enum backup_trigger trigger;
    bool adopt;            /* go on although host and path are another source's */
    bool force;            /* make one although nothing has changed */
    bool full;             /* a full one */
    int64_t full_every_ms; /* 0: 30 days */
    uint64_t full_below;   /* bytes; a smaller database is sent whole; 0: 4 MiB */
    const char *state_dir; /* what is remembered between runs; NULL: nothing is */
    /* Applied to the manifest in the same commit, after the backup was added, perhaps several
     * times, each time to a fresh one.  NULL: nothing. */
    int (*amend)(void *context, struct manifest *manifest, int64_t now_ms, struct err *err);
    void *amend_context; /* of observe too */
    /* Shown the manifest when it was loaded and nothing was made.  NULL: nothing. */
    void (*observe)(void *context, const struct manifest *manifest);
    /* Which of the manifest's backups this one should stand on rather than on those since: indexes,
     * the first that will do is taken; how many.  See rewrite.h; NULL: none. */
    size_t (*merge_bases)(const void *context, const struct manifest *manifest, int64_t now_ms,
                          size_t *ret_bases);
    const void *merge_context;
    /* Write nothing again that has not changed: packs of which little is needed are seen to
     * otherwise (repack.h). */
    bool no_rewrite;
    struct buf *tables;              /* becomes what table_names() says, or empty; may be NULL */
    const char *spool_dir;           /* NULL: $TMPDIR, else /var/tmp, else /tmp, else memory */
    unsigned thread_count;           /* that compress; 0: the cores, at most 16 */
    int compression_level;           /* zstd's; 0: 1 */
    uint64_t part_size;              /* bytes; 0: the store's default */
    int64_t busy_timeout_ms;         /* 0: 5 s */
    const struct progress *progress; /* may be NULL */
    const struct cancel *cancel;     /* may be NULL */
    struct clock *clock;             /* NULL: the system's */
};

struct backup_report {
    bool unchanged;     /* nothing was made: the record is that of the standing backup */
    const char *reason; /* for a full one, or for having read the database: a phrase; or NULL */
    uint64_t lock_us;   /* how long the read transaction lasted */
    uint64_t spool_max; /* bytes the spool held at most */
};

/* ret_record is the caller's to dispose (its packs are not filled in); ret_report may be NULL.
 * Errors: those of sqlite_db.h and of the store; ERR_REFUSED when another source owns the name
 * (unless adopt). */
int backup_create(struct object_store *store, const struct backup_options *options,
                  struct backup_record *ret_record, struct backup_report *ret_report,
                  struct err *err);

#endif
