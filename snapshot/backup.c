#include "snapshot/backup.h"

#include "base/buf.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/parse.h"
#include "snapshot/backup_plan.h"
#include "snapshot/capture.h"
#include "snapshot/catalog.h"
#include "snapshot/delta.h"
#include "snapshot/hash_spool.h"
#include "snapshot/pack_reader.h"
#include "snapshot/pack_writer.h"
#include "snapshot/parent.h"
#include "snapshot/pipeline.h"
#include "snapshot/rewrite.h"
#include "snapshot/sqlite_file.h"
#include "snapshot/state.h"
#include "store/object_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HOST_SIZE        256
#define TWO_WRITERS_MS   (INT64_C(2) * 60 * 60 * 1000)
#define INFO_LEN_MAX     (64u << 10)
#define ATTEMPTS_MAX     3
#define COMPRESSION_FAST 1
#define REPLACED_MAX     64u /* packs that a remembered page map names */
/* How long the store is believed to hold what it held, while a database does not change. */
#define UNCHANGED_TRUST_MS (INT64_C(24) * 60 * 60 * 1000)

/* One backup under way. */
struct job {
    struct object_store *store;
    const struct backup_options *options;
    struct clock *clock;
    char host[HOST_SIZE];
    char *path; /* resolved */
    struct source *source;
    struct state_place place;
    struct state_head head; /* what is remembered; an empty id of the standing backup: nothing */
    bool distrust;          /* what is remembered is of no use any more */
    struct manifest manifest;
    int64_t confirmed_ms;            /* when it was the newest */
    struct parent remembered;        /* from the run before */
    struct parent parent;            /* of an incremental backup */
    struct capture full;             /* either this... */
    struct delta delta;              /* ...or this */
    struct pack_writer *pack_writer; /* of the delta */
    uint64_t hash_seed;              /* the manifest's, when the pages were hashed */
    struct source_facts facts;
    struct backup_record record;
    struct pack_record pack;
    bool stale; /* see add_backup() */
    struct backup_report report;
};

/* Everything that belongs to one attempt. */
static void job_reset(struct job *job)
{
    source_close(job->source);
    job->source = NULL;
    pack_writer_free(job->pack_writer);
    job->pack_writer = NULL;
    capture_dispose(&job->full);
    delta_dispose(&job->delta);
    parent_dispose(&job->parent);
    parent_dispose(&job->remembered);
    state_head_dispose(&job->head);
    manifest_dispose(&job->manifest);
    backup_record_dispose(&job->record);
    job->stale = false;
}

static void job_dispose(struct job *job)
{
    job_reset(job);
    free(job->path);
}

static unsigned thread_count(const struct backup_options *options)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned count = options->thread_count;

    if (count == 0)
        count = cores > 0 ? (unsigned)cores : 1;
    return count < PIPELINE_THREADS_MAX ? count : PIPELINE_THREADS_MAX;
}

/* Where the database is.  By path only, and before the store is asked for anything. */
static int identify(struct job *job, struct err *err)
{
    int r;

    r = database_name_check(job->options->database, err);
    if (r < 0)
        return r;
    if (gethostname(job->host, sizeof(job->host)) < 0)
        return err_set_errno(err, "find the name of this host");
    job->host[sizeof(job->host) - 1] = '\0';
    return sqlite_file_resolve(job->options->path, &job->path, err);
}

/* Two databases of the same name must not share one history, and two agents on one database are
 * more often a mistake than a plan. */
static int check_source(const struct job *job, struct err *err)
{
    const struct manifest *manifest = &job->manifest;
    const struct backup_record *newest;
    bool other_host, other_path;
    int64_t age_ms;

    if (manifest->backup_count == 0)
        return 0;
    newest = &manifest->backups[manifest->backup_count - 1];
    other_host = newest->host != NULL && strcmp(newest->host, job->host) != 0;
    other_path = newest->path != NULL && strcmp(newest->path, job->path) != 0;
    if (other_host && other_path && !job->options->adopt) {
        (void)err_set(err, ERR_REFUSED,
                      "'%s' holds backups of '%s' on host '%s', and this is '%s' on '%s'",
                      job->options->database, newest->path, newest->host, job->path, job->host);
        err_hint(err, "--adopt if it is the same database, moved; --name to begin another");
        return ERR_REFUSED;
    }
    age_ms = clock_now_ms(job->clock) - newest->created_at_ms;
    if (other_host && age_ms < TWO_WRITERS_MS) {
        char age[FORMAT_TIME_SIZE];

        format_age(age_ms, age);
        log_warn("'%s' was backed up %s by host '%s' too: are two agents at work on it?",
                 job->options->database, age, newest->host);
    }
    return 0;
}

