#include "tests/harness/fake_clock.h"

static int64_t fake_now_ms(struct clock *clock)
{
    return ((struct fake_clock *)clock)->now_ms;
}

static void fake_sleep_ms(struct clock *clock, int64_t ms, const struct cancel *cancel)
{
    struct fake_clock *fake = (struct fake_clock *)clock;

    (void)cancel;
    fake->now_ms += ms;
    fake->slept_ms += ms;
    fake->sleep_count++;
    if (ms > fake->longest_sleep_ms)
        fake->longest_sleep_ms = ms;
}

void fake_clock_init(struct fake_clock *fake, int64_t now_ms)
{
    static const struct clock_ops ops = { fake_now_ms, fake_now_ms, fake_sleep_ms };

    *fake = (struct fake_clock){ .clock = { &ops }, .now_ms = now_ms };
}
