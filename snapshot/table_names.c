#include "snapshot/table_names.h"

#include "base/buf.h"
#include "base/err.h"
#include "snapshot/sqlite_db.h"

#include <string.h>

#define NAMES                                                                                      \
    "SELECT name FROM sqlite_schema WHERE type = 'table'"                                          \
    " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"

int table_names(sqlite3 *db, struct buf *names, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    int rc, r = 0;

    buf_clear(names);
    rc = sqlite3_prepare_v2(db, NAMES, -1, &statement, NULL);
    while (rc == SQLITE_OK) {
        const char *name;
        const int step = sqlite3_step(statement);

        if (step != SQLITE_ROW) {
            rc = step;
            break;
        }
        name = (const char *)sqlite3_column_text(statement, 0);
        if (name == NULL) {
            rc = SQLITE_NOMEM;
        } else {
            buf_add(names, name, strlen(name) + 1);
        }
    }
    if (rc != SQLITE_DONE)
        r = sqlite_db_err(err, db, rc, "read the names of the tables");
    (void)sqlite3_finalize(statement);
    if (r == 0)
        r = buf_check(names, err);
    if (r < 0)
        buf_clear(names);
    return r;
}
