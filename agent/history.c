#include "agent/history.h"

#include "agent/state_file.h"
#include "base/err.h"
#include "snapshot/manifest.h"

#include <stdlib.h>
#include <string.h>

#define FILE_NAME "history.json"

enum point_flag {
    POINT_FULL = 1,
    POINT_VERIFIED = 2,
    POINT_DAMAGED = 4,
    POINT_PINNED = 8
};

static const char *const outcome_names[HISTORY_OUTCOME_COUNT] = {
    [HISTORY_MADE] = "made",
    [HISTORY_UNCHANGED] = "unchanged",
    [HISTORY_FAILED] = "failed",
};

const char *history_outcome_name(enum history_outcome outcome)
{
    return outcome_names[outcome];
}

void history_catalog_dispose(struct history_catalog *catalog)
{
    free(catalog->points);
    *catalog = (struct history_catalog){ 0 };
}

void history_dispose(struct history *history)
{
    free(history->runs);
    history_catalog_dispose(&history->catalog);
    *history = (struct history)HISTORY_INIT;
}

int history_catalog_set(struct history_catalog *catalog, const struct manifest *manifest,
                        struct err *err)
{
    const size_t count = manifest->backup_count;
    const size_t skipped = count > HISTORY_POINTS_MAX ? count - HISTORY_POINTS_MAX : 0;
    struct history_catalog fresh = { .is_known = true, .backup_count = count };

    fresh.points = calloc(count - skipped + 1, sizeof(*fresh.points));
    if (fresh.points == NULL)
        return err_nomem(err);
    for (size_t i = 0; i < count; i++) {
        const struct backup_record *backup = &manifest->backups[i];

        fresh.damaged_count += backup->damaged;
        fresh.pinned_count += backup->pinned;
        if (backup->verified_at_ms > fresh.verified_ms)
            fresh.verified_ms = backup->verified_at_ms;
        if (i < skipped)
            continue;
        fresh.points[fresh.point_count++] = (struct history_point){
            .created_at_ms = backup->created_at_ms,
            .stored_bytes = backup->stored_bytes,
            .is_full = backup->kind == BACKUP_FULL,
            .is_verified = backup->verified_at_ms != 0,
            .is_damaged = backup->damaged,
            .is_pinned = backup->pinned,
        };
    }
    if (count > 0)
        fresh.oldest_ms = manifest->backups[0].created_at_ms;
    for (size_t i = 0; i < manifest->pack_count; i++)
        fresh.stored_bytes += manifest->packs[i].size;
    history_catalog_dispose(catalog);
    *catalog = fresh;
    return 0;
}

void history_newest_set(struct history_newest *newest, const struct backup_record *backup)
{
    *newest = (struct history_newest){
        .created_at_ms = backup->created_at_ms,
        .size = backup->size,
        .stored_bytes = backup->stored_bytes,
        .num_tables = backup->num_tables,
        .num_rows = backup->num_rows,
    };
}

int history_add_run(struct history *history, const struct history_run *run, struct err *err)
{
    struct history_run *runs = history->runs;

    if (history->run_count == HISTORY_RUNS_MAX) {
        memmove(runs, runs + 1, (HISTORY_RUNS_MAX - 1) * sizeof(*runs));
        history->run_count--;
    } else {
        runs = realloc(runs, (history->run_count + 1) * sizeof(*runs));
        if (runs == NULL)
            return err_nomem(err);
        history->runs = runs;
    }
    runs[history->run_count++] = *run;
    history->outcomes[run->outcome]++;
    history->sent_bytes += run->stored_bytes;
    return 0;
}

static json_t *runs_json(const struct history *history)
{
    json_t *list = json_array();

    for (size_t i = 0; i < history->run_count; i++) {
        const struct history_run *run = &history->runs[i];

        (void)json_array_append_new(
            list, json_pack("[IIIi]", (json_int_t)run->at_ms, (json_int_t)run->duration_ms,
                            (json_int_t)run->stored_bytes, (int)run->outcome));
    }
    return list;
}

static int point_flags(const struct history_point *point)
{
    return (point->is_full ? POINT_FULL : 0) | (point->is_verified ? POINT_VERIFIED : 0) |
           (point->is_damaged ? POINT_DAMAGED : 0) | (point->is_pinned ? POINT_PINNED : 0);
}

static json_t *catalog_json(const struct history_catalog *catalog)
{
    json_t *points = json_array();

    if (!catalog->is_known) {
        json_decref(points);
        return json_null();
    }
    for (size_t i = 0; i < catalog->point_count; i++) {
        const struct history_point *point = &catalog->points[i];

        (void)json_array_append_new(points,
                                    json_pack("[IIi]", (json_int_t)point->created_at_ms,
                                              (json_int_t)point->stored_bytes, point_flags(point)));
    }
    return json_pack("{sI sI sI sI sI sI so}", "backups", (json_int_t)catalog->backup_count,
                     "damaged", (json_int_t)catalog->damaged_count, "pinned",
                     (json_int_t)catalog->pinned_count, "oldest_ms", (json_int_t)catalog->oldest_ms,
                     "verified_ms", (json_int_t)catalog->verified_ms, "stored_bytes",
                     (json_int_t)catalog->stored_bytes, "points", points);
}

