#include "agent/pass.h"

#include "agent/console.h"
#include "agent/hints.h"
#include "agent/job_run.h"
#include "agent/jobs.h"
#include "agent/pass_lock.h"
#include "agent/watch.h"
#include "base/clock.h"
#include "base/err.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

struct pass {
    const struct pass_options *options;
    struct pass_lock lock;
    pthread_mutex_t mutex; /* of what is printed */
};

/* The jobs of one store. */
struct lane {
    struct pass *pass;
    size_t index;
    struct pass_result result;
    int r; /* with err: what ended it */
    struct err err;
    pthread_t thread;
    bool has_thread;
};

static int print(const struct lane *lane, const struct job *job, const char *outcome,
                 struct err *err)
{
    const struct pass_options *options = lane->pass->options;
    int r;

    (void)pthread_mutex_lock(&lane->pass->mutex);
    r = options->print(options->session, job, outcome, err);
    (void)pthread_mutex_unlock(&lane->pass->mutex);
    return r;
}

static int back_up(struct lane *lane, struct job *job, struct err *err)
{
    const struct pass_options *options = lane->pass->options;
    const char *outcome = "not due";

    if (options->all || slot_was_missed(&job->schedule, job->status.success_ms,
                                        clock_now_ms(options->session->clock))) {
        outcome = job_run(options->jobs, job) < 0 ? "failed"
                  : job->status.unchanged         ? "unchanged"
                                                  : "backed up";
        lane->result.failed += job->status.failures > 0;
    }
    return print(lane, job, outcome, err);
}

/* After all backups: a drill lasts as long as a restore. */
static int drill(struct lane *lane, struct job *job, struct err *err)
{
    const struct pass_options *options = lane->pass->options;
    int r;

    if (!job->has_drill || !slot_was_missed(&job->drill_schedule, job->drill.verdict_ms,
                                            clock_now_ms(options->session->clock)))
        return 0;
    r = job_drill(options->jobs, job, options->session->cancel);
    if (r == ERR_NOT_FOUND) /* nothing to restore: that its backup failed was told */
        return 0;
    lane->result.drills_failed += r < 0;
    return print(lane, job, r == 0 ? "verified" : "drill failed", err);
}

static int each_job(struct lane *lane,
                    int (*work)(struct lane *lane, struct job *job, struct err *err))
{
    const struct pass_options *options = lane->pass->options;
    int r = 0;

    for (size_t i = 0; r == 0 && i < options->jobs->count; i++) {
        struct job *job = &options->jobs->items[i];

        if (job->lane != lane->index)
            continue;
        r = cancel_check(options->session->cancel, &lane->err);
        if (r == 0)
            r = work(lane, job, &lane->err);
    }
    return r;
}

static int begin(struct lane *lane)
{
    const struct pass_options *options = lane->pass->options;
    const struct session *session = options->session;
    const struct pass_lock_options lock_options = {
        .jobs = options->jobs,
        .lane = lane->index,
        .timeout_ms = (int64_t)settings_number(&session->settings, OPTION_WAIT_LOCK, 0),
        .cancel = session->cancel,
        .clock = session->clock,
    };
    int r;

    r = pass_lock_acquire(&lane->pass->lock, &lock_options, &lane->err);
    if (r < 0)
        return r;
    /* What another pass has done while we waited need not be done again. */
    jobs_read_status(options->jobs, lane->index);
    watch_reload(options->jobs->watch, options->jobs, lane->index);
    return 0;
}

static void *run_lane(void *context)
{
    struct lane *lane = context;
    struct pass *pass = lane->pass;

    lane->r = begin(lane);
    if (lane->r < 0)
        return NULL;
    lane->r = each_job(lane, back_up);
    if (lane->r == 0)
        lane->r = each_job(lane, drill);
    if (lane->r == 0)
        lane->r = cancel_check(pass->options->session->cancel, &lane->err);
    pass_lock_release(&pass->lock, pass->options->jobs, lane->index);
    return NULL;
}

/* The first in this thread, the others beside it; signals are for this one.  What has no thread is
 * run when the first is done. */
static void run_lanes(struct lane *lanes, size_t count)
{
    sigset_t all, before;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    for (size_t i = 1; i < count; i++)
        lanes[i].has_thread = pthread_create(&lanes[i].thread, NULL, run_lane, &lanes[i]) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    for (size_t i = 0; i < count; i++) {
        if (!lanes[i].has_thread)
            (void)run_lane(&lanes[i]);
    }
    for (size_t i = 0; i < count; i++) {
        if (lanes[i].has_thread)
            (void)pthread_join(lanes[i].thread, NULL);
    }
}

static size_t count_jobs(const struct jobs *jobs, size_t lane)
{
    size_t count = 0;

    for (size_t i = 0; i < jobs->count; i++)
        count += jobs->items[i].lane == lane;
    return count;
}

/* What ended one of them ends the pass; that one is busy only when all are. */
static int sum_up(struct pass *pass, struct lane *lanes, struct pass_result *result,
                  struct err *err)
{
    const struct pass_options *options = pass->options;
    const size_t count = options->jobs->lane_count;
    size_t busy = 0;

    for (size_t i = 0; i < count; i++) {
        struct lane *lane = &lanes[i];

        busy += lane->r == ERR_BUSY;
        if ((lane->r < 0 && lane->r != ERR_BUSY) || busy == count) {
            if (err != NULL)
                *err = lane->err;
            return lane->r;
        }
        result->failed += lane->result.failed;
        result->drills_failed += lane->result.drills_failed;
    }
    for (size_t i = 0; i < count; i++) {
        if (lanes[i].r != ERR_BUSY)
            continue;
        hints_add(&lanes[i].err);
        console_error(options->session->console, &lanes[i].err);
        result->busy += count_jobs(options->jobs, i);
    }
    result->failed += result->busy;
    return 0;
}

int pass_run(const struct pass_options *options, struct pass_result *ret_result, struct err *err)
{
    const size_t count = options->jobs->lane_count;
    struct pass pass = { .options = options, .lock = PASS_LOCK_INIT };
    struct lane *lanes = calloc(count + 1, sizeof(*lanes));
    int r;

    *ret_result = (struct pass_result){ 0 };
    if (lanes == NULL)
        return err_nomem(err);
    (void)pthread_mutex_init(&pass.mutex, NULL);
    for (size_t i = 0; i < count; i++) {
        lanes[i].pass = &pass;
        lanes[i].index = i;
    }
    pass_lock_open(options->jobs, &pass.lock);
    run_lanes(lanes, count);
    r = sum_up(&pass, lanes, ret_result, err);
    pass_lock_close(&pass.lock);
    (void)pthread_mutex_destroy(&pass.mutex);
    free(lanes);
    return r;
}
