#include "base/buf.h"
#include "base/cancel.h"
#include "base/err.h"
#include "snapshot/diff_internal.h"
#include "snapshot/sqlite_db.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SQL_LEN_MAX (32u << 20)
/* Conditions that are joined to one operand of those around them: a list of all columns would be
 * deeper than SQLITE_LIMIT_EXPR_DEPTH allows. */
#define TERM_GROUP 64u

struct column {
    char *name;
    int primary_key; /* its place in it, from 1; 0: not part of it */
    bool generated;
};

struct columns {
    struct column *items;
    size_t count, size;
};

/* What is to be compared, and by what. */
struct plan {
    const struct diff_pair *pair;
    struct columns from, to;
    struct diff_texts keys;   /* of what says which rows belong together */
    struct diff_texts common; /* columns */
};

static void columns_dispose(struct columns *columns)
{
    for (size_t i = 0; i < columns->count; i++)
        free(columns->items[i].name);
    free(columns->items);
}

int diff_texts_add(struct diff_texts *texts, const char *text, struct err *err)
{
    char **grown = realloc(texts->texts, (texts->count + 1) * sizeof(char *));
    char *copy = strdup(text);

    if (grown != NULL)
        texts->texts = grown;
    if (grown == NULL || copy == NULL) {
        free(copy);
        return err_nomem(err);
    }
    texts->texts[texts->count++] = copy;
    return 0;
}

void diff_add_name(struct buf *sql, const char *name)
{
    buf_add_char(sql, '"');
    for (; *name != '\0'; name++) {
        if (*name == '"')
            buf_add_char(sql, '"');
        buf_add_char(sql, *name);
    }
    buf_add_char(sql, '"');
}

int diff_give_reason(struct diff_table *table, const char *reason, struct err *err)
{
    table->state = DIFF_NOT_COMPARED;
    memset(table->row_counts, 0, sizeof(table->row_counts));
    table->reason = strdup(reason);
    return table->reason != NULL ? 0 : err_nomem(err);
}

int diff_not_compared(const struct diff_pair *pair, int rc, struct diff_table *table,
                      struct err *err)
{
    switch (rc & 0xff) {
    case SQLITE_INTERRUPT:
        return cancel_check(pair->cancel, err);
    case SQLITE_ERROR: /* a collation or a function that only the application has */
    case SQLITE_CORRUPT:
    case SQLITE_TOOBIG:
        return diff_give_reason(table, sqlite3_errmsg(pair->db), err);
    default:
        return sqlite_db_err(err, pair->db, rc, "compare table '%s'", pair->name);
    }
}

static int add_column(struct columns *columns, sqlite3_stmt *row, struct err *err)
{
    const char *text = (const char *)sqlite3_column_text(row, 0);
    char *name = strdup(text != NULL ? text : "");

    if (columns->count == columns->size) {
        size_t size = columns->size > 0 ? columns->size * 2 : 16;
        struct column *items = realloc(columns->items, size * sizeof(*items));

        if (items != NULL) {
            columns->items = items;
            columns->size = size;
        }
    }
    if (name == NULL || columns->count == columns->size) {
        free(name);
        return err_nomem(err);
    }
    columns->items[columns->count++] = (struct column){
        .name = name,
        .primary_key = sqlite3_column_int(row, 1),
        .generated = sqlite3_column_int(row, 2) != 0,
    };
    return 0;
}

static int read_columns(const struct diff_pair *pair, const char *schema, struct columns *columns,
                        struct err *err)
{
    sqlite3_stmt *statement = NULL;
    int r = 0, rc;

