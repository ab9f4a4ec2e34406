#include "agent/backup_job.h"

#include "agent/backup_hooks.h"
#include "agent/database.h"
#include "agent/history.h"
#include "agent/retention_policy.h"
#include "agent/session.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "retention/merge.h"
#include "retention/prune.h"
#include "retention/renew.h"
#include "snapshot/catalog.h"

#include <stdlib.h>

#define BUSY_TIMEOUT_MS 5000

/* The backup is made, whatever becomes of what nobody needs any more. */
static void finish_prune(struct prune_amend *amend)
{
    struct err why = { 0 };

    if (prune_amend_finish(amend, &why) < 0) {
        log_warn("'%s': the backup is made; what is due for deletion is left for the next time: %s",
                 amend->options.database, why.msg);
    }
}

static struct backup_options options_of(const struct session *session, const struct backup_job *job)
{
    const struct settings *settings = &session->settings;

    return (struct backup_options){
        .database = job->database->name,
        .path = job->database->path,
        .label = job->label,
        .trigger = job->trigger,
        .adopt = job->adopt,
        .force = job->force,
        .full = job->full,
        .full_every_ms = (int64_t)settings_number(settings, OPTION_FULL_EVERY, 0),
        .spool_dir = settings_text(settings, OPTION_SPOOL_DIR),
        .thread_count = (unsigned)settings_number(settings, OPTION_THREADS, 0),
        .compression_level = (int)settings_number(settings, OPTION_COMPRESSION, 0),
        .part_size = settings_number(settings, OPTION_PART_SIZE, 0),
        .busy_timeout_ms = (int64_t)settings_number(settings, OPTION_BUSY_TIMEOUT, 0),
        .progress = job->progress,
        .cancel = session->cancel,
        .clock = session->clock,
        .merge_bases = merge_bases,
        /* Either what has not changed is sent again, or packs are downloaded. */
        .no_rewrite = max_unused_from_settings(settings) < MAX_UNUSED_ALL,
    };
}

/* What goes into the commit beside the backup: first the mark, which the policy then heeds. */
struct amendment {
    struct guard guard;
    struct prune_amend prune;
    bool with_prune;
    bool renewal_due; /* the locks of a backup that stands end sooner than promised */
    struct history_catalog *catalog; /* NULL: nobody wants to see it */
};

static void observe(void *context, const struct manifest *manifest)
{
    struct amendment *amendment = context;

    if (amendment->catalog != NULL)
        (void)history_catalog_set(amendment->catalog, manifest, NULL);
}

/* Nothing was made, but the manifest was looked at, which happens once a day at least. */
static void observe_standing(void *context, const struct manifest *manifest)
{
    struct amendment *amendment = context;

    amendment->renewal_due = renew_is_due(amendment->prune.store, manifest);
    observe(context, manifest);
}

static int amend(void *context, struct manifest *manifest, int64_t now_ms, struct err *err)
{
    struct amendment *amendment = context;

    int r = 0;

    guard_compare(&amendment->guard, manifest);
    if (amendment->with_prune)
        r = prune_amend(&amendment->prune, manifest, now_ms, err);
    if (r == 0 && manifest->backup_count > 0) {
        r = renew_locks(amendment->prune.store, manifest,
                        now_ms - manifest->backups[manifest->backup_count - 1].created_at_ms, err);
    }
    if (r == 0)
        observe(amendment, manifest);
    return r;
}

static void finish_renewal(const struct session *session, const struct backup_job *job,
                           const struct amendment *amendment)
{
    struct err why = { 0 };

    if (amendment->renewal_due &&
        renew_standing(job->store, job->database->name, session->clock, session->cancel, &why) < 0)
        log_warn("%s", why.msg);
}

/* Whether somebody has unpinned meanwhile what was marked; a store that does not say counts as no.
 */
static void review(const struct backup_job *job, struct guard *guard)
{
    struct manifest manifest = MANIFEST_INIT;

    guard->verdict.shrunk = true;
    if (catalog_load(job->store, job->database->name, false, &manifest, NULL) == 0)
        guard_review(guard, &manifest);
    manifest_dispose(&manifest);
}

static int make_backup(const struct backup_job *job, const struct backup_options *options,
                       struct amendment *amendment, struct backup_job_result *result,
                       struct err *err)
{
    int r;

    r = backup_create(job->store, options, &result->record, &result->report, err);
    if (r < 0)
        return r;
    if (!result->report.unchanged) {
        guard_finish(&amendment->guard, &result->record);
    } else if (job->review) {
        review(job, &amendment->guard);
    }
    result->guard = amendment->guard.verdict;
    return 0;
}

/* With the settings' commands around it. */
static int make_backup_with_hooks(const struct session *session, const struct backup_job *job,
                                  const struct backup_options *options, struct amendment *amendment,
                                  struct backup_job_result *result, struct err *err)
{
    const int64_t begin_ms = clock_mono_ms(session->clock);
    struct backup_hooks_outcome outcome = { .result = NULL };
    struct err why = { 0 };
    int r;

    r = backup_hooks_before(session, job->database, &why);
    if (r == 0)
        r = make_backup(job, options, amendment, result, &why);
    outcome.duration_ms = clock_mono_ms(session->clock) - begin_ms;
    outcome.message = why.msg;
    if (r == 0)
        outcome.result = result;
    backup_hooks_after(session, job->database, &outcome);
    if (r < 0 && err != NULL)
        *err = why;
    return r;
}

int backup_job_run(const struct session *session, const struct backup_job *job,
                   struct backup_job_result *ret_result, struct err *err)
{
    struct retention_policy policy;
    struct backup_options options = options_of(session, job);
    struct amendment amendment = {
        .prune = { .store = job->store,
                   .options = { .database = job->database->name,
                                .policy = &policy,
                                .grace_ms = prune_grace_from_settings(&session->settings),
                                .repack = true,
                                .max_unused = max_unused_from_settings(&session->settings),
                                .spool_dir = settings_text(&session->settings, OPTION_SPOOL_DIR),
                                .clock = session->clock,
                                .cancel = session->cancel } },
        .with_prune = job->prune,
        .catalog = job->catalog,
    };
    struct backup_job_result result = { .report = { .unchanged = false } };
    struct lock lock = LOCK_INIT;
    char *state_dir = session_state_dir(session);
    int r;

    guard_init(
        &amendment.guard, state_dir, job->database->name,
        (enum guard_mode)settings_number(&session->settings, OPTION_SHRINK_GUARD, GUARD_WARN));
    r = retention_policy_from_settings(&session->settings, &policy, err);
    if (r < 0)
        goto out;
    options.merge_context = &policy;
    options.state_dir = state_dir;
    options.amend = amend;
    options.amend_context = &amendment;
    options.observe = observe_standing;
    r = session_lock(session, job->database->name, BUSY_TIMEOUT_MS, &lock, err);
    if (r < 0)
        goto out;
    options.tables = &amendment.guard.tables;
    r = make_backup_with_hooks(session, job, &options, &amendment, &result, err);
    if (r == 0) {
        *ret_result = result;
        finish_renewal(session, job, &amendment);
        finish_prune(&amendment.prune); /* which may take long, and `after` does not wait for */
    }
out:
    guard_dispose(&amendment.guard);
    prune_amend_dispose(&amendment.prune);
    lock_release(&lock);
    free(state_dir);
    return r;
}
