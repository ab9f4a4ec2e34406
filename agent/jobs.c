#include "agent/jobs.h"

#include "agent/database_set.h"
#include "agent/notify.h"
#include "agent/store_choice.h"
#include "agent/zone.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

#define SCHEDULE_DEFAULT "@hourly"
#define ZONE_DEFAULT     "local"
#define TITLE_LEN_MAX    1024

void jobs_dispose(struct jobs *jobs)
{
    for (size_t i = 0; i < jobs->count; i++) {
        database_dispose(&jobs->items[i].database);
        free(jobs->items[i].title);
        free(jobs->items[i].state_dir);
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
        return err_wrap(err, ERR_CONFIG, "schedule of %s", job->title);
    job->has_drill = drill != NULL;
    if (drill != NULL)
        r = schedule_parse(drill, job->zone, &job->drill_schedule, err);
    return r < 0 ? err_wrap(err, ERR_CONFIG, "cron of %s in [verify]", job->title) : 0;
}

/* What cannot be read is no reason not to back up. */
static void load_status(struct job *job)
{
    const char *state_dir = job->state_dir;
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

void jobs_read_status(struct jobs *jobs, size_t lane)
{
    for (size_t i = 0; i < jobs->count; i++) {
        if (jobs->items[i].lane == lane)
            load_status(&jobs->items[i]);
    }
}

const char *jobs_counted(const struct jobs *jobs)
{
    return jobs->lane_count > 1 ? " (counted in each store)" : "";
}

bool job_is(const struct job *job, const struct job *other)
{
    const char *store = session_store_name(&job->session);
    const char *other_store = session_store_name(&other->session);

    if (strcmp(job->database.name, other->database.name) != 0)
        return false;
    return store == NULL || other_store == NULL ? store == other_store
                                                : strcmp(store, other_store) == 0;
}

/* A database with an address of its own shares the lane of those without a named store. */
static size_t find_lane(struct jobs *jobs, const struct job *job)
{
    for (const struct job *at = jobs->items; at < job; at++) {
        if (at->session.store == job->session.store)
            return at->lane;
    }
    return jobs->lane_count++;
}

static int set_title(struct job *job, struct err *err)
{
    const char *store = session_store_name(&job->session);
    struct buf title = BUF_INIT(TITLE_LEN_MAX);
    int r;

    buf_addf(&title, "'%s'", job->database.name);
    if (store != NULL)
        buf_addf(&title, " in '%s'", store);
    r = buf_check(&title, err);
    if (r == 0) {
        job->title = strdup(title.ptr);
        r = job->title != NULL ? 0 : err_nomem(err);
    }
    buf_dispose(&title);
    return r;
}

static int add_job(struct jobs *jobs, const struct session *session,
                   const struct database *database, const struct config_store *store,
                   struct err *err)
{
    struct job *job = &jobs->items[jobs->count++];
    int r;

    r = database_copy(database, &job->database, err);
    if (r < 0)
        return r;
    job->session = *session;
    session_use_store(&job->session, store);
    job->lane = find_lane(jobs, job);
    job->state_dir = session_state_dir(&job->session);
    r = set_title(job, err);
    if (r < 0)
        return r;
    load_status(job);
    r = notify_check(&job->session.settings, err);
    if (r < 0)
        return r;
    job->status.shrunk_fails =
        settings_number(&job->session.settings, OPTION_SHRINK_GUARD, GUARD_WARN) == GUARD_FAIL;
    return load_schedule(job, err);
}

/* One job a store. */
static int add_database(struct jobs *jobs, const struct session *session,
                        const struct database *database, struct cancel *cancel, struct err *err)
{
    const struct session own = session_for(session, database->options, cancel);
    struct store_choice choice;
    struct job *grown;
    int r;

    r = store_choice_make(&own, &choice, err);
    if (r < 0)
        return err_wrap(err, r, "'%s'", database->name);
    grown = reallocarray(jobs->items, jobs->count + choice.count, sizeof(*grown));
    if (grown == NULL)
        return err_nomem(err);
    memset(&grown[jobs->count], 0, choice.count * sizeof(*grown));
    jobs->items = grown;
    for (size_t i = 0; r == 0 && i < choice.count; i++)
        r = add_job(jobs, &own, database, choice.items[i], err);
    return r;
}

static int load_set(const struct session *session, struct database_set *ret_set, struct err *err)
{
    const struct args *args = session->args;

    return database_set_load(&session->sources->config, args->positionals, args->positional_count,
                             ret_set, err);
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
    for (size_t i = 0; r == 0 && i < set.count; i++)
        r = add_database(&jobs, session, &set.items[i], cancel, err);
    database_set_dispose(&set);
    if (r < 0) {
        jobs_dispose(&jobs);
        return r;
    }
    *ret_jobs = jobs;
    return 0;
}

static bool is_same(const struct database *a, const struct database *b)
{
    return strcmp(a->name, b->name) == 0 && strcmp(a->path, b->path) == 0;
}

bool jobs_have_changed(const struct jobs *jobs, const struct session *session, struct err *err)
{
    struct database_set set = DATABASE_SET_INIT;
    size_t at = 0; /* of the jobs, of which a database may have several */
    bool changed;

    if (load_set(session, &set, err) < 0)
        return true;
    changed = false;
    for (size_t i = 0; !changed && i < set.count; i++) {
        const size_t first = at;

        while (at < jobs->count && is_same(&set.items[i], &jobs->items[at].database))
            at++;
        changed = at == first;
    }
    changed = changed || at != jobs->count;
    database_set_dispose(&set);
    return changed;
}