    rc = sqlite3_prepare_v2(pair->db,
                            "SELECT name, pk, hidden FROM pragma_table_xinfo(?1, ?2) ORDER BY cid",
                            -1, &statement, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(statement, 1, pair->name, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(statement, 2, schema, -1, SQLITE_STATIC);
    while (r == 0 && rc == SQLITE_OK && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
        r = add_column(columns, statement, err);
        rc = SQLITE_OK;
    }
    if (r == 0 && rc != SQLITE_DONE)
        r = sqlite_db_err(err, pair->db, rc, "read the columns of table '%s'", pair->name);
    (void)sqlite3_finalize(statement);
    return r;
}

/* NULL when there is none; SQLite takes upper and lower case for the same. */
static const struct column *find_column(const struct columns *columns, const char *name)
{
    for (size_t i = 0; i < columns->count; i++) {
        if (sqlite3_stricmp(columns->items[i].name, name) == 0)
            return &columns->items[i];
    }
    return NULL;
}

static const struct column *find_key_column(const struct columns *columns, int place)
{
    for (size_t i = 0; i < columns->count; i++) {
        if (columns->items[i].primary_key == place)
            return &columns->items[i];
    }
    return NULL;
}

/* The columns of ours that theirs has not go to others, unless that is NULL; the rest is common. */
static int sort_columns(const struct columns *ours, const struct columns *theirs,
                        struct diff_texts *common, struct diff_texts *others, struct err *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < ours->count; i++) {
        const struct column *column = &ours->items[i];
        const struct column *other = find_column(theirs, column->name);

        if (other == NULL) {
            r = diff_texts_add(others, column->name, err);
        } else if (common != NULL && !column->generated && !other->generated) {
            r = diff_texts_add(common, column->name, err);
        }
    }
    return r;
}

/* A column may have the name of the rowid, which has three. */
static int choose_rowid(struct plan *plan, struct diff_table *table, struct err *err)
{
    static const char *const names[] = { "rowid", "_rowid_", "oid" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (find_column(&plan->from, names[i]) == NULL && find_column(&plan->to, names[i]) == NULL)
            return diff_texts_add(&plan->keys, names[i], err);
    }
    return diff_give_reason(table, "its columns have all names of the rowid", err);
}

static int choose_primary_key(struct plan *plan, struct diff_table *table, struct err *err)
{
    int r = 0;

    for (int place = 1; r == 0; place++) {
        const struct column *from = find_key_column(&plan->from, place);
        const struct column *to = find_key_column(&plan->to, place);

        if (from == NULL && to == NULL)
            break;
        if (from == NULL || to == NULL || sqlite3_stricmp(from->name, to->name) != 0)
            return diff_give_reason(table, "it has another primary key", err);
        r = diff_texts_add(&plan->keys, to->name, err);
    }
    return r;
}

/* Names with commas between them. */
static int describe_key(const struct plan *plan, struct diff_table *table, struct err *err)
{
    struct buf text = BUF_INIT(SQL_LEN_MAX);
    int r;

    if (plan->pair->has_rowid)
        buf_add_text(&text, "rowid");
    for (size_t i = 0; !plan->pair->has_rowid && i < plan->keys.count; i++)
        buf_addf(&text, "%s%s", i > 0 ? ", " : "", plan->keys.texts[i]);
    r = buf_check(&text, err);
    if (r == 0) {
        table->key = buf_detach(&text);
        if (table->key == NULL)
            r = err_nomem(err);
    }
    buf_dispose(&text);
    return r;
}

static int make_plan(struct plan *plan, struct diff_table *table, struct err *err)
{
    const struct diff_pair *pair = plan->pair;
    int r;

    r = read_columns(pair, "main", &plan->from, err);
    if (r == 0)
        r = read_columns(pair, "new", &plan->to, err);
    if (r == 0)
        r = sort_columns(&plan->from, &plan->to, &plan->common, &table->columns_removed, err);
    if (r == 0)
        r = sort_columns(&plan->to, &plan->from, NULL, &table->columns_added, err);
    if (r < 0)
        return r;
    if (pair->has_rowid != pair->new_has_rowid) {
        return diff_give_reason(
            table,
            pair->has_rowid ? "it has become WITHOUT ROWID" : "it is no longer WITHOUT ROWID", err);
    }
    r = pair->has_rowid ? choose_rowid(plan, table, err) : choose_primary_key(plan, table, err);
    if (r == 0 && table->state != DIFF_NOT_COMPARED)
        r = describe_key(plan, table, err);
    return r;
}

static void add_table(struct buf *sql, const struct plan *plan, const char *schema,
                      const char *alias)
{
    buf_addf(sql, " %s.", schema);
    diff_add_name(sql, plan->pair->name);
    buf_addf(sql, " AS %s", alias);
}

static void add_column_of(struct buf *sql, const char *alias, const char *name)
{
    buf_addf(sql, "%s.", alias);
    diff_add_name(sql, name);
}

/* a.k = b.k AND ... */
static void add_join(struct buf *sql, const struct plan *plan)
{
    for (size_t i = 0; i < plan->keys.count; i++) {
        buf_add_text(sql, i > 0 ? " AND " : " ");
        add_column_of(sql, "a", plan->keys.texts[i]);
        buf_add_text(sql, " = ");
        add_column_of(sql, "b", plan->keys.texts[i]);
    }
}

/* The column's collation may take different texts for the same, and so do 1 and 1.0 compare. */
static void add_difference(struct buf *sql, const char *name)
{
    add_column_of(sql, "a", name);
    buf_add_text(sql, " IS NOT ");
    add_column_of(sql, "b", name);
    buf_add_text(sql, " COLLATE BINARY OR typeof(");
    add_column_of(sql, "a", name);
    buf_add_text(sql, ") <> typeof(");
    add_column_of(sql, "b", name);
    buf_add_char(sql, ')');
}

static void add_differences(struct buf *sql, const struct plan *plan)
{
    buf_add_text(sql, "(0");
    for (size_t i = 0; i < plan->common.count; i++) {
        if (i % TERM_GROUP == 0) {
            buf_add_text(sql, i > 0 ? ") OR (" : " OR (");
        } else {
            buf_add_text(sql, " OR ");
        }
        add_difference(sql, plan->common.texts[i]);
    }
    buf_add_text(sql, plan->common.count > 0 ? "))" : ")");
}

/* As SQL literals; NULL where nobody wants them. */
static void add_key(struct buf *sql, const struct plan *plan, const char *alias)
{
    buf_add_text(sql, plan->pair->row_keys_max > 0 ? ", ''" : ", NULL");
    for (size_t i = 0; plan->pair->row_keys_max > 0 && i < plan->keys.count; i++) {
        buf_add_text(sql, i > 0 ? " || ', ' || quote(" : " || quote(");
        add_column_of(sql, alias, plan->keys.texts[i]);
        buf_add_char(sql, ')');
    }
}

/* Those that are gone, and those with another content. */
static void add_old_rows(struct buf *sql, const struct plan *plan)
{
    assert(plan->keys.count > 0); /* make_plan() has found what rows are known by */
    buf_add_text(sql, "SELECT CASE WHEN ");
    add_column_of(sql, "b", plan->keys.texts[0]);
    buf_addf(sql, " IS NULL THEN %d ELSE %d END", DIFF_ROWS_REMOVED, DIFF_ROWS_CHANGED);
    add_key(sql, plan, "a");
    buf_add_text(sql, " FROM");
    add_table(sql, plan, "main", "a");
    buf_add_text(sql, " LEFT JOIN");
    add_table(sql, plan, "new", "b");
    buf_add_text(sql, " ON");
    add_join(sql, plan);
    buf_add_text(sql, " WHERE ");
    add_column_of(sql, "b", plan->keys.texts[0]);
    buf_add_text(sql, " IS NULL OR ");
    add_differences(sql, plan);
}

static void add_new_rows(struct buf *sql, const struct plan *plan)
{
    buf_addf(sql, "SELECT %d", DIFF_ROWS_ADDED);
    add_key(sql, plan, "b");
    buf_add_text(sql, " FROM");
    add_table(sql, plan, "new", "b");
    buf_add_text(sql, " WHERE NOT EXISTS (SELECT 1 FROM");
    add_table(sql, plan, "main", "a");
    buf_add_text(sql, " WHERE");
    add_join(sql, plan);
    buf_add_char(sql, ')');
}

/* A long key is cut between two characters. */
static int keep_key(struct diff_texts *keys, sqlite3_stmt *row, struct err *err)
{
    const char *key = (const char *)sqlite3_column_text(row, 1);
    size_t len = key != NULL ? strlen(key) : 0;
    char text[DIFF_KEY_LEN_MAX + 4];

    if (len <= DIFF_KEY_LEN_MAX)
        return diff_texts_add(keys, key != NULL ? key : "", err);
    len = DIFF_KEY_LEN_MAX;
    while (len > 0 && ((unsigned char)key[len] & 0xc0) == 0x80)
        len--;
    (void)snprintf(text, sizeof(text), "%.*s...", (int)len, key);
    return diff_texts_add(keys, text, err);
}

static int take_row(const struct plan *plan, sqlite3_stmt *row, struct diff_table *table,
                    struct err *err)
{
    const int kind = sqlite3_column_int(row, 0);

