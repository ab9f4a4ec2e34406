/* PUT, GET, HEAD and DELETE of one object. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/io.h"
#include "base/parse.h"
#include "s3/client.h"
#include "s3/failure.h"
#include "s3/md5.h"
#include "s3/object_lock.h"
#include "s3/request.h"
#include "s3/versions.h"

#define OBJECT_TYPE                                                                                \
    "application/octet-stream" /* never a type that something on the way decodes                   \
                                */

/* Something between us and the server (a portal that wants a login, say) may answer anything with a
 * page, or with nothing; S3 answers a PUT with an ETag and no body. */
static int check_stored(const struct s3_answer *answer, struct err *err)
{
    const struct http_headers *headers = &answer->response.headers;
    const char *type = http_headers_get(headers, "content-type");

    if (http_headers_get(headers, "etag") != NULL &&
        (answer->body.len == 0 || type == NULL || strncmp(type, "text/html", 9) != 0))
        return 0;
    (void)err_set(err, ERR_PROTOCOL, "the answer is not that of an S3 server");
    err_hint(err, "is the endpoint right, and does nothing in between answer in its stead?");
    return ERR_PROTOCOL;
}

/* A server takes no lock without a checksum of what it is to lock. */
static int add_lock(struct s3_client *client, struct io_source *body, struct http_headers *headers,
                    struct err *err)
{
    char md5[S3_MD5_SIZE];
    int r;

    if (client->lock_mode == S3_LOCK_NONE)
        return 0;
    r = s3_md5_source(body, client->cancel, md5, err);
    if (r == 0)
        r = http_headers_add(headers, "Content-MD5", md5, err);
    return r < 0 ? r : s3_lock_add_headers(client, headers, err);
}

int s3_put_object(struct s3_client *client, const char *key, struct io_source *body, bool if_absent,
                  struct err *err)
{
    char hash[S3_PAYLOAD_HASH_SIZE];
    struct http_headers headers = HTTP_HEADERS_INIT;
    struct s3_answer answer = S3_ANSWER_INIT;
    struct s3_call call = { .method = HTTP_PUT,
                            .operation = S3_OPERATION_PUT_OBJECT,
                            .key = key,
                            .headers = &headers,
                            .body = body,
                            .payload_hash = hash };
    int r;

    r = s3_key_check(key, err);
    if (r < 0)
        goto out;
    r = s3_payload_hash(body, client->cancel, hash, err);
    if (r < 0)
        goto out;
    r = http_headers_add(&headers, "Content-Type", OBJECT_TYPE, err);
    if (r == 0 && if_absent)
        r = http_headers_add(&headers, "If-None-Match", "*", err);
    if (r == 0)
        r = add_lock(client, body, &headers, err);
    if (r < 0)
        goto out;
    r = s3_perform(client, &call, &answer, err);
    if (!if_absent || r != ERR_UNSUPPORTED) /* which is about the condition then */
        r = s3_lock_explain(client, r, err);
    if (r == 0)
        r = check_stored(&answer, err);
out:
    s3_answer_dispose(&answer);
    http_headers_dispose(&headers);
    return r < 0 ? err_wrap(err, r, "put '%s'", key) : 0;
}

/* A transfer that may be resumed. */
struct get {
    struct io_sink *sink;
    uint64_t begin; /* first byte wanted */
    uint64_t end;   /* one past the last, S3_TO_END until an answer has told */
    uint64_t at;    /* the next byte that the sink needs */
    uint64_t size;  /* the object's */
    char etag[S3_ETAG_SIZE];
    int64_t modified_ms;
    bool has_answer;      /* size, end and etag are known */
    bool attempt_checked; /* the present answer's headers are what was asked for */
    bool has_sink_failed;
};

static void copy_etag(const struct http_response *response, char out[S3_ETAG_SIZE])
{
    const char *etag = http_headers_get(&response->headers, "etag");

    (void)snprintf(out, S3_ETAG_SIZE, "%.*s", S3_ETAG_SIZE - 1, etag != NULL ? etag : "");
}

