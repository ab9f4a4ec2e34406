/*
 * each_database.h - a command about one database, or about all of them, in each of their stores.
 *
 * Without a database on the command line these are the configured ones, or, where none is
 * configured, those that the store has: the folders in it.  One after another; one that fails keeps
 * no other from its turn.  Of a backup that is named, in the first store only.
 */
#ifndef AGENT_EACH_DATABASE_H
#define AGENT_EACH_DATABASE_H

struct database;
struct err;
struct object_store;
struct session;

/* How one database is dealt with, whose settings are the session's meanwhile. */
typedef int (*each_database_fn)(struct session *session, struct object_store *store,
                                const struct database *database, struct err *err);

/* verb: for messages, "verify".  What a single database fails with is returned; of several each
 * failure is told at once, and then it is ERR_PARTIAL. */
int each_database(struct session *session, const char *verb, each_database_fn run, struct err *err);

#endif
