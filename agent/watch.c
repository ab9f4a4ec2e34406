#include "agent/watch.h"

#include "agent/jobs.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "store/object_store.h"
#include "store/s3_store.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOST_SIZE        256
#define SCHEDULE_DEFAULT "@hourly"

struct watch {
    pthread_mutex_t mutex;
    struct clock *clock;
    struct watch_database *databases;
    size_t database_count;
    struct watch_store *stores;
    size_t store_count;
    char host[HOST_SIZE];
    int64_t started_ms;
    bool is_agent;
    atomic_uint version;
};

struct watch *watch_new(struct clock *clock, bool is_agent)
{
    struct watch *watch = calloc(1, sizeof(*watch));

    if (watch == NULL)
        return NULL;
    (void)pthread_mutex_init(&watch->mutex, NULL);
    watch->clock = clock;
    watch->is_agent = is_agent;
    (void)gethostname(watch->host, sizeof(watch->host) - 1);
    watch->started_ms = clock_now_ms(clock);
    return watch;
}

static void database_free(struct watch_database *database)
{
    free(database->name);
    free(database->path);
    free(database->schedule);
    free(database->store);
    free(database->title);
    history_dispose(&database->history);
    *database = (struct watch_database){ 0 };
}

static void databases_free(struct watch_database *databases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        database_free(&databases[i]);
    free(databases);
}

void watch_free(struct watch *watch)
{
    if (watch == NULL)
        return;
    databases_free(watch->databases, watch->database_count);
    for (size_t i = 0; i < watch->store_count; i++)
        free(watch->stores[i].name);
    free(watch->stores);
    (void)pthread_mutex_destroy(&watch->mutex);
    free(watch);
}

/* The mutex is held.  NULL when it is not about it. */
static struct watch_database *find(struct watch *watch, const char *title)
{
    for (size_t i = 0; i < watch->database_count; i++) {
        if (strcmp(watch->databases[i].title, title) == 0)
            return &watch->databases[i];
    }
    return NULL;
}

static int describe(struct watch_database *database, const struct job *job, int64_t now_ms)
{
    const char *schedule = settings_text(&job->session.settings, OPTION_SCHEDULE);
    const int64_t next_ms = schedule_next(&job->schedule, now_ms);

    const char *store = session_store_name(&job->session);

    database->name = strdup(job->database.name);
    database->title = strdup(job->title);
    database->store = store != NULL ? strdup(store) : NULL;
    database->path = strdup(job->database.path != NULL ? job->database.path : "");
    database->schedule = strdup(schedule != NULL ? schedule : SCHEDULE_DEFAULT);
    database->status = job->status;
    database->drill = job->drill;
    database->deadline_ms = job_deadline_ms(job);
    database->next_ms = next_ms == SCHEDULE_NEVER ? 0 : next_ms;
    return database->name == NULL || database->title == NULL || database->path == NULL ||
                   database->schedule == NULL || (database->store == NULL && store != NULL)
               ? ERR_NOMEM
               : 0;
}

/* Those that it knows keep what is known; the others are read.  The mutex is held. */
static void remember(struct watch *watch, struct watch_database *database, const char *state_dir)
{
    struct watch_database *known = find(watch, database->title);
    struct err why = { 0 };

    if (known != NULL) {
        database->history = known->history;
        known->history = (struct history)HISTORY_INIT;
        database->began_ms = known->began_ms;
    } else if (state_dir != NULL &&
               history_load(state_dir, database->name, &database->history, &why) < 0) {
        log_warn("%s: it is begun anew", why.msg);
    }
}

int watch_set_jobs(struct watch *watch, struct jobs *jobs, struct err *err)
{
    const int64_t now_ms = clock_now_ms(watch->clock);
    struct watch_database *databases = calloc(jobs->count + 1, sizeof(*databases));
    int r = databases == NULL ? ERR_NOMEM : 0;

    for (size_t i = 0; r == 0 && i < jobs->count; i++)
        r = describe(&databases[i], &jobs->items[i], now_ms);
    if (r < 0) {
        if (databases != NULL)
            databases_free(databases, jobs->count);
        return err_nomem(err);
    }
    (void)pthread_mutex_lock(&watch->mutex);
    for (size_t i = 0; i < jobs->count; i++)
        remember(watch, &databases[i], jobs->items[i].state_dir);
    databases_free(watch->databases, watch->database_count);
    watch->databases = databases;
    watch->database_count = jobs->count;
    (void)pthread_mutex_unlock(&watch->mutex);
    (void)atomic_fetch_add(&watch->version, 1);
    jobs->watch = watch;
    return 0;
}

static void reload(struct watch *watch, const struct job *job)
{
    struct watch_database *database = find(watch, job->title);
    struct history history = HISTORY_INIT;
    struct err why = { 0 };

    if (database == NULL || job->state_dir == NULL)
        return;
    database->status = job->status;
    database->drill = job->drill;
    database->deadline_ms = job_deadline_ms(job);
    if (history_load(job->state_dir, job->database.name, &history, &why) < 0) {
        log_warn("%s: it is begun anew", why.msg);
        return;
    }
    history_dispose(&database->history);
    database->history = history;
}

void watch_reload(struct watch *watch, const struct jobs *jobs, size_t lane)
{
    if (watch == NULL)
        return;
    (void)pthread_mutex_lock(&watch->mutex);
    for (size_t i = 0; i < jobs->count; i++) {
        if (jobs->items[i].lane == lane)
            reload(watch, &jobs->items[i]);
    }
    (void)pthread_mutex_unlock(&watch->mutex);
}

