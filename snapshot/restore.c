#include "snapshot/restore.h"

#include "base/clock.h"
#include "base/err.h"
#include "snapshot/backup.h"
#include "snapshot/fetch.h"
#include "snapshot/keep.h"
#include "snapshot/progress.h"
#include "snapshot/publish.h"
#include "snapshot/seed.h"
#include "snapshot/sqlite_db.h"
#include "snapshot/stage.h"
#include "snapshot/target.h"

#include <stdlib.h>
#include <string.h>

#define BUSY_TIMEOUT_DEFAULT_MS 30000

/* One restore under way. */
struct job {
    struct object_store *store;
    const struct manifest *manifest;
    const struct backup_record *backup;
    const struct restore_options *options;
    struct target target;
    struct stage stage;
    struct restore_result result;
};

void restore_result_dispose(struct restore_result *result)
{
    free(result->kept_path);
    *result = (struct restore_result){ 0 };
}

static int64_t busy_timeout_ms(const struct restore_options *options)
{
    return options->busy_timeout_ms > 0 ? options->busy_timeout_ms : BUSY_TIMEOUT_DEFAULT_MS;
}

static enum restore_method choose(const struct target *target, enum restore_method wanted)
{
    if (target->kind == TARGET_MISSING)
        return RESTORE_AUTO;
    return wanted == RESTORE_SWAP ? RESTORE_SWAP : RESTORE_LIVE;
}

static bool keeps_files(const struct target *target, const struct restore_options *options)
{
    return target->kind == TARGET_UNREADABLE && !options->no_undo;
}

/* Everything that can be known before a byte is fetched. */
static int check(const struct backup_record *backup, const struct restore_options *options,
                 const struct target *target, enum restore_method method, struct err *err)
{
    uint64_t extra_size = 0;
    int r = 0;

    if (method == RESTORE_LIVE) {
        r = publish_live_check(target, backup, &extra_size, err);
    } else if (method == RESTORE_SWAP) {
        r = publish_swap_check(target, err);
    } else {
        r = publish_new_check(target, err);
    }
    if (r < 0)
        return r;
    if (keeps_files(target, options))
        extra_size += keep_files_size(target->path);
    return stage_check_space(target->path, backup->size + extra_size, err);
}

int restore_check(const struct backup_record *backup, const struct restore_options *options,
                  enum restore_method *ret_method, struct err *err)
{
    struct target target = TARGET_INIT;
    enum restore_method method;
    int r;

    r = target_examine(options->path, busy_timeout_ms(options), options->fetch.cancel, &target,
                       err);
    if (r < 0)
        return r;
    method = choose(&target, options->method);
    r = check(backup, options, &target, method, err);
    target_dispose(&target);
    if (r < 0)
        return r;
    *ret_method = method;
    return 0;
}

static int stage_backup(struct job *job, struct err *err)
{
    const struct fetch_options *options = &job->options->fetch;
    const struct seed seed = { .path = job->target.path, .live = true };
    struct fetch *fetch = NULL;
    int r;

    r = stage_new(job->target.path, &job->stage, err);
    if (r == 0)
        r = stage_reserve(&job->stage, job->backup->size, 0, err);
    if (r == 0)
        r = fetch_open(job->store, job->manifest, job->backup, options, &fetch, err);
    if (r == 0 && job->target.kind == TARGET_DATABASE)
        r = seed_copy(fetch, &seed, job->stage.fd, job->stage.path, err);
    if (r == 0)
        r = fetch_to_file(fetch, job->stage.fd, job->stage.path, err);
    if (r == 0)
        job->result.tally = fetch_tally(fetch);
    fetch_close(fetch);
    if (r < 0)
        return r;
    progress_update(options->progress, PROGRESS_CHECK, 0, 0);
    r = sqlite_db_integrity_check(job->stage.path, options->cancel, err);
    if (r == ERR_CORRUPT)
        err_hint(err, "the database was damaged when it was backed up: try an older backup");
    return r < 0 ? err_wrap(err, r, "backup %.8s", job->backup->id) : 0;
}

