#include "retention/policy.h"

#include "base/buf.h"
#include "base/err.h"
#include "retention/bucket.h"

#include <string.h>
#include <time.h>

const struct retention_policy retention_policy_default = {
    .hourly = 24,
    .daily = 7,
    .weekly = 4,
    .monthly = 12,
};

static bool within_is_empty(const struct retention_within *within)
{
    return within->years == 0 && within->months == 0 && within->days == 0 && within->hours == 0;
}

bool retention_policy_is_empty(const struct retention_policy *policy)
{
    return policy->last == 0 && policy->hourly == 0 && policy->daily == 0 && policy->weekly == 0 &&
           policy->monthly == 0 && policy->yearly == 0 && within_is_empty(&policy->within);
}

int retention_within_parse(const char *text, struct retention_within *ret_within, struct err *err)
{
    struct retention_within within = { 0 };
    const char *at = text;
    int r;

    while (*at != '\0') {
        unsigned number = 0, *field = NULL;
        const char *digits = at;

        for (; *at >= '0' && *at <= '9' && number < RETENTION_COUNT_MAX; at++)
            number = number * 10 + (unsigned)(*at - '0');
        field = *at == 'y'   ? &within.years
                : *at == 'm' ? &within.months
                : *at == 'd' ? &within.days
                : *at == 'h' ? &within.hours
                             : NULL;
        if (at == digits || field == NULL || number >= RETENTION_COUNT_MAX)
            goto bad;
        *field = number;
        at++;
    }
    if (at == text)
        goto bad;
    *ret_within = within;
    return 0;
bad:
    r = err_set(err, ERR_CONFIG, "'%s' is not a time such as 1y6m14d12h", text);
    err_hint(err, "years, months, days and hours: 90d, 2y, 1d12h");
    return r;
}

/* The moment of a local time, some of whose fields may be out of range.  Where a change of the
 * clock makes it ambiguous, or lets there be none, the offset is that of the time taken for UTC, or
 * the one that holds there: Go's choice, and so restic's (pkg.go.dev/time#Date). */
static int64_t from_local(struct tm *local)
{
    const time_t as_utc = timegm(local);
    struct tm there;
    time_t at;

    (void)localtime_r(&as_utc, &there);
    at = as_utc - there.tm_gmtoff;
    (void)localtime_r(&at, &there);
    return (int64_t)(as_utc - there.tm_gmtoff);
}

/* Moments after this one are within. */
static int64_t within_since_ms(const struct retention_within *within, int64_t newest_ms)
{
    struct tm local;
    int64_t ms = newest_ms % 1000;

    if (ms < 0)
        ms += 1000;
    bucket_local(newest_ms, &local);
    local.tm_year -= (int)within->years;
    local.tm_mon -= (int)within->months;
    local.tm_mday -= (int)within->days;
    return (from_local(&local) - (int64_t)within->hours * 3600) * 1000 + ms;
}

/* One run from the newest to the oldest. */
struct run {
    unsigned left[BUCKET_COUNT];
    int64_t seen[BUCKET_COUNT];
    bool has_within;
    int64_t since_ms;
};

static struct run run_begin(const struct retention_policy *policy,
                            const struct retention_item *items, size_t count, int64_t now_ms)
{
    struct run run = { .left = { policy->last, policy->hourly, policy->daily, policy->weekly,
                                 policy->monthly, policy->yearly },
                       .has_within = !within_is_empty(&policy->within) };
    size_t newest = count;

    for (size_t i = 0; i < BUCKET_COUNT; i++)
        run.seen[i] = -1;
    for (size_t i = 0; i < count; i++) {
        if (!items[i].pre_restore && !items[i].damaged && items[i].created_at_ms < now_ms)
            newest = i;
    }
    if (run.has_within && newest == count) {
        run.since_ms = INT64_MIN; /* all of them are in the future: none is too old */
    } else if (run.has_within) {
        run.since_ms = within_since_ms(&policy->within, items[newest].created_at_ms);
    }
    return run;
}

static unsigned count_item(struct run *run, const struct retention_item *item, size_t number)
{
    unsigned reasons = 0;
    struct tm local;

    bucket_local(item->created_at_ms, &local);
    if (run->has_within && item->created_at_ms > run->since_ms)
        reasons |= RETENTION_WITHIN;
    for (enum bucket bucket = BUCKET_LAST; bucket < BUCKET_COUNT; bucket++) {
        const int64_t value = bucket_value(bucket, &local, number);

        if (run->left[bucket] == 0 || run->seen[bucket] == value)
            continue;
        run->left[bucket]--;
        run->seen[bucket] = value;
        reasons |= 1u << bucket;
    }
    return reasons;
}

/* Whatever the others are. */
static unsigned own_reasons(const struct retention_item *item, bool young)
{
    unsigned reasons = 0;

    if (item->pinned)
        reasons |= RETENTION_PINNED;
    if (item->guarded)
        reasons |= RETENTION_GUARDED;
    if (item->pre_restore && young)
        reasons |= RETENTION_UNDO;
    if (item->damaged && young)
        reasons |= RETENTION_DAMAGED;
    return reasons;
}

void retention_apply(const struct retention_policy *policy, const struct retention_item *items,
                     size_t count, int64_t now_ms, unsigned *reasons)
{
    const bool empty = retention_policy_is_empty(policy);
    struct run run = run_begin(policy, items, count, now_ms);
    bool has_verified = false, has_newest = false;
    size_t number = 0;

    for (size_t i = count; i > 0; i--) {
        const struct retention_item *item = &items[i - 1];
        const bool young = now_ms - item->created_at_ms < RETENTION_UNDO_MS;
        const bool counts = !item->pre_restore && !item->damaged;
        unsigned why = (empty ? RETENTION_NO_POLICY : 0) | own_reasons(item, young);

        if (counts && !empty)
            why |= count_item(&run, item, number++);
        if (item->verified && !item->damaged && !has_verified) {
            has_verified = true;
            why |= RETENTION_VERIFIED;
        }
        if (counts && !has_newest) {
            has_newest = true;
            why |= why == 0 ? RETENTION_NEWEST : 0;
        }
        reasons[i - 1] = why;
    }
}

void retention_reasons_format(unsigned reasons, struct buf *out)
{
    static const char *const names[] = {
        "last",   "hourly",       "daily",  "weekly",          "monthly",           "yearly",
        "within", "no policy",    "pinned", "newest verified", "undo of a restore", "damaged",
        "newest", "before a loss"
    };
    bool first = true;

    if (reasons == 0)
        buf_add_text(out, "expires");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if ((reasons >> i & 1) == 0)
            continue;
        buf_addf(out, "%s%s", first ? "" : ", ", names[i]);
        first = false;
    }
}