void watch_next(struct watch *watch, const struct job *job, int64_t next_ms)
{
    struct watch_database *database;

    if (watch == NULL)
        return;
    (void)pthread_mutex_lock(&watch->mutex);
    database = find(watch, job->title);
    if (database != NULL)
        database->next_ms = next_ms == SCHEDULE_NEVER ? 0 : next_ms;
    (void)pthread_mutex_unlock(&watch->mutex);
    (void)atomic_fetch_add(&watch->version, 1);
}

void watch_began(struct watch *watch, const struct job *job)
{
    struct watch_database *database;

    if (watch == NULL)
        return;
    (void)pthread_mutex_lock(&watch->mutex);
    database = find(watch, job->title);
    if (database != NULL)
        database->began_ms = clock_now_ms(watch->clock);
    (void)pthread_mutex_unlock(&watch->mutex);
}

/* Of one store, whichever databases go there.  The mutex is held. */
static void count(struct watch *watch, struct watch_report *report)
{
    struct watch_store *stores = watch->stores;

    if (report->store == NULL)
        return;
    for (size_t i = 0; i < watch->store_count; i++) {
        if (strcmp(stores[i].name, report->store) == 0) {
            s3_counters_add(&stores[i].counters, &report->counters);
            return;
        }
    }
    stores = realloc(stores, (watch->store_count + 1) * sizeof(*stores));
    if (stores == NULL)
        return;
    watch->stores = stores;
    stores[watch->store_count++] =
        (struct watch_store){ .name = report->store, .counters = report->counters };
    report->store = NULL;
}

/* What was seen of the store.  The mutex is held. */
static void take_over(struct history *history, struct watch_report *report)
{
    if (report->newest.created_at_ms != 0)
        history->newest = report->newest;
    if (!report->catalog.is_known)
        return;
    history_catalog_dispose(&history->catalog);
    history->catalog = report->catalog;
    report->catalog = (struct history_catalog){ 0 };
}

/* Takes history; out of memory, it was never made. */
static void keep(const struct job *job, json_t *history, const char *state_dir)
{
    struct err why = { 0 };

    if (state_dir == NULL) {
        json_decref(history);
    } else if (history_save(state_dir, job->database.name, history, &why) < 0) {
        log_debug("%s: its history is not kept: %s", job->title, why.msg);
    }
}

/* Somebody may have verified by hand since the drill failed.  job->drill is another thread's. */
static void settle_drill(struct watch_database *database, const struct job *job)
{
    struct drill_status drill = { 0 };

    if (database->drill.failures > 0 && job->state_dir != NULL &&
        drill_status_load(job->state_dir, job->database.name, &drill, NULL) == 0 &&
        drill.verified_ms != 0)
        database->drill = drill;
}

void watch_ended(struct watch *watch, const struct job *job, struct watch_report *report,
                 const char *state_dir)
{
    struct watch_database *database;
    json_t *history = NULL;

    if (watch == NULL)
        return;
    (void)pthread_mutex_lock(&watch->mutex);
    count(watch, report);
    database = find(watch, job->title);
    if (database != NULL) {
        database->status = job->status;
        settle_drill(database, job);
        database->deadline_ms = job_deadline_ms(job);
        database->began_ms = 0;
        take_over(&database->history, report);
        (void)history_add_run(&database->history, &report->run, NULL);
        history = history_json(&database->history);
    }
    (void)pthread_mutex_unlock(&watch->mutex);
    (void)atomic_fetch_add(&watch->version, 1);
    if (database != NULL)
        keep(job, history, state_dir);
}

void watch_drilled(struct watch *watch, const struct job *job, struct watch_report *report,
                   const char *state_dir)
{
    struct watch_database *database;
    json_t *history = NULL;

    if (watch == NULL)
        return;
    (void)pthread_mutex_lock(&watch->mutex);
    count(watch, report);
    database = find(watch, job->title);
    if (database != NULL) {
        database->drill = job->drill;
        take_over(&database->history, report);
        history = history_json(&database->history);
    }
    (void)pthread_mutex_unlock(&watch->mutex);
    (void)atomic_fetch_add(&watch->version, 1);
    if (database != NULL)
        keep(job, history, state_dir);
}

void watch_report_dispose(struct watch_report *report)
{
    history_catalog_dispose(&report->catalog);
    free(report->store);
    report->store = NULL;
}

void watch_report_store(struct watch_report *report, const struct object_store *store,
                        const char *name)
{
    free(report->store);
    report->store = strdup(name != NULL ? name : store->url);
    s3_store_counters(store, &report->counters);
}

unsigned watch_version(const struct watch *watch)
{
    return atomic_load(&watch->version);
}

int watch_render(struct watch *watch, watch_render_fn render, struct buf *out)
{
    int r;

    (void)pthread_mutex_lock(&watch->mutex);
    r = render(&(struct watch_view){ .databases = watch->databases,
                                     .database_count = watch->database_count,
                                     .stores = watch->stores,
                                     .store_count = watch->store_count,
                                     .host = watch->host,
                                     .started_ms = watch->started_ms,
                                     .now_ms = clock_now_ms(watch->clock),
                                     .is_agent = watch->is_agent },
               out);
    (void)pthread_mutex_unlock(&watch->mutex);
    return r;
}

size_t watch_view_databases(const struct watch_view *view)
{
    size_t count = 0;

    for (size_t i = 0; i < view->database_count; i++)
        count += i == 0 || strcmp(view->databases[i].name, view->databases[i - 1].name) != 0;
    return count;
}

int64_t watch_verified_ms(const struct watch_database *database)
{
    const int64_t catalog_ms = database->history.catalog.verified_ms;

    return database->drill.verified_ms > catalog_ms ? database->drill.verified_ms : catalog_ms;
}

enum health watch_health(const struct watch_database *database, int64_t now_ms)
{
    return health_of(&database->status, &database->drill, database->deadline_ms, now_ms);
}
