#include "agent/command.h"

#include "agent/health.h"
#include "agent/jobs.h"
#include "agent/output.h"
#include "agent/text.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/parse.h"

#define TEXT_LEN_MAX (1u << 20)

static int64_t next_run(const struct job *job, int64_t now_ms)
{
    const int64_t next = schedule_next(&job->schedule, now_ms);

    return next == SCHEDULE_NEVER ? 0 : next;
}

static int64_t next_drill(const struct job *job, int64_t now_ms)
{
    const int64_t next =
        job->has_drill ? schedule_next(&job->drill_schedule, now_ms) : SCHEDULE_NEVER;

    return next == SCHEDULE_NEVER ? 0 : next;
}

static json_t *jobs_json(const struct jobs *jobs, int64_t now_ms)
{
    json_t *list = json_array();

    for (size_t i = 0; i < jobs->count; i++) {
        const struct job *job = &jobs->items[i];
        json_t *entry = job_status_json(&job->status);

        (void)json_object_set_new(entry, "database", json_string(job->database.name));
        (void)json_object_set_new(entry, "store_name", store_json(&job->session));
        (void)json_object_set_new(entry, "next_run", time_json(next_run(job, now_ms)));
        drill_status_json(&job->drill, entry);
        (void)json_object_set_new(entry, "next_drill", time_json(next_drill(job, now_ms)));
        (void)json_array_append_new(list, entry);
    }
    return json_pack("{so}", "databases", list);
}

static void add_drill_text(struct buf *text, const struct job *job, int64_t now_ms)
{
    const struct drill_status *drill = &job->drill;
    char duration[FORMAT_TIME_SIZE], when[FORMAT_TIME_SIZE];
    const int64_t next = next_drill(job, now_ms);

    if (drill->verified_ms != 0) {
        format_duration(drill->restore_ms, duration);
        buf_add_text(text, "\n  last restore drill ");
        health_add_when(text, drill->verified_ms, now_ms);
        buf_addf(text, ", %.8s restored in %s", drill->backup_id, duration);
    }
    if (drill->failures > 0) {
        buf_addf(text, "\n  RESTORE DRILL FAILED %u time%s: ", drill->failures,
                 drill->failures == 1 ? "" : "s");
        text_escape(text, drill->message);
    }
    if (next != 0) {
        format_time_local(next, when);
        buf_addf(text, "\n  next restore drill %s", when);
    }
}

static void add_job_text(struct buf *text, const struct job *job, int64_t now_ms)
{
    const struct job_status *status = &job->status;
    const char *store = session_store_name(&job->session);
    const int64_t next = next_run(job, now_ms);
    char when[FORMAT_TIME_SIZE];

    text_escape(text, job->database.name);
    if (store != NULL)
        buf_addf(text, " in %s", store);
    buf_add_text(text, "\n  last good backup   ");
    health_add_when(text, status->success_ms, now_ms);
    if (status->backup_id[0] != '\0')
        buf_addf(text, ", %.8s%s", status->backup_id, status->unchanged ? ", unchanged since" : "");
    if (status->failures > 0) {
        buf_addf(text, "\n  failed %u time%s      last ", status->failures,
                 status->failures == 1 ? " " : "s");
        health_add_when(text, status->attempt_ms, now_ms);
        buf_add_text(text, ": ");
        text_escape(text, status->message);
    }
    if (status->shrunk) {
        buf_add_text(text, "\n  HAS LOST MUCH      ");
        text_escape(text, status->shrunk_reason);
        buf_addf(text, "; kept until 'holdfast unpin %s %.8s%s%s'", job->database.name,
                 status->kept_id, store != NULL ? " --store " : "", store != NULL ? store : "");
    }
    if (next != 0) {
        format_time_local(next, when);
        buf_addf(text, "\n  next backup        %s", when);
    }
    add_drill_text(text, job, now_ms);
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
    const int64_t now_ms = clock_now_ms(session->clock);
    struct buf names = BUF_INIT(TEXT_LEN_MAX);
    struct jobs jobs = JOBS_INIT;
    size_t failed = 0;
    int r;

    r = jobs_load(session, session->cancel, &jobs, err);
    for (size_t i = 0; r == 0 && i < jobs.count; i++) {
        const struct job *job = &jobs.items[i];
        const int64_t deadline_ms = job_deadline_ms(job);

        if (health_is_enough(health_of(&job->status, &job->drill, deadline_ms, now_ms)))
            continue;
        buf_addf(&names, "%s%s: ", failed++ > 0 ? ", " : "", job->title);
        health_explain(&names, &job->status, &job->drill, deadline_ms, now_ms);
    }
    if (r == 0 && failed > 0) {
        r = err_set(err, ERR_PARTIAL, "%zu of %zu databases%s are not backed up as they should be",
                    failed, jobs.count, jobs_counted(&jobs));
        err_hint(err, "%.370s", names.ptr);
    }
    buf_dispose(&names);
    jobs_dispose(&jobs);
    return r;
}
