/*
 * pass_lock.h - passes of `run` that have a database in common do not overlap.
 *
 * "<state dir>/.run.lock", which is no database's name, has a byte for each database, at a place
 * that its name gives; a pass holds those of its databases with fcntl(2).  So one descriptor does
 * for thousands, passes over other databases do not wait, the kernel knows who holds it, and it
 * ends with the process however that ends.  Not of threads: a process has it or has it not.
 */
#ifndef AGENT_PASS_LOCK_H
#define AGENT_PASS_LOCK_H

#include <stdint.h>

struct cancel;
struct clock;
struct err;
struct jobs;

struct pass_lock {
    int fd; /* -1: not held */
};

#define PASS_LOCK_INIT                                                                             \
    {                                                                                              \
        -1                                                                                         \
    }

struct pass_lock_options {
    const struct jobs *jobs; /* with their state directory, which is made if it is not there */
    int64_t timeout_ms;      /* 0: do not wait */
    const struct cancel *cancel;
    struct clock *clock;
};

/* All of them or none.  ERR_BUSY names the process and the database; ERR_CANCELED.  A state
 * directory that cannot be written is no error: it is said, as a warning, and nothing is held. */
int pass_lock_acquire(const struct pass_lock_options *options, struct pass_lock *ret_lock,
                      struct err *err);
void pass_lock_release(struct pass_lock *lock); /* may be repeated */

#endif
