#include "base/cancel.h"

#include <stddef.h>

#include "base/err.h"

void cancel_set(struct cancel *cancel, int signal_number)
{
    atomic_store(&cancel->signal_number, signal_number == 0 ? -1 : signal_number);
}

bool cancel_is_set(const struct cancel *cancel)
{
    return cancel != NULL && atomic_load(&cancel->signal_number) != 0;
}

int cancel_check(const struct cancel *cancel, struct err *err)
{
    return cancel_is_set(cancel) ? err_set(err, ERR_CANCELED, "canceled") : 0;
}
