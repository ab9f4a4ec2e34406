/*
 * supervisor.h - another program as our child: it has our terminal and our signals, and how it ends
 * is how we end.
 *
 * The child stays in our process group, so that the terminal is its own.  Every signal that can be
 * caught is passed on to it by a thread, except those that the terminal has sent to the whole
 * group.  Orphans are collected: as process 1, else as their subreaper.  One at a time in a
 * process.
 */
#ifndef AGENT_SUPERVISOR_H
#define AGENT_SUPERVISOR_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

struct cancel;
struct err;
struct supervisor;

/* Signals are held back from now on, in this thread and those that it starts.
 * ended: set when the child has ended.  impatient: set when somebody has asked twice to stop, the
 * second time after that.  ERR_NOMEM; ERR_IO. */
int supervisor_new(struct cancel *ended, struct cancel *impatient,
                   struct supervisor **ret_supervisor, struct err *err);

/* Start the program, found by PATH; argv ends with NULL.  ERR_NOT_FOUND when there is none;
 * ERR_DENIED when it is none; ERR_IO when no process or thread is to be had. */
int supervisor_start(struct supervisor *supervisor, char *const *argv, struct err *err);

/* As of waitpid(2), of the child, which has ended. */
int supervisor_status(struct supervisor *supervisor);

/* Signals come through again.  NULL is fine; the child, if it is still there, is left alone. */
void supervisor_free(struct supervisor *supervisor);

/* Whether the sender has sent that signal to the child, too.  Pure.
 * same_group: the child is still in ours; leader: we lead the session. */
bool supervisor_is_shared(const siginfo_t *info, bool same_group, bool leader);

#endif
