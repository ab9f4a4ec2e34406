/*
 * status_chart.h - the two pictures of each database on the status page, as inline SVG.  Pure.
 */
#ifndef AGENT_STATUS_CHART_H
#define AGENT_STATUS_CHART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct history;

/* Its last runs, at most run_max, the newest on the right: a bar as high as what it stored, on a
 * logarithmic scale; a stub for one that found nothing new; a whole one for a failure. */
void status_chart_runs(struct buf *out, const struct history *history, size_t run_max);

/* The moments that it can be put back to, on a time that gets denser with age.  with_titles: each
 * says what it is when it is pointed at, in seven times as many bytes. */
void status_chart_points(struct buf *out, const struct history *history, int64_t now_ms,
                         bool with_titles);

#endif
