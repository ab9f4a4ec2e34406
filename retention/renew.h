/*
 * renew.h - no lock ends before what depends on it may go.
 *
 * In a store that locks what is written, a backup cannot be destroyed for as long as its packs are
 * locked; and an incremental one also needs packs of those before it.  So the commit of a backup
 * sees to it that all of its packs are locked for at least what is promised from then on.  When a
 * pack's lock ends is in the manifest.  Locks are longer than promised (object_store.h): so each
 * pack costs a request once in a while, and most commits none.
 */
#ifndef RETENTION_RENEW_H
#define RETENTION_RENEW_H

#include <stdbool.h>
#include <stdint.h>

struct cancel;
struct clock;
struct err;
struct manifest;
struct object_store;

/* Whether the newest backup needs a pack whose lock ends sooner than is promised. */
bool renew_is_due(struct object_store *store, const struct manifest *manifest);

/* In the commit of the newest backup, written_ms ago at most: renew what is due.  What cannot be
 * renewed is a warning, for the backup is worth more than its lock; but when the very first one
 * shows that the store locks nothing, that is ERR_CONFIG. */
int renew_locks(struct object_store *store, struct manifest *manifest, int64_t written_ms,
                struct err *err);

/* For a database that has not changed for so long that its newest backup's locks would end: renew
 * what is due, in a commit of its own, which gives it a newly locked manifest, too. */
int renew_standing(struct object_store *store, const char *database, struct clock *clock,
                   const struct cancel *cancel, struct err *err);

#endif
