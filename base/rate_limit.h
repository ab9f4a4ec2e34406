/*
 * rate_limit.h - so many bytes a second, shared by all threads that hold the same limit.
 *
 * A bucket of tokens that may be overdrawn: whoever takes bytes gets them, and waits until the
 * bucket is out of debt.  So nobody starves, however little each one takes.  What was not used is
 * kept for RATE_LIMIT_BURST_MS.
 */
#ifndef BASE_RATE_LIMIT_H
#define BASE_RATE_LIMIT_H

#include <stddef.h>
#include <stdint.h>

struct cancel;
struct clock;
struct err;
struct rate_limit;

#define RATE_LIMIT_BURST_MS 250
#define RATE_LIMIT_MIN      (UINT64_C(16) << 10) /* bytes a second */
#define RATE_LIMIT_MAX      (UINT64_C(8) << 30)

/* bytes_per_sec: RATE_LIMIT_MIN .. RATE_LIMIT_MAX.  The clock is borrowed. */
int rate_limit_new(uint64_t bytes_per_sec, struct clock *clock, struct rate_limit **ret_limit,
                   struct err *err);
void rate_limit_free(struct rate_limit *limit); /* NULL is fine */

/* How many bytes to move at a time, so that many threads on one limit each move some every second:
 * 1 KiB .. 64 KiB. */
size_t rate_limit_piece(const struct rate_limit *limit);

/* Count bytes that are moved now, and wait as long as they take beyond what was saved up.  Ends
 * early when cancel (may be NULL) is set.  From any thread.  @return ms that it was to wait. */
int64_t rate_limit_wait(struct rate_limit *limit, uint64_t bytes, const struct cancel *cancel);

#endif
