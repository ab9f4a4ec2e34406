#include "agent/drill_status.h"

#include "agent/output.h"
#include "agent/state_file.h"

#include <stdio.h>

#define FILE_NAME    "drill.json"
#define FAILURES_MAX 1000000000

/* false: that is none. */
static bool read_status(json_t *root, struct drill_status *ret_status)
{
    struct drill_status status = { 0 };
    json_int_t verdict = 0, verified = 0, restore = 0, failures = 0;
    const char *id = "", *message = "";

    if (json_unpack(root, "{sI sI sI sI ss ss}", "verdict_ms", &verdict, "verified_ms", &verified,
                    "restore_ms", &restore, "failures", &failures, "backup_id", &id, "message",
                    &message) < 0 ||
        failures < 0 || failures > FAILURES_MAX)
        return false;
    status.verdict_ms = verdict;
    status.verified_ms = verified;
    status.restore_ms = restore;
    status.failures = (unsigned)failures;
    (void)snprintf(status.backup_id, sizeof(status.backup_id), "%s", id);
    (void)snprintf(status.message, sizeof(status.message), "%s", message);
    *ret_status = status;
    return true;
}

int drill_status_load(const char *state_dir, const char *database, struct drill_status *ret_status,
                      struct err *err)
{
    json_t *root = NULL;
    int r;

    r = state_file_load(state_dir, database, FILE_NAME, &root, err);
    if (r < 0)
        return r;
    if (root == NULL) {
        *ret_status = (struct drill_status){ 0 };
    } else if (!read_status(root, ret_status)) {
        r = state_file_bad(state_dir, database, FILE_NAME, err);
    }
    json_decref(root);
    return r;
}

int drill_status_save(const char *state_dir, const char *database,
                      const struct drill_status *status, struct err *err)
{
    return state_file_save(
        state_dir, database, FILE_NAME,
        json_pack("{sI sI sI si ss so}", "verdict_ms", (json_int_t)status->verdict_ms,
                  "verified_ms", (json_int_t)status->verified_ms, "restore_ms",
                  (json_int_t)status->restore_ms, "failures", (int)status->failures, "backup_id",
                  status->backup_id, "message", text_json(status->message)),
        err);
}

void drill_status_verified(struct drill_status *status, const char *backup_id, int64_t begin_ms,
                           int64_t restore_ms)
{
    status->verdict_ms = status->verified_ms = begin_ms;
    status->restore_ms = restore_ms;
    status->failures = 0;
    status->message[0] = '\0';
    (void)snprintf(status->backup_id, sizeof(status->backup_id), "%s", backup_id);
}

void drill_status_json(const struct drill_status *status, json_t *document)
{
    const bool verified = status->verified_ms != 0;

    (void)json_object_set_new(document, "verified_at", time_json(status->verified_ms));
    (void)json_object_set_new(document, "verified_backup",
                              verified ? json_string(status->backup_id) : json_null());
    (void)json_object_set_new(document, "restore_ms",
                              verified ? json_integer((json_int_t)status->restore_ms)
                                       : json_null());
    (void)json_object_set_new(document, "drill_failures",
                              json_integer((json_int_t)status->failures));
    (void)json_object_set_new(document, "drill_error",
                              status->message[0] != '\0' ? text_json(status->message)
                                                         : json_null());
}
