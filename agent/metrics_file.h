/*
 * metrics_file.h - the metrics as a file, for node_exporter's textfile collector.
 */
#ifndef AGENT_METRICS_FILE_H
#define AGENT_METRICS_FILE_H

#include <stdbool.h>
#include <stdint.h>

struct clock;
struct watch;

/* While backups are under way it is written no more often: it has all databases each time. */
#define METRICS_FILE_PAUSE_MS (INT64_C(10) * 1000)

struct metrics_file {
    const char *path; /* NULL: there is none */
    struct watch *watch;
    struct clock *clock;
    int64_t written_ms; /* of the monotonic clock */
    unsigned version;   /* of watch, when it was written */
    bool is_written, has_failed;
};

/* Write it if there is something new; is_busy: not if it was just written.  What goes wrong is
 * logged, once until it goes well again. */
void metrics_file_update(struct metrics_file *file, bool is_busy);

#endif
