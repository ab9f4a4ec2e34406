#include "agent/command.h"

#include "agent/jobs.h"
#include "agent/output.h"
#include "agent/text.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/parse.h"

#define TEXT_LEN_MAX (1u << 20)
#define MAX_AGE_MS   (INT64_C(2) * 60 * 60 * 1000)

static bool is_healthy(const struct job *job, int64_t max_age_ms, int64_t now_ms)
{
    return job->status.success_ms != 0 && now_ms - job->status.success_ms <= max_age_ms;
}

static int64_t next_run(const struct job *job, int64_t now_ms)
{
    const int64_t next = schedule_next(&job->schedule, now_ms);

    return next == SCHEDULE_NEVER ? 0 : next;
}

static json_t *jobs_json(const struct jobs *jobs, int64_t now_ms)
{
    json_t *list = json_array();

    for (size_t i = 0; i < jobs->count; i++) {
        const struct job *job = &jobs->items[i];
        json_t *entry = job_status_json(&job->status);

        (void)json_object_set_new(entry, "database", json_string(job->database.name));
        (void)json_object_set_new(entry, "next_run", time_json(next_run(job, now_ms)));
        (void)json_array_append_new(list, entry);
    }
    return json_pack("{so}", "databases", list);
}

static void add_when(struct buf *text, int64_t ms, int64_t now_ms)
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

static void add_job_text(struct buf *text, const struct job *job, int64_t now_ms)
{
    const struct job_status *status = &job->status;
    const int64_t next = next_run(job, now_ms);
    char when[FORMAT_TIME_SIZE];

    text_escape(text, job->database.name);
    buf_add_text(text, "\n  last good backup  ");
    add_when(text, status->success_ms, now_ms);
    if (status->backup_id[0] != '\0')
        buf_addf(text, ", %.8s%s", status->backup_id, status->unchanged ? ", unchanged since" : "");
    if (status->failures > 0) {
        buf_addf(text, "\n  failed %u time%s     last ", status->failures,
                 status->failures == 1 ? " " : "s");
        add_when(text, status->attempt_ms, now_ms);
        buf_add_text(text, ": ");
        text_escape(text, status->message);
    }
    if (next != 0) {
        format_time_local(next, when);
        buf_addf(text, "\n  next backup       %s", when);
    }
    buf_add_char(text, '\n');
}

int cmd_status(struct session *session, struct err *err)
{
    const int64_t now_ms = clock_now_ms(session->clock);
    struct buf text = BUF_INIT(TEXT_LEN_MAX);
    struct jobs jobs = JOBS_INIT;
    int r;

    r = jobs_load(session, session->cancel, &jobs, err);
    if (r < 0)
        return r;
    if (session->json) {
        r = output_json(session->out, jobs_json(&jobs, now_ms), err);
    } else {
        for (size_t i = 0; i < jobs.count; i++)
            add_job_text(&text, &jobs.items[i], now_ms);
        r = output_text(session->out, &text, err);
    }
    buf_dispose(&text);
    jobs_dispose(&jobs);
    return r;
}

/* Silent when all is well: for a container's health check, and for cron. */
int cmd_health(struct session *session, struct err *err)
{
    const char *max_age = session->args->flags[FLAG_MAX_AGE];
    const int64_t now_ms = clock_now_ms(session->clock);
    struct buf names = BUF_INIT(TEXT_LEN_MAX);
    struct jobs jobs = JOBS_INIT;
    int64_t max_age_ms = MAX_AGE_MS;
    size_t failed = 0;
    int r = 0;

    if (max_age != NULL)
        r = parse_duration(max_age, &max_age_ms, err);
    if (r < 0)
        return err_wrap(err, r, "--max-age");
    r = jobs_load(session, session->cancel, &jobs, err);
    for (size_t i = 0; r == 0 && i < jobs.count; i++) {
        if (is_healthy(&jobs.items[i], max_age_ms, now_ms))
            continue;
        buf_addf(&names, "%s'%s': ", failed++ > 0 ? ", " : "", jobs.items[i].database.name);
        add_when(&names, jobs.items[i].status.success_ms, now_ms);
    }
    if (r == 0 && failed > 0) {
        r = err_set(err, ERR_PARTIAL, "%zu of %zu databases have no good backup that is new enough",
                    failed, jobs.count);
        err_hint(err, "last ones: %.400s", names.ptr);
    }
    buf_dispose(&names);
    jobs_dispose(&jobs);
    return r;
}
