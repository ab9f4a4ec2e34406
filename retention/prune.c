#include "retention/prune.h"

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "snapshot/catalog.h"
#include "store/object_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DELETE_BATCH 500u /* keys a request */

/* Keys that are to go. */
struct keys {
    char **keys;
    size_t count, size;
};

struct job {
    struct object_store *store;
    const struct prune_options *options;
    struct clock *clock;
    int64_t now_ms;
    struct manifest manifest;
    struct expired_packs expired;
    struct prune_report report;
    struct keys keys;
    /* While listing. */
    bool *seen;                      /* packs of the manifest that are there, and whole */
    char previous[CATALOG_KEY_SIZE]; /* the generation before the one that is listed now */
    uint64_t previous_size;
};

void prune_report_dispose(struct prune_report *report)
{
    for (size_t i = 0; i < report->backup_count; i++)
        backup_record_dispose(&report->backups[i].backup);
    free(report->backups);
    *report = (struct prune_report){ 0 };
}

static void keys_dispose(struct keys *keys)
{
    for (size_t i = 0; i < keys->count; i++)
        free(keys->keys[i]);
    free((void *)keys->keys);
    *keys = (struct keys){ 0 };
}

static int keys_add(struct keys *keys, const char *key, struct err *err)
{
    if (keys->count == keys->size) {
        const size_t size = keys->size > 0 ? keys->size * 2 : 64;
        char **grown = (char **)realloc((void *)keys->keys, size * sizeof(char *));

        if (grown == NULL)
            return err_nomem(err);
        keys->keys = grown;
        keys->size = size;
    }
    keys->keys[keys->count] = strdup(key);
    if (keys->keys[keys->count] == NULL)
        return err_nomem(err);
    keys->count++;
    return 0;
}

/* Which backups the policy keeps, and why. */
static int report_backups(struct job *job, struct err *err)
{
    static const struct retention_policy keep_all = { 0 };
    const struct retention_policy *policy = job->options->policy;
    const size_t count = job->manifest.backup_count;
    unsigned *reasons = calloc(count + 1, sizeof(*reasons));
    int r;

    job->report.backups = calloc(count + 1, sizeof(*job->report.backups));
    if (reasons == NULL || job->report.backups == NULL) {
        free(reasons);
        return err_nomem(err);
    }
    r = expire_choose(policy != NULL ? policy : &keep_all, &job->manifest, job->now_ms, reasons,
                      err);
    for (size_t i = 0; r == 0 && i < count; i++) {
        struct prune_backup *to = &job->report.backups[i];

        r = backup_record_copy(&job->manifest.backups[i], &to->backup, err);
        if (r < 0)
            break;
        pack_set_dispose(&to->backup.packs);
        to->reasons = reasons[i];
        job->report.backup_count++;
        job->report.expired_count += reasons[i] == 0;
    }
    free(reasons);
    return r;
}

static int expire(struct job *job, struct manifest *manifest, bool *ret_changed, struct err *err)
{
    const struct expire_options options = {
        .policy = job->options->policy,
        .grace_ms = job->options->grace_ms,
        .now_ms = job->now_ms,
    };

    return expire_apply(manifest, &options, &job->expired, ret_changed, err);
}

/* For catalog_commit(): the same change to whatever is the newest manifest then. */
static int change(void *context, struct manifest *manifest, struct err *err)
{
    bool changed;

    return expire(context, manifest, &changed, err);
}

/* What is found to expire in the manifest that was loaded is found again in the commit, in whatever
 * is the newest one then. */
static int commit(struct job *job, struct err *err)
{
    const struct catalog_commit_options options = { .clock = job->clock,
                                                    .cancel = job->options->cancel };
    bool due = false;
    int r;

    r = expire(job, &job->manifest, &due, err);
    if (r < 0 || !due || job->options->dry_run)
        return r;
    manifest_dispose(&job->manifest);
    r = catalog_load(job->store, job->options->database, false, &job->manifest, err);
    return r < 0 ? r : catalog_commit(job->store, &job->manifest, change, job, &options, err);
}

