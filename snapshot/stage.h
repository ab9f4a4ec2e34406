/*
 * stage.h - a file on its way to its place: built beside it under a name of ours, and gone if we
 * are.
 *
 * The name begins with STAGE_PREFIX, and the file is flock'ed as long as its process lives; so what
 * a killed process left behind is told from what another one is building, and the next run in the
 * same directory removes it.  The lock does not meet SQLite's, which are of another kind.
 *
 * Source: flock(2): not associated with fcntl(2) locks on local file systems
 */
#ifndef SNAPSHOT_STAGE_H
#define SNAPSHOT_STAGE_H

#include <stdbool.h>
#include <stdint.h>

struct err;

#define STAGE_PREFIX ".holdfast-stage-"

struct stage {
    int fd;     /* read-write, mode 0600; -1 when closed */
    char *path; /* in the directory of the target */
};

#define STAGE_INIT                                                                                 \
    {                                                                                              \
        -1, NULL                                                                                   \
    }

/* Remove what killed runs left, then make an empty file beside `target`. */
int stage_new(const char *target, struct stage *ret_stage, struct err *err);
/* Make it size bytes long, with its blocks reserved where the file system can: a full disk shows
 * now.  ERR_IO with a hint when there is no room for size and extra_size more bytes. */
int stage_reserve(struct stage *stage, uint64_t size, uint64_t extra_size, struct err *err);
int stage_sync(struct stage *stage, struct err *err);
/* Under its final name, which must not exist unless overwrite; durable when this returns. */
int stage_publish(struct stage *stage, const char *path, bool overwrite, struct err *err);
/* Remove the file unless it was published, and let go.  May be repeated. */
void stage_dispose(struct stage *stage);

/* ERR_IO with a hint unless the file system of path's directory has size bytes for us. */
int stage_check_space(const char *path, uint64_t size, struct err *err);

#endif
