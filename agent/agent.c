#include "agent/agent.h"

#include "agent/drills.h"
#include "agent/job_run.h"
#include "agent/jobs.h"
#include "agent/watch.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/queue.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How long to sleep at most: so often the clock is looked at, and whether a backup has ended. */
#define IDLE_MS   30000
#define BUSY_MS   200
#define HOST_SIZE 256

/* Of one store. */
struct lane {
    struct agent *agent;
    struct queue *queue;
    struct drills *drills;
    pthread_t *workers;
    size_t worker_count;
};

struct agent {
    struct jobs *jobs;
    struct agent_options options;
    struct lane *lanes;    /* as many as the jobs have */
    pthread_mutex_t mutex; /* of all jobs' slots */
};

static void *work(void *context)
{
    struct lane *lane = context;
    struct agent *agent = lane->agent;
    void *item;

    while (queue_pop(lane->queue, &item)) {
        struct job *job = item;
        const bool ok = job_run(agent->jobs, job) == 0;

        (void)pthread_mutex_lock(&agent->mutex);
        job->is_saved = ok;
        slot_end(&job->slot, ok, clock_now_ms(agent->options.clock));
        watch_next(agent->jobs->watch, job, job->slot.due_ms);
        (void)pthread_mutex_unlock(&agent->mutex);
    }
    return NULL;
}

/* Signals are for the thread that sleeps. */
static int start_workers(struct lane *lane, struct err *err)
{
    sigset_t all, before;
    int r = 0;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    while (r == 0 && lane->worker_count < lane->agent->options.worker_count) {
        if (pthread_create(&lane->workers[lane->worker_count], NULL, work, lane) != 0) {
            r = err_set(err, ERR_IO, "start a thread");
        } else {
            lane->worker_count++;
        }
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return r;
}

static void stop_workers(struct agent *agent)
{
    for (size_t i = 0; i < agent->jobs->lane_count; i++) {
        if (agent->lanes[i].queue != NULL)
            queue_close(agent->lanes[i].queue);
    }
    for (size_t i = 0; i < agent->jobs->lane_count; i++) {
        struct lane *lane = &agent->lanes[i];

        while (lane->worker_count > 0)
            (void)pthread_join(lane->workers[--lane->worker_count], NULL);
    }
}

static void stop_drills(struct agent *agent)
{
    for (size_t i = 0; i < agent->jobs->lane_count; i++) {
        drills_stop(agent->lanes[i].drills);
        agent->lanes[i].drills = NULL;
    }
}

/* The queue has room for every job, and a job that runs is not in it: so this never waits. */
static void start_job(struct agent *agent, struct job *job)
{
    slot_begin(&job->slot);
    (void)queue_push(agent->lanes[job->lane].queue, job);
}

static bool may_start(struct agent *agent, struct job *job, bool all, int64_t now_ms)
{
    const struct agent_options *options = &agent->options;
    const bool due = slot_is_due(&job->slot, now_ms);

    if (all)
        slot_ask(&job->slot);
    if (job->slot.running || (!due && !all))
        return false;
    return options->is_held == NULL || !options->is_held(options->context, job);
}

int64_t agent_poll(struct agent *agent, bool all, size_t *ret_running)
{
    const int64_t now_ms = clock_now_ms(agent->options.clock);
    int64_t wait_ms = IDLE_MS;
    size_t running = 0;

    (void)pthread_mutex_lock(&agent->mutex);
    for (size_t i = 0; i < agent->jobs->count; i++) {
        struct job *job = &agent->jobs->items[i];

        if (may_start(agent, job, all, now_ms))
            start_job(agent, job);
        if (job->slot.running) {
            running++;
        } else if (job->slot.due_ms - now_ms < wait_ms) {
            wait_ms = job->slot.due_ms - now_ms;
        }
    }
    (void)pthread_mutex_unlock(&agent->mutex);
    *ret_running = running;
    if (running > 0 && wait_ms > BUSY_MS)
        wait_ms = BUSY_MS;
    return wait_ms > 0 ? wait_ms : BUSY_MS; /* due, and held */
}

size_t agent_count_running(struct agent *agent)
{
    size_t running = 0;

    (void)pthread_mutex_lock(&agent->mutex);
    for (size_t i = 0; i < agent->jobs->count; i++)
        running += agent->jobs->items[i].slot.running;
    (void)pthread_mutex_unlock(&agent->mutex);
    return running;
}

bool agent_runs(struct agent *agent, const struct job *other)
{
    bool runs = false;

    (void)pthread_mutex_lock(&agent->mutex);
    for (size_t i = 0; i < agent->jobs->count; i++) {
        const struct job *job = &agent->jobs->items[i];

        runs = runs || (job->slot.running && job_is(job, other));
    }
    (void)pthread_mutex_unlock(&agent->mutex);
    return runs;
}

void agent_retire(struct agent *agent)
{
    void *item;

    stop_drills(agent);
    (void)pthread_mutex_lock(&agent->mutex);
    for (size_t i = 0; i < agent->jobs->lane_count; i++) {
        while (queue_try_pop(agent->lanes[i].queue, &item)) /* was to run, and has not begun */
            ((struct job *)item)->slot.running = false;
    }
    (void)pthread_mutex_unlock(&agent->mutex);
    for (size_t i = 0; i < agent->jobs->lane_count; i++)
        queue_close(agent->lanes[i].queue);
}

void agent_wait(struct agent *agent, int64_t deadline_ms)
{
    const struct agent_options *options = &agent->options;

    while (agent_count_running(agent) > 0 && clock_mono_ms(options->clock) < deadline_ms &&
           !cancel_is_set(options->abort_jobs)) {
        if (options->tick != NULL)
            options->tick(options->context);
        clock_sleep_ms(options->clock, BUSY_MS / 4, NULL);
    }
}

static void forget_saved(struct agent *agent)
{
    (void)pthread_mutex_lock(&agent->mutex);
    for (size_t i = 0; i < agent->jobs->count; i++)
        agent->jobs->items[i].is_saved = false;
    (void)pthread_mutex_unlock(&agent->mutex);
}

/* What is under way may end; a last backup shows what was committed until now, so one that began
 * before does not do. */
void agent_finish(struct agent *agent, int64_t deadline_ms)
{
    const struct agent_options *options = &agent->options;
    size_t running = 0;

    stop_drills(agent);
    agent_wait(agent, deadline_ms);
    forget_saved(agent);
    if (options->final_backup && clock_mono_ms(options->clock) < deadline_ms &&
        !cancel_is_set(options->abort_jobs)) {
        (void)agent_poll(agent, true, &running);
        agent_wait(agent, deadline_ms);
    }
    running = agent_count_running(agent);
    if (running > 0) {
        log_warn("%zu backups did not end in time, and are aborted", running);
        cancel_set(options->abort_jobs, 0);
    }
    stop_workers(agent);
}

static void init_slots(struct agent *agent)
{
    const int64_t now_ms = clock_now_ms(agent->options.clock);
    char host[HOST_SIZE] = "", seed[HOST_SIZE * 2];

    (void)gethostname(host, sizeof(host) - 1);
    for (size_t i = 0; i < agent->jobs->count; i++) {
        struct job *job = &agent->jobs->items[i];

        (void)snprintf(seed, sizeof(seed), "%s/%s", host, job->database.name);
        slot_init(&job->slot, &job->schedule, schedule_jitter_ms(seed, agent->options.jitter_ms),
                  job->status.success_ms, now_ms);
        watch_next(agent->jobs->watch, job, job->slot.due_ms);
    }
}

static int init_lanes(struct agent *agent, struct err *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < agent->jobs->lane_count; i++) {
        struct lane *lane = &agent->lanes[i];

        lane->agent = agent;
        lane->workers = calloc(agent->options.worker_count, sizeof(*lane->workers));
        r = lane->workers == NULL ? err_nomem(err)
                                  : queue_new(agent->jobs->count + 1, &lane->queue, err);
    }
    return r;
}

