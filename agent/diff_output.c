#include "agent/diff_output.h"

#include "agent/output.h"
#include "agent/text.h"
#include "base/buf.h"
#include "base/parse.h"
#include "snapshot/diff.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CELL_SIZE    32
#define CELL_GAP     "  "
#define NAME_LEN_MAX 1024 /* bytes of a name in a table, escaped */

static const char *const row_kinds[DIFF_ROWS_COUNT] = {
    [DIFF_ROWS_ADDED] = "added",
    [DIFF_ROWS_REMOVED] = "removed",
    [DIFF_ROWS_CHANGED] = "changed",
};
static const char row_signs[DIFF_ROWS_COUNT] = {
    [DIFF_ROWS_ADDED] = '+',
    [DIFF_ROWS_REMOVED] = '-',
    [DIFF_ROWS_CHANGED] = '~',
};

static const char *state_name(enum diff_state state)
{
    switch (state) {
    case DIFF_SAME:
        return "same";
    case DIFF_CHANGED:
        return "changed";
    case DIFF_ADDED:
        return "added";
    case DIFF_REMOVED:
        return "removed";
    case DIFF_NOT_COMPARED:
        break;
    }
    return "not-compared";
}

static void add_backup(struct buf *out, const char *what, const struct backup_record *backup,
                       int64_t now_ms)
{
    char size[FORMAT_SIZE_SIZE];

    format_size(backup->size, size);
    buf_addf(out, "%-6s", what);
    backup_describe(out, backup, now_ms);
    buf_addf(out, ", %s\n", size);
}

static void add_pages(struct buf *out, const struct diff_pages *pages)
{
    char size[FORMAT_SIZE_SIZE];

    if (pages->changed + pages->added + pages->removed == 0) {
        buf_add_text(out, "pages all the same\n");
        return;
    }
    format_size(pages->bytes, size);
    buf_addf(out, "pages %" PRIu64 " changed, %" PRIu64 " added, %" PRIu64 " removed: %s\n",
             pages->changed, pages->added, pages->removed, size);
}

/* Where there is no such count there is a hyphen. */
static void format_count(const struct diff_table *table, size_t kind, char out[CELL_SIZE])
{
    const bool has_none = table->state == DIFF_NOT_COMPARED ||
                          (table->state == DIFF_ADDED && kind != DIFF_ROWS_ADDED) ||
                          (table->state == DIFF_REMOVED && kind != DIFF_ROWS_REMOVED);

    if (has_none) {
        (void)snprintf(out, CELL_SIZE, "-");
    } else {
        (void)snprintf(out, CELL_SIZE, "%" PRIu64, table->row_counts[kind]);
    }
}

/* The name as it is shown, and how wide that is. */
static size_t format_name(struct buf *out, const struct diff_table *table)
{
    buf_clear(out);
    text_escape(out, table->name);
    return text_width(out->ptr);
}

static void add_padding(struct buf *out, size_t from, size_t to)
{
    for (; from < to; from++)
        buf_add_char(out, ' ');
}

static void add_names(struct buf *out, const char *what, const struct diff_texts *names)
{
    for (size_t i = 0; i < names->count; i++) {
        buf_add_text(out, i > 0 ? ", " : what);
        text_escape(out, names->texts[i]);
    }
}

/* What is to be said of a table beside its counts. */
static void add_note(struct buf *out, const struct diff_table *table)
{
    if (table->state == DIFF_ADDED)
        buf_add_text(out, CELL_GAP "new table");
    if (table->state == DIFF_REMOVED)
        buf_add_text(out, CELL_GAP "table is gone");
    add_names(out, CELL_GAP "new columns: ", &table->columns_added);
    add_names(out, CELL_GAP "columns gone: ", &table->columns_removed);
    if (table->reason != NULL) {
        buf_add_text(out, CELL_GAP "rows not compared: ");
        text_escape(out, table->reason);
    }
}

static void add_keys(struct buf *out, const struct diff_table *table)
{
    for (size_t kind = 0; table->state == DIFF_CHANGED && kind < DIFF_ROWS_COUNT; kind++) {
        const struct diff_texts *keys = &table->row_keys[kind];

        for (size_t i = 0; i < keys->count; i++) {
            buf_addf(out, "  %c %s ", row_signs[kind], table->key);
            text_escape(out, keys->texts[i]);
            buf_add_char(out, '\n');
        }
        if (keys->count > 0 && keys->count < table->row_counts[kind]) {
            buf_addf(out, "  %c and %" PRIu64 " more\n", row_signs[kind],
                     table->row_counts[kind] - keys->count);
        }
    }
}

struct widths {
    size_t name, counts[DIFF_ROWS_COUNT];
};

static struct widths measure(const struct diff_result *result, struct buf *name)
{
    struct widths widths = { .name = strlen("table") };
    char cell[CELL_SIZE];

