#include "agent/output.h"

#include "agent/text.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/parse.h"
#include "snapshot/manifest.h"
#include "snapshot/restore.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define SHORT_ID_LEN 8
#define CELL_SIZE    128
#define CELL_GAP     "  "
/* What is listed is complete; nothing else is listed. */
#define STATE_DONE    "done"
#define STATE_DAMAGED "damaged" /* since, as verify found */
#define TEXT_LEN_MAX  (64u << 10)

enum column {
    COLUMN_CREATED_AT,
    COLUMN_ID,
    COLUMN_NUM_TABLES,
    COLUMN_SIZE,
    COLUMN_STORED,
    COLUMN_STATE, /* the label follows, whose width does not matter */
    COLUMN_COUNT
};

static const char *const column_names[COLUMN_COUNT] = { "created_at", "id",     "num_tables",
                                                        "size",       "stored", "state" };

static bool column_is_number(enum column column)
{
    return column == COLUMN_NUM_TABLES || column == COLUMN_SIZE || column == COLUMN_STORED;
}

struct table {
    int64_t now_ms;
    size_t id_len;
    size_t widths[COLUMN_COUNT];
    bool has_labels;
};

static void format_when(int64_t ms, int64_t now_ms, char out[CELL_SIZE])
{
    char local[FORMAT_TIME_SIZE], age[FORMAT_TIME_SIZE];

    format_time_local(ms, local);
    format_age(now_ms - ms, age);
    (void)snprintf(out, CELL_SIZE, "%s (%s)", local, age);
}

static const char *state_of(const struct backup_record *backup)
{
    return backup->damaged ? STATE_DAMAGED : STATE_DONE;
}

static void format_cell(const struct table *table, const struct backup_record *backup,
                        enum column column, char out[CELL_SIZE])
{
    switch (column) {
    case COLUMN_CREATED_AT:
        format_when(backup->created_at_ms, table->now_ms, out);
        return;
    case COLUMN_ID:
        (void)snprintf(out, CELL_SIZE, "%.*s", (int)table->id_len, backup->id);
        return;
    case COLUMN_NUM_TABLES:
        (void)snprintf(out, CELL_SIZE, "%u", backup->num_tables);
        return;
    case COLUMN_SIZE:
        format_size(backup->size, out);
        return;
    case COLUMN_STORED:
        format_size(backup->stored_bytes, out);
        return;
    case COLUMN_STATE:
    case COLUMN_COUNT:
        break;
    }
    (void)snprintf(out, CELL_SIZE, "%s%s%s", state_of(backup), backup->pinned ? ", pinned" : "",
                   backup->guarded ? ", guarded" : "");
}

static void add_padding(struct buf *out, size_t count)
{
    while (count-- > 0)
        buf_add_char(out, ' ');
}

static void add_cell(struct buf *out, const struct table *table, enum column column,
                     const char *text)
{
    const size_t room = table->widths[column] - strlen(text); /* cells are ASCII */
    const bool last = column == COLUMN_STATE && !table->has_labels;

    if (column != COLUMN_CREATED_AT)
        buf_add_text(out, CELL_GAP);
    if (column_is_number(column))
        add_padding(out, room);
    buf_add_text(out, text);
    if (!column_is_number(column) && !last)
        add_padding(out, room);
}

/* Backups that a restore made tell so where their label would stand. */
static void add_label(struct buf *out, const struct backup_record *backup)
{
    if (backup->trigger == TRIGGER_PRE_RESTORE) {
        buf_add_text(out, CELL_GAP "(before a restore)");
        if (backup->label != NULL)
            buf_add_char(out, ' ');
    } else if (backup->label != NULL) {
        buf_add_text(out, CELL_GAP);
    }
    if (backup->label != NULL)
        text_escape(out, backup->label);
}

static size_t measure(struct table *table, const struct backup_record *const *backups, size_t count)
{
    size_t width = strlen(CELL_GAP) * (COLUMN_COUNT - 1);
    char cell[CELL_SIZE];

    for (enum column column = 0; column < COLUMN_COUNT; column++) {
        size_t *widest = &table->widths[column];

        *widest = strlen(column_names[column]);
        for (size_t i = 0; i < count; i++) {
            format_cell(table, backups[i], column, cell);
            if (strlen(cell) > *widest)
                *widest = strlen(cell);
        }
        width += *widest;
    }
    return width;
}

