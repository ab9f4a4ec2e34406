#include "base/log.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define LOG_LINE_SIZE 2048

static const char *const level_names[] = { "error", "warn", "info", "debug", "trace" };

/* The one mutable global of the libraries: set before the first thread starts. */
static struct {
    log_sink_fn sink;
    void *context;
    enum log_level max_level;
} log_state;

void log_set_sink(log_sink_fn sink, void *context, enum log_level max_level)
{
    log_state.sink = sink;
    log_state.context = context;
    log_state.max_level = max_level;
}

bool log_enabled(enum log_level level)
{
    return log_state.sink != NULL && level <= log_state.max_level;
}

void log_printf(enum log_level level, const char *format, ...)
{
    char line[LOG_LINE_SIZE];
    va_list args;

    if (!log_enabled(level))
        return;
    va_start(args, format);
    (void)vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    log_state.sink(log_state.context, level, line);
}

bool log_level_parse(const char *text, enum log_level *ret_level)
{
    for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *ret_level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}
