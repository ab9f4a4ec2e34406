/*
 * session.h - what one run of a command has at hand: its arguments, the settings, where to print.
 */
#ifndef AGENT_SESSION_H
#define AGENT_SESSION_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "agent/args.h"
#include "agent/config.h"
#include "agent/database.h"
#include "agent/lock.h"
#include "agent/options.h"
#include "base/cancel.h"

struct backup_record;
struct config_store;
struct clock;
struct console;
struct err;
struct object_store;
struct progress_bar;
struct rate_limit;

/* Where settings come from, but for the command line. */
struct session_sources {
    struct option_set env, aws_env;
    struct config config;
};

/* What one database of thousands has, too: see session_for(). */
struct session {
    const struct args *args;
    struct console *console;
    struct cancel *cancel;
    struct clock *clock;
    FILE *out;
    bool json;
    bool anonymous; /* open stores without a key, only to look at the way to them */

    /* What a program that was started has left us to end with. */
    int exit_status; /* -1: as usual */
    int exit_signal; /* 0: none */

    struct session_sources *sources; /* since session_load(); those of a copy are the original's */
    struct rate_limit *upload_limit, *download_limit; /* of the process; NULL: none */
    struct settings settings; /* of args, env, the store, the database, config and aws_env */
    const struct config_store *store; /* of several; NULL: the one that the settings name */
};

/* Read environment and configuration, and set the log's level. */
int session_load(struct session *session, struct err *err);
void session_dispose(struct session *session); /* of what session_load() did; may be repeated */

/* For one database of several, perhaps in a thread of its own: the same settings with those of its
 * section (may be NULL).  Borrows everything of session; not to be disposed. */
struct session session_for(const struct session *session, const struct option_set *section,
                           struct cancel *cancel);

/* The database that the first positional argument and --name mean; its section joins settings. */
int session_find_database(struct session *session, enum database_need need,
                          struct database *ret_database, struct err *err);
/* Those of a database's section, in settings; NULL: of none. */
void session_use_options(struct session *session, const struct option_set *options);
/* From now on it is about that store, with the settings of its section; see store_choice.h. */
void session_use_store(struct session *session, const struct config_store *store);
/* Its name; NULL when it has none, for it is the only one. */
const char *session_store_name(const struct session *session);
json_t *store_json(const struct session *session); /* the name, or null */
/* ERR_CONFIG when no store is named. */
int session_open_store(const struct session *session, struct object_store **ret_store,
                       struct err *err);
/* Where what is remembered between runs is kept; of a named store, a place of its own in there.
 * malloc'd, NULL when there is no such place. */
char *session_state_dir(const struct session *session);
/* The lock of a database that is written or read for a while; timeout_ms when none is set. */
int session_lock(const struct session *session, const char *database, int64_t timeout_ms,
                 struct lock *ret_lock, struct err *err);

#endif
