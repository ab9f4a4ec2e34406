#include "retention/prune.h"

#include "base/buf.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/parse.h"
#include "snapshot/catalog.h"
#include "snapshot/pack_reader.h"
#include "store/object_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DELETE_BATCH 500u /* keys a request */
/* Servers refuse requests that are signed at a time further from theirs. */
#define CLOCK_SLACK_MS (INT64_C(15) * 60 * 1000)
#define AFFECTED_NAMED 8u

struct job {
    struct object_store *store;
    const struct prune_options *options;
    struct clock *clock;
    int64_t now_ms;
    struct manifest manifest;
    bool is_applied; /* to the manifest as it was loaded */
    struct expired_packs expired;
    struct sweep sweep;
    struct prune_report report;
};

static void backups_dispose(struct prune_report *report)
{
    for (size_t i = 0; i < report->backup_count; i++)
        backup_record_dispose(&report->backups[i].backup);
    free(report->backups);
    report->backups = NULL;
    report->backup_count = report->expired_count = 0;
}

void prune_report_dispose(struct prune_report *report)
{
    backups_dispose(report);
    *report = (struct prune_report){ 0 };
}

static void job_dispose(struct job *job)
{
    manifest_dispose(&job->manifest);
    expired_packs_dispose(&job->expired);
    sweep_dispose(&job->sweep);
    prune_report_dispose(&job->report);
}

