#include "snapshot/backup_internal.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "snapshot/backup_plan.h"
#include "snapshot/hash_spool.h"
#include "snapshot/pack_reader.h"
#include "snapshot/pack_writer.h"
#include "snapshot/pipeline.h"
#include "snapshot/rewrite.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COMPRESSION_FAST 1

static unsigned thread_count(const struct backup_options *options)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned count = options->thread_count;

    if (count == 0)
        count = cores > 0 ? (unsigned)cores : 1;
    return count < PIPELINE_THREADS_MAX ? count : PIPELINE_THREADS_MAX;
}

static int compression_level(const struct backup *backup)
{
    return backup->options->compression_level > 0 ? backup->options->compression_level
                                                  : COMPRESSION_FAST;
}

struct pack_writer_options backup_pack_options(const struct backup *backup)
{
    return (struct pack_writer_options){
        .store = backup->store,
        .database = backup->options->database,
        .id = backup->record.id,
        .part_size = backup->options->part_size,
        .spool_dir = backup->options->spool_dir,
        .progress = backup->options->progress,
        .cancel = backup->options->cancel,
    };
}

struct delta_options backup_delta_options(const struct backup *backup, const uint8_t *rewrite)
{
    return (struct delta_options){
        .source = backup->source,
        .parent = &backup->parent,
        .rewrite = rewrite,
        .hash_seed = backup->hash_seed,
        .thread_count = thread_count(backup->options),
        .compression_level = compression_level(backup),
        .spool_dir = backup->options->spool_dir,
        .cancel = backup->options->cancel,
    };
}

static int read_all(struct backup *backup, const char *reason, struct err *err)
{
    const struct capture_options options = {
        .source = backup->source,
        .pack = backup_pack_options(backup),
        .hash_seed = backup->hash_seed,
        .thread_count = thread_count(backup->options),
        .compression_level = compression_level(backup),
    };
    int r;

    log_info("'%s': a full backup, because %s", backup->options->database, reason);
    backup->report.reason = reason;
    parent_dispose(&backup->parent);
    r = capture_run(&options, &backup->full, err);
    backup->facts = backup->full.facts;
    backup->report.lock_us = backup->full.lock_us;
    return r;
}

/* The parent as it is remembered, or as its packs tell.  *ret_reason is set when that cannot be. */
static int get_parent(struct backup *backup, const struct backup_record *parent,
                      const char **ret_reason, struct err *err)
{
    int r;

    if (backup->remembered.hashes != NULL && strcmp(parent->id, backup->remembered.id) == 0 &&
        !backup_plan_is_dated(&backup->manifest, &backup->remembered.map)) {
        backup->parent = backup->remembered;
        backup->remembered = (struct parent)PARENT_INIT;
        return 0;
    }
    r = parent_read(backup->store, &backup->manifest, parent, backup->options->spool_dir,
                    backup->options->cancel, &backup->parent, err);
    if (r != ERR_UNSUPPORTED && pack_is_damage(r, err)) {
        log_warn("'%s': backup %.8s cannot be built upon: %s; 'holdfast verify' tells which "
                 "backups are damaged",
                 backup->options->database, parent->id, err != NULL ? err->msg : "it is damaged");
        err_clear(err);
        *ret_reason = "the last one is damaged";
        r = 0;
    }
    return r;
}

/* What is sent although it has not changed. */
static int choose_rewrite(struct backup *backup, struct rewrite *ret_rewrite, struct err *err)
{
    const struct backup_options *options = backup->options;
    size_t backups[BACKUP_MERGE_BASES_MAX];
    struct rewrite_bases bases = { backups, 0 };
    int r;

    if (options->no_rewrite)
        return 0;
    if (options->merge_bases != NULL) {
        bases.count = options->merge_bases(options->merge_context, &backup->manifest,
                                           clock_now_ms(backup->clock), backups);
    }
    r = rewrite_choose(&backup->parent, &backup->manifest, &bases, ret_rewrite, err);
    if (r == 0 && ret_rewrite->pages != NULL) {
        log_info("'%s': %u pages are written again of packs that little is needed of, %u of "
                 "packs that this backup replaces",
                 options->database, ret_rewrite->sparse_count, ret_rewrite->merged_count);
    }
    return r;
}

static int read_changes(struct backup *backup, const char **ret_reason, struct err *err)
{
    struct delta_options options;
    struct rewrite rewrite = REWRITE_INIT;
    int r;

    r = choose_rewrite(backup, &rewrite, err);
    if (r < 0)
        return r;
    options = backup_delta_options(backup, rewrite.pages);
    r = delta_scan(&options, &backup->delta, err);
    rewrite_dispose(&rewrite);
    if (r < 0)
        return r;
    backup->facts = backup->delta.facts;
    backup->report.lock_us = backup->delta.lock_us;
    if (backup->delta.too_many) {
        *ret_reason = backup->facts.page_size != backup->parent.page_size
                          ? "the page size is another one"
                          : "half of the pages or more have changed";
        delta_dispose(&backup->delta);
    }
    return 0;
}

static uint64_t database_size(const struct backup *backup)
{
    struct stat st;

    return stat(backup->path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

int backup_read(struct backup *backup, struct err *err)
{
    const struct backup_record *parent =
        backup_plan_parent(&backup->manifest, backup->distrust ? "" : backup->head.standing.id);
    const struct backup_plan_question question = {
        .parent = parent,
        .size = database_size(backup),
        .full_below = backup->options->full_below,
        .full_every_ms = backup->options->full_every_ms,
        .now_ms = clock_now_ms(backup->clock),
    };
    const char *reason;
    int r = 0;

    reason = backup->options->full ? "it was asked for" : backup_plan_full_reason(&question);
    if (reason == NULL) {
        backup->record.full_at_ms = backup_plan_full_at(parent);
        r = get_parent(backup, parent, &reason, err);
    }
    if (r == 0 && reason == NULL)
        r = read_changes(backup, &reason, err);
    return r < 0 || reason == NULL ? r : read_all(backup, reason, err);
}
