/*
 * crew.h - several threads that share a row of tasks, until one of them fails.
 */
#ifndef SNAPSHOT_CREW_H
#define SNAPSHOT_CREW_H

#include <stdbool.h>
#include <stddef.h>

struct crew;
struct err;

#define CREW_THREADS_MAX 32u

/* What each thread runs, once: it takes tasks until there are none, or returns what went wrong. */
typedef int (*crew_work_fn)(void *context, struct crew *crew, struct err *err);

/* Run work in thread_count threads, the caller's among them: at most CREW_THREADS_MAX, never more
 * than there are tasks, at least one.  Fewer than that, when no more can be made, is no failure.
 * @return what the first thread to fail returned, with its error. */
int crew_run(size_t thread_count, size_t task_count, crew_work_fn work, void *context,
             struct err *err);

/* The next task, from 0; false when all are taken, or when a thread has failed. */
bool crew_take(struct crew *crew, size_t *ret_task);
/* ERR_CANCELED when a thread has failed: what is left to do is in vain. */
int crew_check(struct crew *crew, struct err *err);

#endif
