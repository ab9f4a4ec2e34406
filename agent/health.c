#include "agent/health.h"

#include "agent/jobs.h"
#include "agent/text.h"
#include "base/buf.h"
#include "base/parse.h"

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

bool job_is_healthy(const struct job *job, int64_t max_age_ms, int64_t now_ms, struct buf *why)
{
    const int64_t success_ms = job->status.success_ms;
    const bool old = success_ms == 0 || now_ms - success_ms > max_age_ms;
    const bool drill_failed = job->drill.failures > 0;

    if (old) {
        buf_add_text(why, "last good backup: ");
        health_add_when(why, success_ms, now_ms);
    }
    if (drill_failed) {
        buf_addf(why, "%srestore drill failed: ", old ? "; " : "");
        text_escape(why, job->drill.message);
    }
    return !old && !drill_failed;
}