static int back_up_target(struct job *job, struct err *err)
{
    const struct restore_options *options = job->options;
    struct backup_options backup_options = {
        .database = options->database,
        .path = job->target.path,
        .trigger = TRIGGER_PRE_RESTORE,
        .adopt = options->adopt,
        .spool_dir = options->fetch.spool_dir,
        .busy_timeout_ms = options->busy_timeout_ms,
        .progress = options->fetch.progress,
        .cancel = options->fetch.cancel,
        .clock = options->clock,
    };
    struct backup_record record = { 0 };
    int r;

    r = backup_create(options->undo_store != NULL ? options->undo_store : job->store,
                      &backup_options, &record, NULL, err);
    if (r < 0) {
        err_hint(err, "--no-undo restores without keeping what is there now");
        return err_wrap(err, r, "back up the current state of '%s'", job->target.path);
    }
    memcpy(job->result.undo_id, record.id, sizeof(job->result.undo_id));
    backup_record_dispose(&record);
    return 0;
}

static int keep(struct job *job, struct err *err)
{
    struct clock *clock = job->options->clock != NULL ? job->options->clock : clock_system();

    if (keeps_files(&job->target, job->options)) {
        return keep_files(job->target.path, clock_now_ms(clock), job->options->fetch.cancel,
                          &job->result.kept_path, err);
    }
    if (job->target.kind == TARGET_DATABASE && !job->options->no_undo)
        return back_up_target(job, err);
    return 0;
}

static int publish(struct job *job, struct err *err)
{
    struct publish publish = {
        .target = &job->target,
        .stage = &job->stage,
        .backup = job->backup,
        .page_hash_seed = job->manifest->page_hash_seed,
        .busy_timeout_ms = busy_timeout_ms(job->options),
        .progress = job->options->fetch.progress,
        .cancel = job->options->fetch.cancel,
    };

    switch (job->result.method) {
    case RESTORE_LIVE:
        return publish_live(&publish, &job->result.publish_us, err);
    case RESTORE_SWAP:
        return publish_swap(&publish, &job->result.publish_us, err);
    case RESTORE_AUTO:
        break;
    }
    return publish_new(&publish, err);
}

int restore_run(struct object_store *store, const struct manifest *manifest,
                const struct backup_record *backup, const struct restore_options *options,
                struct restore_result *ret_result, struct err *err)
{
    struct job job = {
        .store = store,
        .manifest = manifest,
        .backup = backup,
        .options = options,
        .target = TARGET_INIT,
        .stage = STAGE_INIT,
    };
    int r;

    r = target_examine(options->path, busy_timeout_ms(options), options->fetch.cancel, &job.target,
                       err);
    if (r < 0)
        goto out;
    job.result.method = choose(&job.target, options->method);
    r = check(backup, options, &job.target, job.result.method, err);
    if (r < 0)
        goto out;
    r = stage_backup(&job, err);
    if (r < 0)
        goto out;
    r = keep(&job, err);
    if (r < 0)
        goto out;
    r = publish(&job, err);
out:
    stage_dispose(&job.stage);
    target_dispose(&job.target);
    if (r < 0) {
        restore_result_dispose(&job.result);
        return r;
    }
    *ret_result = job.result;
    return 0;
}

int restore_find_undo(const struct manifest *manifest, const struct backup_record **ret_backup,
                      struct err *err)
{
    for (size_t i = manifest->backup_count; i > 0; i--) {
        if (manifest->backups[i - 1].trigger == TRIGGER_PRE_RESTORE) {
            *ret_backup = &manifest->backups[i - 1];
            return 0;
        }
    }
    (void)err_set(err, ERR_NOT_FOUND, "'%s' has no backup that a restore made of what it replaced",
                  manifest->database);
    err_hint(err, "list its backups and restore the one that is wanted");
    return ERR_NOT_FOUND;
}
