#include "base/parse.h"

#include <stdio.h>
#include <time.h>

/* Rounded down before 1970, too. */
static time_t seconds_of(int64_t ms)
{
    return (time_t)(ms / 1000 - (ms % 1000 < 0 ? 1 : 0));
}

static struct tm utc_tm(int64_t ms)
{
    const time_t seconds = seconds_of(ms);
    struct tm tm = { 0 };

    (void)gmtime_r(&seconds, &tm);
    return tm;
}

void format_time_utc(int64_t ms, bool with_ms, char out[FORMAT_TIME_SIZE])
{
    const struct tm tm = utc_tm(ms);
    char fraction[8] = "";

    if (with_ms)
        (void)snprintf(fraction, sizeof(fraction), ".%03u", (unsigned)((ms % 1000 + 1000) % 1000));
    (void)snprintf(out, FORMAT_TIME_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d%sZ", tm.tm_year + 1900,
                   tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, fraction);
}

void format_time_basic(int64_t ms, char out[FORMAT_TIME_SIZE])
{
    const struct tm tm = utc_tm(ms);

    (void)snprintf(out, FORMAT_TIME_SIZE, "%04d%02d%02dT%02d%02d%02dZ", tm.tm_year + 1900,
                   tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

void format_time_local(int64_t ms, char out[FORMAT_TIME_SIZE])
{
    const time_t seconds = seconds_of(ms);
    struct tm tm = { 0 };

    (void)localtime_r(&seconds, &tm);
    (void)snprintf(out, FORMAT_TIME_SIZE, "%04d-%02d-%02d %02d:%02d:%02d %s", tm.tm_year + 1900,
                   tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                   tm.tm_zone != NULL ? tm.tm_zone : "");
}

void format_size(uint64_t bytes, char out[FORMAT_SIZE_SIZE])
{
    static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    uint64_t unit = 1024;
    size_t i = 0;

    if (bytes < 1024) {
        (void)snprintf(out, FORMAT_SIZE_SIZE, "%u B", (unsigned)bytes);
        return;
    }
    /* The next unit already where rounding to one decimal would print 1024.0 of this one. */
    while (i + 1 < sizeof(units) / sizeof(units[0]) && bytes >= unit * 1024 - unit / 20) {
        unit *= 1024;
        i++;
    }
    (void)snprintf(out, FORMAT_SIZE_SIZE, "%.1f %s", (double)bytes / (double)unit, units[i]);
}

void format_age(int64_t age_ms, char out[FORMAT_TIME_SIZE])
{
    static const struct {
        int64_t seconds;
        const char *name;
    } units[] = { { 86400, "day" }, { 3600, "hour" }, { 60, "minute" } };
    const bool future = age_ms < 0;
    const int64_t seconds = age_ms / 1000 * (future ? -1 : 1);

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        const long long count = (long long)(seconds / units[i].seconds);

        if (count == 0)
            continue;
        (void)snprintf(out, FORMAT_TIME_SIZE, "%s%lld %s%s%s", future ? "in " : "", count,
                       units[i].name, count == 1 ? "" : "s", future ? "" : " ago");
        return;
    }
    (void)snprintf(out, FORMAT_TIME_SIZE, "%s", seconds > 0 && future ? "in a moment" : "just now");
}

void format_duration(int64_t ms, char out[FORMAT_TIME_SIZE])
{
    const long long seconds = ms / 1000 + (ms % 1000 >= 500 ? 1 : 0);

    if (ms < 1000) {
        (void)snprintf(out, FORMAT_TIME_SIZE, "%lld ms", (long long)ms);
    } else if (ms < 59950) {
        (void)snprintf(out, FORMAT_TIME_SIZE, "%.1f s", (double)ms / 1000);
    } else if (seconds < 3600) {
        (void)snprintf(out, FORMAT_TIME_SIZE, "%lld min %lld s", seconds / 60, seconds % 60);
    } else {
        (void)snprintf(out, FORMAT_TIME_SIZE, "%lld h %lld min", seconds / 3600,
                       seconds % 3600 / 60);
    }
}
