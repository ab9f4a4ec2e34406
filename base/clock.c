#include "base/clock.h"

#include <time.h>

#include "base/cancel.h"

#define SLEEP_MS_MAX (INT64_C(1) << 53) /* beyond any sleep; the sum with now stays in 64 bits */

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
    const int64_t until = system_mono_ms(clock) + (ms < SLEEP_MS_MAX ? ms : SLEEP_MS_MAX);

    while (!cancel_is_set(cancel)) { /* woken early by a signal: the loop looks again */
        const int64_t left = until - system_mono_ms(clock);
        const struct timespec ts = { (time_t)(left / 1000), (long)(left % 1000) * 1000000 };

        if (left <= 0)
            return;
        if (cancel != NULL) {
            cancel_wait(cancel, left);
        } else {
            (void)nanosleep(&ts, NULL);
        }
    }
}

struct clock *clock_system(void)
{
    static const struct clock_ops ops = { system_now_ms, system_mono_ms, system_sleep_ms };
    static struct clock clock = { &ops };

    return &clock;
}
