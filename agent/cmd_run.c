#include "agent/command.h"

#include "agent/jobs.h"
#include "agent/metrics_file.h"
#include "agent/output.h"
#include "agent/pass.h"
#include "agent/watch.h"
#include "base/clock.h"
#include "base/err.h"

static json_t *result_json(const struct job *job, const char *outcome)
{
    json_t *document = job_status_json(&job->status);

    drill_status_json(&job->drill, document);
    (void)json_object_set_new(document, "database", json_string(job->database.name));
    (void)json_object_set_new(document, "store_name", store_json(&job->session));
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

int cmd_run(struct session *session, struct err *err)
{
    struct metrics_file file = { .path = settings_text(&session->settings, OPTION_METRICS_FILE),
                                 .watch = watch_new(session->clock, false),
                                 .clock = session->clock };
    struct jobs jobs = JOBS_INIT;
    const struct pass_options options = { .session = session,
                                          .jobs = &jobs,
                                          .all = args_has(session->args, FLAG_ALL),
                                          .print = print_result };
    struct pass_result result = { 0 };
    int r;

    if (file.watch == NULL)
        return err_nomem(err);
    r = jobs_load(session, session->cancel, &jobs, err);
    if (r == 0)
        r = watch_set_jobs(file.watch, &jobs, err);
    if (r == 0)
        r = pass_run(&options, &result, err);
    if (r == 0 && result.failed > 0) {
        r = err_set(err, ERR_PARTIAL, "%zu of %zu databases%s were not backed up", result.failed,
                    jobs.count, jobs_counted(&jobs));
    } else if (r == 0 && result.drills_failed > 0) {
        r = err_set(err, ERR_PARTIAL, "the restore drills of %zu of %zu databases%s failed",
                    result.drills_failed, jobs.count, jobs_counted(&jobs));
    }
    /* Of what another pass is at work on, that one writes. */
    if (jobs.count > 0 && r != ERR_BUSY && result.busy == 0)
        metrics_file_update(&file, false);
    jobs_dispose(&jobs);
    watch_free(file.watch);
    return r;
}
