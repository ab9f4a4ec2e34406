#include "agent/daemon.h"

#include "agent/agent.h"
#include "agent/endpoint.h"
#include "agent/jobs.h"
#include "agent/metrics_file.h"
#include "agent/watch.h"
#include "base/err.h"
#include "base/log.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#define LARGE_SIZE      (1 << 20)
#define WORKERS_DEFAULT 2
#define JITTER_MS       (UINT64_C(30) * 1000)
#define STOP_MS         (UINT64_C(25) * 1000)

/* What is large goes back to the system when it is freed: glibc otherwise keeps up to the largest
 * that ever was, for the years that this runs. */
static void keep_memory_small(void)
{
#ifdef __GLIBC__
    (void)mallopt(M_MMAP_THRESHOLD, LARGE_SIZE); /* NOLINT(concurrency-mt-unsafe): no threads yet */
#endif
}

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

static size_t tell_unsaved(const struct jobs *jobs)
{
    size_t unsaved = 0;

    for (size_t i = 0; i < jobs->count; i++) {
        if (jobs->items[i].is_saved)
            continue;
        unsaved++;
        log_printf(LOG_LEVEL_ERROR,
                   "'%s': the last backup was not made: what was committed since the one before is "
                   "in the database only",
                   jobs->items[i].database.name);
    }
    return unsaved;
}

int daemon_run(const struct daemon *daemon, size_t *ret_unsaved, struct err *err)
{
    struct session *session = daemon->session;
    const struct settings *settings = &session->settings;
    struct metrics_file file = { .path = settings_text(settings, OPTION_METRICS_FILE),
                                 .watch = watch_new(session->clock, true),
                                 .clock = session->clock };
    const struct agent_options options = {
        .worker_count = (size_t)settings_number(settings, OPTION_WORKERS, WORKERS_DEFAULT),
        .final_backup = daemon->final_backup,
        .stop_ms = (int64_t)settings_number(settings, OPTION_STOP_TIMEOUT, STOP_MS),
        .jitter_ms = (int64_t)settings_number(settings, OPTION_JITTER, JITTER_MS),
        .clock = session->clock,
        .stop = daemon->stop,
        .abort_jobs = daemon->abort_jobs,
        .run_now = daemon->run_now,
        .metrics_file = &file,
        .begin = daemon->begin,
        .begin_context = daemon->begin_context,
    };
    struct jobs jobs = JOBS_INIT;
    int r;

    if (file.watch == NULL)
        return err_nomem(err);
    keep_memory_small();
    r = jobs_load(session, daemon->abort_jobs, &jobs, err);
    if (r == 0)
        r = run_watched(&jobs, &options, settings_text(settings, OPTION_LISTEN), err);
    if (r == 0 && daemon->final_backup) {
        const size_t unsaved = tell_unsaved(&jobs);

        if (ret_unsaved != NULL)
            *ret_unsaved = unsaved;
    }
    jobs_dispose(&jobs);
    watch_free(file.watch);
    return r;
}
