/*
 * history.h - what is remembered of a database for those who watch: how its last runs went, and
 * what the store held of it when its manifest was last seen.
 *
 * "<state dir>/<database>/history.json".  Only a memory: without it all is well, and less is shown.
 */
#ifndef AGENT_HISTORY_H
#define AGENT_HISTORY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct backup_record;
struct err;
struct manifest;

#define HISTORY_RUNS_MAX   96
#define HISTORY_POINTS_MAX 200

enum history_outcome {
    HISTORY_MADE,
    HISTORY_UNCHANGED, /* the backup that stands was found to be enough */
    HISTORY_FAILED,
    HISTORY_OUTCOME_COUNT
};
const char *history_outcome_name(enum history_outcome outcome); /* "made" */

/* One attempt. */
struct history_run {
    int64_t at_ms; /* when it began */
    int64_t duration_ms;
    uint64_t stored_bytes; /* of what was made */
    enum history_outcome outcome;
};

/* One backup in the store. */
struct history_point {
    int64_t created_at_ms;
    uint64_t stored_bytes;
    bool is_full, is_verified, is_damaged, is_pinned;
};

struct history_catalog {
    struct history_point *points; /* oldest first; the newest HISTORY_POINTS_MAX */
    size_t point_count;
    bool is_known;
    uint64_t backup_count, damaged_count, pinned_count;
    int64_t oldest_ms;
    int64_t verified_ms;   /* when one was last verified; 0: never */
    uint64_t stored_bytes; /* of all packs */
};

/* The newest backup. */
struct history_newest {
    int64_t created_at_ms; /* 0: none is known */
    uint64_t size, stored_bytes;
    uint64_t num_tables;
    int64_t num_rows; /* -1: not counted */
};

struct history {
    struct history_run *runs; /* oldest first */
    size_t run_count;
    uint64_t outcomes[HISTORY_OUTCOME_COUNT]; /* of all runs that ever were */
    uint64_t sent_bytes;                      /* stored by all of them */
    struct history_newest newest;
    struct history_catalog catalog;
};

#define HISTORY_INIT                                                                               \
    {                                                                                              \
        0                                                                                          \
    }

void history_dispose(struct history *history); /* may be repeated */
void history_catalog_dispose(struct history_catalog *catalog);

/* The catalog as this manifest has it, in place of what it was. */
int history_catalog_set(struct history_catalog *catalog, const struct manifest *manifest,
                        struct err *err);
void history_newest_set(struct history_newest *newest, const struct backup_record *backup);

/* The oldest is forgotten when there are HISTORY_RUNS_MAX. */
int history_add_run(struct history *history, const struct history_run *run, struct err *err);

/* NULL when out of memory. */
json_t *history_json(const struct history *history);

/* Empty, and 0, when there is none.  ERR_CORRUPT when it is not one; ERR_IO. */
int history_load(const char *state_dir, const char *database, struct history *ret_history,
                 struct err *err);
/* Takes root, as history_json() made it. */
int history_save(const char *state_dir, const char *database, json_t *root, struct err *err);

#endif
