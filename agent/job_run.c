#include "agent/job_run.h"

#include "agent/backup_job.h"
#include "agent/drill.h"
#include "agent/hints.h"
#include "agent/job_notify.h"
#include "agent/jobs.h"
#include "agent/watch.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/parse.h"
#include "store/object_store.h"

#include <stdio.h>
#include <string.h>

static int back_up(struct job *job, struct backup_job_result *result, struct watch_report *watched,
                   struct err *err)
{
    struct backup_job backup = { .database = &job->database,
                                 .trigger = TRIGGER_SCHEDULE,
                                 .prune = true,
                                 .review = job->status.shrunk,
                                 .catalog = &watched->catalog };
    int r;

    r = session_open_store(&job->session, &backup.store, err);
    if (r == 0)
        r = backup_job_run(&job->session, &backup, result, err);
    if (backup.store != NULL)
        watch_report_store(watched, backup.store, session_store_name(&job->session));
    object_store_free(backup.store);
    return r;
}

static void log_success(const struct job *job, const struct backup_job_result *result)
{
    const struct backup_record *record = &result->record;
    char stored[FORMAT_SIZE_SIZE], duration[FORMAT_TIME_SIZE];

    format_size(record->stored_bytes, stored);
    format_duration(job->status.duration_ms, duration);
    if (result->report.unchanged) {
        log_info("%s: nothing has changed since backup %.8s", job->title, record->id);
    } else {
        log_info("%s: backup %.8s, %s stored, took %s", job->title, record->id, stored, duration);
    }
}

static void save_status(const struct job *job)
{
    struct err why = { 0 };

    if (job->state_dir != NULL &&
        job_status_save(job->state_dir, job->database.name, &job->status, &why) < 0) {
        log_warn("%s: how its backup went cannot be written down: %s", job->title, why.msg);
    }
}

static void note_guard(struct job_status *status, const struct guard_verdict *verdict)
{
    status->shrunk = verdict->shrunk;
    if (!verdict->shrunk) {
        job_status_acknowledge(status);
        return;
    }
    if (verdict->kept_id[0] != '\0')
        memcpy(status->kept_id, verdict->kept_id, sizeof(status->kept_id));
    if (verdict->reason[0] != '\0') {
        memcpy(status->shrunk_reason, verdict->reason, sizeof(status->shrunk_reason));
    } else if (status->shrunk_reason[0] == '\0') {
        (void)snprintf(status->shrunk_reason, sizeof(status->shrunk_reason),
                       "it has lost much since backup %.8s", status->kept_id);
    }
}

static void note_success(struct job *job, const struct backup_job_result *result)
{
    struct job_status *status = &job->status;

    status->success_ms = status->attempt_ms;
    status->failures = 0;
    status->unchanged = result->report.unchanged;
    memcpy(status->backup_id, result->record.id, sizeof(status->backup_id));
    status->message[0] = '\0';
    note_guard(status, &result->guard);
    log_success(job, result);
}

static void tell_watch(const struct jobs *jobs, const struct job *job,
                       const struct backup_record *record, struct watch_report *watched)
{
    const struct job_status *status = &job->status;

    watched->run = (struct history_run){ .at_ms = status->attempt_ms,
                                         .duration_ms = status->duration_ms,
                                         .outcome = HISTORY_FAILED };
    if (status->failures == 0) {
        watched->run.outcome = status->unchanged ? HISTORY_UNCHANGED : HISTORY_MADE;
        watched->run.stored_bytes = status->unchanged ? 0 : record->stored_bytes;
        history_newest_set(&watched->newest, record);
    }
    watch_ended(jobs->watch, job, watched, job->state_dir);
}

static void note_backup_failure(struct job *job, struct err *err)
{
    struct job_status *status = &job->status;

    hints_add(err);
    status->failures++;
    memcpy(status->message, err->msg, sizeof(status->message));
    log_printf(LOG_LEVEL_ERROR, "backup %s: %s%s%s", job->title, err->msg,
               err->hint[0] != '\0' ? "; hint: " : "", err->hint);
}

/* A failed drill may have been settled by 'holdfast verify --restore' since: what is written down
 * is the truth. */
static bool is_drill_settled(const struct job *job)
{
    struct drill_status drill = { 0 };

    return job->state_dir != NULL &&
           drill_status_load(job->state_dir, job->database.name, &drill, NULL) == 0 &&
           drill.verified_ms != 0 && drill.failures == 0;
}

