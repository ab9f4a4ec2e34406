/*
 * clock.h - the time, replaceable in tests.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct cancel;
struct clock;

struct clock_ops {
    int64_t (*now_ms)(struct clock *clock);  /* wall clock, milliseconds since 1970 UTC */
    int64_t (*mono_ms)(struct clock *clock); /* never goes back; unknown origin */
    /* Sleep until ms have passed or cancel (may be NULL) is set, whichever is first. */
    void (*sleep_ms)(struct clock *clock, int64_t ms, const struct cancel *cancel);
};

struct clock {
    const struct clock_ops *ops;
};

/* The real one.  Never NULL, not to be freed, safe from any thread. */
struct clock *clock_system(void);

static inline int64_t clock_now_ms(struct clock *clock)
{
    return clock->ops->now_ms(clock);
}

static inline int64_t clock_mono_ms(struct clock *clock)
{
    return clock->ops->mono_ms(clock);
}

static inline void clock_sleep_ms(struct clock *clock, int64_t ms, const struct cancel *cancel)
{
    clock->ops->sleep_ms(clock, ms, cancel);
}

#endif
