/*
 * row_count.h - how many tables a database has, and how many rows are in all of them.
 */
#ifndef SNAPSHOT_ROW_COUNT_H
#define SNAPSHOT_ROW_COUNT_H

#include <sqlite3.h>
#include <stdint.h>

struct err;

/* Tables as manifest.h counts them.  Rows are those of tables that store any: not of views and
 * virtual tables, whose modules may not be there.  Reads every table: as long as that takes. */
int row_count(sqlite3 *db, int64_t *ret_tables, int64_t *ret_rows, struct err *err);

#endif
