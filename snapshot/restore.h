/*
 * restore.h - from the store back to a file, or into the running database.
 *
 * Always: the whole database is staged in a temporary file beside where it will go, each page
 * verified against its hash, the database hash compared, integrity_check run; only then is anything
 * that exists touched.  Killed at any moment, the target is what it was or what it shall be.
 */
#ifndef SNAPSHOT_RESTORE_H
#define SNAPSHOT_RESTORE_H

#include "snapshot/manifest.h"

struct cancel;
struct clock;
struct err;
struct object_store;
struct progress;

struct fetch_options {
    unsigned thread_count; /* ranges fetched at the same time; 0: as the store says */
    const char *spool_dir; /* as in backup.h */
    const struct progress *progress;
    const struct cancel *cancel;
};

/* Where the bytes of a backup came from. */
struct fetch_tally {
    uint64_t copied_bytes;  /* of pages that a local database had */
    uint64_t fetched_bytes; /* that were read from the store: frames, hashes and the page map */
};

/* Write the database to a new file at path, which must not exist unless overwrite (then it is
 * replaced whole, by rename).  Verified page by page and by the database hash; integrity_check too
 * unless skip_check. */
struct download_options {
    const char *path;
    bool overwrite;
    bool skip_check;
    const char *seed_path; /* an older copy, whose pages need not be fetched; see seed.h.  NULL:
                              none; may be path itself */
    struct fetch_options fetch;
};
/* ret_tally may be NULL.  Errors, beside those of the store: ERR_EXISTS, ERR_REFUSED (in use),
 * ERR_NOT_FOUND and ERR_DENIED (the seed), ERR_CORRUPT, ERR_IO. */
int download_to_file(struct object_store *store, const struct manifest *manifest,
                     const struct backup_record *backup, const struct download_options *options,
                     struct fetch_tally *ret_tally, struct err *err);
/* In page order to a pipe; verified page by page before each is written, and by the database hash
 * at the end: on failure the reader has an incomplete stream. */
int download_to_fd(struct object_store *store, const struct manifest *manifest,
                   const struct backup_record *backup, int fd, const struct fetch_options *options,
                   struct err *err);

enum restore_method {
    RESTORE_AUTO, /* live when the target exists, else a new file */
    RESTORE_LIVE,
    RESTORE_SWAP
};

struct restore_options {
    const char *database; /* name in the store, for the pre-restore backup */
    const char *path;     /* the target */
    enum restore_method method;
    bool no_undo; /* take no pre-restore backup */
    /* Where that goes; NULL: the store that is restored from. */
    struct object_store *undo_store;
    bool adopt;              /* the pre-restore backup may come from another source */
    int64_t busy_timeout_ms; /* 0: 30 s */
    struct fetch_options fetch;
    struct clock *clock; /* NULL: the system's */
};

struct restore_result {
    enum restore_method method;   /* LIVE or SWAP; AUTO means a new file was made */
    char undo_id[UUID_TEXT_SIZE]; /* the pre-restore backup; "" when none was taken */
    char *kept_path;              /* where an unreadable target was kept; NULL when none */
    uint64_t publish_us;          /* how long the target was locked */
    struct fetch_tally tally;     /* what came from the target itself, and what from the store */
};

void restore_result_dispose(struct restore_result *result);

/* What would be done, without doing it: method, and the checks of the target (page size against
 * WAL, free space, users).  For --dry-run and for the question on the terminal. */
int restore_check(const struct backup_record *backup, const struct restore_options *options,
                  enum restore_method *ret_method, struct err *err);

/* Errors: ERR_CORRUPT (backup does not verify: target untouched), ERR_REFUSED (page size in WAL
 * mode, open users for a swap: named), ERR_BUSY, ERR_IO (no space: checked beforehand). */
int restore_run(struct object_store *store, const struct manifest *manifest,
                const struct backup_record *backup, const struct restore_options *options,
                struct restore_result *ret_result, struct err *err);

/* The newest pre-restore backup: what `restore --undo` goes back to.  ERR_NOT_FOUND. */
int restore_find_undo(const struct manifest *manifest, const struct backup_record **ret_backup,
                      struct err *err);

#endif