static bool is_old(const struct job *job, int64_t modified_ms, int64_t least_ms)
{
    return modified_ms <= job->now_ms && job->now_ms - modified_ms >= least_ms;
}

static int add_expired(struct job *job, struct err *err)
{
    char key[CATALOG_KEY_SIZE];
    int r = 0;

    for (size_t i = 0; r == 0 && i < job->expired.count; i++) {
        const struct pack_record *pack = &job->expired.packs[i];

        r = catalog_pack_key(job->options->database, pack->id, key, err);
        if (r == 0)
            r = keys_add(&job->keys, key, err);
        job->report.packs++;
        job->report.bytes += pack->size;
    }
    return r;
}

static bool is_expired(const struct job *job, const char *key)
{
    char known[CATALOG_KEY_SIZE];

    for (size_t i = 0; i < job->expired.count; i++) {
        if (catalog_pack_key(job->options->database, job->expired.packs[i].id, known, NULL) == 0 &&
            strcmp(known, key) == 0)
            return true;
    }
    return false;
}

static int see_pack(struct job *job, const char *key, const struct object_info *info,
                    struct err *err)
{
    char known[CATALOG_KEY_SIZE];

    for (size_t i = 0; i < job->manifest.pack_count; i++) {
        const struct pack_record *pack = &job->manifest.packs[i];

        if (catalog_pack_key(job->options->database, pack->id, known, NULL) == 0 &&
            strcmp(known, key) == 0) {
            job->seen[i] = info->size == pack->size;
            return 0;
        }
    }
    if (is_expired(job, key) || !is_old(job, info->modified_ms, job->options->grace_ms))
        return 0;
    job->report.leftovers++;
    job->report.bytes += info->size;
    return keys_add(&job->keys, key, err);
}

/* Generations come in the order of their numbers: each tells when the one before it was superseded.
 */
static int see_generation(struct job *job, const char *key, uint64_t generation,
                          const struct object_info *info, struct err *err)
{
    const int64_t least_ms =
        job->options->grace_ms > PRUNE_GENERATION_MS ? job->options->grace_ms : PRUNE_GENERATION_MS;
    int r = 0;

    if (generation >= job->manifest.generation)
        return 0;
    if (job->previous[0] != '\0' && is_old(job, info->modified_ms, least_ms)) {
        r = keys_add(&job->keys, job->previous, err);
        job->report.generations++;
        job->report.bytes += job->previous_size;
    }
    (void)snprintf(job->previous, sizeof(job->previous), "%s", key);
    job->previous_size = info->size;
    return r;
}

static int see(void *context, const char *key, const struct object_info *info, struct err *err)
{
    struct job *job = context;
    const char *database = job->options->database;
    const char *rest = key + strlen(database);
    uint64_t generation;

    if (strncmp(rest, "/packs/", 7) == 0)
        return see_pack(job, key, info, err);
    if (catalog_manifest_key_parse(database, key, &generation))
        return see_generation(job, key, generation, info, err);
    if (strncmp(rest, "/probe/", 7) != 0 || !is_old(job, info->modified_ms, job->options->grace_ms))
        return 0;
    job->report.probes++;
    job->report.bytes += info->size;
    return keys_add(&job->keys, key, err);
}

static void tell_missing(struct job *job)
{
    for (size_t i = 0; i < job->manifest.pack_count; i++)
        job->report.missing += !job->seen[i];
    if (job->report.missing == 0)
        return;
    for (size_t i = 0; i < job->manifest.backup_count; i++) {
        const struct backup_record *backup = &job->manifest.backups[i];
        bool whole = true;

        for (size_t k = 0; k < job->manifest.pack_count; k++)
            whole = whole && (job->seen[k] || !pack_set_has(&backup->packs, (uint32_t)k));
        if (!whole) {
            log_warn(
                "'%s': backup %.8s cannot be restored: a pack of it is missing in the store or "
                "has another size; see 'holdfast verify'",
                job->options->database, backup->id);
        }
    }
}

