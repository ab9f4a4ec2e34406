#include "agent/guard.h"

#include "agent/output.h"
#include "agent/state_file.h"
#include "base/err.h"
#include "base/log.h"
#include "base/parse.h"
#include "snapshot/manifest.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FILE_NAME      "tables.json"
#define TABLES_LEN_MAX (256u << 10)
#define TABLES_NAMED   8u

void guard_init(struct guard *guard, const char *state_dir, const char *database,
                enum guard_mode mode)
{
    const struct buf tables = BUF_INIT(TABLES_LEN_MAX);
    json_t *root = NULL, *known = NULL;
    const char *id = NULL;

    *guard = (struct guard){
        .state_dir = state_dir, .database = database, .mode = mode, .tables = tables
    };
    if (mode == GUARD_OFF || state_dir == NULL ||
        state_file_load(state_dir, database, FILE_NAME, &root, NULL) < 0)
        return;
    if (json_unpack(root, "{ss so}", "backup_id", &id, "tables", &known) == 0 &&
        json_is_array(known)) {
        (void)snprintf(guard->known_id, sizeof(guard->known_id), "%s", id);
        guard->known_tables = json_incref(known);
    }
    json_decref(root);
}

void guard_dispose(struct guard *guard)
{
    buf_dispose(&guard->tables);
    json_decref(guard->known_tables);
    guard->known_tables = NULL;
}

static json_t *tables_json(const struct buf *tables)
{
    json_t *list = json_array();

    for (size_t at = 0; at < tables->len; at += strlen(tables->ptr + at) + 1)
        (void)json_array_append_new(list, text_json(tables->ptr + at));
    return list;
}

static bool has_table(const json_t *tables, const char *name)
{
    for (size_t i = 0; i < json_array_size(tables); i++) {
        const char *table = json_string_value(json_array_get(tables, i));

        if (table != NULL && strcmp(table, name) == 0)
            return true;
    }
    return false;
}

static void begin_reason(struct buf *reason)
{
    if (reason->len > 0)
        buf_add_text(reason, "; ");
}

static void name_lost_tables(const struct guard *guard, struct buf *reason)
{
    json_t *left = tables_json(&guard->tables);
    size_t count = 0;

    for (size_t i = 0; i < json_array_size(guard->known_tables); i++) {
        const char *name = json_string_value(json_array_get(guard->known_tables, i));

        if (name == NULL || has_table(left, name))
            continue;
        if (count == 0) {
            begin_reason(reason);
            buf_add_text(reason, "tables lost: ");
        }
        if (count < TABLES_NAMED)
            buf_addf(reason, "%s%.60s", count > 0 ? ", " : "", name);
        count++;
    }
    if (count > TABLES_NAMED)
        buf_addf(reason, " and %zu more", count - TABLES_NAMED);
    json_decref(left);
}

static void compare_tables(const struct guard *guard, const struct backup_record *before,
                           const struct backup_record *after, struct buf *reason)
{
    /* Each name ends with a NUL: no bytes are no names, although there are tables. */
    const bool known = guard->known_tables != NULL && strcmp(guard->known_id, before->id) == 0 &&
                       (guard->tables.len > 0 || after->num_tables == 0);

    if (known) {
        name_lost_tables(guard, reason);
    } else if (after->num_tables < before->num_tables) {
        begin_reason(reason);
        buf_addf(reason, "tables lost: %" PRIu32 " of %" PRIu32,
                 before->num_tables - after->num_tables, before->num_tables);
    }
}

/* reason stays empty when nothing much is missing. */
static void compare(const struct guard *guard, const struct backup_record *before,
                    const struct backup_record *after, struct buf *reason)
{
    if (before->size >= GUARD_SIZE_MIN && after->size < before->size / 2) {
        char was[FORMAT_SIZE_SIZE], is[FORMAT_SIZE_SIZE];

        format_size(before->size, was);
        format_size(after->size, is);
        buf_addf(reason, "%s of %s are left", is, was);
    }
    if (before->num_rows >= GUARD_ROWS_MIN && after->num_rows >= 0 &&
        after->num_rows < before->num_rows / 2) {
        begin_reason(reason);
        buf_addf(reason, "%" PRId64 " of %" PRId64 " rows are left", after->num_rows,
                 before->num_rows);
    }
    compare_tables(guard, before, after, reason);
}

/* The index of the newest backup before `end` that restores; `end` when there is none. */
static size_t find_before(const struct manifest *manifest, size_t end)
{
    for (size_t i = end; i > 0; i--) {
        if (!manifest->backups[i - 1].damaged)
            return i - 1;
    }
    return end;
}

static const struct backup_record *find_marked(const struct manifest *manifest)
{
    for (size_t i = 0; i < manifest->backup_count; i++) {
        if (manifest->backups[i].guarded)
            return &manifest->backups[i];
    }
    return NULL;
}

void guard_review(struct guard *guard, const struct manifest *manifest)
{
    const struct backup_record *marked = find_marked(manifest);

    guard->verdict.shrunk = guard->mode != GUARD_OFF && marked != NULL;
    guard->verdict.kept_id[0] = '\0';
    if (guard->verdict.shrunk)
        memcpy(guard->verdict.kept_id, marked->id, sizeof(guard->verdict.kept_id));
}

void guard_compare(struct guard *guard, struct manifest *manifest)
{
    struct buf reason = BUF_INIT(16u << 10);
    size_t before;

    guard->verdict = (struct guard_verdict){ 0 };
    if (guard->mode == GUARD_OFF || manifest->backup_count < 2)
        return;
    before = find_before(manifest, manifest->backup_count - 1);
    if (before < manifest->backup_count - 1) {
        compare(guard, &manifest->backups[before], &manifest->backups[manifest->backup_count - 1],
                &reason);
    }
    if (reason.len > 0) {
        guard->verdict.is_new = true;
        (void)snprintf(guard->verdict.reason, sizeof(guard->verdict.reason), "%s", reason.ptr);
        if (find_marked(manifest) == NULL)
            manifest->backups[before].guarded = true;
    }
    buf_dispose(&reason);
    guard_review(guard, manifest);
}

void guard_finish(struct guard *guard, const struct backup_record *record)
{
    const struct guard_verdict *verdict = &guard->verdict;
    struct err why = { 0 };

    if (guard->mode == GUARD_OFF)
        return;
    if (verdict->is_new) {
        log_warn(
            "'%s' has lost much since the last backup: %s; backup %.8s is from before, and kept "
            "until 'holdfast unpin %s %.8s'",
            guard->database, verdict->reason, verdict->kept_id, guard->database, verdict->kept_id);
    }
    if (guard->state_dir != NULL &&
        state_file_save(
            guard->state_dir, guard->database, FILE_NAME,
            json_pack("{ss so}", "backup_id", record->id, "tables", tables_json(&guard->tables)),
            &why) < 0) {
        log_info("'%s': the tables' names cannot be written down: %s", guard->database, why.msg);
    }
}
