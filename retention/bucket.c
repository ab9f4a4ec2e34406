#include "retention/bucket.h"

/* ISO 8601: week 1 has the year's first Thursday. */
static int64_t iso_week(const struct tm *local)
{
    const int weekday = (local->tm_wday + 6) % 7; /* Monday is 0 */
    struct tm thursday = *local;
    time_t at;

    /* The year and the number of a week are those of its Thursday, at noon as if in UTC. */
    thursday.tm_mday += 3 - weekday;
    thursday.tm_hour = 12;
    at = timegm(&thursday);
    (void)gmtime_r(&at, &thursday);
    return (int64_t)(thursday.tm_year + 1900) * 100 + thursday.tm_yday / 7 + 1;
}

int64_t bucket_value(enum bucket bucket, const struct tm *local, size_t number)
{
    const int64_t year = local->tm_year + 1900, month = local->tm_mon + 1;

    switch (bucket) {
    case BUCKET_HOURLY:
        return ((year * 100 + month) * 100 + local->tm_mday) * 100 + local->tm_hour;
    case BUCKET_DAILY:
        return (year * 100 + month) * 100 + local->tm_mday;
    case BUCKET_WEEKLY:
        return iso_week(local);
    case BUCKET_MONTHLY:
        return year * 100 + month;
    case BUCKET_YEARLY:
        return year;
    case BUCKET_LAST:
    case BUCKET_COUNT:
        break;
    }
    return (int64_t)number;
}

void bucket_local(int64_t ms, struct tm *ret_local)
{
    const time_t seconds = (time_t)(ms >= 0 ? ms / 1000 : (ms - 999) / 1000);

    (void)localtime_r(&seconds, ret_local);
}
