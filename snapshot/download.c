#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "snapshot/fetch.h"
#include "snapshot/progress.h"
#include "snapshot/restore.h"
#include "snapshot/seed.h"
#include "snapshot/sqlite_db.h"
#include "snapshot/stage.h"
#include "snapshot/target.h"

#include <sys/stat.h>
#include <unistd.h>

#define USERS_TEXT_MAX 512

/* What the user names must be there, whatever it turns out to hold. */
static int check_seed(const struct download_options *options, struct err *err)
{
    int r;

    if (options->seed_path == NULL || access(options->seed_path, R_OK) == 0)
        return 0;
    r = err_set_errno(err, "read '%s'", options->seed_path);
    err_hint(err, "what is copied from must be a file that can be read");
    return r;
}

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

/* One download to a file. */
struct job {
    struct object_store *store;
    const struct manifest *manifest;
    const struct backup_record *backup;
    const struct download_options *options;
    struct stage stage;
    struct fetch_tally tally;
};

static int gather_pages(struct job *job, struct err *err)
{
    const struct download_options *options = job->options;
    const struct seed seed = { .path = options->seed_path };
    struct fetch *fetch = NULL;
    int r;

    r = fetch_open(job->store, job->manifest, job->backup, &options->fetch, &fetch, err);
    if (r == 0 && seed.path != NULL)
        r = seed_copy(fetch, &seed, job->stage.fd, options->path, err);
    if (r == 0)
        r = fetch_to_file(fetch, job->stage.fd, options->path, err);
    if (r == 0)
        job->tally = fetch_tally(fetch);
    fetch_close(fetch);
    return r;
}

static int fill(struct job *job, struct err *err)
{
    const struct fetch_options *fetch = &job->options->fetch;
    int r;

    r = stage_reserve(&job->stage, job->backup->size, 0, err);
    if (r == 0)
        r = gather_pages(job, err);
    if (r < 0 || job->options->skip_check)
        return r;
    progress_update(fetch->progress, PROGRESS_CHECK, 0, 0);
    r = sqlite_db_integrity_check(job->stage.path, fetch->cancel, err);
    if (r == ERR_CORRUPT)
        err_hint(err, "the database was damaged when it was backed up: try an older backup");
    return r < 0 ? err_wrap(err, r, "backup %.8s", job->backup->id) : 0;
}

int download_to_file(struct object_store *store, const struct manifest *manifest,
                     const struct backup_record *backup, const struct download_options *options,
                     struct fetch_tally *ret_tally, struct err *err)
{
    struct job job = { store, manifest, backup, options, STAGE_INIT, { 0 } };
    int r;

    r = check_place(options, err);
    if (r == 0)
        r = check_seed(options, err);
    if (r == 0)
        r = stage_new(options->path, &job.stage, err);
    if (r == 0)
        r = fill(&job, err);
    if (r == 0)
        r = stage_publish(&job.stage, options->path, options->overwrite, err);
    stage_dispose(&job.stage);
    if (r == 0 && ret_tally != NULL)
        *ret_tally = job.tally;
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
