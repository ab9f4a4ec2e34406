#include "agent/daemon.h"

#include "agent/agent.h"
#include "agent/console.h"
#include "agent/endpoint.h"
#include "agent/jobs.h"
#include "agent/metrics_file.h"
#include "agent/retention_policy.h"
#include "agent/sd_notify.h"
#include "agent/watch.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#define LARGE_SIZE      (1 << 20)
#define WORKERS_DEFAULT 2
#define JITTER_MS       (UINT64_C(30) * 1000)
#define STOP_MS         (UINT64_C(25) * 1000)
#define STATUS_SIZE     160
#define RESCAN_MS       10000 /* so often it is looked for files that have come or gone */

/* What is large goes back to the system when it is freed: glibc otherwise keeps up to the largest
 * that ever was, for the years that this runs. */
static void keep_memory_small(void)
{
#ifdef __GLIBC__
    (void)mallopt(M_MMAP_THRESHOLD, LARGE_SIZE); /* NOLINT(concurrency-mt-unsafe): no threads yet */
#endif
}

/* A configuration that has been read; several generations may go by it. */
struct source {
    struct session session;
    bool is_owned; /* it is not the first, which is the command's */
    size_t user_count;
};

/* One set of jobs with those who work at it.  A generation that has been replaced lives on until
 * its last backup has ended. */
struct generation {
    struct source *source;
    struct jobs jobs;
    struct agent *agent;
    struct generation *older;
};

struct state {
    const struct daemon *daemon;
    struct source first;
    struct generation *current; /* and the older ones behind it */
    struct metrics_file file;
    struct sd_notify notify;
    unsigned runs_asked, reloads_asked;
    int64_t scanned_ms; /* by the monotonic clock */
};

static void source_drop(struct source *source)
{
    if (source == NULL || --source->user_count > 0)
        return;
    if (source->is_owned) {
        session_dispose(&source->session);
        free(source); /* NOLINT(clang-analyzer-unix.Malloc): what source_read() has made */
    }
}

static void generation_free(struct generation *generation)
{
    if (generation == NULL)
        return;
    agent_free(generation->agent);
    jobs_dispose(&generation->jobs);
    source_drop(generation->source);
    free(generation);
}

/* An older generation is not done with that job yet. */
static bool is_held(void *context, const struct job *job)
{
    const struct state *state = context;
    const struct generation *at = state->current != NULL ? state->current->older : NULL;

    for (; at != NULL; at = at->older) {
        if (agent_runs(at->agent, job))
            return true;
    }
    return false;
}

static void tick(void *context)
{
    struct state *state = context;

    sd_notify_alive(&state->notify);
}

static bool wants_final(const struct daemon *daemon, const struct generation *generation)
{
    return daemon->final_backup ||
           settings_number(&generation->source->session.settings, OPTION_FINAL_BACKUP, 0) != 0;
}

/* Instead of the current one, which goes on with what is under way. */
static int generation_start(struct state *state, struct generation *generation, struct err *err)
{
    const struct daemon *daemon = state->daemon;
    const struct settings *settings = &generation->source->session.settings;
    const struct agent_options options = {
        .worker_count = (size_t)settings_number(settings, OPTION_WORKERS, WORKERS_DEFAULT),
        .final_backup = wants_final(daemon, generation),
        .jitter_ms = (int64_t)settings_number(settings, OPTION_JITTER, JITTER_MS),
        .clock = daemon->session->clock,
        .abort_jobs = daemon->abort_jobs,
        .is_held = is_held,
        .tick = tick,
        .context = state,
    };
    int r;

    r = watch_set_jobs(state->file.watch, &generation->jobs, err);
    if (r == 0)
        r = agent_start(&generation->jobs, &options, &generation->agent, err);
    if (r < 0) {
        if (state->current != NULL) /* it stays, and what it was about */
            (void)watch_set_jobs(state->file.watch, &state->current->jobs, NULL);
        return r;
    }
    if (state->current != NULL)
        agent_retire(state->current->agent);
    generation->older = state->current;
    state->current = generation;
    return 0;
}

static void free_older(struct state *state)
{
    struct generation **link = &state->current->older;

    while (*link != NULL) {
        struct generation *at = *link;

        if (agent_count_running(at->agent) > 0) {
            link = &at->older;
        } else {
            *link = at->older;
            generation_free(at);
        }
    }
}

static void choose_log_level(const struct daemon *daemon, const struct session *session)
{
    if (daemon->is_talkative && settings_get(&session->settings, OPTION_LOG_LEVEL) == NULL)
        log_set_sink(console_log, session->console, LOG_LEVEL_INFO);
}