static int open_source(struct job *job, struct err *err)
{
    const struct backup_options *options = job->options;
    const struct source_options source_options = {
        .path = job->path,
        .busy_timeout_ms = options->busy_timeout_ms,
        .progress = options->progress,
        .cancel = options->cancel,
        .clock = job->clock,
        .tables = options->tables,
    };

    return source_open(&source_options, &job->source, err);
}

static int compression_level(const struct job *job)
{
    return job->options->compression_level > 0 ? job->options->compression_level : COMPRESSION_FAST;
}

static struct pack_writer_options pack_options(const struct job *job)
{
    return (struct pack_writer_options){
        .store = job->store,
        .database = job->options->database,
        .id = job->record.id,
        .part_size = job->options->part_size,
        .spool_dir = job->options->spool_dir,
        .progress = job->options->progress,
        .cancel = job->options->cancel,
    };
}

static int read_all(struct job *job, const char *reason, struct err *err)
{
    const struct capture_options options = {
        .source = job->source,
        .pack = pack_options(job),
        .hash_seed = job->hash_seed,
        .thread_count = thread_count(job->options),
        .compression_level = compression_level(job),
    };
    int r;

    log_info("'%s': a full backup, because %s", job->options->database, reason);
    job->report.reason = reason;
    parent_dispose(&job->parent);
    r = capture_run(&options, &job->full, err);
    job->facts = job->full.facts;
    job->report.lock_us = job->full.lock_us;
    return r;
}

/* A remembered map names packs that were replaced long ago, and so do those that stand on it: each
 * of them keeps a record in the manifest.  One that is read anew names what there is now. */
static bool is_dated(const struct job *job, const struct parent *parent)
{
    size_t count = 0;

    for (size_t i = 0; i < parent->map.pack_count; i++) {
        const struct pack_record *pack =
            manifest_find_pack(&job->manifest, parent->map.pack_ids[i]);

        count += pack != NULL && pack->replaced_at_ms != 0;
    }
    return count > REPLACED_MAX;
}

/* The parent as it is remembered, or as its packs tell.  *ret_reason is set when that cannot be. */
static int get_parent(struct job *job, const struct backup_record *parent, const char **ret_reason,
                      struct err *err)
{
    int r;

    if (job->remembered.hashes != NULL && strcmp(parent->id, job->remembered.id) == 0 &&
        !is_dated(job, &job->remembered)) {
        job->parent = job->remembered;
        job->remembered = (struct parent)PARENT_INIT;
        return 0;
    }
    r = parent_read(job->store, &job->manifest, parent, job->options->spool_dir,
                    job->options->cancel, &job->parent, err);
    if (r != ERR_UNSUPPORTED && pack_is_damage(r, err)) {
        log_warn("'%s': backup %.8s cannot be built upon: %s; 'holdfast verify' tells which "
                 "backups are damaged",
                 job->options->database, parent->id, err != NULL ? err->msg : "it is damaged");
        err_clear(err);
        *ret_reason = "the last one is damaged";
        r = 0;
    }
    return r;
}

static struct delta_options delta_options(const struct job *job, const uint8_t *rewrite)
{
    return (struct delta_options){
        .source = job->source,
        .parent = &job->parent,
        .rewrite = rewrite,
        .hash_seed = job->hash_seed,
        .thread_count = thread_count(job->options),
        .compression_level = compression_level(job),
        .spool_dir = job->options->spool_dir,
        .cancel = job->options->cancel,
    };
}

