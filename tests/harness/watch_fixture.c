#include "tests/harness/watch_fixture.h"

#include "tests/harness/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOUR   INT64_C(3600000)
#define RUNS   60
#define POINTS 40

/* The views of tests own what they show. */
static struct watch_database *databases_of(struct watch_view *view)
{
    union {
        const struct watch_database *shown;
        struct watch_database *owned;
    } both = { view->databases };

    return both.owned;
}

struct watch_database *watch_fixture_last(struct watch_view *view)
{
    return &databases_of(view)[view->database_count - 1];
}

static void fill(struct watch_database *database)
{
    struct history *history = &database->history;
    struct history_catalog *catalog = &history->catalog;

    for (int i = 0; i < RUNS; i++) {
        const struct history_run run = {
            .at_ms = WATCH_NOW_MS - (RUNS - i) * HOUR + HOUR / 2,
            .duration_ms = 1234,
            .stored_bytes = i % 5 == 0 ? 0 : UINT64_C(20000) * (uint64_t)(i % 7 + 1),
            .outcome = i % 5 == 0 ? HISTORY_UNCHANGED : HISTORY_MADE,
        };

        assert_int_equal(history_add_run(history, &run, NULL), 0);
    }
    catalog->points = calloc(POINTS, sizeof(*catalog->points));
    assert_non_null(catalog->points);
    catalog->is_known = true;
    catalog->point_count = POINTS;
    catalog->backup_count = POINTS;
    for (int i = 0; i < POINTS; i++) {
        const int64_t back = POINTS - 1 - i;
        const int64_t age_ms = back < 24 ? back * HOUR : (back - 23) * 24 * HOUR;

        catalog->points[i] =
            (struct history_point){ .created_at_ms = WATCH_NOW_MS - HOUR / 2 - age_ms,
                                    .stored_bytes = 40000,
                                    .is_full = i == 0,
                                    .is_verified = i % 8 == 0 };
    }
    catalog->oldest_ms = catalog->points[0].created_at_ms;
    catalog->verified_ms = WATCH_NOW_MS - 5 * HOUR;
    catalog->stored_bytes = 7345678;
    history->newest = (struct history_newest){ .created_at_ms = WATCH_NOW_MS - HOUR / 2,
                                               .size = 28086272,
                                               .stored_bytes = 40000,
                                               .num_tables = 12,
                                               .num_rows = 120345 };
}

void watch_fixture_add(struct watch_view *view, const char *name)
{
    struct watch_database *databases = databases_of(view);
    struct watch_database *database;
    char path[300];

    databases = realloc(databases, (view->database_count + 1) * sizeof(*databases));
    assert_non_null(databases);
    view->databases = databases;
    view->now_ms = WATCH_NOW_MS;
    view->started_ms = WATCH_NOW_MS - 50 * HOUR;
    database = &databases[view->database_count++];
    memset(database, 0, sizeof(*database));
    (void)snprintf(path, sizeof(path), "/data/%s.db", name);
    database->name = strdup(name);
    database->path = strdup(path);
    database->schedule = strdup("@hourly");
    assert_true(database->name != NULL && database->path != NULL && database->schedule != NULL);
    database->status = (struct job_status){ .attempt_ms = WATCH_NOW_MS - HOUR / 2,
                                            .success_ms = WATCH_NOW_MS - HOUR / 2,
                                            .duration_ms = 1234,
                                            .backup_id = "2329a87e-d75f-4c81-8732-5dadab22c8cf" };
    database->deadline_ms = WATCH_NOW_MS + HOUR;
    database->next_ms = WATCH_NOW_MS + HOUR / 2;
    fill(database);
}

void watch_fixture_fail(struct watch_database *database, int64_t age_ms, const char *message)
{
    struct job_status *status = &database->status;
    const struct history_run run = { .at_ms = status->attempt_ms, .outcome = HISTORY_FAILED };

    status->success_ms = age_ms != 0 ? WATCH_NOW_MS - age_ms : 0;
    status->failures = 3;
    (void)snprintf(status->message, sizeof(status->message), "%s", message);
    database->deadline_ms = age_ms != 0 ? status->success_ms + 2 * HOUR : 0;
    for (int i = 0; i < 3; i++)
        assert_int_equal(history_add_run(&database->history, &run, NULL), 0);
    if (age_ms == 0) {
        history_dispose(&database->history);
        status->backup_id[0] = '\0';
        assert_int_equal(history_add_run(&database->history, &run, NULL), 0);
    }
}

void watch_fixture_dispose(struct watch_view *view)
{
    struct watch_database *databases = databases_of(view);

    for (size_t i = 0; i < view->database_count; i++) {
        free(databases[i].name);
        free(databases[i].path);
        free(databases[i].schedule);
        free(databases[i].store);
        history_dispose(&databases[i].history);
    }
    free(databases);
    *view = (struct watch_view){ 0 };
}