int agent_start(struct jobs *jobs, const struct agent_options *options, struct agent **ret_agent,
                struct err *err)
{
    struct agent *agent = calloc(1, sizeof(*agent));
    int r;

    if (agent == NULL)
        return err_nomem(err);
    agent->lanes = calloc(jobs->lane_count + 1, sizeof(*agent->lanes));
    if (agent->lanes == NULL) {
        free(agent);
        return err_nomem(err);
    }
    (void)pthread_mutex_init(&agent->mutex, NULL);
    agent->jobs = jobs;
    agent->options = *options;
    r = init_lanes(agent, err);
    if (r == 0)
        init_slots(agent);
    for (size_t i = 0; r == 0 && i < jobs->lane_count; i++) {
        r = start_workers(&agent->lanes[i], err);
        if (r == 0)
            r = drills_start(jobs, i, options, &agent->lanes[i].drills, err);
    }
    if (r < 0) {
        agent_free(agent);
        return r;
    }
    *ret_agent = agent;
    return 0;
}

void agent_free(struct agent *agent)
{
    if (agent == NULL)
        return;
    stop_drills(agent);
    stop_workers(agent);
    for (size_t i = 0; i < agent->jobs->lane_count; i++) {
        queue_free(agent->lanes[i].queue);
        free(agent->lanes[i].workers);
    }
    free(agent->lanes);
    (void)pthread_mutex_destroy(&agent->mutex);
    free(agent);
}
