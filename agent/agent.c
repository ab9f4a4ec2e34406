#include "agent/agent.h"

#include "agent/drills.h"
#include "agent/job_run.h"
#include "agent/jobs.h"
#include "agent/metrics_file.h"
#include "agent/watch.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/queue.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* How long to sleep at most: so often the clock is looked at, and whether a backup has ended. */
#define IDLE_MS   30000
#define BUSY_MS   200
#define HOST_SIZE 256

struct agent {
    struct jobs *jobs;
    const struct agent_options *options;
    struct queue *queue;
    pthread_t *workers;
    size_t worker_count;
    pthread_mutex_t mutex; /* of all jobs' slots */
    unsigned runs_asked;
};

static void *work(void *context)
{
    struct agent *agent = context;
    void *item;

    while (queue_pop(agent->queue, &item)) {
        struct job *job = item;
        const bool ok = job_run(agent->jobs, job) == 0;

        (void)pthread_mutex_lock(&agent->mutex);
        job->is_saved = ok;
        slot_end(&job->slot, ok, clock_now_ms(agent->options->clock));
        watch_next(agent->jobs->watch, job->database.name, job->slot.due_ms);
        (void)pthread_mutex_unlock(&agent->mutex);
    }
    return NULL;
}

/* Signals are for the thread that sleeps. */
static int start_workers(struct agent *agent, struct err *err)
{
    sigset_t all, before;
    int r = 0;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    while (r == 0 && agent->worker_count < agent->options->worker_count) {
        if (pthread_create(&agent->workers[agent->worker_count], NULL, work, agent) != 0) {
            r = err_set(err, ERR_IO, "start a thread");
        } else {
            agent->worker_count++;
        }
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return r;
}

static void stop_workers(struct agent *agent)
{
    if (agent->queue != NULL)
        queue_close(agent->queue);
    for (size_t i = 0; i < agent->worker_count; i++)
        (void)pthread_join(agent->workers[i], NULL);
    agent->worker_count = 0;
}

/* The queue has room for every job, and a job that runs is not in it: so this never waits. */
static void start_job(struct agent *agent, struct job *job)
{
    slot_begin(&job->slot);
    (void)queue_push(agent->queue, job);
}

/* Start what is due; all that do not run, if `all`.  How long until the next is due, at most
 * IDLE_MS; *ret_running: how many are under way. */
static int64_t start_due(struct agent *agent, bool all, size_t *ret_running)
{
    const int64_t now_ms = clock_now_ms(agent->options->clock);
    int64_t wait_ms = IDLE_MS;
    size_t running = 0;

    (void)pthread_mutex_lock(&agent->mutex);
    for (size_t i = 0; i < agent->jobs->count; i++) {
        struct job *job = &agent->jobs->items[i];
        const bool due = slot_is_due(&job->slot, now_ms);

        if (!job->slot.running && (due || all))
            start_job(agent, job);
        if (job->slot.running) {
            running++;
        } else if (job->slot.due_ms - now_ms < wait_ms) {
            wait_ms = job->slot.due_ms - now_ms;
        }
    }
    (void)pthread_mutex_unlock(&agent->mutex);
    *ret_running = running;
    return running > 0 && wait_ms > BUSY_MS ? BUSY_MS : wait_ms;
}

static bool was_asked_to_run(struct agent *agent)
{
    const unsigned asked =
        agent->options->run_now != NULL ? atomic_load(agent->options->run_now) : 0;
    const bool news = asked != agent->runs_asked;

    agent->runs_asked = asked;
    return news;
}

static size_t count_running(struct agent *agent)
{
    size_t running = 0;

    (void)pthread_mutex_lock(&agent->mutex);
    for (size_t i = 0; i < agent->jobs->count; i++)
        running += agent->jobs->items[i].slot.running;
    (void)pthread_mutex_unlock(&agent->mutex);
    return running;
}

static void wait_for_running(struct agent *agent, int64_t deadline_ms)
{
    while (count_running(agent) > 0 && clock_mono_ms(agent->options->clock) < deadline_ms)
        clock_sleep_ms(agent->options->clock, BUSY_MS / 4, NULL);
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
static void finish(struct agent *agent)
{
    const struct agent_options *options = agent->options;
    const int64_t deadline_ms = clock_mono_ms(options->clock) + options->stop_ms;
    size_t running = 0;

    log_info("stopping%s", options->final_backup ? ", after a last backup" : "");
    wait_for_running(agent, deadline_ms);
    forget_saved(agent);
    if (options->final_backup && clock_mono_ms(options->clock) < deadline_ms) {
        (void)start_due(agent, true, &running);
        wait_for_running(agent, deadline_ms);
    }
    running = count_running(agent);
    if (running > 0) {
        log_warn("%zu backups did not end in time, and are aborted", running);
        cancel_set(options->abort_jobs, 0);
    }
}

static void init_slots(struct agent *agent)
{
    const int64_t now_ms = clock_now_ms(agent->options->clock);
    char host[HOST_SIZE] = "", seed[HOST_SIZE * 2];

    (void)gethostname(host, sizeof(host) - 1);
    for (size_t i = 0; i < agent->jobs->count; i++) {
        struct job *job = &agent->jobs->items[i];

        (void)snprintf(seed, sizeof(seed), "%s/%s", host, job->database.name);
        slot_init(&job->slot, &job->schedule, schedule_jitter_ms(seed, agent->options->jitter_ms),
                  job->status.success_ms, now_ms);
        watch_next(agent->jobs->watch, job->database.name, job->slot.due_ms);
    }
}

int agent_run(struct jobs *jobs, const struct agent_options *options, struct err *err)
{
    pthread_t *workers = calloc(options->worker_count, sizeof(*workers));
    struct agent agent = { .jobs = jobs, .options = options, .workers = workers };
    struct drills *drills = NULL;
    size_t running = 0;
    int r;

    if (workers == NULL)
        return err_nomem(err);
    (void)pthread_mutex_init(&agent.mutex, NULL);
    r = queue_new(jobs->count, &agent.queue, err);
    if (r < 0)
        goto out;
    init_slots(&agent);
    r = start_workers(&agent, err);
    if (r == 0)
        r = drills_start(jobs, options, &drills, err);
    if (r == 0 && options->begin != NULL)
        r = options->begin(options->begin_context, err);
    if (r < 0) {
        drills_stop(drills);
        goto out;
    }
    log_info("%zu databases, %zu workers", jobs->count, agent.worker_count);
    while (!cancel_is_set(options->stop)) {
        const int64_t wait_ms = start_due(&agent, was_asked_to_run(&agent), &running);

        if (agent.options->metrics_file != NULL)
            metrics_file_update(agent.options->metrics_file, running > 0);
        if (wait_ms > 0)
            cancel_wait(options->stop, wait_ms); /* any signal ends it */
    }
    drills_stop(drills);
    finish(&agent);
out:
    stop_workers(&agent);
    queue_free(agent.queue);
    free(workers);
    (void)pthread_mutex_destroy(&agent.mutex);
    return r;
}
