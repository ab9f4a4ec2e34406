/*
 * log.h - one line of diagnostics, to one sink for the whole process.
 *
 * Libraries below agent/ never print; they log at DEBUG and TRACE, and WARN for what succeeded but
 * wants attention.  Errors are returned, not logged.  Never pass a secret.  Safe from any thread
 * once log_set_sink() has returned.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

enum log_level {
    LOG_LEVEL_ERROR,
    LOG_LEVEL_WARN,
    LOG_LEVEL_INFO,
    LOG_LEVEL_DEBUG,
    LOG_LEVEL_TRACE
};

/* Called with a complete line without its end; must not log. */
typedef void (*log_sink_fn)(void *context, enum log_level level, const char *line);

/* Before the first thread starts.  A NULL sink (the initial state) discards. */
void log_set_sink(log_sink_fn sink, void *context, enum log_level max_level);
bool log_enabled(enum log_level level);
void log_printf(enum log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* "error" "warn" "info" "debug" "trace"; false when the text is none of them. */
bool log_level_parse(const char *text, enum log_level *ret_level);
const char *log_level_name(enum log_level level);

#define log_warn(...)  log_printf(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_printf(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_printf(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_trace(...) log_printf(LOG_LEVEL_TRACE, __VA_ARGS__)

#endif
