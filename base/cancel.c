#include "base/cancel.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"

_Static_assert(sizeof(atomic_int) == 4, "what a futex waits on has 32 bits");

void cancel_set(struct cancel *cancel, int signal_number)
{
    const int os_errno = errno; /* of the code that a signal's handler interrupted */

    atomic_store(&cancel->signal_number, signal_number == 0 ? -1 : signal_number);
    (void)syscall(SYS_futex, &cancel->signal_number, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
    errno = os_errno;
}

bool cancel_is_set(const struct cancel *cancel)
{
    return cancel != NULL && atomic_load(&cancel->signal_number) != 0;
}

/* A futex, because a signal's handler may wake one, but not signal a condition variable.  The
 * kernel compares with 0 and goes to sleep in one step, so that no wake-up is missed. */
void cancel_wait(const struct cancel *cancel, int64_t ms)
{
    const struct timespec ts = { (time_t)(ms / 1000), (long)(ms % 1000) * 1000000 };

    (void)syscall(SYS_futex, &cancel->signal_number, FUTEX_WAIT_PRIVATE, 0, &ts, NULL, 0);
}

int cancel_check(const struct cancel *cancel, struct err *err)
{
    return cancel_is_set(cancel) ? err_set(err, ERR_CANCELED, "canceled") : 0;
}
