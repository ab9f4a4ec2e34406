#include "base/err.h"
#include "base/io.h"
#include "snapshot/fetch.h"
#include "snapshot/progress.h"
#include "snapshot/restore.h"
#include "snapshot/sqlite_db.h"
#include "snapshot/stage.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int check_absent(const char *path, struct err *err)
{
    struct stat st;

    if (lstat(path, &st) < 0)
        return 0; /* what else is wrong shows when the file is made */
    (void)err_set(err, ERR_EXISTS, "'%s' exists", path);
    return ERR_EXISTS;
}

static int fill(struct object_store *store, const struct manifest *manifest,
                const struct backup_record *backup, const struct download_options *options,
                struct stage *stage, struct err *err)
{
    struct fetch *fetch = NULL;
    int r;

    r = stage_reserve(stage, backup->size, 0, err);
    if (r < 0)
        return r;
    r = fetch_open(store, manifest, backup, &options->fetch, &fetch, err);
    if (r == 0)
        r = fetch_to_file(fetch, stage->fd, options->path, err);
    fetch_close(fetch);
    if (r < 0 || options->skip_check)
        return r;
    progress_update(options->fetch.progress, PROGRESS_CHECK, 0, 0);
    return sqlite_db_integrity_check(stage->path, options->fetch.cancel, err);
}

int download_to_file(struct object_store *store, const struct manifest *manifest,
                     const struct backup_record *backup, const struct download_options *options,
                     struct err *err)
{
    struct stage stage = STAGE_INIT;
    int r = 0;

    if (!options->overwrite)
        r = check_absent(options->path, err);
    if (r == 0)
        r = stage_new(options->path, &stage, err);
    if (r == 0)
        r = fill(store, manifest, backup, options, &stage, err);
    if (r == 0)
        r = stage_publish(&stage, options->path, options->overwrite, err);
    stage_dispose(&stage);
    return r;
}

int download_to_fd(struct object_store *store, const struct manifest *manifest,
                   const struct backup_record *backup, int fd, const struct fetch_options *options,
                   struct err *err)
{
    struct fetch *fetch = NULL;
    struct io_sink *sink = NULL;
    int r;

    r = fd_sink_new(fd, "the output", &sink, err);
    if (r < 0)
        return r;
    r = fetch_open(store, manifest, backup, options, &fetch, err);
    if (r == 0)
        r = fetch_to_sink(fetch, sink, err);
    if (r == 0)
        r = io_finish(sink, err);
    fetch_close(fetch);
    io_sink_free(sink);
    return r;
}
