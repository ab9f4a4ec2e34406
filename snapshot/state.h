/*
 * state.h - what one run remembers for the next one: the newest manifest, where the pages of the
 * last backup are and their hashes, and the fingerprint of the database as that backup shows it.
 *
 * One file for each database and store, "<state dir>/<database>/<hash of the store's URL>.state",
 * written aside and renamed.  It is only a cache: one that is missing, cut short, damaged, or about
 * another store or database is as good as none.
 */
#ifndef SNAPSHOT_STATE_H
#define SNAPSHOT_STATE_H

#include "snapshot/fingerprint.h"
#include "snapshot/manifest.h"
#include "snapshot/parent.h"

struct err;

struct state_place {
    const char *dir; /* the state directory; NULL: there is none */
    const char *store_url;
    const char *database;
};

/* The little that is needed to see that nothing has changed. */
struct state_head {
    int64_t confirmed_ms; /* when the manifest was last known to be the store's newest */
    bool has_fingerprint;
    struct fingerprint fingerprint;
    char base_id[UUID_TEXT_SIZE];  /* as in parent.h */
    struct backup_record standing; /* the backup that the database was like then */
};

struct state {
    struct state_head head;
    struct manifest manifest;
    struct parent parent; /* of the next backup: the standing one */
};

#define STATE_INIT                                                                                 \
    {                                                                                              \
        .parent = PARENT_INIT                                                                      \
    }

/* Both may be repeated. */
void state_head_dispose(struct state_head *head);
void state_dispose(struct state *state);

/* ERR_NOT_FOUND when there is none; ERR_CORRUPT when it is not one, or one of something else. */
int state_load_head(const struct state_place *place, struct state_head *ret_head, struct err *err);
/* spool_dir: as in spool.h, for the hashes. */
int state_load(const struct state_place *place, const char *spool_dir, struct state *ret_state,
               struct err *err);
/* ERR_IO, ERR_DENIED; what was there before is still there then, or gone. */
int state_save(const struct state_place *place, const struct state *state, struct err *err);
/* What is known of the store turned out to be wrong. */
void state_forget(const struct state_place *place);

#endif
