#include "base/backoff.h"

#include <assert.h>

int64_t backoff_delay_ms(const struct backoff *backoff, unsigned attempt, uint64_t random)
{
    int64_t limit = backoff->base_ms;

    assert(backoff->base_ms > 0 && backoff->cap_ms > 0 && attempt > 0);
    for (unsigned i = 1; i < attempt && limit < backoff->cap_ms; i++)
        limit = limit > backoff->cap_ms / 2 ? backoff->cap_ms : limit * 2;
    if (limit > backoff->cap_ms)
        limit = backoff->cap_ms;
    return (int64_t)(random % ((uint64_t)limit + 1));
}