static int64_t modified_ms(const struct http_response *response)
{
    const char *date = http_headers_get(&response->headers, "last-modified");
    int64_t ms = 0;

    if (date != NULL)
        (void)parse_http_date(date, &ms, NULL); /* what is no date stays unknown */
    return ms;
}

static int parse_number(const char **text, char end, uint64_t *ret)
{
    char digits[24];
    const size_t len = strspn(*text, "0123456789");

    if (len == 0 || len >= sizeof(digits) || (*text)[len] != end)
        return ERR_PROTOCOL;
    memcpy(digits, *text, len);
    digits[len] = '\0';
    *text += len + (end != '\0' ? 1 : 0);
    return parse_u64(digits, 0, UINT64_MAX - 1, ret, NULL);
}

/* "bytes 5-9/20": first byte, one past the last, and the whole size. */
static int parse_content_range(const char *text, uint64_t *ret_begin, uint64_t *ret_end,
                               uint64_t *ret_size)
{
    uint64_t begin, last, size;

    if (text == NULL || strncasecmp(text, "bytes ", 6) != 0)
        return ERR_PROTOCOL;
    text += 6;
    if (parse_number(&text, '-', &begin) < 0 || parse_number(&text, '/', &last) < 0 ||
        parse_number(&text, '\0', &size) < 0 || last < begin || last >= size)
        return ERR_PROTOCOL;
    *ret_begin = begin;
    *ret_end = last + 1;
    *ret_size = size;
    return 0;
}

/* What the headers of a success say is coming. */
static int read_extent(const struct get *get, const struct http_response *response,
                       uint64_t *ret_begin, uint64_t *ret_end, uint64_t *ret_size, struct err *err)
{
    const bool ranged = get->at > 0 || get->end != S3_TO_END;
    const char *text;

    if (ranged && response->status == 206) {
        text = http_headers_get(&response->headers, "content-range");
        if (parse_content_range(text, ret_begin, ret_end, ret_size) < 0) {
            return err_set(err, ERR_PROTOCOL, "the answer's Content-Range is '%.64s'",
                           text != NULL ? text : "");
        }
        return 0;
    }
    if (ranged || response->status != 200) {
        return err_set(err, ERR_PROTOCOL, "the server answers a GET of %s with status %d",
                       ranged ? "a range" : "a whole object", response->status);
    }
    text = http_headers_get(&response->headers, "content-length");
    *ret_begin = 0;
    if (text == NULL || parse_u64(text, 0, UINT64_MAX - 1, ret_size, NULL) < 0)
        return err_set(err, ERR_PROTOCOL, "the answer has no Content-Length");
    *ret_end = *ret_size;
    return 0;
}

/* The first answer fixes what the object is; each later one must be of the same object. */
static int check_answer(struct get *get, const struct http_response *response, struct err *err)
{
    char etag[S3_ETAG_SIZE];
    uint64_t begin = 0, end = 0, size = 0;
    int r;

    r = read_extent(get, response, &begin, &end, &size, err);
    if (r < 0)
        return r;
    copy_etag(response, etag);
    if (begin != get->at) {
        return err_set(err, ERR_PROTOCOL, "asked for byte %llu on, the server sends from %llu",
                       (unsigned long long)get->at, (unsigned long long)begin);
    }
    if (get->has_answer && (size != get->size || strcmp(etag, get->etag) != 0))
        return err_set(err, ERR_CORRUPT, "the object was replaced while it was read");
    if (get->end != S3_TO_END && end < get->end) {
        return err_set(err, ERR_CORRUPT, "the object ends at byte %llu, before byte %llu",
                       (unsigned long long)size, (unsigned long long)get->end);
    }
    if (get->end != S3_TO_END && end > get->end)
        return err_set(err, ERR_PROTOCOL, "the server sends more than the range asked for");
    get->end = end;
    get->size = size;
    memcpy(get->etag, etag, sizeof(etag));
    get->modified_ms = modified_ms(response);
    get->has_answer = get->attempt_checked = true;
    return 0;
}

