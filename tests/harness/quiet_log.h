/*
 * quiet_log.h - for tests of what is logged about on purpose: log_set_sink(quiet_log, NULL, ...).
 */
#ifndef TESTS_HARNESS_QUIET_LOG_H
#define TESTS_HARNESS_QUIET_LOG_H

#include "base/log.h"

static inline void quiet_log(void *context, enum log_level level, const char *line)
{
    (void)context;
    (void)level;
    (void)line;
}

#endif
