/*
 * run.h - one run of the program: from its arguments to its exit status.
 */
#ifndef AGENT_RUN_H
#define AGENT_RUN_H

#include <stdio.h>

struct cancel;

/* Results go to out, all else to the descriptor err_fd.  Signals set cancel: see signals.h. */
int holdfast_run(int argc, char *const *argv, FILE *out, int err_fd, struct cancel *cancel);

#endif