static int take_bytes(void *context, const struct http_response *response, const void *data,
                      size_t len, struct err *err)
{
    struct get *get = context;
    int r;

    if (!get->attempt_checked) {
        r = check_answer(get, response, err);
        if (r < 0)
            return r;
    }
    if (len > get->end - get->at)
        return err_set(err, ERR_PROTOCOL, "the server sends more than it announced");
    r = io_write(get->sink, data, len, err);
    if (r < 0) {
        get->has_sink_failed = true; /* whatever its code, asking the server again is no cure */
        return r;
    }
    get->at += len;
    return 0;
}

static int range_headers(const struct get *get, struct http_headers *headers, struct err *err)
{
    char range[64];
    int r = 0;

    http_headers_dispose(headers);
    if (get->end != S3_TO_END) {
        (void)snprintf(range, sizeof(range), "bytes=%llu-%llu", (unsigned long long)get->at,
                       (unsigned long long)get->end - 1);
        r = http_headers_add(headers, "Range", range, err);
    } else if (get->at > 0) {
        (void)snprintf(range, sizeof(range), "bytes=%llu-", (unsigned long long)get->at);
        r = http_headers_add(headers, "Range", range, err);
    }
    /* A weak validator never matches (RFC 9110 section 13.1.1). */
    if (r == 0 && get->has_answer && get->etag[0] != '\0' && strncmp(get->etag, "W/", 2) != 0)
        r = http_headers_add(headers, "If-Match", get->etag, err);
    return r;
}

/* One attempt, from where the last one broke. */
static int get_attempt(struct s3_client *client, struct s3_call *call, struct get *get,
                       struct s3_attempts *attempts, struct s3_answer *answer, struct err *err)
{
    struct http_headers headers = HTTP_HEADERS_INIT;
    const uint64_t before = get->at;
    int r;

    get->attempt_checked = false;
    r = range_headers(get, &headers, err);
    if (r < 0)
        goto out;
    call->headers = &headers;
    r = s3_attempt(client, call, attempts, answer, err);
    if (r == 0 && !get->attempt_checked) /* no byte came, so nobody has looked yet */
        r = check_answer(get, &answer->response, err);
    if (r == 0 && get->at < get->end) {
        r = err_set(err, ERR_NET, "the answer ends %llu bytes early",
                    (unsigned long long)(get->end - get->at));
    }
    if (r == ERR_EXISTS && before > get->begin) /* 412: If-Match did not hold */
        r = err_set(err, ERR_CORRUPT, "the object was replaced while it was read");
    /* If-Match held, so the object is the same one: the length that was announced was wrong. */
    if (r == ERR_CORRUPT && before > get->begin && answer->response.status == 416) {
        r = err_set(err, ERR_PROTOCOL, "the server announced more bytes than the object has");
        err_hint(err, "try again; does something in between change its answers?");
    }
    if (get->at > before)
        s3_retry_progress(&attempts->retry, clock_mono_ms(client->clock));
out:
    call->headers = NULL;
    http_headers_dispose(&headers);
    return r;
}

static int get_all(struct s3_client *client, const struct s3_version_range *range, struct get *get,
                   struct err *err)
{
    const struct uri_param params[] = { { "versionId", range->version_id } };
    struct s3_call call = { .method = HTTP_GET,
                            .operation = S3_OPERATION_GET_OBJECT,
                            .key = range->key,
                            .params = params,
                            .param_count = range->version_id != NULL ? 1 : 0,
                            .on_body = take_bytes,
                            .context = get };
    struct s3_answer answer = S3_ANSWER_INIT;
    struct s3_attempts attempts;
    int r;

    s3_attempts_init(&attempts, client, &call);
    for (;;) {
        err_clear(err);
        r = get_attempt(client, &call, get, &attempts, &answer, err);
        if (r == 0 || get->has_sink_failed)
            break;
        if (get->has_answer && get->at == get->end && err_is_retryable(r)) {
            r = 0; /* it broke after the last byte that was wanted */
            break;
        }
        r = s3_attempt_again(client, &call, &attempts, r, err);
        if (r < 0)
            break;
    }
    s3_answer_dispose(&answer);
    return s3_storage_explain(&client->storage, call.operation, r, err);
}

