/*
 * html.h - text and times in HTML.  Pure.
 */
#ifndef AGENT_HTML_H
#define AGENT_HTML_H

#include <stdint.h>

struct buf;

/* Append text so that it is nothing but text there, in an attribute too: markup is escaped, and
 * what text_escape() escapes. */
void html_add_text(struct buf *out, const char *text);

/* <time> with the age ("5 minutes ago", "in 2 hours") to see, and the moment for programs and as a
 * tooltip. */
void html_add_age(struct buf *out, int64_t ms, int64_t now_ms);

#endif