int job_run(const struct jobs *jobs, struct job *job)
{
    struct clock *clock = job->session.clock;
    const int64_t begin_ms = clock_mono_ms(clock);
    struct job_status *status = &job->status;
    struct backup_job_result result = { .report = { .unchanged = false } };
    const int64_t notified_ms = status->notified_ms;
    const struct notify_subject subject = job_subject(job);
    struct job_notify_backup told = { .recovered = status->failures > 0 };
    struct watch_report watched = { 0 };
    struct notify notify;
    struct err err = { 0 };
    int r;

    if (atomic_load(&job->drill_failed) && is_drill_settled(job))
        atomic_store(&job->drill_failed, false);
    watch_began(jobs->watch, job);
    notify_begin(&notify, &job->session.settings, &subject, job->session.cancel);
    status->attempt_ms = clock_now_ms(clock);
    r = back_up(job, &result, &watched, &err);
    status->duration_ms = clock_mono_ms(clock) - begin_ms;
    if (r < 0) {
        note_backup_failure(job, &err);
    } else {
        note_success(job, &result);
        told.result = &result;
    }
    save_status(job);
    tell_watch(jobs, job, &result.record, &watched);
    told.hint = err.hint;
    job_notify_backup(job, &notify, &told);
    if (status->notified_ms != notified_ms)
        save_status(job);
    watch_report_dispose(&watched);
    backup_record_dispose(&result.record);
    return r;
}

static void save_drill(const struct job *job)
{
    struct err why = { 0 };

    if (job->state_dir != NULL &&
        drill_status_save(job->state_dir, job->database.name, &job->drill, &why) < 0) {
        log_warn("%s: how its restore drill went cannot be written down: %s", job->title, why.msg);
    }
}

static void note_verified(struct job *job, const struct drill_result *result, int64_t begin_ms)
{
    char duration[FORMAT_TIME_SIZE];

    drill_status_verified(&job->drill, result->id, begin_ms, result->restore_ms);
    format_duration(result->restore_ms, duration);
    log_info("%s: restore drill of backup %.8s: it is whole, and restoring it took %s", job->title,
             result->id, duration);
}

/* What was found damaged will not be whole by trying again before the next drill; what could not be
 * looked at may be looked at then. */
static void note_failure(struct job *job, int64_t begin_ms, struct err *err)
{
    if (err->code == ERR_CORRUPT)
        job->drill.verdict_ms = begin_ms;
    job->drill.failures++;
    hints_add(err);
    memcpy(job->drill.message, err->msg, sizeof(job->drill.message));
    log_printf(LOG_LEVEL_ERROR, "restore drill of %s: %s%s%s", job->title, err->msg,
               err->hint[0] != '\0' ? "; hint: " : "", err->hint);
}

int job_drill(const struct jobs *jobs, struct job *job, struct cancel *cancel)
{
    const struct session session = session_for(&job->session, job->database.options, cancel);
    const int64_t begin_ms = clock_now_ms(session.clock);
    const bool is_settled = job->drill.failures > 0 && is_drill_settled(job);
    const unsigned failures = is_settled ? 0 : job->drill.failures;
    struct job_notify_drill told = { .recovered = failures > 0 };
    struct drill_result result;
    struct watch_report watched = { 0 };
    struct err err = { 0 };
    int r;

    job->drill.failures = failures;
    r = drill_run(&session, &job->database, &result, &watched, &err);
    if (r == ERR_NOT_FOUND)
        log_info("%s: there is no backup to restore yet", job->title);
    if (r == ERR_NOT_FOUND || r == ERR_CANCELED)
        goto out;
    if (r == 0) {
        note_verified(job, &result, begin_ms);
    } else {
        note_failure(job, begin_ms, &err);
    }
    atomic_store(&job->drill_failed, r < 0);
    save_drill(job);
    if (r < 0) {
        told.error = err.msg;
        told.hint = err.hint;
        told.again = failures > 0 && r != ERR_CORRUPT; /* it is tried every few minutes */
    }
    told.result = &result;
    job_notify_drill(job, cancel, &told);
out:
    watch_drilled(jobs->watch, job, &watched, job->state_dir);
    watch_report_dispose(&watched);
    return r;
}
