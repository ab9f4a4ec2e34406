#include "agent/backup_hooks.h"

#include "agent/backup_job.h"
#include "agent/hook.h"
#include "agent/session.h"
#include "base/err.h"
#include "base/log.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#define TIMEOUT_MS  (UINT64_C(60) * 1000)
#define NUMBER_SIZE 24

static struct hook make_hook(const struct session *session, const struct database *database,
                             enum option_id id)
{
    return (struct hook){
        .name = option_spec(id)->key,
        .database = database->name,
        .command = settings_text(&session->settings, id),
        .timeout_ms = (int64_t)settings_number(&session->settings, OPTION_HOOK_TIMEOUT, TIMEOUT_MS),
        .clock = session->clock,
    };
}

static void add_fact(struct hook *hook, const char *name, const char *value)
{
    assert(hook->fact_count < HOOK_FACT_COUNT_MAX);
    hook->facts[hook->fact_count++] = (struct hook_fact){ name, value };
}

static void add_database(struct hook *hook, const struct session *session,
                         const struct database *database)
{
    add_fact(hook, "HOLDFAST_HOOK", hook->name);
    add_fact(hook, "HOLDFAST_DATABASE", database->name);
    add_fact(hook, "HOLDFAST_PATH", database->path);
    if (session->store != NULL) /* which a holdfast that the hook runs heeds, too */
        add_fact(hook, "HOLDFAST_STORE", session->store->name);
}

int backup_hooks_before(const struct session *session, const struct database *database,
                        struct err *err)
{
    struct hook hook = make_hook(session, database, OPTION_BEFORE);

    if (hook.command == NULL)
        return 0;
    hook.cancel = session->cancel;
    add_database(&hook, session, database);
    return hook_run(&hook, err);
}

static const char *outcome_name(const struct backup_job_result *result)
{
    if (result == NULL)
        return "failed";
    return result->report.unchanged ? "unchanged" : "backed-up";
}

void backup_hooks_after(const struct session *session, const struct database *database,
                        const struct backup_hooks_outcome *outcome)
{
    const struct backup_job_result *result = outcome->result;
    struct hook hook = make_hook(session, database, OPTION_AFTER);
    char stored[NUMBER_SIZE], size[NUMBER_SIZE], duration[NUMBER_SIZE];
    struct err why = { 0 };

    if (hook.command == NULL)
        return;
    (void)snprintf(duration, sizeof(duration), "%" PRId64, outcome->duration_ms);
    add_database(&hook, session, database);
    add_fact(&hook, "HOLDFAST_OUTCOME", outcome_name(result));
    add_fact(&hook, "HOLDFAST_DURATION_MS", duration);
    add_fact(&hook, "HOLDFAST_ERROR", result == NULL ? outcome->message : NULL);
    if (result != NULL) {
        (void)snprintf(stored, sizeof(stored), "%" PRIu64, result->record.stored_bytes);
        (void)snprintf(size, sizeof(size), "%" PRIu64, result->record.size);
        add_fact(&hook, "HOLDFAST_BACKUP_ID", result->record.id);
        add_fact(&hook, "HOLDFAST_STORED_BYTES", stored);
        add_fact(&hook, "HOLDFAST_SIZE", size);
        if (result->guard.is_new)
            add_fact(&hook, "HOLDFAST_SHRUNK", result->guard.reason);
    }
    if (hook_run(&hook, &why) < 0) {
        log_warn("'%s': %s%s%s", database->name, why.msg, why.hint[0] != '\0' ? "; hint: " : "",
                 why.hint);
    }
}
