/*
 * publish.h - a staged and verified database takes its place: live, by exchange, or as a new file.
 *
 * Killed at any moment, the target is what it was or what it shall be.
 */
#ifndef SNAPSHOT_PUBLISH_H
#define SNAPSHOT_PUBLISH_H

#include <stdint.h>

struct backup_record;
struct cancel;
struct err;
struct progress;
struct stage;
struct target;

struct publish {
    const struct target *target;
    struct stage *stage; /* complete, verified */
    const struct backup_record *backup;
    uint64_t page_hash_seed;
    int64_t busy_timeout_ms;
    const struct progress *progress;
    const struct cancel *cancel;
};

/* Checks that can be made before anything is staged.  extra_size is what the publication needs
 * beside the staged file. */
int publish_live_check(const struct target *target, const struct backup_record *backup,
                       uint64_t *ret_extra_size, struct err *err);
int publish_swap_check(const struct target *target, struct err *err);
int publish_new_check(const struct target *target, struct err *err);

/* SQLite's backup from the staged file into the target: one transaction, same inode.  Open
 * connections see the new content at their next transaction.  Nothing is checkpointed.  Read back
 * and compared afterwards, as far as the application has not yet written to it.
 * ERR_BUSY names who holds it; ERR_REFUSED when the page size cannot be changed. */
int publish_live(const struct publish *publish, uint64_t *ret_locked_us, struct err *err);

/* The staged file and the target change places under an exclusive lock; owner and mode are kept.
 * ERR_REFUSED names who has the target open. */
int publish_swap(const struct publish *publish, uint64_t *ret_locked_us, struct err *err);

/* The staged file gets the name of the target, at which nothing may be; its mode is 0600, and its
 * owner, if we are root, that of the directory. */
int publish_new(const struct publish *publish, struct err *err);

#endif
