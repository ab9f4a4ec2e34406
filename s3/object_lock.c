#include "s3/object_lock.h"

#include <assert.h>
#include <string.h>

#include "base/err.h"
#include "base/io.h"
#include "base/parse.h"
#include "s3/client.h"
#include "s3/md5.h"
#include "s3/request.h"
#include "s3/xml.h"

#define DOCUMENT_LEN_MAX 512u

const char *s3_lock_mode_name(enum s3_lock_mode mode)
{
    static const char *const names[] = { "", "GOVERNANCE", "COMPLIANCE" };

    return names[mode];
}

int s3_lock_add_headers(const struct s3_client *client, struct http_headers *headers,
                        struct err *err)
{
    char until[FORMAT_TIME_SIZE];
    int r;

    if (client->lock_mode == S3_LOCK_NONE)
        return 0;
    format_time_utc(s3_client_now_ms(client) + client->lock_duration_ms, false, until);
    r = http_headers_add(headers, "x-amz-object-lock-mode", s3_lock_mode_name(client->lock_mode),
                         err);
    if (r == 0)
        r = http_headers_add(headers, "x-amz-object-lock-retain-until-date", until, err);
    return r;
}

int s3_lock_explain(const struct s3_client *client, int code, struct err *err)
{
    if (client->lock_mode == S3_LOCK_NONE)
        return code;
    if (code == ERR_DENIED && err != NULL && strcmp(err->s3_code, "AccessDenied") == 0) {
        err->hint[0] = '\0'; /* better than what is said of keys in general */
        err_hint(err,
                 "may the key write in bucket '%s', and lock what it writes "
                 "(s3:PutObjectRetention)?",
                 client->bucket);
    }
    if (code != ERR_PROTOCOL && code != ERR_UNSUPPORTED)
        return code;
    /* "InvalidRequest: Bucket is missing Object Lock Configuration", and what others make of it. */
    if (code == ERR_PROTOCOL && (err == NULL || err->http_status != 400 ||
                                 (strcmp(err->s3_code, "InvalidRequest") != 0 &&
                                  strcmp(err->s3_code, "InvalidArgument") != 0)))
        return code;
    err_hint(err,
             "does bucket '%s' take locks? It must have been made with Object Lock; else "
             "object_lock = none",
             client->bucket);
    if (err != NULL)
        err->code = ERR_CONFIG;
    return ERR_CONFIG;
}

/* One small document that a server has, of an object or of the bucket. */
static int fetch(struct s3_client *client, const char *key, const char *which,
                 struct s3_answer *answer, struct err *err)
{
    const struct uri_param params[] = { { which, NULL } };
    const struct s3_call call = { .method = HTTP_GET,
                                  .operation = S3_OPERATION_OTHER,
                                  .key = key,
                                  .params = params,
                                  .param_count = 1 };

    return s3_perform(client, &call, answer, err);
}

/* "NoSuchObjectLockConfiguration"; Ceph says so of the bucket, or that it is not configured. */
static bool is_no_lock(int code, const struct err *err)
{
    return (code == ERR_NOT_FOUND && strstr(err->s3_code, "ObjectLock") != NULL) ||
           (code == ERR_PROTOCOL && strcmp(err->s3_code, "InvalidRequest") == 0);
}

int s3_get_object_retention(struct s3_client *client, const char *key,
                            struct s3_retention *ret_retention, struct err *err)
{
    struct s3_answer answer = S3_ANSWER_INIT;
    struct err local;
    int r;

    err_clear(&local);
    r = s3_key_check(key, &local);
    if (r == 0)
        r = fetch(client, key, "retention", &answer, &local);
    if (is_no_lock(r, &local)) {
        *ret_retention = (struct s3_retention){ S3_LOCK_NONE, 0 };
        r = 0;
    } else if (r == 0) {
        r = s3_xml_retention_parse(buf_str(&answer.body), ret_retention, &local);
    }
    /* One that looks at nothing but the key answers with the object. */
    if (r == ERR_PROTOCOL || r == ERR_LIMIT || r == ERR_UNSUPPORTED)
        r = err_set(&local, ERR_UNSUPPORTED, "the server knows nothing of locks");
    s3_answer_dispose(&answer);
    if (r < 0 && err != NULL)
        *err = local;
    return r < 0 ? err_wrap(err, r, "ask for the lock of '%s'", key) : 0;
}

