#include "snapshot/row_count.h"

#include "base/err.h"
#include "snapshot/sqlite_db.h"

#include <stddef.h>

#define TABLES " FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"

static int count_one(sqlite3 *db, const char *table, int64_t *rows, struct err *err)
{
    char *sql = sqlite3_mprintf("SELECT count(*) FROM \"%w\"", table);
    int64_t count = 0;
    int r;

    if (sql == NULL)
        return err_nomem(err);
    r = sqlite_db_get_int(db, sql, &count, err);
    sqlite3_free(sql);
    if (r == 0)
        *rows += count;
    return r;
}

int row_count(sqlite3 *db, int64_t *ret_tables, int64_t *ret_rows, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    int64_t tables = 0, rows = 0;
    int r, rc;

    r = sqlite_db_get_int(db, "SELECT count(*)" TABLES, &tables, err);
    if (r < 0)
        return r;
    rc = sqlite3_prepare_v2(db, "SELECT name" TABLES " AND rootpage > 0", -1, &statement, NULL);
    while (rc == SQLITE_OK && r == 0) {
        const int step = sqlite3_step(statement);

        if (step != SQLITE_ROW) {
            rc = step;
            break;
        }
        r = count_one(db, (const char *)sqlite3_column_text(statement, 0), &rows, err);
    }
    if (r == 0 && rc != SQLITE_DONE)
        r = sqlite_db_err(err, db, rc, "count the rows");
    (void)sqlite3_finalize(statement);
    if (r == 0) {
        *ret_tables = tables;
        *ret_rows = rows;
    }
    return r;
}
