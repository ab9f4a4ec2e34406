#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "snapshot/fetch.h"
#include "snapshot/progress.h"
#include "snapshot/restore.h"
#include "snapshot/sqlite_db.h"
#include "snapshot/stage.h"
#include "snapshot/target.h"

#include <sys/stat.h>

#define USERS_TEXT_MAX 512

/* Nothing may be there but what is to be replaced; and not even that while it is in use, or while
 * SQLite would apply a log of the old file to the new one: restoring is what deals with those. */
static int check_place(const struct download_options *options, struct err *err)
{
    struct buf users = BUF_INIT(USERS_TEXT_MAX);
    const char *path = options->path;
    struct stat st;
    int r = 0;

    if (lstat(path, &st) == 0 && !options->overwrite)
        return err_set(err, ERR_EXISTS, "'%s' exists", path);
    for (size_t i = 0; r == 0 && i < TARGET_SIDE_FILE_COUNT; i++) {
        if (target_has_side_file(path, target_side_files[i])) {
            r = err_set(err, ERR_REFUSED, "'%s%s' exists: it belongs to another database", path,
                        target_side_files[i]);
        }
    }
    if (r == 0 && target_users(path, &users, NULL) > 0)
        r = err_set(err, ERR_REFUSED, "'%s' is open in process %s", path, users.ptr);
    if (r == ERR_REFUSED)
        err_hint(err, "download to another file, or use 'restore' to replace a database");
    buf_dispose(&users);
    return r;
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
    r = sqlite_db_integrity_check(stage->path, options->fetch.cancel, err);
    if (r == ERR_CORRUPT)
        err_hint(err, "the database was damaged when it was backed up: try an older backup");
    return r < 0 ? err_wrap(err, r, "backup %.8s", backup->id) : 0;
}

int download_to_file(struct object_store *store, const struct manifest *manifest,
                     const struct backup_record *backup, const struct download_options *options,
                     struct err *err)
{
    struct stage stage = STAGE_INIT;
    int r;

    r = check_place(options, err);
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
