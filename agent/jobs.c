#include "agent/jobs.h"

#include "agent/database_set.h"
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

/* Takes over *database, and empties it. */
static int add_job(struct jobs *jobs, struct session *session, struct database *database,
                   struct cancel *cancel, struct err *err)
{
    struct job *job = &jobs->items[jobs->count++];
    int r;

    job->database = *database;
    *database = (struct database){ 0 };
    job->session = session_for(session, job->database.options, cancel);
    load_status(jobs->state_dir, job);
    r = notify_check(&job->session.settings, err);
    if (r < 0)
        return r;
    job->status.shrunk_fails =
        settings_number(&job->session.settings, OPTION_SHRINK_GUARD, GUARD_WARN) == GUARD_FAIL;
    return load_schedule(job, err);
}

static int load_set(const struct session *session, struct database_set *ret_set, struct err *err)
{
    const struct args *args = session->args;

    return database_set_load(&session->config, args->positionals, args->positional_count, ret_set,
                             err);
}

int jobs_load(struct session *session, struct cancel *cancel, struct jobs *ret_jobs,
              struct err *err)
{
    struct database_set set = DATABASE_SET_INIT;
    struct jobs jobs = JOBS_INIT;
    int r;

    r = load_set(session, &set, err);
    if (r < 0)
        return r;
    jobs.has_patterns = set.has_patterns;
    jobs.state_dir = session_state_dir(session);
    jobs.items = calloc(set.count + 1, sizeof(*jobs.items));
    if (jobs.items == NULL) {
        database_set_dispose(&set);
        jobs_dispose(&jobs);
        return err_nomem(err);
    }
    for (size_t i = 0; r == 0 && i < set.count; i++)
        r = add_job(&jobs, session, &set.items[i], cancel, err);
    database_set_dispose(&set);
    if (r < 0) {
        jobs_dispose(&jobs);
        return r;
    }
    *ret_jobs = jobs;
    return 0;
}

bool jobs_have_changed(const struct jobs *jobs, const struct session *session, struct err *err)
{
    struct database_set set = DATABASE_SET_INIT;
    bool changed;

    if (load_set(session, &set, err) < 0)
        return true;
    changed = set.count != jobs->count;
    for (size_t i = 0; !changed && i < set.count; i++) {
        const struct database *a = &set.items[i], *b = &jobs->items[i].database;

        changed = strcmp(a->name, b->name) != 0 || strcmp(a->path, b->path) != 0;
    }
    database_set_dispose(&set);
    return changed;
}
