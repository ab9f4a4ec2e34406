#include "agent/status_chart.h"

#include "agent/history.h"
#include "agent/html.h"
#include "base/buf.h"
#include "base/parse.h"

#include <math.h>
#include <string.h>

/* Units of the first picture, which is stretched to the width that there is. */
#define BAR_WIDTH  7
#define BAR_STEP   10
#define BAR_HEIGHT 40
#define BAR_MIN    9 /* of one that stored something */
#define BAR_STUB   4
#define SLOTS_MIN  48 /* few runs make no fat bars */

/* Pixels of the second, and shares of its width. */
#define POINT_HEIGHT      12
#define POINT_HEIGHT_FULL 20
#define POINT_BASE        24
#define AXIS_SHARE_MAX    98.0
#define LABEL_SHARE_MIN   9.0 /* between two labels */

#define MINUTE_MS (INT64_C(60) * 1000)
#define HOUR_MS   (60 * MINUTE_MS)
#define DAY_MS    (24 * HOUR_MS)

/* Those that are shown. */
struct runs {
    const struct history_run *items;
    size_t count, slot_count;
    uint64_t stored_max;
};

static struct runs choose_runs(const struct history *history, size_t run_max)
{
    const size_t skipped = history->run_count > run_max ? history->run_count - run_max : 0;
    const size_t slots_min = run_max < SLOTS_MIN ? run_max : SLOTS_MIN;
    struct runs runs = { .count = history->run_count - skipped, .stored_max = 1 };

    if (runs.count > 0)
        runs.items = &history->runs[skipped];
    runs.slot_count = runs.count < slots_min ? slots_min : runs.count;
    for (size_t i = 0; i < runs.count; i++) {
        if (runs.items[i].stored_bytes > runs.stored_max)
            runs.stored_max = runs.items[i].stored_bytes;
    }
    return runs;
}

static int bar_height(const struct history_run *run, uint64_t max)
{
    if (run->outcome == HISTORY_FAILED)
        return BAR_HEIGHT;
    if (run->outcome == HISTORY_UNCHANGED)
        return BAR_STUB;
    return BAR_MIN + (int)((BAR_HEIGHT - BAR_MIN) * log1p((double)run->stored_bytes / 1024) /
                           log1p((double)max / 1024));
}

static void add_bar(struct buf *out, size_t slot, int height)
{
    buf_addf(out, "M%zu %dv-%dh%dv%dz", slot * BAR_STEP, BAR_HEIGHT, height, BAR_WIDTH, height);
}

static void add_bars(struct buf *out, const struct runs *runs, enum history_outcome outcome)
{
    const size_t first_slot = runs->slot_count - runs->count;

    buf_addf(out, "<path class=\"%s\" d=\"", history_outcome_name(outcome));
    for (size_t i = 0; i < runs->count; i++) {
        if (runs->items[i].outcome == outcome)
            add_bar(out, first_slot + i, bar_height(&runs->items[i], runs->stored_max));
    }
    buf_add_text(out, "\"/>");
}

void status_chart_runs(struct buf *out, const struct history *history, size_t run_max)
{
    const struct runs runs = choose_runs(history, run_max);
    size_t counts[HISTORY_OUTCOME_COUNT] = { 0 };

    for (size_t i = 0; i < runs.count; i++)
        counts[runs.items[i].outcome]++;
    buf_addf(out,
             "<svg class=\"runs\" role=\"img\" aria-label=\"%zu runs: %zu made a backup, %zu found "
             "nothing new, %zu failed\" viewBox=\"0 0 %zu %d\" preserveAspectRatio=\"none\">",
             runs.count, counts[HISTORY_MADE], counts[HISTORY_UNCHANGED], counts[HISTORY_FAILED],
             runs.slot_count * BAR_STEP - (BAR_STEP - BAR_WIDTH), BAR_HEIGHT);
    buf_add_text(out, "<path class=\"none\" d=\"");
    for (size_t i = 0; i < runs.slot_count - runs.count; i++)
        add_bar(out, i, BAR_STUB / 2);
    buf_add_text(out, "\"/>");
    for (int outcome = 0; outcome < HISTORY_OUTCOME_COUNT; outcome++) {
        if (counts[outcome] > 0)
            add_bars(out, &runs, (enum history_outcome)outcome);
    }
    buf_add_text(out, "</svg>");
}

/* Hours, days and months take about as much room each as their backups need under a policy that
 * keeps some of each. */
static double share(int64_t age_ms, int64_t oldest_ms)
{
    const double scale = 45 * (double)MINUTE_MS;

    if (age_ms <= 0)
        return AXIS_SHARE_MAX;
    return AXIS_SHARE_MAX * (1 - log1p((double)age_ms / scale) / log1p((double)oldest_ms / scale));
}