/* NULL when it cannot be read. */
static struct source *source_read(const struct daemon *daemon, struct err *err)
{
    const struct session *command = daemon->session;
    struct source *source = calloc(1, sizeof(*source));

    if (source == NULL) {
        (void)err_nomem(err);
        return NULL;
    }
    source->is_owned = true;
    source->session = (struct session){ .args = command->args,
                                        .console = command->console,
                                        .cancel = command->cancel,
                                        .clock = command->clock,
                                        .out = command->out,
                                        .json = command->json,
                                        .exit_status = -1 };
    if (session_load(&source->session, err) < 0) {
        session_dispose(&source->session);
        free(source);
        return NULL;
    }
    choose_log_level(daemon, &source->session);
    return source;
}

static void describe(const struct state *state, char out[STATUS_SIZE])
{
    (void)snprintf(out, STATUS_SIZE, "%zu databases%s", state->current->jobs.count,
                   jobs_counted(&state->current->jobs));
}

/* One line, however many databases: it is said again at each start. */
static void warn_of_short_locks(const struct jobs *jobs)
{
    const struct job *first = NULL;
    int64_t kept_days = 0, locked_days = 0;
    size_t count = 0;

    for (size_t i = 0; i < jobs->count; i++) {
        int64_t kept, locked;

        if (!retention_outlasts_lock(&jobs->items[i].session.settings, &kept, &locked))
            continue;
        count++;
        if (first != NULL)
            continue;
        first = &jobs->items[i];
        kept_days = kept;
        locked_days = locked;
    }
    if (first == NULL)
        return;
    log_warn("%s: backups are kept for up to %" PRId64 " days and locked for %" PRId64
             ": older ones can be deleted by whoever has a key that may%s",
             first->title, kept_days, locked_days, count > 1 ? "; so of other databases" : "");
}

static void log_start(const struct state *state)
{
    const struct generation *current = state->current;
    const uint64_t workers =
        settings_number(&current->source->session.settings, OPTION_WORKERS, WORKERS_DEFAULT);

    log_info("%zu databases%s, %" PRIu64 " workers%s", current->jobs.count,
             jobs_counted(&current->jobs), workers,
             current->jobs.lane_count > 1 ? " for each" : "");
    warn_of_short_locks(&current->jobs);
}

/* Another set of jobs, of source, is checked and then put to work.  source is ours from now on,
 * and freed with its last user, at once when this fails. */
static int replace(struct state *state, struct source *source, struct err *err)
{
    const struct daemon *daemon = state->daemon;
    struct generation *generation = calloc(1, sizeof(*generation));
    int r;

    source->user_count++;
    if (generation == NULL) {
        source_drop(source);
        return err_nomem(err);
    }
    generation->source = source;
    r = jobs_load(&source->session, daemon->abort_jobs, &generation->jobs, err);
    if (r == 0)
        r = generation_start(state, generation, err);
    if (r < 0)
        generation_free(generation);
    return r;
}

static void reload(struct state *state)
{
    char status[STATUS_SIZE];
    struct err why = { 0 };
    struct source *source;

    log_info("reading the configuration again");
    sd_notify_reloading(&state->notify);
    source = source_read(state->daemon, &why);
    if (source == NULL || replace(state, source, &why) < 0) {
        choose_log_level(state->daemon, &state->current->source->session);
        log_printf(LOG_LEVEL_ERROR, "the configuration stays as it was: %s%s%s", why.msg,
                   why.hint[0] != '\0' ? "; hint: " : "", why.hint);
    } else {
        log_start(state);
    }
    describe(state, status);
    sd_notify_ready(&state->notify, status);
}

/* Files that patterns match come and go. */
static void rescan(struct state *state)
{
    const int64_t now_ms = clock_mono_ms(state->daemon->session->clock);
    struct generation *current = state->current;
    char status[STATUS_SIZE];
    struct err why = { 0 };

    if (!current->jobs.has_patterns || now_ms - state->scanned_ms < RESCAN_MS)
        return;
    state->scanned_ms = now_ms;
    if (!jobs_have_changed(&current->jobs, &current->source->session, &why))
        return;
    if (why.code == 0 && replace(state, current->source, &why) == 0) {
        log_start(state);
        describe(state, status);
        sd_notify_status(&state->notify, status);
    } else {
        log_printf(LOG_LEVEL_ERROR, "the databases stay as they were: %s", why.msg);
    }
}

