/*
 * signals.h - SIGINT, SIGTERM and SIGHUP ask for an orderly end; a second one ends at once.
 */
#ifndef AGENT_SIGNALS_H
#define AGENT_SIGNALS_H

#include <stdatomic.h>
#include <stdbool.h>

struct cancel;
struct err;

/* From now on the first signal sets cancel (borrowed for the life of the process), and the next
 * one kills.  SIGPIPE is ignored: a write to a closed pipe then fails like any other. */
int signals_install(struct cancel *cancel, struct err *err);

/* From now on the signal adds one to *count, which lives as long as the process. */
int signals_count(int signal_number, atomic_uint *count, struct err *err);

/* Whether SIGPIPE was ignored before signals_install(): a program that we start may rely on it. */
bool signals_pipe_was_ignored(void);

/* End as whoever is ended by that signal does, without a core of our own.  Returns where that is
 * not possible: in process 1, and of a signal that ends nobody. */
void signals_die(int signal_number);

/* The exit status after cancel was set: 128 and the signal's number. */
int signals_exit_status(const struct cancel *cancel);

#endif
