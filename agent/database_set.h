/*
 * database_set.h - the databases that a command line or a configuration means, several at a time.
 *
 * A path may be a pattern of glob(7): /data/app-*.db.  It means the files that match, are no
 * directory, and are SQLite databases by their first bytes; each has the name of its file, without
 * the ending, and the settings of the pattern's section.
 */
#ifndef AGENT_DATABASE_SET_H
#define AGENT_DATABASE_SET_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/database.h"

struct config;
struct err;

#define DATABASE_SET_COUNT_MAX 4096 /* of one command */

struct database_set {
    struct database *items;
    size_t count;
    bool has_patterns;
};

#define DATABASE_SET_INIT                                                                          \
    {                                                                                              \
        NULL, 0, false                                                                             \
    }

void database_set_dispose(struct database_set *set); /* may be repeated */

/* Those of the arguments, or, if there is none, all of the configuration, in their order, files of
 * a pattern by name.  None at all is fine only where there are patterns.  ERR_CONFIG when none is
 * named or configured, or two have one name, which names both; ERR_LIMIT; those of
 * database_resolve(). */
int database_set_load(const struct config *config, const char *const *arguments,
                      size_t argument_count, struct database_set *ret_set, struct err *err);

#endif
