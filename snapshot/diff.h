/*
 * diff.h - what changed from one backup to another: pages, tables, rows.
 *
 * Pages are compared by page maps and page hashes alone, and none is fetched.  For tables both
 * databases are fetched to temporary files, the second with the first as its seed.
 */
#ifndef SNAPSHOT_DIFF_H
#define SNAPSHOT_DIFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "snapshot/restore.h"

#define DIFF_KEY_LEN_MAX 200u /* bytes; a longer key ends in "..." */

/* With pages of different sizes, no page is the same. */
struct diff_pages {
    uint64_t changed, added, removed; /* added and removed: by which the database grew or shrank */
    uint64_t bytes;                   /* of those that changed or were added */
};

enum diff_state {
    DIFF_SAME,
    DIFF_CHANGED,     /* rows or columns */
    DIFF_ADDED,       /* the table */
    DIFF_REMOVED,     /* the table */
    DIFF_NOT_COMPARED /* reason says why */
};

enum diff_rows {
    DIFF_ROWS_ADDED,
    DIFF_ROWS_REMOVED,
    DIFF_ROWS_CHANGED,
    DIFF_ROWS_COUNT
};

struct diff_texts {
    char **texts;
    size_t count;
};

struct diff_table {
    char *name;
    enum diff_state state;
    char *reason;                                     /* NULL unless not compared */
    char *key;                                        /* "rowid", or the primary key's columns */
    uint64_t row_counts[DIFF_ROWS_COUNT];             /* in columns that both have */
    struct diff_texts row_keys[DIFF_ROWS_COUNT];      /* SQL literals; some of them */
    struct diff_texts columns_added, columns_removed; /* names */
};

struct diff_result {
    struct diff_pages pages;
    bool has_tables;           /* they were compared */
    struct diff_table *tables; /* by name; those that are the same are only counted */
    size_t table_count, table_size;
    uint64_t same_table_count;
    bool schema_changed; /* tables, indexes, views, triggers */
    struct fetch_tally tally;
};

void diff_result_dispose(struct diff_result *result);

struct diff_options {
    const struct manifest *manifest;
    const struct backup_record *from, *to;
    bool pages_only;
    size_t row_keys_max; /* keys that are kept of each table, for each kind of change */
    struct fetch_options fetch;
};

/* Errors: as of a download. */
int diff_backups(struct object_store *store, const struct diff_options *options,
                 struct diff_result *ret_result, struct err *err);

#endif
