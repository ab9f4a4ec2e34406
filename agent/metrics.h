/*
 * metrics.h - what is known, in the text format of Prometheus (version 0.0.4).
 *
 * Names and labels are stable: they are added, never renamed or removed.  docs/monitoring.md tells
 * what each means.
 *
 * Source: prometheus.io/docs/instrumenting/exposition_formats/,
 * prometheus.io/docs/practices/naming/
 */
#ifndef AGENT_METRICS_H
#define AGENT_METRICS_H

struct buf;
struct err;
struct watch;
struct watch_view;

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* A watch_render_fn: 200.  Of an agent, its process too. */
int metrics_render(const struct watch_view *view, struct buf *out);

/* Those that node_exporter's textfile collector is given: without the process, which it would take
 * for its own.  The file is replaced whole. */
int metrics_write_file(struct watch *watch, const char *path, struct err *err);

#endif
