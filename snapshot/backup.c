#include "snapshot/backup.h"

#include "base/buf.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/parse.h"
#include "snapshot/capture.h"
#include "snapshot/catalog.h"
#include "snapshot/pipeline.h"
#include "snapshot/sqlite_file.h"
#include "store/object_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOST_SIZE         256
#define TWO_WRITERS_MS    (INT64_C(2) * 60 * 60 * 1000)
#define INFO_LEN_MAX      (64u << 10)
#define SEED_ATTEMPTS_MAX 2
#define COMPRESSION_FAST  1

/* One backup under way. */
struct job {
    struct object_store *store;
    const struct backup_options *options;
    struct clock *clock;
    char host[HOST_SIZE];
    char *path; /* resolved */
    struct manifest manifest;
    uint64_t hash_seed; /* the manifest's, when the pages were hashed */
    struct backup_record record;
    struct pack_record pack;
    bool other_seed; /* see add_backup() */
};

static void job_dispose(struct job *job)
{
    free(job->path);
    manifest_dispose(&job->manifest);
    backup_record_dispose(&job->record);
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

static int read_database(struct job *job, struct capture *ret_capture, struct err *err)
{
    const struct backup_options *options = job->options;
    struct source_options source_options = {
        .path = job->path,
        .busy_timeout_ms = options->busy_timeout_ms,
        .progress = options->progress,
        .cancel = options->cancel,
        .clock = job->clock,
    };
    struct capture_options capture_options = {
        .pack = { .store = job->store,
                  .database = options->database,
                  .id = job->record.id,
                  .part_size = options->part_size,
                  .spool_dir = options->spool_dir,
                  .progress = options->progress,
                  .cancel = options->cancel },
        .hash_seed = job->hash_seed,
        .thread_count = thread_count(options),
        .compression_level =
            options->compression_level > 0 ? options->compression_level : COMPRESSION_FAST,
    };
    int r;

    r = source_open(&source_options, &capture_options.source, err);
    if (r < 0)
        return r;
    r = capture_run(&capture_options, ret_capture, err);
    source_close(capture_options.source);
    return r;
}

static int copy_text(const char *text, char **ret_copy)
{
    *ret_copy = text != NULL ? strdup(text) : NULL;
    return text != NULL && *ret_copy == NULL ? ERR_NOMEM : 0;
}

/* Everything but what the pack will say of itself. */
static int fill_record(struct job *job, const struct capture *capture, struct err *err)
{
    struct backup_record *record = &job->record;
    const struct source_facts *facts = &capture->facts;

    record->created_at_ms = facts->created_at_ms;
    record->trigger = job->options->trigger;
    record->kind = BACKUP_FULL;
    record->size = (uint64_t)facts->page_size * facts->page_count;
    record->page_size = facts->page_size;
    record->page_count = facts->page_count;
    record->num_tables = facts->num_tables;
    record->changed_pages = facts->page_count;
    record->num_rows = -1;
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

static int finish_pack(struct job *job, struct capture *capture, struct err *err)
{
    const struct pack_writer_index index = {
        .page_one = capture->page_one,
        .hash_seed = job->hash_seed,
        .hashes = capture->hashes,
    };
    struct buf info = BUF_INIT(INFO_LEN_MAX);
    int r;

    r = pack_writer_add_index(capture->pack, &index, &job->record.database_hash, &job->pack, err);
    if (r < 0)
        goto out;
    job->record.stored_bytes = job->pack.size;
    r = encode_info(job, &info, err);
    if (r < 0)
        goto out;
    r = pack_writer_finish(capture->pack, buf_str(&info), &job->pack.size, err);
    job->record.stored_bytes = job->pack.size;
out:
    buf_dispose(&info);
    return r;
}

/* Page hashes depend on the manifest's seed.  Of two agents that begin the first manifest at the
 * same time, one loses, and its hashes are worth nothing then. */
static int add_backup(void *context, struct manifest *manifest, struct err *err)
{
    struct job *job = context;

    job->other_seed = manifest->page_hash_seed != job->hash_seed;
    if (job->other_seed) {
        return err_set(err, ERR_EXISTS, "another agent began the history of '%s' meanwhile",
                       job->options->database);
    }
    return manifest_add_backup(manifest, &job->record, &job->pack, NULL, 0, err);
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

    r = catalog_commit(job->store, &job->manifest, add_backup, job, &options, err);
    /* Nothing refers to the pack of an unusable backup.  After any other failure it stays: the
     * answer may have been lost and not the manifest. */
    if (r < 0 && job->other_seed &&
        catalog_pack_key(job->options->database, job->record.id, key, NULL) == 0)
        (void)object_delete(job->store, keys, 1, NULL);
    return r;
}

static int attempt(struct job *job, struct backup_report *report, struct err *err)
{
    struct capture capture = CAPTURE_INIT;
    int r;

    r = catalog_load(job->store, job->options->database, true, &job->manifest, err);
    if (r < 0)
        goto out;
    job->hash_seed = job->manifest.page_hash_seed;
    r = check_source(job, err);
    if (r < 0)
        goto out;
    uuid_v4(job->record.id);
    r = read_database(job, &capture, err);
    if (r < 0)
        goto out;
    r = fill_record(job, &capture, err);
    if (r < 0)
        goto out;
    r = finish_pack(job, &capture, err);
    if (r < 0)
        goto out;
    r = commit(job, err);
    if (r < 0)
        goto out;
    report->lock_us = capture.lock_us;
    report->spool_max = pack_writer_spool_max(capture.pack) + capture.discarded_spool_max;
out:
    capture_dispose(&capture);
    return r;
}

int backup_create(struct object_store *store, const struct backup_options *options,
                  struct backup_record *ret_record, struct backup_report *ret_report,
                  struct err *err)
{
    struct backup_report report = { 0 };
    struct job job = {
        .store = store,
        .options = options,
        .clock = options->clock != NULL ? options->clock : clock_system(),
    };
    int r;

    r = identify(&job, err);
    for (int i = 0; i < SEED_ATTEMPTS_MAX && r == 0; i++) {
        job.other_seed = false;
        r = attempt(&job, &report, err);
        if (!job.other_seed)
            break;
        manifest_dispose(&job.manifest);
        backup_record_dispose(&job.record);
        r = i + 1 < SEED_ATTEMPTS_MAX ? 0 : r;
    }
    if (r == 0) {
        *ret_record = job.record;
        job.record = (struct backup_record){ 0 };
        if (ret_report != NULL)
            *ret_report = report;
    }
    job_dispose(&job);
    return r;
}
