/*
 * database.h - which database a command's DB argument means.
 *
 * In this order: a name from the configuration; the path of a file (something with a slash, or with
 * the ending of a database, or that is there), which may be a configured database's path; and,
 * where no file is needed, a name in the store.
 */
#ifndef AGENT_DATABASE_H
#define AGENT_DATABASE_H

#include <stdbool.h>

struct config;
struct err;
struct option_set;

enum database_need {
    DATABASE_NEED_FILE,   /* it is read: it must be there */
    DATABASE_NEED_TARGET, /* it is written: where it is must be known */
    DATABASE_NEED_NAME    /* only what is in the store is looked at */
};

struct database {
    char *name;                       /* in the store */
    char *path;                       /* NULL when only the name is known */
    const struct option_set *options; /* of its section, borrowed from the configuration; or NULL */
};

/* Whether a path is a pattern, and no file that is called so.  One that does not exist is none
 * without one of these characters: * ? [ */
bool database_is_pattern(const char *path);

void database_dispose(struct database *database); /* may be repeated */
int database_copy(const struct database *database, struct database *ret_copy, struct err *err);

/* name overrides the name in the store; NULL: the configured one, else the file's without its
 * ending.  ERR_NOT_FOUND: neither configured nor a file, with the nearest name as the hint;
 * ERR_CONFIG: the name cannot be one. */
int database_resolve(const struct config *config, const char *argument, const char *name,
                     enum database_need need, struct database *ret_database, struct err *err);

#endif
