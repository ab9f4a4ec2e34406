#include "base/rate_limit.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"

#define PIECE_MIN  1024
#define PIECE_MAX  (64u << 10)
#define PIECES_SEC 16 /* at least so many pieces a second */
#define MS_NS      INT64_C(1000000)
#define SEC_NS     UINT64_C(1000000000)

struct rate_limit {
    uint64_t bytes_per_sec;
    struct clock *clock;
    pthread_mutex_t lock; /* over what follows */
    int64_t free_ns;      /* when all that was taken so far will have been paid for */
};

int rate_limit_new(uint64_t bytes_per_sec, struct clock *clock, struct rate_limit **ret_limit,
                   struct err *err)
{
    struct rate_limit *limit = calloc(1, sizeof(*limit));

    assert(bytes_per_sec >= RATE_LIMIT_MIN && bytes_per_sec <= RATE_LIMIT_MAX);
    if (limit == NULL)
        return err_nomem(err);
    limit->bytes_per_sec = bytes_per_sec;
    limit->clock = clock;
    limit->free_ns = clock_mono_ms(clock) * MS_NS; /* nothing saved up at the start */
    (void)pthread_mutex_init(&limit->lock, NULL);
    *ret_limit = limit;
    return 0;
}

void rate_limit_free(struct rate_limit *limit)
{
    if (limit == NULL)
        return;
    (void)pthread_mutex_destroy(&limit->lock);
    free(limit);
}

size_t rate_limit_piece(const struct rate_limit *limit)
{
    const uint64_t piece = limit->bytes_per_sec / PIECES_SEC;

    return piece < PIECE_MIN ? PIECE_MIN : piece > PIECE_MAX ? PIECE_MAX : (size_t)piece;
}

/* What bytes take at the limit's rate; whole seconds apart, so that nothing overflows: the rate is
 * at most 2^33, and a second has less than 2^30 ns. */
static int64_t duration_ns(const struct rate_limit *limit, uint64_t bytes)
{
    const uint64_t rate = limit->bytes_per_sec;

    return (int64_t)(bytes / rate * SEC_NS + bytes % rate * SEC_NS / rate);
}

int64_t rate_limit_wait(struct rate_limit *limit, uint64_t bytes, const struct cancel *cancel)
{
    const int64_t now_ns = clock_mono_ms(limit->clock) * MS_NS;
    const int64_t saved_since_ns = now_ns - RATE_LIMIT_BURST_MS * MS_NS;
    int64_t wait_ms;

    (void)pthread_mutex_lock(&limit->lock);
    if (limit->free_ns < saved_since_ns)
        limit->free_ns = saved_since_ns;
    limit->free_ns += duration_ns(limit, bytes);
    wait_ms = (limit->free_ns - now_ns + MS_NS - 1) / MS_NS;
    (void)pthread_mutex_unlock(&limit->lock);
    if (wait_ms <= 0)
        return 0;
    clock_sleep_ms(limit->clock, wait_ms, cancel);
    return wait_ms;
}
