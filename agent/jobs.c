#include "agent/jobs.h"

#include "agent/backup_job.h"
#include "agent/hints.h"
#include "agent/zone.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/parse.h"
#include "store/object_store.h"

#include <stdlib.h>
#include <string.h>

#define SCHEDULE_DEFAULT "@hourly"
#define ZONE_DEFAULT     "local"

void jobs_dispose(struct jobs *jobs)
{
    for (size_t i = 0; i < jobs->count; i++) {
        database_dispose(&jobs->items[i].database);
        zone_free(jobs->items[i].zone);
    }
    free(jobs->items);
    free(jobs->state_dir);
    *jobs = (struct jobs)JOBS_INIT;
}

static int load_schedule(struct job *job, struct err *err)
{
    const char *zone = settings_text(&job->session.settings, OPTION_TIMEZONE);
    const char *schedule = settings_text(&job->session.settings, OPTION_SCHEDULE);
    int r;

    r = zone_load(zone != NULL ? zone : ZONE_DEFAULT, &job->zone, err);
    if (r == 0) {
        r = schedule_parse(schedule != NULL ? schedule : SCHEDULE_DEFAULT, job->zone,
                           &job->schedule, err);
    }
    return r < 0 ? err_wrap(err, ERR_CONFIG, "schedule of '%s'", job->database.name) : 0;
}

static int add_job(struct jobs *jobs, struct session *session, const char *name,
                   struct cancel *cancel, struct err *err)
{
    struct job *job = &jobs->items[jobs->count];
    struct err why = { 0 };
    int r;

    r = database_resolve(&session->config, name, NULL, DATABASE_NEED_TARGET, &job->database, err);
    if (r < 0)
        return r;
    jobs->count++;
    for (size_t i = 0; i + 1 < jobs->count; i++) {
        if (strcmp(jobs->items[i].database.name, job->database.name) == 0)
            return err_set(err, ERR_CONFIG, "'%s' is named twice", job->database.name);
    }
    job->session = session_for(session, job->database.options, cancel);
    if (jobs->state_dir != NULL &&
        job_status_load(jobs->state_dir, job->database.name, &job->status, &why) < 0)
        log_warn("%s: it is begun anew", why.msg);
    return load_schedule(job, err);
}

int jobs_load(struct session *session, struct cancel *cancel, struct jobs *ret_jobs,
              struct err *err)
{
    const struct config *config = &session->config;
    const bool named = session->args->positional_count > 0;
    const size_t count = named ? session->args->positional_count : config->database_count;
    struct jobs jobs = { .items = calloc(count + 1, sizeof(*jobs.items)),
                         .state_dir = session_state_dir(session) };
    int r = 0;

    if (jobs.items == NULL) {
        jobs_dispose(&jobs);
        return err_nomem(err);
    }
    if (count == 0) {
        r = err_set(err, ERR_CONFIG, "no database is named or configured");
        err_hint(err, "name one, or give the configuration a section [database:NAME]");
    }
    for (size_t i = 0; r == 0 && i < count; i++) {
        r = add_job(&jobs, session,
                    named ? session->args->positionals[i] : config->databases[i].name, cancel, err);
    }
    if (r < 0) {
        jobs_dispose(&jobs);
        return r;
    }
    *ret_jobs = jobs;
    return 0;
}

static int back_up(struct job *job, struct backup_record *record, struct backup_report *report,
                   struct err *err)
{
    struct backup_job backup = { .database = &job->database,
                                 .trigger = TRIGGER_SCHEDULE,
                                 .prune = true };
    int r;

    r = session_open_store(&job->session, &backup.store, err);
    if (r == 0)
        r = backup_job_run(&job->session, &backup, record, report, err);
    object_store_free(backup.store);
    return r;
}

static void log_success(const struct job *job, const struct backup_record *record,
                        const struct backup_report *report)
{
    char stored[FORMAT_SIZE_SIZE], duration[FORMAT_TIME_SIZE];

    format_size(record->stored_bytes, stored);
    format_duration(job->status.duration_ms, duration);
    if (report->unchanged) {
        log_info("'%s': nothing has changed since backup %.8s", job->database.name, record->id);
    } else {
        log_info("'%s': backup %.8s, %s stored, took %s", job->database.name, record->id, stored,
                 duration);
    }
}

static void save_status(const struct jobs *jobs, const struct job *job)
{
    struct err why = { 0 };

    if (jobs->state_dir != NULL &&
        job_status_save(jobs->state_dir, job->database.name, &job->status, &why) < 0) {
        log_warn("'%s': how its backup went cannot be written down: %s", job->database.name,
                 why.msg);
    }
}

int job_run(const struct jobs *jobs, struct job *job)
{
    struct clock *clock = job->session.clock;
    const int64_t begin_ms = clock_mono_ms(clock);
    struct job_status *status = &job->status;
    struct backup_record record = { 0 };
    struct backup_report report = { 0 };
    struct err err = { 0 };
    int r;

    status->attempt_ms = clock_now_ms(clock);
    r = back_up(job, &record, &report, &err);
    status->duration_ms = clock_mono_ms(clock) - begin_ms;
    if (r < 0) {
        hints_add(&err);
        status->failures++;
        memcpy(status->message, err.msg, sizeof(status->message));
        log_printf(LOG_LEVEL_ERROR, "backup '%s': %s%s%s", job->database.name, err.msg,
                   err.hint[0] != '\0' ? "; hint: " : "", err.hint);
    } else {
        status->success_ms = status->attempt_ms;
        status->failures = 0;
        status->unchanged = report.unchanged;
        memcpy(status->backup_id, record.id, sizeof(status->backup_id));
        status->message[0] = '\0';
        log_success(job, &record, &report);
    }
    save_status(jobs, job);
    backup_record_dispose(&record);
    return r;
}