static int list(struct job *job, struct err *err)
{
    char prefix[CATALOG_KEY_SIZE];
    int r;

    job->seen = calloc(job->manifest.pack_count + 1, sizeof(*job->seen));
    if (job->seen == NULL)
        return err_nomem(err);
    (void)snprintf(prefix, sizeof(prefix), "%s/", job->options->database);
    r = object_list(job->store, prefix, NULL, see, job, err);
    if (r < 0)
        return err_wrap(err, r, "list what is stored of '%s'", job->options->database);
    tell_missing(job);
    return 0;
}

/* Uploads that were begun and never finished.  Credentials without the right to list them, and
 * servers that cannot, are no reason to fail. */
static void abort_uploads(struct job *job)
{
    char prefix[CATALOG_KEY_SIZE];
    struct err why = { 0 };

    (void)snprintf(prefix, sizeof(prefix), "%s/", job->options->database);
    if (object_abort_uploads(job->store, prefix, job->now_ms - job->options->grace_ms,
                             job->options->dry_run, &job->report.uploads, &why) < 0)
        log_info("'%s': unfinished uploads are left alone: %s", job->options->database, why.msg);
}

/* What cannot be deleted now is a leftover of the next run. */
static int delete_all(struct job *job, struct err *err)
{
    struct err why = { 0 };
    int r = 0;

    for (size_t i = 0; r == 0 && i < job->keys.count; i += DELETE_BATCH) {
        const size_t left = job->keys.count - i, count = left < DELETE_BATCH ? left : DELETE_BATCH;

        r = cancel_check(job->options->cancel, err);
        if (r == 0)
            r = object_delete(job->store, (const char *const *)job->keys.keys + i, count, &why);
    }
    if (r == ERR_DENIED) {
        job->report.denied = true;
        log_warn("'%s': these credentials may not delete, so nothing is removed from '%s': %s",
                 job->options->database, job->store->url, why.msg);
        return 0;
    }
    if (r < 0 && err != NULL && why.code != 0)
        *err = why;
    return r;
}

int prune_run(struct object_store *store, const struct prune_options *options,
              struct prune_report *ret_report, struct err *err)
{
    struct job job = {
        .store = store,
        .options = options,
        .clock = options->clock != NULL ? options->clock : clock_system(),
    };
    int r;

    job.now_ms = clock_now_ms(job.clock);
    r = catalog_load(store, options->database, false, &job.manifest, err);
    if (r == 0)
        r = report_backups(&job, err);
    if (r == 0)
        r = commit(&job, err);
    if (r == 0)
        r = add_expired(&job, err);
    if (r == 0)
        r = list(&job, err);
    if (r == 0)
        abort_uploads(&job);
    if (r == 0 && !options->dry_run)
        r = delete_all(&job, err);
    job.report.waiting = job.manifest.deletion_count;
    manifest_dispose(&job.manifest);
    expired_packs_dispose(&job.expired);
    keys_dispose(&job.keys);
    free(job.seen);
    if (r < 0) {
        prune_report_dispose(&job.report);
        return r;
    }
    *ret_report = job.report;
    return 0;
}

int prune_amend(void *context, struct manifest *manifest, int64_t now_ms, struct err *err)
{
    const struct prune_amend *amend = context;
    const struct expire_options options = {
        .policy = amend->policy,
        .grace_ms = INT64_MAX, /* objects are deleted by prune_run() alone */
        .now_ms = now_ms,
    };
    struct expired_packs expired = { NULL, 0 };
    bool changed;
    int r;

    r = expire_apply(manifest, &options, &expired, &changed, err);
    expired_packs_dispose(&expired);
    return r;
}
