/*
 * hints.h - what to do about an error of which nothing better is known.  Pure.
 */
#ifndef AGENT_HINTS_H
#define AGENT_HINTS_H

struct err;

/* Set err's hint by its code, unless a layer below has set one. */
void hints_add(struct err *err);

#endif
