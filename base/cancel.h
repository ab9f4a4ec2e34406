/*
 * cancel.h - a request to stop, polled by every loop that can wait.
 *
 * Setting it is safe from a signal handler and from any thread.
 */
#ifndef BASE_CANCEL_H
#define BASE_CANCEL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct err;

struct cancel {
    atomic_int signal_number; /* 0: go on; otherwise the signal that asked, or -1 for none */
};

#define CANCEL_INIT                                                                                \
    {                                                                                              \
        0                                                                                          \
    }

void cancel_set(struct cancel *cancel, int signal_number);
/* NULL is never set. */
bool cancel_is_set(const struct cancel *cancel);
/* Until it is set, a signal's handler has run, or ms (at least 0) have passed; may return early. */
void cancel_wait(const struct cancel *cancel, int64_t ms);
/* 0, or ERR_CANCELED with a message. */
int cancel_check(const struct cancel *cancel, struct err *err);

#endif