static int head(struct s3_client *client, const char *key, const char *version_id,
                struct s3_object_info *ret_info, struct err *err)
{
    const struct uri_param params[] = { { "versionId", version_id } };
    const struct s3_call call = { .method = HTTP_HEAD,
                                  .operation = S3_OPERATION_HEAD_OBJECT,
                                  .key = key,
                                  .params = params,
                                  .param_count = version_id != NULL ? 1 : 0 };
    struct s3_answer answer = S3_ANSWER_INIT;
    struct s3_object_info info = { .size = 0 };
    const char *length;
    int r;

    r = s3_key_check(key, err);
    if (r == 0)
        r = s3_perform(client, &call, &answer, err);
    if (r == 0)
        r = s3_failure_check_success(&answer.response, NULL, 0, err);
    if (r < 0)
        goto out;
    length = http_headers_get(&answer.response.headers, "content-length");
    if (length == NULL || parse_u64(length, 0, UINT64_MAX - 1, &info.size, NULL) < 0) {
        r = err_set(err, ERR_PROTOCOL, "the answer has no Content-Length");
        goto out;
    }
    info.modified_ms = modified_ms(&answer.response);
    copy_etag(&answer.response, info.etag);
    *ret_info = info;
out:
    s3_answer_dispose(&answer);
    return r < 0 ? err_wrap(err, r, "head '%s'", key) : 0;
}

int s3_head_object(struct s3_client *client, const char *key, struct s3_object_info *ret_info,
                   struct err *err)
{
    return head(client, key, NULL, ret_info, err);
}

int s3_get_object_version(struct s3_client *client, const struct s3_version_range *range,
                          struct io_sink *sink, struct s3_object_info *ret_info, struct err *err)
{
    struct get get = {
        .sink = sink, .begin = range->offset, .end = S3_TO_END, .at = range->offset
    };
    const uint64_t len = range->len;
    struct err unread;
    int r;

    if (err == NULL)
        err = &unread;
    r = s3_key_check(range->key, err);
    if (r == 0 && len != S3_TO_END && len > S3_TO_END - 1 - range->offset)
        r = err_set(err, ERR_CONFIG, "the range is longer than any object");
    if (r < 0)
        goto out;
    if (len == 0) { /* which no Range can say */
        struct s3_object_info info;

        r = head(client, range->key, range->version_id, &info, err);
        if (r < 0)
            return r;
        if (ret_info != NULL)
            *ret_info = info;
        return 0;
    }
    if (len != S3_TO_END)
        get.end = range->offset + len;
    r = get_all(client, range, &get, err);
    if (r == 0 && ret_info != NULL) {
        *ret_info = (struct s3_object_info){ .size = get.size, .modified_ms = get.modified_ms };
        memcpy(ret_info->etag, get.etag, sizeof(get.etag));
    }
out:
    return r < 0 ? err_wrap(err, r, "get '%s'", range->key) : 0;
}

int s3_get_object(struct s3_client *client, const char *key, uint64_t offset, uint64_t len,
                  struct io_sink *sink, struct s3_object_info *ret_info, struct err *err)
{
    const struct s3_version_range range = { key, NULL, offset, len };

    return s3_get_object_version(client, &range, sink, ret_info, err);
}

int s3_delete_object(struct s3_client *client, const char *key, struct err *err)
{
    const struct s3_call call = { .method = HTTP_DELETE,
                                  .operation = S3_OPERATION_DELETE_OBJECT,
                                  .key = key };
    struct s3_answer answer = S3_ANSWER_INIT;
    struct err local;
    int r;

    err_clear(&local);
    r = s3_key_check(key, &local);
    if (r == 0)
        r = s3_perform(client, &call, &answer, &local);
    s3_answer_dispose(&answer);
    if (r == ERR_NOT_FOUND && strcmp(local.s3_code, "NoSuchBucket") != 0)
        return 0; /* GCS says 404; a lost answer to a delete that worked looks the same */
    if (r < 0 && err != NULL)
        *err = local;
    return r < 0 ? err_wrap(err, r, "delete '%s'", key) : 0;
}
