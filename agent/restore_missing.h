/*
 * restore_missing.h - a database whose file is not there, from its newest backup.
 */
#ifndef AGENT_RESTORE_MISSING_H
#define AGENT_RESTORE_MISSING_H

#include <stdbool.h>

struct database;
struct err;
struct manifest;
struct object_store;
struct session;

enum missing_outcome {
    MISSING_NOT,      /* the file is there, and was left alone */
    MISSING_RESTORED, /* it is there now */
    MISSING_NO_BACKUP /* it is not, and the store has none */
};

/* Each outcome but the first is logged.  session has the settings of the database.  A store that
 * cannot be asked is an error, and so is a bucket that is not there: those of catalog_load() and
 * restore_run(). */
int restore_missing(const struct session *session, const struct database *database,
                    enum missing_outcome *ret_outcome, struct err *err);

/* The manifest; ret_none, and 0, when there is no backup at all yet. */
int restore_missing_load(struct object_store *store, const char *database,
                         struct manifest *ret_manifest, bool *ret_none, struct err *err);

#endif
