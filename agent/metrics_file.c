#include "agent/metrics_file.h"

#include "agent/metrics.h"
#include "agent/watch.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"

void metrics_file_update(struct metrics_file *file, bool is_busy)
{
    unsigned version;
    int64_t now_ms;
    struct err why = { 0 };

    if (file->path == NULL)
        return;
    version = watch_version(file->watch);
    now_ms = clock_mono_ms(file->clock);
    if (file->is_written && (version == file->version ||
                             (is_busy && now_ms - file->written_ms < METRICS_FILE_PAUSE_MS)))
        return;
    file->is_written = true;
    file->version = version;
    file->written_ms = now_ms;
    if (metrics_write_file(file->watch, file->path, &why) == 0) {
        file->has_failed = false;
    } else if (!file->has_failed) {
        log_warn("the metrics cannot be written: %s", why.msg);
        file->has_failed = true;
    }
}