/* Which backups the policy keeps, and why. */
static int report_backups(struct job *job, const struct manifest *manifest, struct err *err)
{
    static const struct retention_policy keep_all = { 0 };
    const struct retention_policy *policy =
        job->options->policy != NULL ? job->options->policy : &keep_all;
    const size_t count = manifest->backup_count;
    unsigned *reasons = calloc(count + 1, sizeof(*reasons));
    int r;

    backups_dispose(&job->report);
    job->report.backups = calloc(count + 1, sizeof(*job->report.backups));
    if (reasons == NULL || job->report.backups == NULL) {
        free(reasons);
        return err_nomem(err);
    }
    r = expire_choose(policy, manifest, job->now_ms, reasons, err);
    for (size_t i = 0; r == 0 && i < count; i++) {
        struct prune_backup *to = &job->report.backups[i];

        r = backup_record_copy(&manifest->backups[i], &to->backup, err);
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

static int apply(struct job *job, struct manifest *manifest, bool *ret_changed, struct err *err)
{
    const struct expire_options options = {
        .policy = job->options->policy,
        .grace_ms = job->options->grace_ms,
        .now_ms = job->now_ms,
    };
    int r;

    r = report_backups(job, manifest, err);
    return r < 0 ? r : expire_apply(manifest, &options, &job->expired, ret_changed, err);
}

/* For catalog_commit().  To what was loaded it has been applied, to find out whether a commit is
 * due; who loses a race applies it to what is the newest then, and reports that. */
static int change(void *context, struct manifest *manifest, struct err *err)
{
    struct job *job = context;
    bool changed;

    if (job->is_applied) {
        job->is_applied = false;
        return 0;
    }
    return apply(job, manifest, &changed, err);
}

static int apply_policy(struct job *job, struct err *err)
{
    const struct catalog_commit_options options = { .clock = job->clock,
                                                    .cancel = job->options->cancel };
    bool due = false;
    int r;

    r = apply(job, &job->manifest, &due, err);
    if (r < 0 || !due || job->options->dry_run)
        return r;
    job->is_applied = true;
    return catalog_commit(job->store, &job->manifest, change, job, &options, err);
}

/* The age of an object is what its time and ours differ by.  A clock that is days ahead would make
 * leftovers of packs that are being uploaded right now; one that is behind only waits longer. */
static int64_t cautious_now(struct object_store *store, const char *database, int64_t now_ms)
{
    const int64_t store_ms = object_now_ms(store);
    char ahead[FORMAT_TIME_SIZE];

    if (now_ms <= store_ms || now_ms - store_ms <= CLOCK_SLACK_MS)
        return now_ms;
    format_duration(now_ms - store_ms, ahead);
    log_warn("'%s': this machine's clock is %s ahead of that of '%s', which counts here", database,
             ahead, store->url);
    return store_ms;
}

/* missing[i]: pack i is needed, now as when the listing began, and is not there as it should be.
 * What somebody has given up and deleted meanwhile is not missing. */
static int find_missing(struct job *job, const struct manifest *newest, bool *missing,
                        struct err *err)
{
    const struct manifest *manifest = &job->manifest;
    bool *used = calloc(manifest->pack_count + 1, sizeof(*used));
    bool *used_now = calloc(newest->pack_count + 1, sizeof(*used_now));
    int r = 0;

    if (used == NULL || used_now == NULL) {
        r = err_nomem(err);
        goto out;
    }
    manifest_flag_used_packs(manifest, used);
    manifest_flag_used_packs(newest, used_now);
    for (size_t i = 0; i < manifest->pack_count; i++) {
        const struct pack_record *pack;

        /* Of a pack that was repaired 'verify' knows what is still missed. */
        if (!used[i] || job->sweep.whole[i] || manifest->packs[i].repaired_by[0] != '\0')
            continue;
        pack = manifest_find_pack(newest, manifest->packs[i].id);
        missing[i] = pack != NULL && used_now[pack - newest->packs];
        job->report.missing += missing[i];
    }
out:
    free(used);
    free(used_now);
    return r;
}

static bool needs_any(const struct backup_record *backup, const bool *packs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (packs[i] && pack_set_has(&backup->packs, (uint32_t)i))
            return true;
    }
    return false;
}

static void tell_missing(const struct job *job, const bool *missing)
{
    const struct manifest *manifest = &job->manifest;
    struct buf names = BUF_INIT(1024);
    unsigned count = 0;

    for (size_t i = manifest->backup_count; i > 0; i--) {
        const struct backup_record *backup = &manifest->backups[i - 1];

        if (!needs_any(backup, missing, manifest->pack_count))
            continue;
        if (count < AFFECTED_NAMED)
            buf_addf(&names, "%s%.8s", count > 0 ? ", " : "", backup->id);
        count++;
    }
    log_warn("'%s': %zu packs are missing in '%s' or have another size: %u backups cannot be "
             "restored in full: %s%s",
             manifest->database, job->report.missing, job->store->url, count, names.ptr,
             count > AFFECTED_NAMED ? ", ..." : "");
    buf_dispose(&names);
}

/* Before anything is deleted that the manifest does not name, or said to be missing that it does:
 * is there a newer one? */
static int look_again(struct job *job, struct err *err)
{
    struct manifest newest = MANIFEST_INIT;
    bool *missing = calloc(job->manifest.pack_count + 1, sizeof(*missing));
    int r;

    r = missing != NULL ? find_missing(job, &job->manifest, missing, err) : err_nomem(err);
    if (r == 0 && (job->report.missing > 0 || sweep_count(&job->sweep, SWEEP_LEFTOVER) > 0)) {
        r = catalog_load(job->store, job->options->database, false, &newest, err);
        job->report.missing = 0;
        if (r == 0)
            r = find_missing(job, &newest, missing, err);
        if (r == 0)
            sweep_spare(&job->sweep, &newest);
        manifest_dispose(&newest);
    }
    if (r == 0 && job->report.missing > 0)
        tell_missing(job, missing);
    free(missing);
    return r;
}

static int list(struct job *job, struct err *err)
{
    char prefix[CATALOG_KEY_SIZE];
    struct err why = { 0 };
    int r;

    (void)snprintf(prefix, sizeof(prefix), "%s/", job->options->database);
    r = object_list(job->store, prefix, NULL, sweep_see, &job->sweep, &why);
    if (r == ERR_DENIED) {
        log_warn("'%s': what killed runs left in '%s' is not looked for: %s",
                 job->options->database, job->store->url, why.msg);
        return 0;
    }
    if (r == 0)
        return look_again(job, err);
    if (err != NULL)
        *err = why;
    return err_wrap(err, r, "list what is stored of '%s'", job->options->database);
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

static void report_deleted(struct job *job, const struct sweep_object *object)
{
    struct prune_report *report = &job->report;

    report->objects[object->kind]++;
    report->bytes += object->size;
    if (object->locked_until_ms > job->now_ms) {
        report->locked++;
        report->locked_bytes += object->size;
    }
}

static int delete_batch(const struct job *job, const struct sweep_object *objects, size_t count,
                        struct err *err)
{
    const char *keys[DELETE_BATCH];

    for (size_t i = 0; i < count; i++)
        keys[i] = objects[i].key;
    return object_delete(job->store, keys, count, err);
}

/* For want of a right, or because of a lock, of which not every server makes the same code. */
static bool is_refused(const struct job *job, int code)
{
    return code == ERR_DENIED || (code == ERR_PROTOCOL && job->store->lock_ms > 0);
}

/* What cannot be deleted now is a leftover for the next run.  A refusal concerns one batch, and
 * perhaps one object in it, so the others are tried all the same. */
static int delete_all(struct job *job, struct err *err)
{
    struct err why = { 0 };
    int r = 0;

    for (size_t i = 0; r == 0 && i < job->sweep.object_count; i += DELETE_BATCH) {
        const struct sweep_object *objects = &job->sweep.objects[i];
        const size_t left = job->sweep.object_count - i;
        const size_t count = left < DELETE_BATCH ? left : DELETE_BATCH;

        r = cancel_check(job->options->cancel, &why);
        if (r == 0)
            r = delete_batch(job, objects, count, &why);
        if (is_refused(job, r)) {
            job->report.denied += count;
            r = 0;
            continue;
        }
        for (size_t k = 0; r == 0 && k < count; k++)
            report_deleted(job, &objects[k]);
    }
    if (r < 0 && err != NULL)
        *err = why;
    if (r == 0 && job->report.denied > 0) {
        log_warn("'%s': up to %zu objects stay in '%s', where these credentials may not delete: %s",
                 job->options->database, job->report.denied, job->store->url, why.msg);
    }
    return r;
}

static int sweep(struct job *job, bool with_listing, struct err *err)
{
    const struct sweep_options options = {
        .manifest = &job->manifest,
        .expired = &job->expired,
        .grace_ms = job->options->grace_ms,
        .lock_ms = job->store->lock_ms,
        .now_ms = job->now_ms,
    };
    int r;

    r = sweep_init(&job->sweep, &options, err);
    if (r == 0 && with_listing)
        r = list(job, err);
    if (r < 0)
        return r;
    if (with_listing)
        abort_uploads(job);
    if (!job->options->dry_run)
        return delete_all(job, err);
    for (size_t i = 0; i < job->sweep.object_count; i++)
        report_deleted(job, &job->sweep.objects[i]);
    return 0;
}

static struct job job_begin(struct object_store *store, const struct prune_options *options)
{
    return (struct job){
        .store = store,
        .options = options,
        .clock = options->clock != NULL ? options->clock : clock_system(),
    };
}

/* Where nothing may be deleted, what replaces a pack would only cost more. */
static int repack(struct job *job, struct err *err)
{
    const struct repack_options options = {
        .database = job->options->database,
        .max_unused = job->options->max_unused,
        .grace_ms = job->options->grace_ms,
        .dry_run = job->options->dry_run,
        .spool_dir = job->options->spool_dir,
        .progress = job->options->progress,
        .clock = job->options->clock,
        .cancel = job->options->cancel,
    };
    struct err why = { 0 };
    int r;

    if (!job->options->repack || job->report.denied > 0 || job->report.missing > 0)
        return 0;
    r = repack_run(job->store, &job->manifest, &options, &job->report.repacked, &why);
    if (r == ERR_DENIED || pack_is_damage(r, &why)) {
        log_warn("'%s': packs stay as they are although not all of them is needed: %s",
                 job->options->database, why.msg);
        return 0;
    }
    if (r < 0 && err != NULL)
        *err = why;
    return r;
}

int prune_run(struct object_store *store, const struct prune_options *options,
              struct prune_report *ret_report, struct err *err)
{
    struct job job = job_begin(store, options);
    int r;

    r = catalog_load(store, options->database, false, &job.manifest, err);
    if (r == 0) {
        job.now_ms = cautious_now(store, options->database, clock_now_ms(job.clock));
        r = apply_policy(&job, err);
    }
    if (r == 0)
        r = sweep(&job, true, err);
    if (r == 0)
        r = repack(&job, err);
    if (r == 0) {
        job.report.waiting = job.manifest.deletion_count;
        *ret_report = job.report;
        job.report = (struct prune_report){ 0 };
    }
    job_dispose(&job);
    return r;
}

void prune_amend_dispose(struct prune_amend *amend)
{
    expired_packs_dispose(&amend->expired);
    amend->generation = 0;
}

int prune_amend(void *context, struct manifest *manifest, int64_t now_ms, struct err *err)
{
    struct prune_amend *amend = context;
    const struct expire_options options = {
        .policy = amend->options.policy,
        .grace_ms = amend->options.grace_ms,
        .now_ms = cautious_now(amend->store, amend->options.database, now_ms),
    };
    bool changed;

    amend->generation = manifest->generation + 1;
    return expire_apply(manifest, &options, &amend->expired, &changed, err);
}

/* What was given up is known; nothing else is looked for, so an empty manifest will do. */
static int delete_expired(struct prune_amend *amend, struct err *err)
{
    struct job job = job_begin(amend->store, &amend->options);
    int r;

    job.expired = amend->expired;
    amend->expired = (struct expired_packs){ NULL, 0 };
    job.manifest.database = strdup(amend->options.database);
    r = job.manifest.database != NULL ? sweep(&job, false, err) : err_nomem(err);
    job_dispose(&job);
    return r;
}

int prune_amend_finish(struct prune_amend *amend, struct err *err)
{
    struct prune_report report = { 0 };
    int r = 0;

    if (amend->expired.count > 0)
        r = delete_expired(amend, err);
    if (r == 0 && amend->generation > 0 && amend->generation % PRUNE_SWEEP_EVERY == 0) {
        r = prune_run(amend->store, &amend->options, &report, err);
        prune_report_dispose(&report);
    }
    return r;
}
