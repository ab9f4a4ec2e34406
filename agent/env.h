/*
 * env.h - the process's environment, read in one place.
 */
#ifndef AGENT_ENV_H
#define AGENT_ENV_H

/* The variable's value; NULL when it is unset or empty.  Not to be kept across a setenv(). */
const char *env_get(const char *name);

#endif
