/*
 * backoff.h - how long to wait before the next try: exponential, with full jitter.  Pure.
 *
 * Source: aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
 */
#ifndef BASE_BACKOFF_H
#define BASE_BACKOFF_H

#include <stdint.h>

struct backoff {
    int64_t base_ms; /* the first wait's upper end, > 0 */
    int64_t cap_ms;  /* no wait is longer */
};

/* attempt counts the tries that have failed, from 1.  random is uniform over all 64 bits.
 * @return 0 .. min(cap_ms, base_ms * 2^(attempt-1)) ms. */
int64_t backoff_delay_ms(const struct backoff *backoff, unsigned attempt, uint64_t random);

#endif
