#include "agent/job_status.h"

#include "agent/output.h"
#include "base/buf.h"
#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATUS_LEN_MAX (64u << 10)
#define FAILURES_MAX   1000000000

static char *status_path(const char *state_dir, const char *database)
{
    char *dir = path_join(state_dir, database);
    char *path = dir != NULL ? path_join(dir, "status.json") : NULL;

    free(dir);
    return path;
}

static int read_status(const char *text, size_t len, struct job_status *ret_status, struct err *err)
{
    struct job_status status = { 0 };
    json_int_t attempt = 0, success = 0, duration = 0, failures = 0;
    int unchanged = 0;
    const char *id = "", *message = "";
    json_t *root = json_loadb(text, len, 0, NULL);

    if (json_unpack(root, "{sI sI sI sI ss sb ss}", "attempt_ms", &attempt, "success_ms", &success,
                    "duration_ms", &duration, "failures", &failures, "backup_id", &id, "unchanged",
                    &unchanged, "message", &message) < 0 ||
        failures < 0 || failures > FAILURES_MAX) {
        json_decref(root);
        return err_set(err, ERR_CORRUPT, "not a status");
    }
    status.attempt_ms = attempt;
    status.success_ms = success;
    status.duration_ms = duration;
    status.failures = (unsigned)failures;
    status.unchanged = unchanged != 0;
    (void)snprintf(status.backup_id, sizeof(status.backup_id), "%s", id);
    (void)snprintf(status.message, sizeof(status.message), "%s", message);
    json_decref(root);
    *ret_status = status;
    return 0;
}

int job_status_load(const char *state_dir, const char *database, struct job_status *ret_status,
                    struct err *err)
{
    struct buf text = BUF_INIT(STATUS_LEN_MAX);
    char *path = status_path(state_dir, database);
    int r;

    r = path == NULL ? err_nomem(err) : file_read(path, &text, err);
    if (r == ERR_NOT_FOUND) {
        err_clear(err);
        *ret_status = (struct job_status){ 0 };
        r = 0;
    } else if (r == 0) {
        r = read_status(text.ptr, text.len, ret_status, err);
        if (r < 0)
            r = err_wrap(err, r, "'%s'", path);
    }
    buf_dispose(&text);
    free(path);
    return r;
}

int job_status_save(const char *state_dir, const char *database, const struct job_status *status,
                    struct err *err)
{
    json_t *root = json_pack("{sI sI sI si ss sb so}", "attempt_ms", (json_int_t)status->attempt_ms,
                             "success_ms", (json_int_t)status->success_ms, "duration_ms",
                             (json_int_t)status->duration_ms, "failures", (int)status->failures,
                             "backup_id", status->backup_id, "unchanged", (int)status->unchanged,
                             "message", text_json(status->message));
    char *text = root != NULL ? json_dumps(root, JSON_COMPACT) : NULL;
    char *path = status_path(state_dir, database);
    char *dir = path != NULL ? path_parent(path) : NULL;
    int r;

    if (text == NULL || dir == NULL) {
        r = err_nomem(err);
        goto out;
    }
    r = file_mkdirs(dir, 0700, err);
    if (r == 0)
        r = file_write_atomic(path, text, strlen(text), 0600, err);
out:
    json_decref(root);
    free(text);
    free(path);
    free(dir);
    return r;
}

json_t *job_status_json(const struct job_status *status)
{
    const bool has_backup = status->backup_id[0] != '\0';

    return json_pack("{so so sI si so sb so}", "last_attempt", time_json(status->attempt_ms),
                     "last_success", time_json(status->success_ms), "duration_ms",
                     (json_int_t)status->duration_ms, "failures", (int)status->failures, "backup",
                     has_backup ? json_string(status->backup_id) : json_null(), "unchanged",
                     (int)status->unchanged, "error",
                     status->message[0] != '\0' ? text_json(status->message) : json_null());
}
