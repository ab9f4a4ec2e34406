/*
 * cleanse_spy.h - what was wiped last; afterwards it is freed and cannot be looked at.
 *
 * For tests linked with -Wl,--wrap=OPENSSL_cleanse.
 */
#ifndef TESTS_HARNESS_CLEANSE_SPY_H
#define TESTS_HARNESS_CLEANSE_SPY_H

#include <stddef.h>

struct cleansed {
    const void *data;
    size_t len;
};

struct cleansed last_cleansed(void);

#endif
