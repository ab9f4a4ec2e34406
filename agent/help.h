/*
 * help.h - the help's text, from the tables of commands and options.  Pure.
 */
#ifndef AGENT_HELP_H
#define AGENT_HELP_H

struct buf;
struct command;

/* What Holdfast is, its commands, how to begin. */
void help_overview(struct buf *out);
/* One command: what it does, examples, its flags, and the settings that it heeds. */
void help_command(struct buf *out, const struct command *command);

#endif
