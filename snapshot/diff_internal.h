/*
 * diff_internal.h - the two halves of a comparison.
 */
#ifndef SNAPSHOT_DIFF_INTERNAL_H
#define SNAPSHOT_DIFF_INTERNAL_H

#include <sqlite3.h>

#include "snapshot/diff.h"

struct buf;
struct cancel;
struct err;
struct fetch;

/* Both are open; nothing is fetched. */
int diff_pages(const struct fetch *from, const struct fetch *to, struct diff_pages *ret_pages,
               struct err *err);

struct diff_tables_options {
    const char *from_path, *to_path; /* files of our own, that nobody writes to */
    size_t row_keys_max;
    const struct cancel *cancel;
};

/* Add the tables to result, which is empty but for its pages, and is to be disposed of even when
 * this fails.  Rows are the same when their values are in every common column, byte by byte and of
 * the same type; rows of two versions belong together when their rowids are the same, or, without
 * one, their primary keys.  Internal tables (sqlite_...) are left out; a virtual table's rows are
 * in its shadow tables, which count.  Generated columns are left out. */
int diff_tables(const struct diff_tables_options *options, struct diff_result *result,
                struct err *err);

/* One table that both have: schema "main" is the first backup, "new" the second. */
struct diff_pair {
    sqlite3 *db;
    const char *name;
    bool has_rowid, new_has_rowid;
    size_t row_keys_max;
    const struct cancel *cancel;
};

/* Fill in all of ret_table but its name; it is to be disposed of even when this fails. */
int diff_rows(const struct diff_pair *pair, struct diff_table *ret_table, struct err *err);

/* A failure of SQLite's: into the table's reason when it is about this table alone, and 0; else the
 * error. */
int diff_not_compared(const struct diff_pair *pair, int rc, struct diff_table *table,
                      struct err *err);
int diff_give_reason(struct diff_table *table, const char *reason, struct err *err);
void diff_table_dispose(struct diff_table *table);
void diff_texts_dispose(struct diff_texts *texts);
int diff_texts_add(struct diff_texts *texts, const char *text, struct err *err);
/* "name", quoted for SQL. */
void diff_add_name(struct buf *sql, const char *name);

#endif
