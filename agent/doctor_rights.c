#include "agent/doctor.h"
#include "agent/doctor_report.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "base/random.h"
#include "s3/survey.h"
#include "snapshot/catalog.h"
#include "store/object_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PART_SIZE   (UINT64_C(5) << 20) /* bytes; the smallest that S3 takes; we send less */
#define RANGE_BEGIN 9
#define RANGE_LEN   4

static const char content[] = "Written by 'holdfast doctor', and to be removed at once.\n";

enum object {
    OBJECT_SMALL,
    OBJECT_LARGE,
    OBJECT_COUNT
};

struct trial {
    struct doctor_report *report;
    struct object_store *store;
    struct s3_client *client; /* NULL: not S3 */
    const char *name;
    char keys[OBJECT_COUNT][CATALOG_KEY_SIZE];
    bool written[OBJECT_COUNT];
    bool accepted; /* a signed request was */
    char *region;  /* before the first request */
};

void doctor_skip_rights(struct doctor_report *report, const char *because)
{
    static const char *const checks[] = { "list",   "put",       "get",
                                          "range",  "multipart", "conditional writes",
                                          "delete", "region" };

    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
        doctor_skip(report, checks[i], because);
}

/* What a check came to, in one line. */
static bool judge(struct trial *trial, const char *check, int r, struct err *err, const char *done)
{
    if (r < 0) {
        doctor_fail(trial->report, check, err);
        return false;
    }
    trial->accepted = true;
    doctor_ok(trial->report, check, "%s", done);
    return true;
}

static int count_object(void *context, const char *key, const struct object_info *info,
                        struct err *err)
{
    (void)key;
    (void)info;
    (void)err;
    ++*(size_t *)context;
    return 0;
}

/* The catalogue is found by listing, so this is no luxury. */
static void check_list(struct trial *trial)
{
    char prefix[CATALOG_KEY_SIZE];
    struct err err = { 0 };
    size_t count = 0;
    int r;

    (void)snprintf(prefix, sizeof(prefix), "%s/manifest/", trial->name);
    r = object_list(trial->store, prefix, NULL, count_object, &count, &err);
    (void)judge(trial, "list", r, &err, "objects can be listed");
}

static void check_put(struct trial *trial)
{
    struct err err = { 0 };
    const int r = object_put_bytes(trial->store, trial->keys[OBJECT_SMALL], content,
                                   sizeof(content) - 1, OBJECT_PUT_PLAIN, &err);

    trial->written[OBJECT_SMALL] = judge(trial, "put", r, &err, "objects can be written");
}

static int read_back(struct trial *trial, uint64_t offset, uint64_t len, const char *expected,
                     size_t expected_len, struct err *err)
{
    struct buf got = BUF_INIT(sizeof(content));
    struct io_sink *sink = NULL;
    int r;

    r = buf_sink_new(&got, &sink, err);
    if (r == 0)
        r = object_get(trial->store, trial->keys[OBJECT_SMALL], offset, len, sink, NULL, err);
    if (r == 0 && (got.len != expected_len || memcmp(got.ptr, expected, expected_len) != 0)) {
        r = err_set(err, ERR_PROTOCOL, "what was read is not what was written");
        err_hint(err, "is something between here and the server that changes data?");
    }
    io_sink_free(sink);
    buf_dispose(&got);
    return r;
}

static void check_get(struct trial *trial)
{
    struct err err = { 0 };
    int r;

    if (!trial->written[OBJECT_SMALL]) {
        doctor_skip(trial->report, "get", "no object could be written");
        doctor_skip(trial->report, "range", "no object could be written");
        return;
    }
    r = read_back(trial, 0, OBJECT_TO_END, content, sizeof(content) - 1, &err);
    (void)judge(trial, "get", r, &err, "objects can be read, and are what was written");
    err_clear(&err);
    r = read_back(trial, RANGE_BEGIN, RANGE_LEN, content + RANGE_BEGIN, RANGE_LEN, &err);
    (void)judge(trial, "range", r, &err, "a part of an object can be read");
}

static int send_part(struct object_upload *upload, struct err *err)
{
    struct io_source *source = NULL;
    int r;

    r = memory_source_new(content, sizeof(content) - 1, &source, err);
    if (r == 0)
        r = upload->ops->part(upload, 0, source, err);
    io_source_free(source);
    return r;
}

static void check_multipart(struct trial *trial)
{
    struct object_upload *upload = NULL;
    struct err err = { 0 };
    int r;

    r = object_upload_new(trial->store, trial->keys[OBJECT_LARGE], PART_SIZE, &upload, &err);
    if (r == 0)
        r = send_part(upload, &err);
    if (r == 0)
        r = upload->ops->finish(upload, sizeof(content) - 1, &err);
    object_upload_free(upload);
    trial->written[OBJECT_LARGE] =
        judge(trial, "multipart", r, &err, "objects can be written in parts");
}

