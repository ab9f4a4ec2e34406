/* Goal: each run and each backup is in its picture, within its frame, whatever the numbers are. */
#include "agent/status_chart.h"

#include "agent/history.h"
#include "base/buf.h"
#include "tests/harness/test.h"
#include "tests/harness/watch_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY     INT64_C(86400000)
#define LEN_MAX (1u << 20)

static size_t count(const char *text, const char *what)
{
    size_t found = 0;

    for (; (text = strstr(text, what)) != NULL; text++)
        found++;
    return found;
}

static void add(struct history *history, enum history_outcome outcome, uint64_t stored)
{
    const struct history_run run = { .at_ms = 1, .stored_bytes = stored, .outcome = outcome };

    assert_int_equal(history_add_run(history, &run, NULL), 0);
}

static void every_run_is_a_bar(void **state)
{
    struct history history = HISTORY_INIT;
    struct buf out = BUF_INIT(LEN_MAX);

    (void)state;
    add(&history, HISTORY_MADE, 0);
    add(&history, HISTORY_MADE, UINT64_MAX / 2);
    add(&history, HISTORY_UNCHANGED, 0);
    add(&history, HISTORY_FAILED, 0);
    status_chart_runs(&out, &history, HISTORY_RUNS_MAX);
    assert_non_null(strstr(out.ptr, "4 runs: 2 made a backup, 1 found nothing new, 1 failed"));
    assert_non_null(strstr(out.ptr, "class=\"made\" d=\"M440 40v-9h7v9zM450 40v-40h7v40z\""));
    assert_non_null(strstr(out.ptr, "class=\"unchanged\" d=\"M460 40v-4h7v4z\""));
    assert_non_null(strstr(out.ptr, "class=\"failed\" d=\"M470 40v-40h7v40z\""));
    assert_non_null(strstr(out.ptr, "viewBox=\"0 0 477 40\""));
    buf_dispose(&out);
    history_dispose(&history);
}

static void as_many_runs_as_are_remembered_fit(void **state)
{
    struct history history = HISTORY_INIT;
    struct buf out = BUF_INIT(LEN_MAX);

    (void)state;
    for (int i = 0; i < 2 * HISTORY_RUNS_MAX; i++)
        add(&history, HISTORY_MADE, 1000);
    status_chart_runs(&out, &history, HISTORY_RUNS_MAX);
    assert_int_equal(count(out.ptr, "v-40h7v40z"), HISTORY_RUNS_MAX);
    assert_non_null(strstr(out.ptr, "viewBox=\"0 0 957 40\""));
    buf_clear(&out);
    add(&history, HISTORY_FAILED, 0);
    status_chart_runs(&out, &history, 3); /* the last ones */
    assert_non_null(strstr(out.ptr, "3 runs: 2 made a backup, 0 found nothing new, 1 failed"));
    assert_non_null(strstr(out.ptr, "class=\"failed\" d=\"M20 40v-40h7v40z\""));
    buf_dispose(&out);
    history_dispose(&history);
}

/* Of backups so old, in order: their places on the axis never go back, and stay on it. */
static void check_places(const struct history_point *points, size_t point_count)
{
    struct history history = { .catalog = { .point_count = point_count } };
    struct buf out = BUF_INIT(LEN_MAX);
    double last = 0;
    const char *at;

    history.catalog.points = malloc(point_count * sizeof(*points));
    assert_non_null(history.catalog.points);
    memcpy(history.catalog.points, points, point_count * sizeof(*points));
    status_chart_points(&out, &history, WATCH_NOW_MS, true);
    at = out.ptr;
    for (size_t i = 0; i < point_count; i++) {
        char *end = NULL;
        double x;

        at = strstr(at, "<rect class=");
        assert_non_null(at);
        x = strtod(strstr(at, "x=") + 3, &end);
        assert_int_equal(*end, '%');
        assert_true(x >= last && x <= 98.0);
        last = x;
        at++;
    }
    assert_null(strstr(at, "<rect"));
    assert_null(strstr(out.ptr, "nan"));
    buf_clear(&out);
    status_chart_points(&out, &history, WATCH_NOW_MS, false);
    assert_int_equal(count(out.ptr, "v-12"), point_count);
    assert_null(strstr(out.ptr, "<rect"));
    buf_dispose(&out);
    history_dispose(&history);
}

static void backups_are_on_the_axis_in_their_order(void **state)
{
    const struct history_point spread[] = {
        { .created_at_ms = WATCH_NOW_MS - 4000 * DAY },
        { .created_at_ms = WATCH_NOW_MS - 7 * DAY },
        { .created_at_ms = WATCH_NOW_MS - DAY },
        { .created_at_ms = WATCH_NOW_MS - 60000 },
        { .created_at_ms = WATCH_NOW_MS },
    };
    const struct history_point future[] = { { .created_at_ms = WATCH_NOW_MS + DAY } };

    (void)state;
    check_places(spread, 5);
    check_places(spread + 3, 2);
    check_places(future, 1); /* a clock that was put back */
}

static void a_backup_says_what_it_is_when_pointed_at(void **state)
{
    struct watch_view view = { 0 };
    struct buf out = BUF_INIT(LEN_MAX);

    (void)state;
    watch_fixture_add(&view, "shop");
    watch_fixture_last(&view)->history.catalog.points[3].is_damaged = true;
    watch_fixture_last(&view)->history.catalog.points[4].is_pinned = true;
    status_chart_points(&out, &view.databases[0].history, WATCH_NOW_MS, true);
    assert_int_equal(count(out.ptr, "<rect "), 40);
    assert_int_equal(count(out.ptr, "<title>"), 40);
    assert_int_equal(count(out.ptr, "\nfull, 39.1 KiB, verified</title>"), 1);
    assert_int_equal(count(out.ptr, ", damaged</title>"), 1);
    assert_int_equal(count(out.ptr, ", pinned</title>"), 1);
    assert_int_equal(count(out.ptr, "class=\"verified\""), 5);
    assert_int_equal(count(out.ptr, "class=\"damaged\""), 1);
    buf_dispose(&out);
    watch_fixture_dispose(&view);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_run_is_a_bar),
        cmocka_unit_test(as_many_runs_as_are_remembered_fit),
        cmocka_unit_test(backups_are_on_the_axis_in_their_order),
        cmocka_unit_test(a_backup_says_what_it_is_when_pointed_at),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
