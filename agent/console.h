/*
 * console.h - standard error: messages, log lines, errors, and one status line that is redrawn.
 *
 * Safe from any thread.  Every message is one line whatever it holds: control characters are
 * escaped.  Colour and the status line appear on a terminal only, and not with NO_COLOR or on a
 * dumb one.
 *
 * With json each line is one JSON object: {"log": {"level", "message"}} and
 * {"error": {"code", "exit_status", "message", "hint"}}.
 */
#ifndef AGENT_CONSOLE_H
#define AGENT_CONSOLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/log.h"

struct err;

struct console {
    int fd;
    bool json;
    bool live; /* a status line may be drawn, and colour used */
    pthread_mutex_t mutex;
    bool status_shown;
};

void console_init(struct console *console, int fd, bool json);
void console_dispose(struct console *console); /* erases the status line */

/* A log_sink_fn, whose context is the console. */
void console_log(void *context, enum log_level level, const char *line);
/* "holdfast: error: ..." and the hint. */
void console_error(struct console *console, const struct err *err);

/* Draw text, which may have escapes of ours, in place of the status line; nothing unless live. */
void console_status(struct console *console, const char *text);
void console_status_clear(struct console *console);
/* Write text as it is, without an end of line: a question. */
void console_ask(struct console *console, const char *text);

/* Columns of the terminal behind fd; otherwise when it is none. */
size_t terminal_width(int fd, size_t otherwise);

#endif
