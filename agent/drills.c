#include "agent/drills.h"

#include "agent/agent.h"
#include "agent/job_run.h"
#include "agent/jobs.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

/* How long to sleep at most: so often the clock is looked at. */
#define IDLE_MS 30000

struct drills {
    struct jobs *jobs;
    size_t lane;
    struct slot *slots; /* one a job, also of other lanes */
    struct clock *clock;
    struct cancel cancel; /* of the drill under way, and of the thread */
    pthread_t thread;
};

static bool is_ours(const struct drills *drills, size_t index)
{
    const struct job *job = &drills->jobs->items[index];

    return job->has_drill && job->lane == drills->lane;
}

static bool has_any(const struct drills *drills)
{
    for (size_t i = 0; i < drills->jobs->count; i++) {
        if (is_ours(drills, i))
            return true;
    }
    return false;
}

/* The number of a job whose drill is due, the one that has waited longest; that of the jobs when
 * there is none.  *ret_wait_ms: until then, at most IDLE_MS. */
static size_t find_due(struct drills *drills, int64_t *ret_wait_ms)
{
    const int64_t now_ms = clock_now_ms(drills->clock);
    size_t found = drills->jobs->count;
    int64_t wait_ms = IDLE_MS;

    for (size_t i = 0; i < drills->jobs->count; i++) {
        struct slot *slot = &drills->slots[i];

        if (!is_ours(drills, i))
            continue;
        if (slot_is_due(slot, now_ms) &&
            (found == drills->jobs->count || slot->due_ms < drills->slots[found].due_ms))
            found = i;
        if (slot->due_ms - now_ms < wait_ms)
            wait_ms = slot->due_ms - now_ms;
    }
    *ret_wait_ms = wait_ms;
    return found;
}

/* A store that does not answer, or has no backup yet, is asked again soon; a backup that is damaged
 * stays so. */
static void drill(struct drills *drills, size_t index)
{
    int r;

    slot_begin(&drills->slots[index]);
    r = job_drill(drills->jobs, &drills->jobs->items[index], &drills->cancel);
    slot_end(&drills->slots[index], r == 0 || r == ERR_CORRUPT, clock_now_ms(drills->clock));
}

static void *run(void *context)
{
    struct drills *drills = context;

    while (!cancel_is_set(&drills->cancel)) {
        int64_t wait_ms;
        const size_t index = find_due(drills, &wait_ms);

        if (index < drills->jobs->count) {
            drill(drills, index);
        } else {
            cancel_wait(&drills->cancel, wait_ms > 0 ? wait_ms : 1);
        }
    }
    return NULL;
}

static void init_slots(struct drills *drills, int64_t jitter_max_ms)
{
    const int64_t now_ms = clock_now_ms(drills->clock);

    for (size_t i = 0; i < drills->jobs->count; i++) {
        const struct job *job = &drills->jobs->items[i];

        if (is_ours(drills, i)) {
            slot_init(&drills->slots[i], &job->drill_schedule,
                      schedule_jitter_ms(job->database.name, jitter_max_ms), job->drill.verdict_ms,
                      now_ms);
        }
    }
}

/* Signals are for the thread that keeps the schedules. */
static int start_thread(struct drills *drills)
{
    sigset_t all, before;
    int rc;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&drills->thread, NULL, run, drills);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

int drills_start(struct jobs *jobs, size_t lane, const struct agent_options *options,
                 struct drills **ret_drills, struct err *err)
{
    const struct drills wanted = { .jobs = jobs, .lane = lane };
    struct drills *drills;

    *ret_drills = NULL;
    if (!has_any(&wanted))
        return 0;
    drills = calloc(1, sizeof(*drills));
    if (drills != NULL)
        drills->slots = calloc(jobs->count, sizeof(*drills->slots));
    if (drills == NULL || drills->slots == NULL) {
        free(drills);
        return err_nomem(err);
    }
    drills->jobs = jobs;
    drills->lane = lane;
    drills->clock = options->clock;
    init_slots(drills, options->jitter_ms);
    if (start_thread(drills) != 0) {
        free(drills->slots);
        free(drills);
        return err_set(err, ERR_IO, "start a thread");
    }
    *ret_drills = drills;
    return 0;
}

void drills_stop(struct drills *drills)
{
    if (drills == NULL)
        return;
    cancel_set(&drills->cancel, 0);
    (void)pthread_join(drills->thread, NULL);
    free(drills->slots);
    free(drills);
}
