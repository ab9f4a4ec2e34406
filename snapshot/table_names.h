/*
 * table_names.h - what the tables of a database are called.
 */
#ifndef SNAPSHOT_TABLE_NAMES_H
#define SNAPSHOT_TABLE_NAMES_H

#include <sqlite3.h>

struct buf;
struct err;

/* Replace names with those of the tables that manifest.h counts, in order, each ended by a NUL.
 * ERR_LIMIT past the buf's cap, which then is empty. */
int table_names(sqlite3 *db, struct buf *names, struct err *err);

#endif