    for (size_t kind = 0; kind < DIFF_ROWS_COUNT; kind++)
        widths.counts[kind] = strlen(row_kinds[kind]);
    for (size_t i = 0; i < result->table_count; i++) {
        size_t width = format_name(name, &result->tables[i]);

        widths.name = width > widths.name ? width : widths.name;
        for (size_t kind = 0; kind < DIFF_ROWS_COUNT; kind++) {
            format_count(&result->tables[i], kind, cell);
            if (strlen(cell) > widths.counts[kind])
                widths.counts[kind] = strlen(cell);
        }
    }
    return widths;
}

static void add_table(struct buf *out, const struct diff_table *table, const struct widths *widths,
                      struct buf *name)
{
    size_t width = format_name(name, table);
    char cell[CELL_SIZE];

    buf_add_text(out, name->ptr);
    add_padding(out, width, widths->name);
    for (size_t kind = 0; kind < DIFF_ROWS_COUNT; kind++) {
        format_count(table, kind, cell);
        buf_addf(out, CELL_GAP "%*s", (int)widths->counts[kind], cell);
    }
    add_note(out, table);
    buf_add_char(out, '\n');
    add_keys(out, table);
}

static void add_tables(struct buf *out, const struct diff_result *result)
{
    struct buf name = BUF_INIT(NAME_LEN_MAX);
    struct widths widths = measure(result, &name);

    if (result->table_count > 0) {
        buf_addf(out, "\n%-*s", (int)widths.name, "table");
        for (size_t kind = 0; kind < DIFF_ROWS_COUNT; kind++)
            buf_addf(out, CELL_GAP "%*s", (int)widths.counts[kind], row_kinds[kind]);
        buf_add_char(out, '\n');
        for (size_t i = 0; i < result->table_count; i++)
            add_table(out, &result->tables[i], &widths, &name);
        buf_add_char(out, '\n');
    }
    buf_addf(out, "%" PRIu64 " %s the same%s\n", result->same_table_count,
             result->same_table_count == 1 ? "table is" : "tables are",
             result->schema_changed ? "; the schema has changed" : "");
    buf_dispose(&name);
}

void diff_format(struct buf *out, const struct diff_options *options,
                 const struct diff_result *result, int64_t now_ms)
{
    add_backup(out, "from", options->from, now_ms);
    add_backup(out, "to", options->to, now_ms);
    add_pages(out, &result->pages);
    if (result->has_tables)
        add_tables(out, result);
}

static json_t *count_json(uint64_t count)
{
    return json_integer((json_int_t)count);
}

static json_t *texts_json(const struct diff_texts *texts)
{
    json_t *array = json_array();

    for (size_t i = 0; array != NULL && i < texts->count; i++)
        (void)json_array_append_new(array, text_json(texts->texts[i]));
    return array;
}

static json_t *rows_json(const struct diff_table *table)
{
    json_t *rows = json_object();

    for (size_t kind = 0; rows != NULL && kind < DIFF_ROWS_COUNT; kind++)
        (void)json_object_set_new(rows, row_kinds[kind], texts_json(&table->row_keys[kind]));
    return rows;
}

static json_t *table_json(const struct diff_table *table, bool has_rows)
{
    json_t *object =
        json_pack("{so ss so so so so}", "name", text_json(table->name), "state",
                  state_name(table->state), "columns_added", texts_json(&table->columns_added),
                  "columns_removed", texts_json(&table->columns_removed), "reason",
                  text_json(table->reason), "key", text_json(table->key));

    for (size_t kind = 0; object != NULL && kind < DIFF_ROWS_COUNT; kind++) {
        (void)json_object_set_new(
            object, row_kinds[kind],
            table->state == DIFF_NOT_COMPARED ? json_null() : count_json(table->row_counts[kind]));
    }
    if (object != NULL && has_rows)
        (void)json_object_set_new(object, "rows", rows_json(table));
    return object;
}

static json_t *tables_json(const struct diff_options *options, const struct diff_result *result)
{
    json_t *array = result->has_tables ? json_array() : json_null();

    for (size_t i = 0; array != NULL && i < result->table_count; i++) {
        (void)json_array_append_new(array,
                                    table_json(&result->tables[i], options->row_keys_max > 0));
    }
    return array;
}

json_t *diff_json(const struct diff_options *options, const struct diff_result *result)
{
    const struct diff_pages *pages = &result->pages;
    json_t *document =
        json_pack("{so so s{so so so so} so}", "from", backup_json(options->from), "to",
                  backup_json(options->to), "pages", "changed", count_json(pages->changed), "added",
                  count_json(pages->added), "removed", count_json(pages->removed), "bytes",
                  count_json(pages->bytes), "tables", tables_json(options, result));

    if (document != NULL && result->has_tables) {
        (void)json_object_set_new(document, "same_tables", count_json(result->same_table_count));
        (void)json_object_set_new(document, "schema_changed", json_boolean(result->schema_changed));
    }
    tally_json(document, &result->tally);
    return document;
}
