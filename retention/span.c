#include "retention/span.h"

#include "retention/policy.h"

#define FOREVER_DAYS INT64_C(36500)

static int64_t longer(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

int64_t retention_span_days(const struct retention_policy *policy)
{
    const struct retention_within *within = &policy->within;
    int64_t days = 1; /* the newest one is always kept */

    if (retention_policy_is_empty(policy))
        return FOREVER_DAYS;
    days = longer(days, ((int64_t)policy->hourly + 23) / 24);
    days = longer(days, policy->daily);
    days = longer(days, INT64_C(7) * policy->weekly);
    days = longer(days, (INT64_C(365) * policy->monthly + 11) / 12);
    days = longer(days, INT64_C(366) * policy->yearly);
    days = longer(days, INT64_C(366) * within->years + INT64_C(31) * within->months + within->days +
                            ((int64_t)within->hours + 23) / 24);
    return days < FOREVER_DAYS ? days : FOREVER_DAYS;
}
