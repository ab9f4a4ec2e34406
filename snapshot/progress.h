/*
 * progress.h - how far a long operation is, told to whoever shows it.
 */
#ifndef SNAPSHOT_PROGRESS_H
#define SNAPSHOT_PROGRESS_H

#include <stdint.h>

enum progress_phase {
    PROGRESS_READ,   /* pages of the source, in bytes */
    PROGRESS_UPLOAD, /* stored bytes */
    PROGRESS_FETCH,  /* pages received and verified, in bytes */
    PROGRESS_CHECK,  /* integrity_check: no total */
    PROGRESS_PUBLISH /* pages written into the target, in bytes */
};

struct progress {
    /* From any thread of the operation, a few times a second at most per phase; total 0: unknown.
     * Must not block. */
    void (*update)(void *context, enum progress_phase phase, uint64_t done, uint64_t total);
    void *context;
};

/* Both may be called with NULL or an unset update. */
void progress_update(const struct progress *progress, enum progress_phase phase, uint64_t done,
                     uint64_t total);
const char *progress_phase_name(enum progress_phase phase); /* "read" "upload" ... */

/* One thread's tally of one phase, which keeps to "a few times a second". */
struct progress_meter {
    const struct progress *progress; /* may be NULL */
    enum progress_phase phase;
    uint64_t done, total;
    int64_t told_ms; /* when progress was last told, by the monotonic clock */
};

/* Add to done; tells at most every PROGRESS_INTERVAL_MS, and always when done reaches total. */
#define PROGRESS_INTERVAL_MS 200
void progress_meter_add(struct progress_meter *meter, uint64_t count);

#endif