/* What is sent although it has not changed. */
static int choose_rewrite(struct job *job, struct rewrite *ret_rewrite, struct err *err)
{
    const struct backup_options *options = job->options;
    size_t backups[BACKUP_MERGE_BASES_MAX];
    struct rewrite_bases bases = { backups, 0 };
    int r;

    if (options->no_rewrite)
        return 0;
    if (options->merge_bases != NULL) {
        bases.count = options->merge_bases(options->merge_context, &job->manifest,
                                           clock_now_ms(job->clock), backups);
    }
    r = rewrite_choose(&job->parent, &job->manifest, &bases, ret_rewrite, err);
    if (r == 0 && ret_rewrite->pages != NULL) {
        log_info("'%s': %u pages are written again of packs that little is needed of, %u of "
                 "packs that this backup replaces",
                 options->database, ret_rewrite->sparse_count, ret_rewrite->merged_count);
    }
    return r;
}

static int read_changes(struct job *job, const char **ret_reason, struct err *err)
{
    struct delta_options options;
    struct rewrite rewrite = REWRITE_INIT;
    int r;

    r = choose_rewrite(job, &rewrite, err);
    if (r < 0)
        return r;
    options = delta_options(job, rewrite.pages);
    r = delta_scan(&options, &job->delta, err);
    rewrite_dispose(&rewrite);
    if (r < 0)
        return r;
    job->facts = job->delta.facts;
    job->report.lock_us = job->delta.lock_us;
    if (job->delta.too_many) {
        *ret_reason = job->facts.page_size != job->parent.page_size
                          ? "the page size is another one"
                          : "half of the pages or more have changed";
        delta_dispose(&job->delta);
    }
    return 0;
}

static bool nothing_changed(const struct job *job)
{
    return job->delta.hashes != NULL && job->delta.changed_count == 0 &&
           job->delta.facts.page_count == job->parent.map.page_count;
}