/* What the newest manifest says that they were when the first one was written. */
static void compare_remembered(struct trial *trial, enum conditional_writes found)
{
    static const char *const names[] = { "works", "is not supported", "is ignored" };
    struct manifest manifest = MANIFEST_INIT;
    const bool known = catalog_load(trial->store, trial->name, false, &manifest, NULL) == 0;
    const bool differs = known && manifest.conditional_writes != found;

    if (differs && found != CONDITIONAL_SUPPORTED) {
        struct err err = { 0 };

        (void)err_set(&err, ERR_CONFIG,
                      "If-None-Match %s, but '%s' was begun where it worked: two backups at a time "
                      "could lose one",
                      names[found], trial->name);
        err_hint(&err, "was the store moved? Let only one program back up '%s' there", trial->name);
        doctor_fail(trial->report, "conditional writes", &err);
    } else if (found != CONDITIONAL_SUPPORTED) {
        doctor_warn(trial->report, "conditional writes",
                    "let only one program at a time back up a database there", "If-None-Match %s%s",
                    names[found], known ? ", as is remembered" : "");
    } else {
        doctor_ok(trial->report, "conditional writes", "If-None-Match works%s",
                  differs ? ", though the manifest remembers that it did not"
                  : known ? ", as is remembered"
                          : "");
    }
    manifest_dispose(&manifest);
}

static void check_conditional(struct trial *trial)
{
    enum conditional_writes found = CONDITIONAL_SUPPORTED;
    struct err err = { 0 };

    if (!trial->written[OBJECT_SMALL]) {
        doctor_skip(trial->report, "conditional writes", "no object could be written");
    } else if (catalog_probe(trial->store, trial->name, &found, &err) < 0) {
        doctor_fail(trial->report, "conditional writes", &err);
    } else {
        compare_remembered(trial, found);
    }
}

/* A key that may not delete still backs up and restores. */
static void check_delete(struct trial *trial)
{
    const char *keys[OBJECT_COUNT];
    struct err err = { 0 };
    size_t count = 0;
    int r;

    for (size_t i = 0; i < OBJECT_COUNT; i++) {
        if (trial->written[i])
            keys[count++] = trial->keys[i];
    }
    if (count == 0) {
        doctor_skip(trial->report, "delete", "no object could be written");
        return;
    }
    r = object_delete(trial->store, keys, count, &err);
    if (r == ERR_DENIED) {
        err.hint[0] = '\0';
        err_hint(&err,
                 "right where backups must outlive this machine's key; then let another key run "
                 "'holdfast prune', which also removes '%s'",
                 keys[0]);
        doctor_doubt(trial->report, "delete", &err);
        return;
    }
    (void)judge(trial, "delete", r, &err, "objects can be removed");
}

/* A wrong region costs one refused request a run, and some servers do not name the right one. */
static void check_region(struct trial *trial)
{
    char *now;

    if (trial->client == NULL) {
        doctor_skip(trial->report, "region", "the store is a directory");
        return;
    }
    if (!trial->accepted) {
        doctor_skip(trial->report, "region", "no request was accepted");
        return;
    }
    now = s3_survey_region(trial->client);
    if (now == NULL || trial->region == NULL) {
        doctor_skip(trial->report, "region", "there is not enough memory");
    } else if (strcmp(now, trial->region) != 0) {
        char hint[ERR_HINT_SIZE];

        (void)snprintf(hint, sizeof(hint), "region = %s spares each run a request", now);
        doctor_warn(trial->report, "region", hint, "the bucket is in '%s', not in '%s'", now,
                    trial->region);
    } else {
        doctor_ok(trial->report, "region", "requests for '%s' are accepted", now);
    }
    free(now);
}

void doctor_check_rights(struct doctor_report *report, struct object_store *store,
                         struct s3_client *client, const char *name)
{
    struct trial trial = {
        .report = report,
        .store = store,
        .client = client,
        .name = name,
        .region = client != NULL ? s3_survey_region(client) : NULL,
    };

    for (size_t i = 0; i < OBJECT_COUNT; i++) {
        char id[UUID_TEXT_SIZE];

        uuid_v4(id);
        (void)snprintf(trial.keys[i], sizeof(trial.keys[i]), "%s/probe/%s", name, id);
    }
    check_list(&trial);
    check_put(&trial);
    check_get(&trial);
    check_multipart(&trial);
    check_conditional(&trial);
    check_delete(&trial);
    check_region(&trial);
    free(trial.region);
}
