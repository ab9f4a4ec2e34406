#include "base/buf.h"
#include "base/cancel.h"
#include "base/err.h"
#include "snapshot/diff_internal.h"
#include "snapshot/sqlite_db.h"

#include <stdlib.h>
#include <string.h>

#define PROGRESS_OPS 10000 /* virtual machine instructions: a few milliseconds */
#define SQL_LEN_MAX  (1u << 20)

/* One row a table of either; the columns are name, and then, for each side, type (NULL where it is
 * missing) and whether it is WITHOUT ROWID. */
#define TABLES_OF(schema)                                                                          \
    "SELECT name, type, wr FROM pragma_table_list WHERE schema = '" schema "'"                     \
    " AND type IN ('table', 'shadow', 'virtual') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
#define LIST_TABLES                                                                                \
    "WITH a AS MATERIALIZED (" TABLES_OF("main") "), b AS MATERIALIZED (" TABLES_OF(               \
        "new") ")"                                                                                 \
               " SELECT coalesce(b.name, a.name), a.type, a.wr, b.type, b.wr"                      \
               " FROM a FULL JOIN b ON a.name = b.name COLLATE NOCASE ORDER BY 1"
#define OBJECTS_OF(schema) "SELECT type, name, tbl_name, sql FROM " schema ".sqlite_schema"
#define COUNT_OTHER_OBJECTS                                                                        \
    "SELECT (SELECT count(*) FROM (" OBJECTS_OF("main") " EXCEPT " OBJECTS_OF(                     \
        "new") ")) +"                                                                              \
               " (SELECT count(*) FROM (" OBJECTS_OF("new") " EXCEPT " OBJECTS_OF("main") "))"

struct comparison {
    const struct diff_tables_options *options;
    struct diff_result *result;
    sqlite3 *db;
};

static int stop_when_canceled(void *context)
{
    const struct comparison *comparison = context;

    return cancel_is_set(comparison->options->cancel) ? 1 : 0;
}

static int open_both(struct comparison *comparison, struct err *err)
{
    int r;

    r = sqlite_db_open_own(comparison->options->from_path, &comparison->db, err);
    if (r == 0)
        r = sqlite_db_attach_own(comparison->db, comparison->options->to_path, "new", err);
    if (r == 0)
        sqlite3_progress_handler(comparison->db, PROGRESS_OPS, stop_when_canceled, comparison);
    return r;
}

static struct diff_table *add_table(struct diff_result *result, const char *name, struct err *err)
{
    if (result->table_count == result->table_size) {
        size_t size = result->table_size > 0 ? result->table_size * 2 : 16;
        struct diff_table *tables = realloc(result->tables, size * sizeof(*tables));

        if (tables == NULL) {
            (void)err_nomem(err);
            return NULL;
        }
        result->tables = tables;
        result->table_size = size;
    }
    result->tables[result->table_count] = (struct diff_table){ .name = strdup(name) };
    if (result->tables[result->table_count].name == NULL) {
        (void)err_nomem(err);
        return NULL;
    }
    return &result->tables[result->table_count++];
}

/* The rows of a table that only one of the two has. */
static int count_rows(const struct diff_pair *pair, bool is_new, struct diff_table *table,
                      struct err *err)
{
    struct buf sql = BUF_INIT(SQL_LEN_MAX);
    sqlite3_stmt *statement = NULL;
    int r, rc;

    buf_addf(&sql, "SELECT count(*) FROM %s.", is_new ? "new" : "main");
    diff_add_name(&sql, pair->name);
    r = buf_check(&sql, err);
    if (r < 0)
        goto out;
    rc = sqlite3_prepare_v2(pair->db, sql.ptr, -1, &statement, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        table->row_counts[is_new ? DIFF_ROWS_ADDED : DIFF_ROWS_REMOVED] =
            (uint64_t)sqlite3_column_int64(statement, 0);
    } else {
        r = diff_not_compared(pair, rc, table, err);
    }
out:
    (void)sqlite3_finalize(statement);
    buf_dispose(&sql);
    return r;
}

static bool is_virtual(const char *type)
{
    return type != NULL && strcmp(type, "virtual") == 0;
}

static int compare(const struct diff_pair *pair, const char *from_type, const char *to_type,
                   struct diff_table *table, struct err *err)
{
    if (from_type == NULL || to_type == NULL) {
        table->state = from_type == NULL ? DIFF_ADDED : DIFF_REMOVED;
        if (is_virtual(from_type) || is_virtual(to_type))
            return 0;
        return count_rows(pair, from_type == NULL, table, err);
    }
    if (is_virtual(from_type) || is_virtual(to_type)) {
        return diff_give_reason(table, "it is virtual, and what it keeps is in other tables", err);
    }
    return diff_rows(pair, table, err);
}

static int take_table(struct comparison *comparison, sqlite3_stmt *row, struct err *err)
{
    struct diff_result *result = comparison->result;
    const struct diff_pair pair = {
        .db = comparison->db,
        .name = (const char *)sqlite3_column_text(row, 0),
        .has_rowid = sqlite3_column_int(row, 2) == 0,
        .new_has_rowid = sqlite3_column_int(row, 4) == 0,
        .row_keys_max = comparison->options->row_keys_max,
        .cancel = comparison->options->cancel,
    };
    struct diff_table *table;
    int r;

    if (pair.name == NULL)
        return err_nomem(err);
    table = add_table(result, pair.name, err);
    if (table == NULL)
        return ERR_NOMEM;
    r = compare(&pair, (const char *)sqlite3_column_text(row, 1),
                (const char *)sqlite3_column_text(row, 3), table, err);
    if (r == 0 && table->state == DIFF_SAME) {
        diff_table_dispose(table);
        result->table_count--;
        result->same_table_count++;
    }
    return r;
}

static int compare_tables(struct comparison *comparison, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    int r = 0, rc;

    rc = sqlite3_prepare_v2(comparison->db, LIST_TABLES, -1, &statement, NULL);
    while (r == 0 && rc == SQLITE_OK && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
        r = take_table(comparison, statement, err);
        rc = SQLITE_OK;
    }
    if (r == 0 && rc != SQLITE_DONE)
        r = sqlite_db_err(err, comparison->db, rc, "list the tables");
    (void)sqlite3_finalize(statement);
    return r;
}

int diff_tables(const struct diff_tables_options *options, struct diff_result *result,
                struct err *err)
{
    struct comparison comparison = { .options = options, .result = result };
    int64_t count = 0;
    int r;

    r = open_both(&comparison, err);
    if (r == 0)
        r = sqlite_db_get_int(comparison.db, COUNT_OTHER_OBJECTS, &count, err);
    if (r == 0)
        r = compare_tables(&comparison, err);
    if (r < 0 && cancel_is_set(options->cancel))
        r = cancel_check(options->cancel, err);
    result->schema_changed = count > 0;
    (void)sqlite3_close(comparison.db);
    return r;
}
