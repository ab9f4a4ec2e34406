#include "agent/command.h"

#include "agent/agent.h"
#include "agent/console.h"
#include "agent/endpoint.h"
#include "agent/jobs.h"
#include "agent/metrics_file.h"
#include "agent/signals.h"
#include "agent/watch.h"
#include "base/err.h"
#include "base/log.h"

#include <signal.h>

#define WORKERS_DEFAULT 2
#define JITTER_MS       (UINT64_C(30) * 1000)
#define STOP_MS         (UINT64_C(25) * 1000)

/* Whoever watches is let in before the first backup begins: a port that is in use ends it at once.
 */
static int run_watched(struct jobs *jobs, const struct agent_options *options, const char *listen,
                       struct err *err)
{
    struct metrics_file *file = options->metrics_file;
    struct endpoint *endpoint = NULL;
    int r;

    r = watch_set_jobs(file->watch, jobs, err);
    if (r == 0 && listen != NULL)
        r = endpoint_start(listen, file->watch, &endpoint, err);
    if (r == 0)
        r = agent_run(jobs, options, err);
    metrics_file_update(file, false);
    endpoint_stop(endpoint);
    return r;
}

int cmd_agent(struct session *session, struct err *err)
{
    static atomic_uint run_now; /* raised by a signal's handler */
    const struct settings *settings = &session->settings;
    struct cancel abort_jobs = CANCEL_INIT;
    struct metrics_file file = { .path = settings_text(settings, OPTION_METRICS_FILE),
                                 .watch = watch_new(session->clock, true),
                                 .clock = session->clock };
    const struct agent_options options = {
        .worker_count = (size_t)settings_number(settings, OPTION_WORKERS, WORKERS_DEFAULT),
        .final_backup = settings_number(settings, OPTION_FINAL_BACKUP, 0) != 0,
        .stop_ms = (int64_t)settings_number(settings, OPTION_STOP_TIMEOUT, STOP_MS),
        .jitter_ms = (int64_t)settings_number(settings, OPTION_JITTER, JITTER_MS),
        .clock = session->clock,
        .stop = session->cancel,
        .abort_jobs = &abort_jobs,
        .run_now = &run_now,
        .metrics_file = &file,
    };
    struct jobs jobs = JOBS_INIT;
    int r;

    if (file.watch == NULL)
        return err_nomem(err);
    if (settings_get(settings, OPTION_LOG_LEVEL) == NULL) /* whoever watches it wants to see it */
        log_set_sink(console_log, session->console, LOG_LEVEL_INFO);
    r = signals_count(SIGUSR1, &run_now, err);
    if (r == 0)
        r = jobs_load(session, &abort_jobs, &jobs, err);
    if (r == 0)
        r = run_watched(&jobs, &options, settings_text(settings, OPTION_LISTEN), err);
    jobs_dispose(&jobs);
    watch_free(file.watch);
    return r;
}
