/*
 * text.h - text that people read: escaped, measured, compared, quoted.  Pure.
 */
#ifndef AGENT_TEXT_H
#define AGENT_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct buf;

/* Well-formed UTF-8: RFC 3629, so neither surrogates nor overlong forms. */
bool text_is_utf8(const char *text);

/* Append text so that it can do nothing to a terminal and stays on one line: control characters
 * become \n, \t, \x1b or \u202e (C1 and those that change the direction of writing too), bytes that
 * are not UTF-8 become \xff.  All else is kept as it is. */
void text_escape(struct buf *out, const char *text);

/* Code points: what a column of a table counts. */
size_t text_width(const char *text);

/* Append text as one word of a shell command: in single quotes where it needs them. */
void text_shell_quote(struct buf *out, const char *text);

/* Looks for the candidate that somebody meant who wrote text: see nearest_find(). */
struct nearest {
    const char *text;
    const char *best; /* borrowed from the candidates; NULL when none is near */
    size_t distance;
};

void nearest_init(struct nearest *nearest, const char *text);
/* Keep candidate if fewer edits (insert, delete, replace, swap neighbours) lead to it than to the
 * best so far, and at most a third of the text's length, or two. */
void nearest_offer(struct nearest *nearest, const char *candidate);

#endif
