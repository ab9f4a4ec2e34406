/*
 * health_report.h - /healthz: which databases have no good backup that is new enough, as text.
 */
#ifndef AGENT_HEALTH_REPORT_H
#define AGENT_HEALTH_REPORT_H

struct buf;
struct watch_view;

/* A watch_render_fn: 200 when there is none such, else 503. */
int health_report_render(const struct watch_view *view, struct buf *out);

#endif
