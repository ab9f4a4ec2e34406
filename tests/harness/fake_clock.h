/*
 * fake_clock.h - a clock that moves only when told, and that sleeps in no time.
 */
#ifndef TESTS_HARNESS_FAKE_CLOCK_H
#define TESTS_HARNESS_FAKE_CLOCK_H

#include <stdint.h>

#include "base/clock.h"

struct fake_clock {
    struct clock clock;
    int64_t now_ms; /* wall clock; mono is the same */
    int64_t slept_ms, longest_sleep_ms;
    unsigned sleep_count;
};

void fake_clock_init(struct fake_clock *fake, int64_t now_ms);

#endif