    table->row_counts[kind]++;
    if (table->row_keys[kind].count >= plan->pair->row_keys_max)
        return 0;
    return keep_key(&table->row_keys[kind], row, err);
}

static int run(const struct plan *plan, struct buf *sql, struct diff_table *table, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    int r, rc;

    r = buf_check(sql, err);
    if (r < 0)
        return r;
    rc = sqlite3_prepare_v2(plan->pair->db, sql->ptr, -1, &statement, NULL);
    while (r == 0 && rc == SQLITE_OK && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
        r = take_row(plan, statement, table, err);
        rc = SQLITE_OK;
    }
    if (r == 0 && rc != SQLITE_DONE)
        r = diff_not_compared(plan->pair, rc, table, err);
    (void)sqlite3_finalize(statement);
    return r;
}

static int compare(const struct plan *plan, struct diff_table *table, struct err *err)
{
    struct buf sql = BUF_INIT(SQL_LEN_MAX);
    int r;

    add_old_rows(&sql, plan);
    r = run(plan, &sql, table, err);
    if (r == 0 && table->state != DIFF_NOT_COMPARED) {
        buf_clear(&sql);
        add_new_rows(&sql, plan);
        r = run(plan, &sql, table, err);
    }
    buf_dispose(&sql);
    return r;
}

static enum diff_state state_of(const struct diff_table *table)
{
    uint64_t changes = table->columns_added.count + table->columns_removed.count;

    for (size_t i = 0; i < DIFF_ROWS_COUNT; i++)
        changes += table->row_counts[i];
    return changes > 0 ? DIFF_CHANGED : DIFF_SAME;
}

int diff_rows(const struct diff_pair *pair, struct diff_table *ret_table, struct err *err)
{
    struct plan plan = { .pair = pair };
    int r;

    r = make_plan(&plan, ret_table, err);
    if (r == 0 && ret_table->state != DIFF_NOT_COMPARED)
        r = compare(&plan, ret_table, err);
    if (r == 0 && ret_table->state != DIFF_NOT_COMPARED)
        ret_table->state = state_of(ret_table);
    columns_dispose(&plan.from);
    columns_dispose(&plan.to);
    diff_texts_dispose(&plan.keys);
    diff_texts_dispose(&plan.common);
    return r;
}