static int retention_document(const struct s3_client *client, int64_t until_ms, struct buf *to,
                              struct err *err)
{
    char until[FORMAT_TIME_SIZE];

    format_time_utc(until_ms, false, until);
    buf_addf(to,
             "<Retention xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Mode>%s</Mode>"
             "<RetainUntilDate>%s</RetainUntilDate></Retention>",
             s3_lock_mode_name(client->lock_mode), until);
    return buf_check(to, err);
}

/* Who may not ask, but read the object, learns from the refusal that the server tells one from the
 * other. */
static int find_out(struct s3_client *client, const char *key, struct err *err)
{
    struct s3_retention retention;
    int r;

    if (atomic_load(&client->knows_locks))
        return 0;
    r = s3_get_object_retention(client, key, &retention, err);
    if (r < 0 && r != ERR_DENIED)
        return r;
    err_clear(err);
    atomic_store(&client->knows_locks, true);
    return 0;
}

int s3_put_object_retention(struct s3_client *client, const char *key, int64_t *ret_until_ms,
                            struct err *err)
{
    static const struct uri_param params[] = { { "retention", NULL } };
    /* In whole seconds, as it is sent: what is remembered must be what the server knows. */
    const int64_t until_ms = (s3_client_now_ms(client) + client->lock_duration_ms) / 1000 * 1000;
    char hash[S3_PAYLOAD_HASH_SIZE], md5[S3_MD5_SIZE];
    struct buf document = BUF_INIT(DOCUMENT_LEN_MAX);
    struct http_headers headers = HTTP_HEADERS_INIT;
    struct s3_answer answer = S3_ANSWER_INIT;
    struct s3_call call = { .method = HTTP_PUT,
                            .operation = S3_OPERATION_PUT_RETENTION,
                            .key = key,
                            .params = params,
                            .param_count = 1,
                            .headers = &headers,
                            .payload_hash = hash };
    int r;

    assert(client->lock_mode != S3_LOCK_NONE);
    r = s3_key_check(key, err);
    if (r == 0)
        r = find_out(client, key, err);
    if (r == 0)
        r = retention_document(client, until_ms, &document, err);
    if (r == 0)
        r = memory_source_new(document.ptr, document.len, &call.body, err);
    if (r == 0)
        r = s3_payload_hash(call.body, client->cancel, hash, err);
    if (r == 0)
        r = s3_md5_text(buf_str(&document), md5, err);
    if (r == 0)
        r = http_headers_add(&headers, "Content-MD5", md5, err);
    if (r == 0)
        r = http_headers_add(&headers, "Content-Type", "application/xml", err);
    if (r == 0)
        r = s3_perform(client, &call, &answer, err);
    if (r == 0)
        *ret_until_ms = until_ms;
    io_source_free(call.body);
    s3_answer_dispose(&answer);
    http_headers_dispose(&headers);
    buf_dispose(&document);
    return r < 0 ? err_wrap(err, r, "lock '%s'", key) : 0;
}

int s3_get_object_lock_configuration(struct s3_client *client, bool *ret_enabled, struct err *err)
{
    struct s3_answer answer = S3_ANSWER_INIT;
    struct err local;
    int r;

    err_clear(&local);
    r = fetch(client, NULL, "object-lock", &answer, &local);
    if (r == ERR_NOT_FOUND && strcmp(local.s3_code, "NoSuchBucket") != 0) {
        *ret_enabled = false; /* ObjectLockConfigurationNotFoundError */
        r = 0;
    } else if (r == 0) {
        r = s3_xml_lock_parse(buf_str(&answer.body), ret_enabled, &local);
    }
    s3_answer_dispose(&answer);
    if (r < 0 && err != NULL)
        *err = local;
    return r < 0 ? err_wrap(err, r, "ask whether the bucket takes locks") : 0;
}
