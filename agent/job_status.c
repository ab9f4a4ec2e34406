#include "agent/job_status.h"

#include "agent/output.h"
#include "agent/state_file.h"

#include <stdio.h>

#define FILE_NAME    "status.json"
#define FAILURES_MAX 1000000000

/* false: that is none. */
static bool read_status(json_t *root, struct job_status *ret_status)
{
    struct job_status status = { 0 };
    json_int_t attempt = 0, success = 0, duration = 0, failures = 0, notified = 0;
    int unchanged = 0, shrunk = 0;
    const char *id = "", *message = "", *kept_id = "", *reason = "";

    if (json_unpack(root, "{sI sI sI sI ss sb ss s?b s?s s?s s?I}", "attempt_ms", &attempt,
                    "success_ms", &success, "duration_ms", &duration, "failures", &failures,
                    "backup_id", &id, "unchanged", &unchanged, "message", &message, "shrunk",
                    &shrunk, "kept_id", &kept_id, "shrunk_reason", &reason, "notified_ms",
                    &notified) < 0 ||
        failures < 0 || failures > FAILURES_MAX)
        return false;
    status.attempt_ms = attempt;
    status.success_ms = success;
    status.duration_ms = duration;
    status.failures = (unsigned)failures;
    status.unchanged = unchanged != 0;
    (void)snprintf(status.backup_id, sizeof(status.backup_id), "%s", id);
    status.notified_ms = notified;
    status.shrunk = shrunk != 0;
    (void)snprintf(status.kept_id, sizeof(status.kept_id), "%s", kept_id);
    (void)snprintf(status.shrunk_reason, sizeof(status.shrunk_reason), "%s", reason);
    (void)snprintf(status.message, sizeof(status.message), "%s", message);
    *ret_status = status;
    return true;
}

int job_status_load(const char *state_dir, const char *database, struct job_status *ret_status,
                    struct err *err)
{
    json_t *root = NULL;
    int r;

    r = state_file_load(state_dir, database, FILE_NAME, &root, err);
    if (r < 0)
        return r;
    if (root == NULL) {
        *ret_status = (struct job_status){ 0 };
    } else if (!read_status(root, ret_status)) {
        r = state_file_bad(state_dir, database, FILE_NAME, err);
    }
    json_decref(root);
    return r;
}

int job_status_save(const char *state_dir, const char *database, const struct job_status *status,
                    struct err *err)
{
    return state_file_save(
        state_dir, database, FILE_NAME,
        json_pack("{sI sI sI si ss sb sI sb ss so so}", "attempt_ms",
                  (json_int_t)status->attempt_ms, "success_ms", (json_int_t)status->success_ms,
                  "duration_ms", (json_int_t)status->duration_ms, "failures", (int)status->failures,
                  "backup_id", status->backup_id, "unchanged", (int)status->unchanged,
                  "notified_ms", (json_int_t)status->notified_ms, "shrunk", (int)status->shrunk,
                  "kept_id", status->kept_id, "shrunk_reason", text_json(status->shrunk_reason),
                  "message", text_json(status->message)),
        err);
}

void job_status_acknowledge(struct job_status *status)
{
    status->shrunk = false;
    status->kept_id[0] = '\0';
    status->shrunk_reason[0] = '\0';
}

json_t *job_status_json(const struct job_status *status)
{
    const bool has_backup = status->backup_id[0] != '\0';
    const bool has_kept = status->kept_id[0] != '\0';

    return json_pack("{so so sI si so sb sb so so so}", "last_attempt",
                     time_json(status->attempt_ms), "last_success", time_json(status->success_ms),
                     "duration_ms", (json_int_t)status->duration_ms, "failures",
                     (int)status->failures, "backup",
                     has_backup ? json_string(status->backup_id) : json_null(), "unchanged",
                     (int)status->unchanged, "shrunk", (int)status->shrunk, "shrunk_reason",
                     status->shrunk ? text_json(status->shrunk_reason) : json_null(), "shrunk_kept",
                     has_kept ? json_string(status->kept_id) : json_null(), "error",
                     status->message[0] != '\0' ? text_json(status->message) : json_null());
}