void backup_table_format(struct buf *out, const struct backup_record *const *backups, size_t count,
                         int64_t now_ms, size_t width)
{
    struct table table = { .now_ms = now_ms, .id_len = UUID_TEXT_SIZE - 1 };
    char cell[CELL_SIZE];

    for (size_t i = 0; i < count; i++) {
        table.has_labels = table.has_labels || backups[i]->label != NULL ||
                           backups[i]->trigger == TRIGGER_PRE_RESTORE;
    }
    if (measure(&table, backups, count) > width) {
        table.id_len = SHORT_ID_LEN;
        (void)measure(&table, backups, count);
    }
    for (enum column column = 0; column < COLUMN_COUNT; column++)
        add_cell(out, &table, column, column_names[column]);
    buf_add_text(out, table.has_labels ? CELL_GAP "label\n" : "\n");
    for (size_t i = 0; i < count; i++) {
        size_t begin = out->len;

        for (enum column column = 0; column < COLUMN_COUNT; column++) {
            format_cell(&table, backups[i], column, cell);
            add_cell(out, &table, column, cell);
        }
        add_label(out, backups[i]);
        while (out->len > begin && out->ptr[out->len - 1] == ' ')
            out->ptr[--out->len] = '\0';
        buf_add_char(out, '\n');
    }
}

json_t *time_json(int64_t ms)
{
    char text[FORMAT_TIME_SIZE];

    if (ms == 0)
        return json_null();
    format_time_utc(ms, true, text);
    return json_string(text);
}

json_t *text_json(const char *text)
{
    struct buf escaped = BUF_INIT(TEXT_LEN_MAX);
    json_t *string;

    if (text == NULL)
        return json_null();
    if (text_is_utf8(text))
        return json_string(text);
    text_escape(&escaped, text);
    string = json_string(escaped.ptr);
    buf_dispose(&escaped);
    return string;
}

json_t *backup_json(const struct backup_record *backup)
{
    return json_pack(
        "{ss so sI sI sI ss so ss ss so sI sI sI sb sb so so}", "id", backup->id, "created_at",
        time_json(backup->created_at_ms), "num_tables", (json_int_t)backup->num_tables, "size",
        (json_int_t)backup->size, "stored_bytes", (json_int_t)backup->stored_bytes, "state",
        state_of(backup), "label", text_json(backup->label), "trigger",
        backup_trigger_name(backup->trigger), "kind", backup_kind_name(backup->kind), "verified_at",
        time_json(backup->verified_at_ms), "page_size", (json_int_t)backup->page_size, "page_count",
        (json_int_t)backup->page_count, "changed_pages", (json_int_t)backup->changed_pages,
        "pinned", (int)backup->pinned, "guarded", (int)backup->guarded, "host",
        text_json(backup->host), "path", text_json(backup->path));
}

static int flush(FILE *out, struct err *err)
{
    return fflush(out) == 0 && ferror(out) == 0 ? 0 : err_set_errno(err, "write standard output");
}

void tally_json(json_t *object, const struct fetch_tally *tally)
{
    if (object == NULL)
        return;
    (void)json_object_set_new(object, "copied_bytes",
                              json_integer((json_int_t)tally->copied_bytes));
    (void)json_object_set_new(object, "fetched_bytes",
                              json_integer((json_int_t)tally->fetched_bytes));
}

void tally_describe(struct buf *out, const struct fetch_tally *tally)
{
    char copied[FORMAT_SIZE_SIZE], fetched[FORMAT_SIZE_SIZE];

    format_size(tally->copied_bytes, copied);
    format_size(tally->fetched_bytes, fetched);
    buf_addf(out, ", %s copied, %s fetched", copied, fetched);
}

int output_json(FILE *out, json_t *document, struct err *err)
{
    int r = 0;

    if (document == NULL)
        return err_nomem(err);
    if (json_dumpf(document, out, JSON_COMPACT) != 0 || fputc('\n', out) == EOF)
        r = err_set_errno(err, "write standard output");
    json_decref(document);
    return r < 0 ? r : flush(out, err);
}

int output_text(FILE *out, const struct buf *text, struct err *err)
{
    int r;

    r = buf_check(text, err);
    if (r < 0)
        return r;
    if (fwrite(text->ptr, 1, text->len, out) != text->len)
        return err_set_errno(err, "write standard output");
    return flush(out, err);
}

void backup_describe(struct buf *out, const struct backup_record *backup, int64_t now_ms)
{
    char when[CELL_SIZE];

    format_when(backup->created_at_ms, now_ms, when);
    buf_addf(out, "%.*s of %s", SHORT_ID_LEN, backup->id, when);
}
