/*
 * progress_bar.h - shows a long operation's progress on the console's status line.
 *
 * A thread of its own redraws it a few times a second, so that the operation never waits for the
 * terminal; the first time after a second, so that short ones show nothing.
 */
#ifndef AGENT_PROGRESS_BAR_H
#define AGENT_PROGRESS_BAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "snapshot/progress.h"

struct console;
struct err;
struct progress_bar;

/* *ret_bar is NULL when the console shows no status line.  what is borrowed: "backup 'app'". */
int progress_bar_start(struct console *console, const char *what, struct progress_bar **ret_bar,
                       struct err *err);
/* Erase it; NULL is fine. */
void progress_bar_stop(struct progress_bar *bar);
/* For the operation's options; NULL for NULL. */
const struct progress *progress_bar_progress(struct progress_bar *bar);

#define PROGRESS_LINE_SIZE 512

struct progress_view {
    const char *what;
    enum progress_phase phase;
    uint64_t done, total; /* bytes; total 0: unknown */
    double rate;          /* bytes a second; 0: not known yet */
    int64_t elapsed_ms;   /* of the phase */
};

/* "backup 'app': read  [=====>    ]  52%  1.2 GiB of 2.4 GiB  310.0 MiB/s  4 s left", in at most
 * width columns: what there is no room for is left out.  Pure. */
void progress_line_format(const struct progress_view *view, size_t width,
                          char out[PROGRESS_LINE_SIZE]);

/* Which phase to show when updated has told something: reading stays on top of the uploading that
 * goes on beside it until all is read.  Pure. */
enum progress_phase progress_phase_choose(enum progress_phase shown, enum progress_phase updated,
                                          bool read_complete);

#endif
