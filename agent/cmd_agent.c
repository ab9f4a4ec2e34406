#include "agent/command.h"

#include "agent/agent.h"
#include "agent/console.h"
#include "agent/jobs.h"
#include "agent/signals.h"
#include "base/log.h"

#include <signal.h>

#define WORKERS_DEFAULT 2
#define JITTER_MS       (UINT64_C(30) * 1000)
#define STOP_MS         (UINT64_C(25) * 1000)

int cmd_agent(struct session *session, struct err *err)
{
    static atomic_uint run_now; /* raised by a signal's handler */
    const struct settings *settings = &session->settings;
    struct cancel abort_jobs = CANCEL_INIT;
    const struct agent_options options = {
        .worker_count = (size_t)settings_number(settings, OPTION_WORKERS, WORKERS_DEFAULT),
        .final_backup = settings_number(settings, OPTION_FINAL_BACKUP, 0) != 0,
        .stop_ms = (int64_t)settings_number(settings, OPTION_STOP_TIMEOUT, STOP_MS),
        .jitter_ms = (int64_t)settings_number(settings, OPTION_JITTER, JITTER_MS),
        .clock = session->clock,
        .stop = session->cancel,
        .abort_jobs = &abort_jobs,
        .run_now = &run_now,
    };
    struct jobs jobs = JOBS_INIT;
    int r;

    if (settings_get(settings, OPTION_LOG_LEVEL) == NULL) /* whoever watches it wants to see it */
        log_set_sink(console_log, session->console, LOG_LEVEL_INFO);
    r = signals_count(SIGUSR1, &run_now, err);
    if (r == 0)
        r = jobs_load(session, &abort_jobs, &jobs, err);
    if (r == 0)
        r = agent_run(&jobs, &options, err);
    jobs_dispose(&jobs);
    return r;
}
