#include "agent/jobs.h"

#include "agent/notify.h"
#include "agent/zone.h"
#include "base/log.h"

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
    const char *drill = settings_text(&job->session.settings, OPTION_VERIFY_CRON);
    int r;

    r = zone_load(zone != NULL ? zone : ZONE_DEFAULT, &job->zone, err);
    if (r == 0) {
        r = schedule_parse(schedule != NULL ? schedule : SCHEDULE_DEFAULT, job->zone,
                           &job->schedule, err);
    }
    if (r < 0)
        return err_wrap(err, ERR_CONFIG, "schedule of '%s'", job->database.name);
    job->has_drill = drill != NULL;
    if (drill != NULL)
        r = schedule_parse(drill, job->zone, &job->drill_schedule, err);
    return r < 0 ? err_wrap(err, ERR_CONFIG, "cron of '%s' in [verify]", job->database.name) : 0;
}

/* What cannot be read is no reason not to back up. */
static void load_status(const char *state_dir, struct job *job)
{
    const char *name = job->database.name;
    struct err why = { 0 };

    if (state_dir == NULL)
        return;
    if (job_status_load(state_dir, name, &job->status, &why) < 0)
        log_warn("%s: it is begun anew", why.msg);
    if (drill_status_load(state_dir, name, &job->drill, &why) < 0)
        log_warn("%s: it is begun anew", why.msg);
    atomic_store(&job->drill_failed, job->drill.failures > 0);
}

void jobs_read_status(struct jobs *jobs)
{
    for (size_t i = 0; i < jobs->count; i++)
        load_status(jobs->state_dir, &jobs->items[i]);
}

static int add_job(struct jobs *jobs, struct session *session, const char *name,
                   struct cancel *cancel, struct err *err)
{
    struct job *job = &jobs->items[jobs->count];
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
    load_status(jobs->state_dir, job);
    r = notify_check(&job->session.settings, err);
    if (r < 0)
        return r;
    job->status.shrunk_fails =
        settings_number(&job->session.settings, OPTION_SHRINK_GUARD, GUARD_WARN) == GUARD_FAIL;
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