json_t *history_json(const struct history *history)
{
    const struct history_newest *newest = &history->newest;

    return json_pack("{s[III] sI s{sI sI sI sI sI} so so}", "outcomes",
                     (json_int_t)history->outcomes[HISTORY_MADE],
                     (json_int_t)history->outcomes[HISTORY_UNCHANGED],
                     (json_int_t)history->outcomes[HISTORY_FAILED], "sent_bytes",
                     (json_int_t)history->sent_bytes, "newest", "created_at_ms",
                     (json_int_t)newest->created_at_ms, "size", (json_int_t)newest->size,
                     "stored_bytes", (json_int_t)newest->stored_bytes, "num_tables",
                     (json_int_t)newest->num_tables, "num_rows", (json_int_t)newest->num_rows,
                     "runs", runs_json(history), "catalog", catalog_json(&history->catalog));
}

static int parse_runs(json_t *list, struct history *history)
{
    struct history copy = *history; /* its totals are those of more runs than these */
    size_t i;
    json_t *item;
    int r = 0;

    json_array_foreach(list, i, item)
    {
        json_int_t at, duration, stored;
        int outcome;

        if (json_unpack(item, "[IIIi!]", &at, &duration, &stored, &outcome) < 0 || stored < 0 ||
            outcome < 0 || outcome >= HISTORY_OUTCOME_COUNT)
            return ERR_CORRUPT;
        r = history_add_run(history,
                            &(struct history_run){ .at_ms = at,
                                                   .duration_ms = duration,
                                                   .stored_bytes = (uint64_t)stored,
                                                   .outcome = (enum history_outcome)outcome },
                            NULL);
        if (r < 0)
            return r;
    }
    memcpy(history->outcomes, copy.outcomes, sizeof(copy.outcomes));
    history->sent_bytes = copy.sent_bytes;
    return 0;
}

static int parse_points(json_t *list, struct history_catalog *catalog)
{
    size_t i;
    json_t *item;

    if (!json_is_array(list) || json_array_size(list) > HISTORY_POINTS_MAX)
        return ERR_CORRUPT;
    catalog->points = calloc(json_array_size(list) + 1, sizeof(*catalog->points));
    if (catalog->points == NULL)
        return ERR_NOMEM;
    json_array_foreach(list, i, item)
    {
        json_int_t created, stored;
        int flags;

        if (json_unpack(item, "[IIi!]", &created, &stored, &flags) < 0 || stored < 0)
            return ERR_CORRUPT;
        catalog->points[catalog->point_count++] = (struct history_point){
            .created_at_ms = created,
            .stored_bytes = (uint64_t)stored,
            .is_full = (flags & POINT_FULL) != 0,
            .is_verified = (flags & POINT_VERIFIED) != 0,
            .is_damaged = (flags & POINT_DAMAGED) != 0,
            .is_pinned = (flags & POINT_PINNED) != 0,
        };
    }
    return 0;
}

static int parse_catalog(json_t *json, struct history_catalog *catalog)
{
    json_int_t backups, damaged, pinned, oldest, verified, stored;
    json_t *points;

    if (json_is_null(json))
        return 0;
    if (json_unpack(json, "{sI sI sI sI sI sI so}", "backups", &backups, "damaged", &damaged,
                    "pinned", &pinned, "oldest_ms", &oldest, "verified_ms", &verified,
                    "stored_bytes", &stored, "points", &points) < 0 ||
        backups < 0 || damaged < 0 || pinned < 0 || stored < 0)
        return ERR_CORRUPT;
    catalog->is_known = true;
    catalog->backup_count = (uint64_t)backups;
    catalog->damaged_count = (uint64_t)damaged;
    catalog->pinned_count = (uint64_t)pinned;
    catalog->oldest_ms = oldest;
    catalog->verified_ms = verified;
    catalog->stored_bytes = (uint64_t)stored;
    return parse_points(points, catalog);
}

static int parse_root(json_t *root, struct history *history)
{
    json_int_t outcomes[HISTORY_OUTCOME_COUNT], sent, created, size, stored, tables, rows;
    json_t *runs, *catalog;
    int r;

    if (json_unpack(root, "{s[III!] sI s{sI sI sI sI sI} so so}", "outcomes", &outcomes[0],
                    &outcomes[1], &outcomes[2], "sent_bytes", &sent, "newest", "created_at_ms",
                    &created, "size", &size, "stored_bytes", &stored, "num_tables", &tables,
                    "num_rows", &rows, "runs", &runs, "catalog", &catalog) < 0 ||
        sent < 0 || size < 0 || stored < 0 || tables < 0 || !json_is_array(runs))
        return ERR_CORRUPT;
    for (size_t i = 0; i < HISTORY_OUTCOME_COUNT; i++) {
        if (outcomes[i] < 0)
            return ERR_CORRUPT;
        history->outcomes[i] = (uint64_t)outcomes[i];
    }
    history->sent_bytes = (uint64_t)sent;
    history->newest = (struct history_newest){ .created_at_ms = created,
                                               .size = (uint64_t)size,
                                               .stored_bytes = (uint64_t)stored,
                                               .num_tables = (uint64_t)tables,
                                               .num_rows = rows };
    r = parse_runs(runs, history);
    return r < 0 ? r : parse_catalog(catalog, &history->catalog);
}

int history_load(const char *state_dir, const char *database, struct history *ret_history,
                 struct err *err)
{
    struct history history = HISTORY_INIT;
    json_t *root = NULL;
    int r;

    r = state_file_load(state_dir, database, FILE_NAME, &root, err);
    if (r < 0)
        return r;
    if (root != NULL)
        r = parse_root(root, &history);
    json_decref(root);
    if (r < 0) {
        history_dispose(&history);
        return r == ERR_NOMEM ? err_nomem(err)
                              : state_file_bad(state_dir, database, FILE_NAME, err);
    }
    *ret_history = history;
    return 0;
}

int history_save(const char *state_dir, const char *database, json_t *root, struct err *err)
{
    return state_file_save(state_dir, database, FILE_NAME, root, err);
}
