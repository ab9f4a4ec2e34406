#include "agent/backup_job.h"

#include "agent/database.h"
#include "agent/history.h"
#include "agent/retention_policy.h"
#include "agent/session.h"
#include "base/err.h"
#include "base/log.h"
#include "retention/merge.h"
#include "retention/prune.h"

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

/* What is done with the manifest that lists the backup, before it is written. */
struct commit {
    struct prune_amend *prune; /* NULL: nothing is given up */
    struct history_catalog *catalog;
};

static int amend(void *context, struct manifest *manifest, int64_t now_ms, struct err *err)
{
    const struct commit *commit = context;
    int r = 0;

    if (commit->prune != NULL)
        r = prune_amend(commit->prune, manifest, now_ms, err);
    if (r == 0 && commit->catalog != NULL)
        (void)history_catalog_set(commit->catalog, manifest, NULL);
    return r;
}

int backup_job_run(const struct session *session, const struct backup_job *job,
                   struct backup_record *ret_record, struct backup_report *ret_report,
                   struct err *err)
{
    struct retention_policy policy;
    struct backup_options options = options_of(session, job);
    struct prune_amend prune = {
        .store = job->store,
        .options = { .database = job->database->name,
                     .policy = &policy,
                     .grace_ms = prune_grace_from_settings(&session->settings),
                     .repack = true,
                     .max_unused = max_unused_from_settings(&session->settings),
                     .spool_dir = settings_text(&session->settings, OPTION_SPOOL_DIR),
                     .clock = session->clock,
                     .cancel = session->cancel },
    };
    struct commit commit = { .prune = job->prune ? &prune : NULL, .catalog = job->catalog };
    struct lock lock = LOCK_INIT;
    char *state_dir = session_state_dir(session);
    int r;

    r = retention_policy_from_settings(&session->settings, &policy, err);
    if (r < 0)
        goto out;
    options.merge_context = &policy;
    options.state_dir = state_dir;
    options.amend = amend;
    options.amend_context = &commit;
    r = session_lock(session, job->database->name, BUSY_TIMEOUT_MS, &lock, err);
    if (r < 0)
        goto out;
    r = backup_create(job->store, &options, ret_record, ret_report, err);
    if (r == 0)
        finish_prune(&prune);
out:
    prune_amend_dispose(&prune);
    lock_release(&lock);
    free(state_dir);
    return r;
}