static uint64_t database_size(const struct job *job)
{
    struct stat st;

    return stat(job->path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* Either the pages that the parent does not have, or all of them. */
static int read_database(struct job *job, struct err *err)
{
    const struct backup_record *parent =
        backup_plan_parent(&job->manifest, job->distrust ? "" : job->head.standing.id);
    const struct backup_plan_question question = {
        .parent = parent,
        .size = database_size(job),
        .full_below = job->options->full_below,
        .full_every_ms = job->options->full_every_ms,
        .now_ms = clock_now_ms(job->clock),
    };
    const char *reason;
    int r = 0;

    reason = job->options->full ? "it was asked for" : backup_plan_full_reason(&question);
    if (reason == NULL) {
        job->record.full_at_ms = backup_plan_full_at(parent);
        r = get_parent(job, parent, &reason, err);
    }
    if (r == 0 && reason == NULL)
        r = read_changes(job, &reason, err);
    return r < 0 || reason == NULL ? r : read_all(job, reason, err);
}

static int write_changes(struct job *job, struct err *err)
{
    const struct delta_options options = delta_options(job, NULL);
    const struct pack_writer_delta index = {
        .parent = &job->parent,
        .page_count = job->facts.page_count,
        .hashes = job->delta.hashes,
        .pages = job->delta.pages,
    };
    struct pack_writer_options pack = pack_options(job);
    int r;

    pack.page_size = job->facts.page_size;
    pack.page_count = job->delta.page_count;
    pack.incremental = true;
    r = pack_writer_new(&pack, &job->pack_writer, err);
    if (r == 0)
        r = delta_write(&options, &job->delta, job->pack_writer, err);
    if (r == 0)
        r = pack_writer_add_delta_index(job->pack_writer, &index, &job->pack, err);
    job->record.database_hash = job->delta.sum;
    return r;
}

static int copy_text(const char *text, char **ret_copy)
{
    *ret_copy = text != NULL ? strdup(text) : NULL;
    return text != NULL && *ret_copy == NULL ? ERR_NOMEM : 0;
}

/* Everything but what the pack will say of itself. */
static int fill_record(struct job *job, struct err *err)
{
    const bool incremental = job->delta.hashes != NULL;
    struct backup_record *record = &job->record;
    const struct source_facts *facts = &job->facts;

    record->created_at_ms = facts->created_at_ms;
    record->trigger = job->options->trigger;
    record->kind = incremental ? BACKUP_INCREMENTAL : BACKUP_FULL;
    if (!incremental)
        record->full_at_ms = 0;
    record->size = (uint64_t)facts->page_size * facts->page_count;
    record->page_size = facts->page_size;
    record->page_count = facts->page_count;
    record->num_tables = facts->num_tables;
    record->num_rows = facts->num_rows;
    record->changed_pages = incremental ? job->delta.page_count : facts->page_count;
    if (copy_text(job->options->label, &record->label) < 0 ||
        copy_text(job->host, &record->host) < 0 || copy_text(job->path, &record->path) < 0)
        return err_nomem(err);
    return pack_set_append(&record->packs, 0, 1, err); /* for encode_info() */
}

/* The last index block tells of the backup what the manifest will, so that a lost manifest can be
 * made again from the packs.  Sizes in it end before the block. */
static int encode_info(struct job *job, struct buf *out, struct err *err)
{
    struct manifest alone = {
        .generation = job->manifest.generation + 1,
        .written_at_ms = job->record.created_at_ms,
        .database = job->manifest.database,
        .page_hash_seed = job->hash_seed,
        .conditional_writes = job->manifest.conditional_writes,
        .backups = &job->record,
        .backup_count = 1,
        .packs = &job->pack,
        .pack_count = 1,
    };

    (void)snprintf(alone.writer, sizeof(alone.writer), "%s", job->record.id);
    return manifest_encode(&alone, out, err);
}

static int add_full_index(struct job *job, struct err *err)
{
    const struct pack_writer_index index = {
        .page_one = job->full.page_one,
        .hash_seed = job->hash_seed,
        .hashes = job->full.hashes,
    };

    return pack_writer_add_index(job->full.pack, &index, &job->record.database_hash, &job->pack,
                                 err);
}

static struct pack_writer *pack_of(const struct job *job)
{
    return job->delta.hashes != NULL ? job->pack_writer : job->full.pack;
}

static int finish_pack(struct job *job, struct err *err)
{
    struct buf info = BUF_INIT(INFO_LEN_MAX);
    int r;

    r = job->delta.hashes != NULL ? write_changes(job, err) : add_full_index(job, err);
    if (r < 0)
        goto out;
    job->record.stored_bytes = job->pack.size;
    r = encode_info(job, &info, err);
    if (r < 0)
        goto out;
    r = pack_writer_finish(pack_of(job), buf_str(&info), &job->pack.size, err);
    job->record.stored_bytes = job->pack.size;
    job->report.spool_max = pack_writer_spool_max(pack_of(job)) + job->full.discarded_spool_max;
out:
    buf_dispose(&info);
    return r;
}

/* Of a pack that was replaced there are the pages that some listed backup needs.  The parent's are
 * among them while it is listed. */
static bool may_miss_pages(const struct job *job, const struct manifest *manifest,
                           const char (*ids)[UUID_TEXT_SIZE], size_t count)
{
    const struct backup_record *parent = NULL;

    if (job->parent.id[0] == '\0' ||
        manifest_find_backup(manifest, job->parent.id, &parent, NULL) == 0)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct pack_record *pack = manifest_find_pack(manifest, ids[i]);

        if (pack != NULL && pack->replaced_at_ms != 0)
            return true;
    }
    return false;
}

/* Page hashes depend on the manifest's seed, and an incremental backup on its parent's packs.  Of
 * two agents that begin the first manifest at the same time, one loses, and its hashes are worth
 * nothing then; and somebody may have pruned the parent while this one was at work. */
static int add_backup(void *context, struct manifest *manifest, struct err *err)
{
    struct job *job = context;
    const struct page_map *map = pack_writer_map(pack_of(job));
    const size_t base_count = job->pack.map_base[0] != '\0' ? 1 : 0;
    char(*ids)[UUID_TEXT_SIZE] = calloc(map->pack_count + 1, sizeof(*ids));
    size_t count = 0;
    int r;

    if (ids == NULL)
        return err_nomem(err);
    for (size_t i = 0; i < map->pack_count; i++) {
        if (strcmp(map->pack_ids[i], job->record.id) != 0)
            memcpy(ids[count++], map->pack_ids[i], UUID_TEXT_SIZE);
    }
    if (base_count > 0)
        memcpy(ids[count++], job->pack.map_base, UUID_TEXT_SIZE);
    if (manifest->page_hash_seed != job->hash_seed) {
        job->stale = true;
        r = err_set(err, ERR_EXISTS, "another agent began the history of '%s' meanwhile",
                    job->options->database);
    } else if (may_miss_pages(job, manifest, (const char(*)[UUID_TEXT_SIZE])ids, count)) {
        job->stale = true;
        r = err_set(err, ERR_EXISTS, "the backup that this one stands on was removed meanwhile");
    } else {
        r = manifest_add_backup(manifest, &job->record, &job->pack,
                                (const char(*)[UUID_TEXT_SIZE])ids, count, err);
        job->stale = r == ERR_NOT_FOUND;
    }
    free(ids);
    if (r == 0 && job->options->amend != NULL) {
        r = job->options->amend(job->options->amend_context, manifest, clock_now_ms(job->clock),
                                err);
    }
    return r;
}

/* After a backup that took very long, the generation that would be written next may have been
 * written, superseded and deleted: it must not come to be once more. */
static int confirm_manifest(struct job *job, struct err *err)
{
    const int64_t now_ms = clock_now_ms(job->clock);
    struct manifest newest = MANIFEST_INIT;
    int r;

    if (job->manifest.generation == 0 ||
        (now_ms >= job->confirmed_ms && now_ms - job->confirmed_ms < BACKUP_PLAN_CONFIRMED_MS))
        return 0;
    r = catalog_load(job->store, job->options->database, true, &newest, err);
    if (r < 0)
        return r;
    manifest_dispose(&job->manifest);
    job->manifest = newest;
    job->confirmed_ms = now_ms;
    return 0;
}

static int commit(struct job *job, struct err *err)
{
    struct catalog_commit_options options = {
        .clock = job->clock,
        .cancel = job->options->cancel,
    };
    char key[CATALOG_KEY_SIZE];
    const char *keys[] = { key };
    int r;

    r = confirm_manifest(job, err);
    if (r < 0)
        return r;
    r = catalog_commit(job->store, &job->manifest, add_backup, job, &options, err);
    if (r == 0)
        job->confirmed_ms = clock_now_ms(job->clock);
    /* Nothing refers to the pack of an unusable backup.  After any other failure it stays: the
     * answer may have been lost and not the manifest. */
    if (r < 0 && job->stale &&
        catalog_pack_key(job->options->database, job->record.id, key, NULL) == 0)
        (void)object_delete(job->store, keys, 1, NULL);
    return r;
}

/* What the next run should know.  Not being able to write it down costs that one some requests. */
static void remember(struct job *job, struct parent *parent, const struct backup_record *standing)
{
    struct state state = {
        .head = { .confirmed_ms = job->confirmed_ms,
                  .has_fingerprint = job->facts.has_fingerprint,
                  .fingerprint = job->facts.fingerprint,
                  .standing = *standing },
        .manifest = job->manifest,
        .parent = *parent,
    };
    struct err err = { 0 };

    memcpy(state.head.base_id, parent->base_id, sizeof(state.head.base_id));
    if (state_save(&job->place, &state, &err) < 0) {
        log_info("'%s': %s: the next backup will ask the store instead", job->options->database,
                 err.msg);
        state_forget(&job->place);
    }
}

/* The backup that was just made is the parent of the next. */
static void remember_new(struct job *job)
{
    const bool incremental = job->delta.hashes != NULL;
    struct parent parent = {
        .page_size = job->facts.page_size,
        .map = *pack_writer_map(pack_of(job)),
        .hashes = incremental ? job->delta.hashes : job->full.hashes,
    };

    memcpy(parent.base_id, job->record.id, sizeof(parent.base_id));
    if (job->pack.map_base[0] != '\0') {
        parent.base = job->parent.base.page_count > 0 ? job->parent.base : job->parent.map;
        memcpy(parent.base_id, job->pack.map_base, sizeof(parent.base_id));
    }
    remember(job, &parent, &job->record);
}

/* What is remembered, if it is of use.  *ret_manifest is left empty when it may have been replaced
 * meanwhile. */
static void recall(struct job *job, int64_t now_ms, struct manifest *ret_manifest)
{
    struct state state = STATE_INIT;
    struct err why = { 0 };

    if (job->distrust || job->head.standing.id[0] == '\0')
        return;
    if (state_load(&job->place, job->options->spool_dir, &state, &why) < 0) {
        log_info("'%s': %s: reading it from the store", job->options->database, why.msg);
        return;
    }
    job->remembered = state.parent;
    state.parent = (struct parent)PARENT_INIT;
    if (!job->options->force &&
        backup_plan_is_confirmed(&state.manifest, state.head.confirmed_ms, now_ms)) {
        job->confirmed_ms = state.head.confirmed_ms;
        *ret_manifest = state.manifest;
        state.manifest = (struct manifest)MANIFEST_INIT;
    }
    state_dispose(&state);
}

/* The newest manifest: as it is remembered, if that is not long ago, else as the store has it. */
static int get_manifest(struct job *job, struct err *err)
{
    const int64_t now_ms = clock_now_ms(job->clock);

    recall(job, now_ms, &job->manifest);
    if (job->manifest.generation > 0)
        return 0;
    job->confirmed_ms = now_ms;
    return catalog_load(job->store, job->options->database, true, &job->manifest, err);
}

static bool wants_one_anyhow(const struct job *job)
{
    return job->options->force || job->options->full || job->options->label != NULL ||
           job->options->trigger == TRIGGER_PRE_RESTORE;
}

/* Nothing was committed since the standing backup: no page is read, and the store is not asked. */
static bool is_unchanged(struct job *job)
{
    const int64_t now_ms = clock_now_ms(job->clock);
    const struct state_head *head = &job->head;
    struct fingerprint now;

    return !wants_one_anyhow(job) && !job->distrust && head->standing.id[0] != '\0' &&
           head->has_fingerprint && now_ms >= head->confirmed_ms &&
           now_ms - head->confirmed_ms < UNCHANGED_TRUST_MS &&
           strcmp(head->standing.path, job->path) == 0 && source_fingerprint(job->source, &now) &&
           fingerprint_same(&head->fingerprint, &now);
}

static int stand(struct job *job, const struct backup_record *standing, struct err *err)
{
    int r;

    backup_record_dispose(&job->record);
    job->report.unchanged = true;
    r = backup_record_copy(standing, &job->record, err);
    pack_set_dispose(&job->record.packs);
    return r;
}

/* Every page was read, and none differs. */
static int stand_after_reading(struct job *job, struct err *err)
{
    const struct backup_record *standing = backup_plan_parent(&job->manifest, job->parent.id);

    if (job->options->observe != NULL)
        job->options->observe(job->options->amend_context, &job->manifest);
    remember(job, &job->parent, standing);
    return stand(job, standing, err);
}

static int attempt(struct job *job, struct err *err)
{
    int r;

    if (!job->distrust && state_load_head(&job->place, &job->head, NULL) < 0)
        state_head_dispose(&job->head);
    r = open_source(job, err);
    if (r < 0)
        return r;
    if (is_unchanged(job))
        return stand(job, &job->head.standing, err);
    r = get_manifest(job, err);
    if (r < 0)
        return r;
    job->hash_seed = job->manifest.page_hash_seed;
    r = check_source(job, err);
    if (r < 0)
        return r;
    uuid_v4(job->record.id);
    r = read_database(job, err);
    if (r < 0)
        return r;
    if (nothing_changed(job) && !wants_one_anyhow(job))
        return stand_after_reading(job, err);
    r = fill_record(job, err);
    if (r == 0)
        r = finish_pack(job, err);
    if (r == 0)
        r = commit(job, err);
    if (r == 0)
        remember_new(job);
    return r;
}

int backup_create(struct object_store *store, const struct backup_options *options,
                  struct backup_record *ret_record, struct backup_report *ret_report,
                  struct err *err)
{
    struct job job = {
        .store = store,
        .options = options,
        .clock = options->clock != NULL ? options->clock : clock_system(),
        .place = { options->state_dir, store->url, options->database },
        .full = CAPTURE_INIT,
        .delta = DELTA_INIT,
        .parent = PARENT_INIT,
        .remembered = PARENT_INIT,
    };
    int r;

    r = identify(&job, err);
    for (int i = 1; r == 0; i++) {
        r = attempt(&job, err);
        if (r == 0 || !job.stale || i == ATTEMPTS_MAX)
            break;
        log_info("'%s': %s: once more", options->database, err != NULL ? err->msg : "it is stale");
        job_reset(&job);
        job.distrust = true;
        r = 0;
    }
    if (r == 0) {
        pack_set_dispose(&job.record.packs);
        *ret_record = job.record;
        job.record = (struct backup_record){ 0 };
        if (ret_report != NULL)
            *ret_report = job.report;
    }
    job_dispose(&job);
    return r;
}
