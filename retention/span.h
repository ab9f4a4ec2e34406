/*
 * span.h - for how long a policy keeps the oldest backup that it keeps.  Pure.
 */
#ifndef RETENTION_SPAN_H
#define RETENTION_SPAN_H

#include <stdint.h>

struct retention_policy;

/* Days, rounded up, as long as backups are made as often as the policy counts them; 36500 for a
 * policy that keeps all.  keep_last is left out: it counts backups, not time. */
int64_t retention_span_days(const struct retention_policy *policy);

#endif
