#include "agent/progress_bar.h"

#include "agent/console.h"
#include "agent/text.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/parse.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PHASE_COUNT    (PROGRESS_PUBLISH + 1)
#define DELAY_MS       1000
#define REDRAW_MS      200
#define RATE_WINDOW_MS 5000 /* how far back the rate looks */
#define BAR_WIDTH_MAX  30
#define BAR_WIDTH_MIN  8
#define FACTS_SIZE     160

struct progress_bar {
    struct progress progress; /* what the operation calls */
    struct console *console;
    const char *what;
    atomic_uint_fast64_t done[PHASE_COUNT];
    atomic_uint_fast64_t total[PHASE_COUNT];
    atomic_int phase;

    /* of the thread that draws */
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool stop;
    int64_t started_ms;
    enum progress_phase drawn_phase;
    int64_t phase_started_ms, sampled_ms;
    uint64_t sampled_done;
    double rate;
};

static const char *phase_text(enum progress_phase phase)
{
    switch (phase) {
    case PROGRESS_READ:
        return "reading";
    case PROGRESS_UPLOAD:
        return "uploading";
    case PROGRESS_FETCH:
        return "fetching";
    case PROGRESS_CHECK:
        return "checking";
    case PROGRESS_PUBLISH:
        return "writing";
    }
    return "working";
}

enum progress_phase progress_phase_choose(enum progress_phase shown, enum progress_phase updated,
                                          bool read_complete)
{
    if (shown == PROGRESS_READ && updated == PROGRESS_UPLOAD && !read_complete)
        return PROGRESS_READ;
    return updated;
}

static void on_progress(void *context, enum progress_phase phase, uint64_t done, uint64_t total)
{
    struct progress_bar *bar = context;
    const enum progress_phase shown = (enum progress_phase)atomic_load(&bar->phase);
    const uint64_t read_total = atomic_load(&bar->total[PROGRESS_READ]);
    const bool read_complete = atomic_load(&bar->done[PROGRESS_READ]) >= read_total;

    atomic_store(&bar->total[phase], total);
    atomic_store(&bar->done[phase], done);
    atomic_store(&bar->phase, (int)progress_phase_choose(shown, phase, read_complete));
}

/* "52%  1.2 GiB of 2.4 GiB", as far as it is known. */
static void format_amount(const struct progress_view *view, char out[FACTS_SIZE])
{
    char done[FORMAT_SIZE_SIZE], total[FORMAT_SIZE_SIZE];

    format_size(view->done, done);
    format_size(view->total, total);
    if (view->total > 0) {
        (void)snprintf(out, FACTS_SIZE, "%3.0f%%  %s of %s",
                       100.0 * (double)view->done / (double)view->total, done, total);
    } else if (view->done > 0) {
        (void)snprintf(out, FACTS_SIZE, "%s", done);
    } else {
        format_duration(view->elapsed_ms / 1000 * 1000, out);
    }
}

/* "  310.0 MiB/s  4 s left"; empty while there is no rate. */
static void format_speed(const struct progress_view *view, char out[FACTS_SIZE])
{
    char rate[FORMAT_SIZE_SIZE], left[FORMAT_TIME_SIZE];
    double left_ms;

    out[0] = '\0';
    if (view->rate < 1)
        return;
    format_size((uint64_t)view->rate, rate);
    left_ms = 1000.0 * (double)(view->total - view->done) / view->rate;
    if (view->total == 0 || left_ms > 1e12) {
        (void)snprintf(out, FACTS_SIZE, "  %s/s", rate);
        return;
    }
    /* In whole seconds: tenths would only flicker. */
    format_duration((int64_t)(left_ms / 1000) * 1000, left);
    if (left_ms < 1000)
        (void)snprintf(left, sizeof(left), "1 s");
    (void)snprintf(out, FACTS_SIZE, "  %s/s  %s left", rate, left);
}

static void add_bar(struct buf *line, const struct progress_view *view, size_t width)
{
    const size_t filled = (size_t)((double)width * (double)view->done / (double)view->total);

    buf_add_char(line, '[');
    for (size_t i = 0; i < width; i++)
        buf_add_text(line, i < filled ? "=" : i == filled ? ">" : " ");
    buf_add_text(line, "]  ");
}

void progress_line_format(const struct progress_view *view, size_t width,
                          char out[PROGRESS_LINE_SIZE])
{
    struct progress_view capped = *view;
    struct buf line = BUF_INIT(PROGRESS_LINE_SIZE - 1);
    char amount[FACTS_SIZE], speed[FACTS_SIZE];
    size_t used;

    if (capped.total > 0 && capped.done > capped.total) /* the database grew meanwhile */
        capped.done = capped.total;
    format_amount(&capped, amount);
    format_speed(&capped, speed);
    text_escape(&line, view->what);
    buf_addf(&line, ": %-9s  ", phase_text(view->phase));
    used = text_width(line.ptr) + strlen(amount) + strlen(speed) + sizeof("[]  ");
    if (capped.total > 0 && used + BAR_WIDTH_MIN <= width) {
        add_bar(&line, &capped,
                width - used < BAR_WIDTH_MAX ? width - used : (size_t)BAR_WIDTH_MAX);
    }
    buf_add_text(&line, amount);
    if (text_width(line.ptr) + strlen(speed) < width)
        buf_add_text(&line, speed);
    /* The last column stays free: some terminals wrap there. */
    if (buf_check(&line, NULL) < 0 || text_width(line.ptr) >= width) {
        (void)snprintf(out, PROGRESS_LINE_SIZE, "%.*s", (int)(width > 0 ? width - 1 : 0), amount);
    } else {
        (void)snprintf(out, PROGRESS_LINE_SIZE, "%s", line.ptr);
    }
    buf_dispose(&line);
}

