/*
 * reaper.h - waiting for children in a process that also collects those it does not know.
 *
 * Process 1 and subreapers inherit orphans and must wait for any child.  So a thread that waits for
 * a child of its own would find it gone: what was collected is kept here for a while.
 */
#ifndef AGENT_REAPER_H
#define AGENT_REAPER_H

#include <sys/types.h>

#define REAPER_KEPT_COUNT 64 /* children that are remembered */

/* Called for every child that has ended; status as of waitpid(2). */
typedef void (*reaper_fn)(void *context, pid_t pid, int status);

/* Collect all children that have ended.  Never waits; safe from any thread. */
void reaper_collect(reaper_fn ended, void *context);

/* As waitpid(pid, ret_status, WNOHANG), whoever has collected it meanwhile. */
pid_t reaper_wait(pid_t pid, int *ret_status);

#endif
