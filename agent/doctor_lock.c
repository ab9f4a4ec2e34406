#include "agent/doctor.h"

#include "agent/doctor_report.h"
#include "agent/retention_policy.h"
#include "agent/session.h"
#include "base/err.h"
#include "base/random.h"
#include "retention/span.h"
#include "s3/object_lock.h"
#include "s3/versions.h"
#include "snapshot/manifest.h"
#include "store/object_store.h"
#include "store/s3_store.h"

#include <stdio.h>
#include <string.h>

#define DAY_MS  (INT64_C(24) * 60 * 60 * 1000)
#define CONTENT "Written by 'holdfast doctor' to see whether it is locked.\n"

void doctor_skip_lock(struct doctor_report *report, const char *because)
{
    doctor_skip(report, "versions", because);
    doctor_skip(report, "object lock", because);
}

/* A key that may not ask, and a server that knows no versions, are nobody's fault. */
static bool is_no_answer(int code)
{
    return code == ERR_DENIED || code == ERR_UNSUPPORTED;
}

static void check_versions(struct doctor_report *report, struct s3_client *client)
{
    enum s3_versioning versioning = S3_VERSIONING_NONE;
    struct err err = { 0 };
    const int r = s3_get_bucket_versioning(client, &versioning, &err);

    if (is_no_answer(r)) {
        doctor_skip(report, "versions",
                    r == ERR_DENIED ? "the key may not ask (s3:GetBucketVersioning)"
                                    : "the server does not say");
    } else if (r < 0) {
        doctor_fail(report, "versions", &err);
    } else if (versioning == S3_VERSIONING_ENABLED) {
        doctor_ok(report, "versions",
                  "the bucket keeps versions: what is deleted can be read with --as-of, and is "
                  "stored until a lifecycle rule removes it");
    } else if (versioning == S3_VERSIONING_SUSPENDED) {
        doctor_warn(report, "versions",
                    "turn versioning on again, or --as-of finds only what is old",
                    "the bucket has versions, but keeps no more of them");
    } else {
        doctor_ok(report, "versions",
                  "the bucket keeps no versions: what is deleted or overwritten is gone");
    }
}

/* Some servers take a lock and forget it. */
static int put_and_ask(struct object_store *store, const char *name,
                       struct s3_retention *ret_retention, struct err *err)
{
    char id[UUID_TEXT_SIZE], key[CATALOG_KEY_SIZE];
    const char *keys[] = { key };
    int r;

    uuid_v4(id);
    (void)snprintf(key, sizeof(key), "%s/probe/%s", name, id);
    r = object_put_bytes(store, key, CONTENT, sizeof(CONTENT) - 1, OBJECT_PUT_PLAIN, err);
    if (r < 0)
        return r;
    r = s3_store_get_retention(store, key, ret_retention, err);
    (void)object_delete(store, keys, 1, NULL); /* which hides it, if it is locked */
    return r;
}

/* Locks against what the policy keeps: neither must be longer, but the difference should be known.
 */
static void compare(struct doctor_report *report, const struct session *session,
                    const struct object_store *store)
{
    const char *mode = settings_text(&session->settings, OPTION_OBJECT_LOCK);
    const int64_t days = store->lock_promise_ms / DAY_MS;
    struct retention_policy policy;
    struct err err = { 0 };
    int64_t kept_days;
    char hint[ERR_HINT_SIZE];

    if (retention_policy_from_settings(&session->settings, &policy, &err) < 0) {
        doctor_fail(report, "object lock", &err);
        return;
    }
    kept_days = retention_span_days(&policy);
    if (kept_days > days) {
        (void)snprintf(hint, sizeof(hint),
                       "object_lock_days = %lld would protect all that is kept; what is older than "
                       "%lld days can be deleted by whoever has a key that may",
                       (long long)kept_days, (long long)days);
        doctor_warn(report, "object lock", hint,
                    "works (%s): each backup is locked for %lld days, and the policy keeps them "
                    "for up to %lld",
                    mode, (long long)days, (long long)kept_days);
        return;
    }
    doctor_ok(report, "object lock",
              "works (%s): each backup is locked for %lld days; the policy keeps them for up to "
              "%lld, and what it removes is stored until its lock ends",
              mode, (long long)days, (long long)kept_days);
}

static void check_wanted(struct doctor_report *report, const struct session *session,
                         struct object_store *store, const char *name)
{
    struct s3_retention retention = { S3_LOCK_NONE, 0 };
    struct err err = { 0 };
    int r;

    r = put_and_ask(store, name, &retention, &err);
    if (r == ERR_DENIED && strstr(err.msg, "ask for the lock") != NULL) {
        doctor_skip(report, "object lock", "the key may not ask (s3:GetObjectRetention)");
    } else if (r == ERR_UNSUPPORTED) {
        err.hint[0] = '\0';
        err_hint(&err, "object_lock = none, or another store");
        doctor_fail(report, "object lock", &err);
    } else if (r < 0) {
        doctor_fail(report, "object lock", &err);
    } else if (retention.mode == S3_LOCK_NONE) {
        (void)err_set(&err, ERR_CONFIG, "the server takes locks, and locks nothing");
        err_hint(&err, "object_lock = none, or another store");
        doctor_fail(report, "object lock", &err);
    } else {
        compare(report, session, store);
    }
}

static void check_unwanted(struct doctor_report *report, struct s3_client *client)
{
    struct err err = { 0 };
    bool enabled = false;
    const int r = s3_get_object_lock_configuration(client, &enabled, &err);

    if (is_no_answer(r)) {
        doctor_skip(report, "object lock",
                    r == ERR_DENIED ? "the key may not ask (s3:GetBucketObjectLockConfiguration)"
                                    : "the server has none");
    } else if (r < 0) {
        doctor_skip(report, "object lock", "the server does not say");
    } else {
        doctor_ok(report, "object lock", "%s",
                  enabled ? "not used, though the bucket takes locks: see object_lock"
                          : "not used: whoever has a key that may delete can delete backups");
    }
}

void doctor_check_lock(struct doctor_report *report, const struct session *session,
                       struct object_store *store, const char *name)
{
    struct s3_client *client = s3_store_client(store);

    if (client == NULL) /* a directory has neither */
        return;
    check_versions(report, client);
    if (store->lock_ms > 0) {
        check_wanted(report, session, store, name);
    } else {
        check_unwanted(report, client);
    }
}
