/*
 * doctor.h - the checks of `holdfast doctor`, each group along what it is about.  None returns a
 * failure: what is wrong goes into the report, and the next check is made all the same, if it can.
 */
#ifndef AGENT_DOCTOR_H
#define AGENT_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>

struct database;
struct doctor_report;
struct err;
struct object_store;
struct s3_client;
struct session;

/* The file was read, and whoever may read those that hold secrets.  load_error: why the settings
 * could not be read; NULL when they were. */
void doctor_check_config(struct doctor_report *report, const struct session *session,
                         struct err *load_error);

/* The way to an S3 server, before any key counts: name, TLS, clock.  False when requests would be
 * in vain. */
bool doctor_check_server(struct doctor_report *report, struct s3_client *client);

/* What the store lets us do, by doing it to objects "<name>/probe/<uuid>", which are removed again.
 * client: NULL for a store that is not S3's. */
void doctor_check_rights(struct doctor_report *report, struct object_store *store,
                         struct s3_client *client, const char *name);
/* All of the above as skipped. */
void doctor_skip_server(struct doctor_report *report, const char *because);
void doctor_skip_rights(struct doctor_report *report, const char *because);

/* Whether the bucket keeps versions, and locks as the settings want it; and those against the
 * retention policy.  A probe is written where locks are wanted. */
void doctor_check_lock(struct doctor_report *report, const struct session *session,
                       struct object_store *store, const char *name);
void doctor_skip_lock(struct doctor_report *report, const char *because);

/* Whether the manifest that is there can be read, and decrypted. */
void doctor_check_backups(struct doctor_report *report, struct object_store *store,
                          const char *name);
/* Whether the server has the storage class, by beginning to upload a pack; and whether the class
 * may cost more than it saves.  Nothing without one. */
void doctor_check_storage(struct doctor_report *report, const struct session *session,
                          struct object_store *store, const char *name);

/* State and spool directory: are they writable, and have they room for size_max bytes of database?
 */
void doctor_check_directories(struct doctor_report *report, const struct session *session,
                              unsigned long long size_max);

/* One database, with its settings in session: file, size, journal, locks, schedule, and whether
 * another holdfast is at work on it.  @return its size in bytes, 0 when it cannot be told. */
unsigned long long doctor_check_database(struct doctor_report *report,
                                         const struct session *session,
                                         const struct database *database, bool quick_check);

#endif
