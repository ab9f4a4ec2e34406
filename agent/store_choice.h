/*
 * store_choice.h - which of several stores is meant: [store:NAME] of the configuration.
 *
 * --store and HOLDFAST_STORE take the name of one, or the address of any; else what is configured
 * for the database counts: its own url, or the stores that it names, or all.
 */
#ifndef AGENT_STORE_CHOICE_H
#define AGENT_STORE_CHOICE_H

#include <stddef.h>

#include "agent/config.h"

struct err;
struct session;

struct store_choice {
    const struct config_store *items[CONFIG_STORES_MAX]; /* NULL: the one that the settings name */
    size_t count;                                        /* 1 or more */
};

/* Those that the backups of the database go to whose settings the session has.  ERR_CONFIG: there
 * is no such store, with the nearest name as the hint, or the settings contradict each other. */
int store_choice_make(const struct session *session, struct store_choice *ret_choice,
                      struct err *err);

/* For a command that is about one store: the first of them, which is told where it is a choice. */
int store_choice_use_first(struct session *session, struct err *err);

#endif
