#include "snapshot/progress.h"

#include "base/clock.h"

#include <stddef.h>

void progress_update(const struct progress *progress, enum progress_phase phase, uint64_t done,
                     uint64_t total)
{
    if (progress != NULL && progress->update != NULL)
        progress->update(progress->context, phase, done, total);
}

const char *progress_phase_name(enum progress_phase phase)
{
    switch (phase) {
    case PROGRESS_READ:
        return "read";
    case PROGRESS_UPLOAD:
        return "upload";
    case PROGRESS_FETCH:
        return "fetch";
    case PROGRESS_CHECK:
        return "check";
    case PROGRESS_PUBLISH:
        return "publish";
    }
    return "unknown";
}

void progress_meter_add(struct progress_meter *meter, uint64_t count)
{
    int64_t now_ms;

    meter->done += count;
    if (meter->progress == NULL)
        return;
    now_ms = clock_mono_ms(clock_system());
    if (meter->done != meter->total && now_ms - meter->told_ms < PROGRESS_INTERVAL_MS)
        return;
    meter->told_ms = now_ms;
    progress_update(meter->progress, meter->phase, meter->done, meter->total);
}