static bool was_raised(atomic_uint *counter, unsigned *seen)
{
    const unsigned asked = counter != NULL ? atomic_load(counter) : 0;
    const bool news = asked != *seen;

    *seen = asked;
    return news;
}

static int64_t shorter(int64_t wait_ms, int64_t other_ms)
{
    return wait_ms < other_ms ? wait_ms : other_ms;
}

static void keep_going(struct state *state)
{
    const struct daemon *daemon = state->daemon;
    size_t running = 0;

    while (!cancel_is_set(daemon->stop)) {
        int64_t wait_ms;

        if (was_raised(daemon->reload, &state->reloads_asked))
            reload(state);
        rescan(state);
        free_older(state);
        wait_ms = agent_poll(state->current->agent, was_raised(daemon->run_now, &state->runs_asked),
                             &running);
        metrics_file_update(&state->file, running > 0);
        sd_notify_alive(&state->notify);
        if (state->current->jobs.has_patterns)
            wait_ms = shorter(wait_ms, RESCAN_MS);
        cancel_wait(daemon->stop, sd_notify_wait_ms(&state->notify, wait_ms));
    }
}

static size_t tell_unsaved(const struct jobs *jobs)
{
    size_t unsaved = 0;

    for (size_t i = 0; i < jobs->count; i++) {
        if (jobs->items[i].is_saved)
            continue;
        unsaved++;
        log_printf(LOG_LEVEL_ERROR,
                   "%s: the last backup was not made: what was committed since the one before is "
                   "in the database only",
                   jobs->items[i].title);
    }
    return unsaved;
}

/* What databases there are now counts, for the last backups. */
static void finish(struct state *state, size_t *ret_unsaved)
{
    struct generation *current = state->current;
    struct clock *clock = state->daemon->session->clock;
    const bool final = wants_final(state->daemon, current);
    const char *what = final ? "stopping, after a last backup" : "stopping";
    const int64_t deadline_ms =
        clock_mono_ms(clock) +
        (int64_t)settings_number(&current->source->session.settings, OPTION_STOP_TIMEOUT, STOP_MS);

    log_info("%s", what);
    sd_notify_stopping(&state->notify, what);
    state->scanned_ms -= RESCAN_MS;
    rescan(state);
    current = state->current;
    for (struct generation *at = current->older; at != NULL; at = at->older)
        agent_wait(at->agent, deadline_ms);
    agent_finish(current->agent, deadline_ms);
    while (state->current != NULL) {
        struct generation *at = state->current;

        if (at == current && final) {
            const size_t unsaved = tell_unsaved(&at->jobs);

            if (ret_unsaved != NULL)
                *ret_unsaved = unsaved;
        }
        state->current = at->older;
        metrics_file_update(&state->file, false);
        generation_free(at);
    }
}

/* Whoever watches is let in before the first backup begins: a port that is in use ends it at once.
 */
static int start(struct state *state, struct endpoint **ret_endpoint, struct err *err)
{
    const struct daemon *daemon = state->daemon;
    const char *listen = settings_text(&daemon->session->settings, OPTION_LISTEN);
    char status[STATUS_SIZE];
    int r;

    if (state->file.watch == NULL)
        return err_nomem(err);
    r = replace(state, &state->first, err);
    if (r == 0 && listen != NULL)
        r = endpoint_start(listen, state->file.watch, ret_endpoint, err);
    if (r == 0 && daemon->begin != NULL)
        r = daemon->begin(daemon->begin_context, err);
    if (r < 0)
        return r;
    log_start(state);
    describe(state, status);
    sd_notify_ready(&state->notify, status);
    return 0;
}

int daemon_run(const struct daemon *daemon, size_t *ret_unsaved, struct err *err)
{
    struct session *session = daemon->session;
    struct state state = {
        .daemon = daemon,
        .first = { .session = *session },
        .file = { .path = settings_text(&session->settings, OPTION_METRICS_FILE),
                  .watch = watch_new(session->clock, true),
                  .clock = session->clock },
    };
    struct endpoint *endpoint = NULL;
    int r;

    keep_memory_small();
    choose_log_level(daemon, session);
    sd_notify_open(&state.notify, session->clock);
    r = start(&state, &endpoint, err);
    if (r == 0) {
        keep_going(&state);
        finish(&state, ret_unsaved);
    }
    generation_free(state.current);
    endpoint_stop(endpoint);
    watch_free(state.file.watch);
    sd_notify_close(&state.notify);
    return r;
}
