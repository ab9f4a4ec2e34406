#include "agent/command.h"

#include "agent/job_run.h"
#include "agent/jobs.h"
#include "agent/metrics_file.h"
#include "agent/output.h"
#include "agent/pass_lock.h"
#include "agent/watch.h"
#include "base/clock.h"
#include "base/err.h"

static json_t *result_json(const struct job *job, const char *outcome)
{
    json_t *document = job_status_json(&job->status);

    drill_status_json(&job->drill, document);
    (void)json_object_set_new(document, "database", json_string(job->database.name));
    (void)json_object_set_new(document, "outcome", json_string(outcome));
    return document;
}

static int print_result(struct session *session, const struct job *job, const char *outcome,
                        struct err *err)
{
    if (session->json)
        return output_json(session->out, result_json(job, outcome), err);
    return 0; /* cron sends what is printed by mail: what went wrong is in the log */
}

/* After all backups: a drill lasts as long as a restore.  *failed is counted up. */
static int drill_what_is_due(struct session *session, const struct jobs *jobs, size_t *failed,
                             struct err *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < jobs->count; i++) {
        struct job *job = &jobs->items[i];
        int result;

        if (!job->has_drill || !slot_was_missed(&job->drill_schedule, job->drill.verdict_ms,
                                                clock_now_ms(session->clock)))
            continue;
        r = cancel_check(session->cancel, err);
        if (r < 0)
            break;
        result = job_drill(jobs, job, session->cancel);
        if (result == ERR_NOT_FOUND) /* nothing to restore: that its backup failed was told */
            continue;
        *failed += result < 0;
        r = print_result(session, job, result == 0 ? "verified" : "drill failed", err);
    }
    return r;
}

/* What another pass has done while we waited need not be done again. */
static int begin_pass(const struct session *session, struct jobs *jobs, struct pass_lock *ret_lock,
                      struct err *err)
{
    const struct pass_lock_options options = {
        .jobs = jobs,
        .timeout_ms = (int64_t)settings_number(&session->settings, OPTION_WAIT_LOCK, 0),
        .cancel = session->cancel,
        .clock = session->clock,
    };
    const int r = pass_lock_acquire(&options, ret_lock, err);

    if (r == 0)
        jobs_read_status(jobs);
    return r;
}

int cmd_run(struct session *session, struct err *err)
{
    const bool all = args_has(session->args, FLAG_ALL);
    struct metrics_file file = { .path = settings_text(&session->settings, OPTION_METRICS_FILE),
                                 .watch = watch_new(session->clock, false),
                                 .clock = session->clock };
    struct jobs jobs = JOBS_INIT;
    struct pass_lock lock = PASS_LOCK_INIT;
    size_t failed = 0, drills_failed = 0;
    int r;

    if (file.watch == NULL)
        return err_nomem(err);
    r = jobs_load(session, session->cancel, &jobs, err);
    if (r == 0)
        r = begin_pass(session, &jobs, &lock, err);
    if (r == 0)
        r = watch_set_jobs(file.watch, &jobs, err);
    for (size_t i = 0; r == 0 && i < jobs.count; i++) {
        struct job *job = &jobs.items[i];
        const char *outcome = "not due";

        r = cancel_check(session->cancel, err);
        if (r < 0)
            break;
        if (all ||
            slot_was_missed(&job->schedule, job->status.success_ms, clock_now_ms(session->clock))) {
            outcome = job_run(&jobs, job) < 0 ? "failed"
                      : job->status.unchanged ? "unchanged"
                                              : "backed up";
            failed += job->status.failures > 0;
        }
        r = print_result(session, job, outcome, err);
    }
    if (r == 0)
        r = drill_what_is_due(session, &jobs, &drills_failed, err);
    if (r == 0)
        r = cancel_check(session->cancel, err);
    if (r == 0 && failed > 0) {
        r = err_set(err, ERR_PARTIAL, "%zu of %zu databases were not backed up", failed,
                    jobs.count);
    } else if (r == 0 && drills_failed > 0) {
        r = err_set(err, ERR_PARTIAL, "the restore drills of %zu of %zu databases failed",
                    drills_failed, jobs.count);
    }
    if (jobs.count > 0 && r != ERR_BUSY) /* it is the other pass's to write */
        metrics_file_update(&file, false);
    pass_lock_release(&lock);
    jobs_dispose(&jobs);
    watch_free(file.watch);
    return r;
}
