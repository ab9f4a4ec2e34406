/*
 * seed.h - pages that a local database already has are copied from there, and not fetched.
 *
 * Every page of the seed is compared with the hash of the page that is wanted in its place, so it
 * may be anything: another state of the same database, one that is being written to, a damaged one.
 * What does not match is fetched, as if there were no seed.
 */
#ifndef SNAPSHOT_SEED_H
#define SNAPSHOT_SEED_H

#include <stdbool.h>

struct err;
struct fetch;

struct seed {
    const char *path;
    /* A database that belongs to an application: it is read through SQLite alone (see source.h),
     * in WAL mode within a transaction, with a rollback journal without any lock while it is
     * scanned.  Otherwise a file of our own or the user's, read as it is. */
    bool live;
};

/* Copy what seed has of the backup's pages to their places in fd; fetch_to_file() into the same fd
 * leaves those out.  At most once a fetch.  A seed that cannot be read is left at what it gave: the
 * log says so, as a warning unless it is live.  Errors: those of writing to fd; ERR_CANCELED. */
int seed_copy(struct fetch *fetch, const struct seed *seed, int fd, const char *name,
              struct err *err);

#endif
