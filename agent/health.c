#include "agent/health.h"

#include "agent/jobs.h"
#include "agent/text.h"
#include "base/buf.h"
#include "base/parse.h"

int64_t health_deadline_ms(const struct schedule *schedule, int64_t success_ms, int64_t max_age_ms)
{
    int64_t slot_ms = success_ms;

    if (success_ms == 0)
        return 0;
    if (max_age_ms > 0)
        return success_ms + max_age_ms;
    for (int i = 0; i < 2; i++) {
        slot_ms = schedule_next(schedule, slot_ms);
        if (slot_ms == SCHEDULE_NEVER)
            return INT64_MAX;
    }
    return slot_ms + HEALTH_GRACE_MS;
}

int64_t job_deadline_ms(const struct job *job)
{
    const uint64_t max_age_ms = settings_number(&job->session.settings, OPTION_MAX_AGE, 0);

    return health_deadline_ms(&job->schedule, job->status.success_ms, (int64_t)max_age_ms);
}

enum health health_of(const struct job_status *status, const struct drill_status *drill,
                      int64_t deadline_ms, int64_t now_ms)
{
    if (status->success_ms == 0)
        return HEALTH_NEVER;
    if (now_ms > deadline_ms)
        return HEALTH_LATE;
    if (drill->failures > 0)
        return HEALTH_UNRESTORABLE;
    if (status->shrunk && status->shrunk_fails)
        return HEALTH_SHRUNK;
    return status->failures > 0 ? HEALTH_FAILING : HEALTH_GOOD;
}

bool health_is_enough(enum health health)
{
    return health == HEALTH_GOOD || health == HEALTH_FAILING;
}

void health_explain(struct buf *why, const struct job_status *status,
                    const struct drill_status *drill, int64_t deadline_ms, int64_t now_ms)
{
    const bool is_old = status->success_ms == 0 || now_ms > deadline_ms;

    if (is_old) {
        buf_add_text(why, "last good backup: ");
        health_add_when(why, status->success_ms, now_ms);
        if (status->failures > 0) {
            buf_addf(why, ", failed %u time%s since: ", status->failures,
                     status->failures == 1 ? "" : "s");
            text_escape(why, status->message);
        }
    }
    if (drill->failures > 0) {
        buf_addf(why, "%srestore drill failed: ", is_old ? "; " : "");
        text_escape(why, drill->message);
    }
    if (status->shrunk && status->shrunk_fails) {
        buf_addf(why, "%sit lost much: ", is_old || drill->failures > 0 ? "; " : "");
        text_escape(why, status->shrunk_reason);
    }
}

void health_add_when(struct buf *text, int64_t ms, int64_t now_ms)
{
    char when[FORMAT_TIME_SIZE], age[FORMAT_TIME_SIZE];

    if (ms == 0) {
        buf_add_text(text, "never");
        return;
    }
    format_time_local(ms, when);
    format_age(now_ms - ms, age);
    buf_addf(text, "%s (%s)", when, age);
}