/* A mean of the last seconds, in which what is older weighs less and less. */
static void sample_rate(struct progress_bar *bar, uint64_t done, int64_t now_ms)
{
    const int64_t elapsed_ms = now_ms - bar->sampled_ms;
    double now_rate, weight;

    if (elapsed_ms < REDRAW_MS / 2 || done < bar->sampled_done)
        return;
    now_rate = 1000.0 * (double)(done - bar->sampled_done) / (double)elapsed_ms;
    weight = (double)elapsed_ms / (double)(elapsed_ms + RATE_WINDOW_MS);
    if (now_ms - bar->phase_started_ms < RATE_WINDOW_MS) /* little is known: a plain mean */
        weight = (double)elapsed_ms / (double)(now_ms - bar->phase_started_ms);
    bar->rate += weight * (now_rate - bar->rate);
    bar->sampled_ms = now_ms;
    bar->sampled_done = done;
}

static void begin_phase(struct progress_bar *bar, enum progress_phase phase, int64_t now_ms)
{
    bar->drawn_phase = phase;
    bar->phase_started_ms = bar->sampled_ms = now_ms;
    bar->sampled_done = atomic_load(&bar->done[phase]);
    bar->rate = 0;
}

static void draw(struct progress_bar *bar)
{
    const int64_t now_ms = clock_mono_ms(clock_system());
    const enum progress_phase phase = (enum progress_phase)atomic_load(&bar->phase);
    struct progress_view view = { .what = bar->what, .phase = phase };
    char line[PROGRESS_LINE_SIZE];

    if (phase != bar->drawn_phase)
        begin_phase(bar, phase, now_ms);
    view.done = atomic_load(&bar->done[phase]);
    view.total = atomic_load(&bar->total[phase]);
    sample_rate(bar, view.done, now_ms);
    view.rate = bar->rate;
    view.elapsed_ms = now_ms - bar->phase_started_ms;
    if (now_ms - bar->started_ms < DELAY_MS)
        return;
    progress_line_format(&view, terminal_width(bar->console->fd, 80), line);
    console_status(bar->console, line);
}

/* With the mutex held: wait for the next time to draw, or to stop. */
static void wait_to_draw(struct progress_bar *bar)
{
    struct timespec until = { 0 };

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += REDRAW_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    while (!bar->stop && pthread_cond_timedwait(&bar->wake, &bar->mutex, &until) != ETIMEDOUT)
        ;
}

static void *draw_until_stopped(void *context)
{
    struct progress_bar *bar = context;

    (void)pthread_mutex_lock(&bar->mutex);
    while (!bar->stop) {
        draw(bar);
        wait_to_draw(bar);
    }
    (void)pthread_mutex_unlock(&bar->mutex);
    return NULL;
}

static void bar_free(struct progress_bar *bar)
{
    (void)pthread_cond_destroy(&bar->wake);
    (void)pthread_mutex_destroy(&bar->mutex);
    free(bar);
}

/* Signals are for the main thread, which may be waiting for input. */
static int start_thread(struct progress_bar *bar)
{
    sigset_t all, before;
    int failure;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    failure = pthread_create(&bar->thread, NULL, draw_until_stopped, bar);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failure;
}

int progress_bar_start(struct console *console, const char *what, struct progress_bar **ret_bar,
                       struct err *err)
{
    struct progress_bar *bar;
    pthread_condattr_t monotonic;

    if (!console->live) {
        *ret_bar = NULL;
        return 0;
    }
    bar = calloc(1, sizeof(*bar));
    if (bar == NULL)
        return err_nomem(err);
    bar->progress = (struct progress){ on_progress, bar };
    bar->console = console;
    bar->what = what;
    bar->started_ms = clock_mono_ms(clock_system());
    begin_phase(bar, PROGRESS_READ, bar->started_ms);
    (void)pthread_mutex_init(&bar->mutex, NULL);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&bar->wake, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    errno = start_thread(bar);
    if (errno != 0) {
        bar_free(bar);
        return err_set_errno(err, "start a thread");
    }
    *ret_bar = bar;
    return 0;
}

void progress_bar_stop(struct progress_bar *bar)
{
    if (bar == NULL)
        return;
    (void)pthread_mutex_lock(&bar->mutex);
    bar->stop = true;
    (void)pthread_cond_signal(&bar->wake);
    (void)pthread_mutex_unlock(&bar->mutex);
    (void)pthread_join(bar->thread, NULL);
    console_status_clear(bar->console);
    bar_free(bar);
}

const struct progress *progress_bar_progress(struct progress_bar *bar)
{
    return bar != NULL ? &bar->progress : NULL;
}
