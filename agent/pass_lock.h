/*
 * pass_lock.h - passes of `run` that have a database in common do not overlap.
 *
 * "<state dir>/.run.lock", which is no database's name, has a byte for each job (a database in a
 * store), at a place that its name gives; a pass holds those of its jobs with fcntl(2), those of
 * one store until it is done with that.  So one descriptor does
 * for thousands, passes over other databases do not wait, the kernel knows who holds it, and it
 * ends with the process however that ends.  Not of threads: a process has a byte or has it not.
 */
#ifndef AGENT_PASS_LOCK_H
#define AGENT_PASS_LOCK_H

#include <stddef.h>
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
    const struct jobs *jobs;
    size_t lane;        /* of the jobs that are meant */
    int64_t timeout_ms; /* 0: do not wait */
    const struct cancel *cancel;
    struct clock *clock;
};

/* In the jobs' state directory, which is made if it is not there.  One that cannot be written is no
 * error: it is said, as a warning, and then nothing is ever held. */
void pass_lock_open(const struct jobs *jobs, struct pass_lock *ret_lock);
/* All jobs of the lane or none.  ERR_BUSY names the process and the database; ERR_CANCELED.  From
 * any thread, for a lane of its own. */
int pass_lock_acquire(const struct pass_lock *lock, const struct pass_lock_options *options,
                      struct err *err);
void pass_lock_release(const struct pass_lock *lock, const struct jobs *jobs, size_t lane);
void pass_lock_close(struct pass_lock *lock); /* releases all; may be repeated */

#endif
