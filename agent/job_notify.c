#include "agent/job_notify.h"

#include "agent/backup_job.h"
#include "agent/drill.h"
#include "agent/jobs.h"
#include "base/clock.h"

struct notify_subject job_subject(const struct job *job)
{
    return (struct notify_subject){ job->database.name, session_store_name(&job->session) };
}

static bool tells_always(const struct job *job)
{
    return settings_number(&job->session.settings, OPTION_WEBHOOK_ON, WEBHOOK_ON_FAILURE) ==
           WEBHOOK_ON_ALWAYS;
}

static enum notify_event event_of(const struct job *job, const struct job_notify_backup *backup)
{
    if (backup->result == NULL)
        return NOTIFY_FAILURE;
    if (backup->result->guard.is_new)
        return NOTIFY_LOSS;
    /* A recovery that nobody could be told of is told late. */
    return backup->recovered || job->status.notified_ms != 0 ? NOTIFY_RECOVERY : NOTIFY_SUCCESS;
}

/* Pings are for a service that keeps count; a webhook is read by people. */
static bool is_news(const struct job *job, enum notify_event event)
{
    const struct job_status *status = &job->status;

    if (tells_always(job))
        return true;
    switch (event) {
    case NOTIFY_FAILURE:
        return status->notified_ms == 0 ||
               status->attempt_ms - status->notified_ms >= JOB_NOTIFY_AGAIN_MS;
    case NOTIFY_RECOVERY:
        return status->notified_ms != 0;
    case NOTIFY_LOSS:
        return true;
    case NOTIFY_SUCCESS:
    case NOTIFY_DRILL_SUCCESS:
    case NOTIFY_DRILL_FAILURE:
    case NOTIFY_DRILL_RECOVERY:
        break;
    }
    return false;
}

/* Else a good backup would end the alarm over what is still wrong. */
static void add_what_is_not_well(struct job *job, struct notify_facts *facts)
{
    const bool loss_counts =
        settings_number(&job->session.settings, OPTION_SHRINK_GUARD, GUARD_WARN) == GUARD_FAIL;

    if (job->status.shrunk)
        facts->shrunk_reason = job->status.shrunk_reason;
    if (atomic_load(&job->drill_failed)) {
        facts->not_well = true;
        facts->not_well_reason = "the last restore drill failed: see 'holdfast status'";
    } else if (job->status.shrunk && loss_counts) {
        facts->not_well = true;
        facts->not_well_reason = "which 'holdfast unpin' of the backup from before would settle";
    }
}

void job_notify_backup(struct job *job, struct notify *notify,
                       const struct job_notify_backup *backup)
{
    struct job_status *status = &job->status;
    struct notify_facts facts = {
        .event = event_of(job, backup),
        .subject = job_subject(job),
        .at_ms = status->attempt_ms,
        .duration_ms = status->duration_ms,
        .failures = status->failures,
    };
    bool news = is_news(job, facts.event), taken;

    if (backup->result == NULL) {
        facts.error = status->message;
        facts.hint = backup->hint;
    } else {
        facts.backup_id = status->backup_id;
        facts.unchanged = backup->result->report.unchanged;
        facts.size = backup->result->record.size;
        facts.stored_bytes = facts.unchanged ? 0 : backup->result->record.stored_bytes;
        add_what_is_not_well(job, &facts);
    }
    taken = notify_end(notify, &facts, news);
    if (backup->result == NULL) {
        if (news && taken)
            status->notified_ms = status->attempt_ms;
    } else if (!news || taken) {
        status->notified_ms = 0;
    }
}

void job_notify_drill(struct job *job, const struct cancel *cancel,
                      const struct job_notify_drill *drill)
{
    struct notify notify = { .settings = &job->session.settings,
                             .subject = job_subject(job),
                             .cancel = cancel };
    const struct notify_facts facts = {
        .event = drill->error != NULL ? NOTIFY_DRILL_FAILURE
                 : drill->recovered   ? NOTIFY_DRILL_RECOVERY
                                      : NOTIFY_DRILL_SUCCESS,
        .subject = job_subject(job),
        .at_ms = clock_now_ms(job->session.clock),
        .duration_ms = drill->result->restore_ms,
        .backup_id = drill->result->id,
        .failures = job->drill.failures,
        .error = drill->error,
        .hint = drill->hint,
    };
    const bool news = drill->error != NULL ? !drill->again : drill->recovered;

    (void)notify_end(&notify, &facts, news || tells_always(job));
}
