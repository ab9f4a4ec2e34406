/*
 * bucket.h - the hours, days, weeks, months and years that backups are counted by: those of local
 * time (TZ).  Pure.
 */
#ifndef RETENTION_BUCKET_H
#define RETENTION_BUCKET_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum bucket {
    BUCKET_LAST,
    BUCKET_HOURLY,
    BUCKET_DAILY,
    BUCKET_WEEKLY, /* ISO 8601's */
    BUCKET_MONTHLY,
    BUCKET_YEARLY,
    BUCKET_COUNT
};

void bucket_local(int64_t ms, struct tm *ret_local);
/* What a bucket is called: equal for two moments in the same one.  number: of the backup, for
 * BUCKET_LAST, where each is in a bucket of its own. */
int64_t bucket_value(enum bucket bucket, const struct tm *local, size_t number);

#endif