static void add_axis(struct buf *out, int64_t oldest_ms)
{
    static const struct {
        int64_t age_ms;
        const char *label;
    } ticks[] = {
        { HOUR_MS, "1 h" },
        { 6 * HOUR_MS, "6 h" },
        { DAY_MS, "1 day" },
        { 7 * DAY_MS, "1 week" },
        { 30 * DAY_MS, "1 month" },
        { 365 * DAY_MS, "1 year" },
        { 3650 * DAY_MS, "10 years" },
    };
    double last = 100 - LABEL_SHARE_MIN / 2;

    buf_addf(out, "<line class=\"axis\" x1=\"0\" x2=\"100%%\" y1=\"%d\" y2=\"%d\"/>", POINT_BASE,
             POINT_BASE);
    for (size_t i = 0; i < sizeof(ticks) / sizeof(ticks[0]); i++) {
        const double at = share(ticks[i].age_ms, oldest_ms);

        if (ticks[i].age_ms > oldest_ms || last - at < LABEL_SHARE_MIN)
            continue;
        last = at;
        buf_addf(out,
                 "<line class=\"tick\" x1=\"%.1f%%\" x2=\"%.1f%%\" y1=\"%d\" y2=\"%d\"/>"
                 "<text x=\"%.1f%%\" y=\"%d\">%s</text>",
                 at, at, POINT_BASE, POINT_BASE + 4, at, POINT_BASE + 15, ticks[i].label);
    }
    buf_addf(out, "<text class=\"end\" x=\"100%%\" y=\"%d\">now</text>", POINT_BASE + 15);
}

static const char *point_class(const struct history_point *point)
{
    if (point->is_damaged)
        return "damaged";
    return point->is_verified ? "verified" : "point";
}

static int point_height(const struct history_point *point)
{
    return point->is_full ? POINT_HEIGHT_FULL : POINT_HEIGHT;
}

static void add_titled_points(struct buf *out, const struct history_catalog *catalog,
                              int64_t now_ms, int64_t oldest_ms)
{
    for (size_t i = 0; i < catalog->point_count; i++) {
        const struct history_point *point = &catalog->points[i];
        char when[FORMAT_TIME_SIZE], stored[FORMAT_SIZE_SIZE];

        format_time_local(point->created_at_ms, when);
        format_size(point->stored_bytes, stored);
        buf_addf(out, "<rect class=\"%s\" x=\"%.1f%%\" y=\"%d\" width=\"3\" height=\"%d\"><title>",
                 point_class(point), share(now_ms - point->created_at_ms, oldest_ms),
                 POINT_BASE - point_height(point), point_height(point));
        html_add_text(out, when);
        buf_addf(out, "\n%s, %s%s%s%s</title></rect>", point->is_full ? "full" : "incremental",
                 stored, point->is_verified ? ", verified" : "",
                 point->is_damaged ? ", damaged" : "", point->is_pinned ? ", pinned" : "");
    }
}

/* One path a kind, in thousandths of the width. */
static void add_plain_points(struct buf *out, const struct history_catalog *catalog, int64_t now_ms,
                             int64_t oldest_ms)
{
    static const char *const classes[] = { "point", "verified", "damaged" };

    buf_addf(out,
             "<svg viewBox=\"0 0 1000 %d\" width=\"100%%\" height=\"%d\" "
             "preserveAspectRatio=\"none\">",
             POINT_BASE, POINT_BASE);
    for (size_t class = 0; class < sizeof(classes) / sizeof(classes[0]); class ++) {
        buf_addf(out, "<path class=\"%s\" d=\"", classes[class]);
        for (size_t i = 0; i < catalog->point_count; i++) {
            const struct history_point *point = &catalog->points[i];

            if (strcmp(point_class(point), classes[class]) != 0)
                continue;
            buf_addf(out, "M%.0f %dv-%d", 10 * share(now_ms - point->created_at_ms, oldest_ms) + 2,
                     POINT_BASE, point_height(point));
        }
        buf_add_text(out, "\"/>");
    }
    buf_add_text(out, "</svg>");
}

void status_chart_points(struct buf *out, const struct history *history, int64_t now_ms,
                         bool with_titles)
{
    const struct history_catalog *catalog = &history->catalog;
    int64_t oldest_ms = 6 * HOUR_MS;

    if (catalog->point_count > 0 && now_ms - catalog->points[0].created_at_ms > oldest_ms)
        oldest_ms = now_ms - catalog->points[0].created_at_ms;
    buf_addf(out, "<svg class=\"points\" role=\"img\" aria-label=\"%zu backups\">",
             catalog->point_count);
    add_axis(out, oldest_ms);
    if (with_titles) {
        add_titled_points(out, catalog, now_ms, oldest_ms);
    } else {
        add_plain_points(out, catalog, now_ms, oldest_ms);
    }
    buf_add_text(out, "</svg>");
}
