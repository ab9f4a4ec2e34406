/*
 * prompt.h - one question, to be answered on a terminal.
 */
#ifndef AGENT_PROMPT_H
#define AGENT_PROMPT_H

#include <stdbool.h>

struct cancel;
struct console;
struct err;

/* Ask "question [y/N] " and read the answer from fd.
 *
 * 0: yes.  ERR_REFUSED: no, anything else, the end of the input, or fd or the console's is no
 * terminal, so that nobody can be asked.  ERR_CANCELED. */
int prompt_confirm(struct console *console, int fd, const char *question,
                   const struct cancel *cancel, struct err *err);

/* "y" or "yes" in any case, with blanks around it. */
bool prompt_is_yes(const char *answer);

#endif
