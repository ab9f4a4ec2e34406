#include "base/clock.h"

#include <time.h>

#include "base/cancel.h"

/* How long a sleep goes on after its cancel was set, at most.  Polled, because a signal handler
 * can set an atomic but not signal a condition variable. */
#define SLEEP_SLICE_MS 20

static int64_t read_ms(clockid_t id)
{
    struct timespec ts;

    (void)clock_gettime(id, &ts); /* cannot fail for these two clocks */
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int64_t system_now_ms(struct clock *clock)
{
    (void)clock;
    return read_ms(CLOCK_REALTIME);
}

static int64_t system_mono_ms(struct clock *clock)
{
    (void)clock;
    return read_ms(CLOCK_MONOTONIC);
}

static void system_sleep_ms(struct clock *clock, int64_t ms, const struct cancel *cancel)
{
    const int64_t until = system_mono_ms(clock) + ms;

    for (;;) {
        int64_t left = until - system_mono_ms(clock);
        struct timespec ts;

        if (left <= 0 || cancel_is_set(cancel))
            return;
        if (cancel != NULL && left > SLEEP_SLICE_MS)
            left = SLEEP_SLICE_MS;
        ts.tv_sec = (time_t)(left / 1000);
        ts.tv_nsec = (long)(left % 1000) * 1000000;
        (void)nanosleep(&ts, NULL); /* woken early by a signal: the loop looks again */
    }
}

struct clock *clock_system(void)
{
    static const struct clock_ops ops = { system_now_ms, system_mono_ms, system_sleep_ms };
    static struct clock clock = { &ops };

    return &clock;
}
