/*
 * lock.h - one holdfast at a time on one database of one machine.
 *
 * "<state dir>/<database>/lock", held with flock(2), so it ends with the process however that ends;
 * it holds the process id of who has it.
 */
#ifndef AGENT_LOCK_H
#define AGENT_LOCK_H

#include <stdint.h>

struct cancel;
struct clock;
struct err;

struct lock {
    int fd; /* -1: not held */
};

#define LOCK_INIT                                                                                  \
    {                                                                                              \
        -1                                                                                         \
    }

struct lock_options {
    const char *state_dir; /* made if it is not there */
    const char *database;
    int64_t timeout_ms;
    const struct cancel *cancel; /* may be NULL */
    struct clock *clock;
};

/* Wait for it.  ERR_BUSY names the process that holds it.  A state directory that cannot be written
 * is no error: it is said once, as a warning, and the lock is not held. */
int lock_acquire(const struct lock_options *options, struct lock *ret_lock, struct err *err);
void lock_release(struct lock *lock); /* may be repeated */

/* The default: /var/lib/holdfast for root, else $XDG_STATE_HOME/holdfast, else
 * ~/.local/state/holdfast.  malloc'd; NULL when there is no such place or no memory. */
char *state_dir_default(void);

#endif
