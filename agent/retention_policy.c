#include "agent/retention_policy.h"

#include "agent/options.h"
#include "base/err.h"
#include "retention/expire.h"
#include "retention/span.h"
#include "s3/object_lock.h"

#define MAX_UNUSED_DEFAULT 5

int retention_policy_from_settings(const struct settings *settings,
                                   struct retention_policy *ret_policy, struct err *err)
{
    struct retention_policy policy = { 0 };
    const struct {
        enum option_id id;
        unsigned *count;
    } counts[] = {
        { OPTION_KEEP_LAST, &policy.last },       { OPTION_KEEP_HOURLY, &policy.hourly },
        { OPTION_KEEP_DAILY, &policy.daily },     { OPTION_KEEP_WEEKLY, &policy.weekly },
        { OPTION_KEEP_MONTHLY, &policy.monthly }, { OPTION_KEEP_YEARLY, &policy.yearly },
    };
    const char *within = settings_text(settings, OPTION_KEEP_WITHIN);
    bool is_set = within != NULL;
    int r = 0;

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        is_set = is_set || settings_get(settings, counts[i].id) != NULL;
        *counts[i].count = (unsigned)settings_number(settings, counts[i].id, 0);
    }
    if (within != NULL)
        r = retention_within_parse(within, &policy.within, err);
    if (r < 0)
        return err_wrap(err, r, "keep_within");
    *ret_policy = is_set ? policy : retention_policy_default;
    return 0;
}

bool retention_outlasts_lock(const struct settings *settings, int64_t *ret_kept_days,
                             int64_t *ret_locked_days)
{
    struct retention_policy policy;

    if (settings_number(settings, OPTION_OBJECT_LOCK, S3_LOCK_NONE) == S3_LOCK_NONE ||
        retention_policy_from_settings(settings, &policy, NULL) < 0)
        return false;
    *ret_kept_days = retention_span_days(&policy);
    *ret_locked_days = (int64_t)settings_number(settings, OPTION_OBJECT_LOCK_DAYS, 0);
    return *ret_kept_days > *ret_locked_days;
}

int64_t prune_grace_from_settings(const struct settings *settings)
{
    return (int64_t)settings_number(settings, OPTION_PRUNE_GRACE, (uint64_t)EXPIRE_GRACE_MS);
}

unsigned max_unused_from_settings(const struct settings *settings)
{
    return (unsigned)settings_number(settings, OPTION_MAX_UNUSED, MAX_UNUSED_DEFAULT);
}
