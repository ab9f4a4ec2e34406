#include "s3/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/random.h"
#include "s3/client.h"
#include "s3/credentials.h"
#include "s3/credentials_provider.h"
#include "s3/failure.h"
#include "s3/sigv4.h"
#include "s3/xml.h"

#define ERROR_BODY_LEN_MAX  (64u << 10) /* bytes kept of an error's body */
#define ANSWER_TIMEOUT_MS   120000      /* a large part may be written to slow disks first */
#define SLOW_TIMEOUT_FACTOR 5           /* of the stall timeout */
#define SLOW_TIMEOUT_MS     300000      /* servers assemble an object from its parts in minutes */
#define CLEANUP_ATTEMPTS    3
#define CLEANUP_DEADLINE_MS 30000
#define HASH_CHUNK          (256u << 10)

void s3_answer_dispose(struct s3_answer *answer)
{
    http_response_dispose(&answer->response);
    buf_dispose(&answer->body);
}

/* What one attempt is made of. */
struct attempt {
    struct s3_client *client;
    const struct s3_call *call;
    struct s3_answer *answer;
    struct buf url, path, query;
    struct http_headers headers;
    struct s3_credentials credentials;
    char *host, *region;
    bool has_time_fixed;
    bool has_begun;   /* the body of a success has, and is S3's */
    bool is_document; /* what came in an object's stead: an error under status 200, most likely */
    int64_t offset_ms, signed_ms;
};

static void attempt_dispose(struct attempt *attempt)
{
    buf_dispose(&attempt->url);
    buf_dispose(&attempt->path);
    buf_dispose(&attempt->query);
    http_headers_dispose(&attempt->headers);
    s3_credentials_dispose(&attempt->credentials);
    free(attempt->host);
    free(attempt->region);
}

/* Path, query and URL from the endpoint as it is now. */
static int build_url(struct attempt *attempt, struct err *err)
{
    struct s3_client *client = attempt->client;
    const struct s3_call *call = attempt->call;
    int r;

    r = uri_query(&attempt->query, call->params, call->param_count, err);
    if (r < 0)
        return r;
    (void)pthread_mutex_lock(&client->lock);
    attempt->host = strdup(client->endpoint.host);
    attempt->region = strdup(client->endpoint.region);
    buf_add_text(&attempt->path, client->endpoint.path);
    buf_addf(&attempt->url, "%s://%s", client->endpoint.scheme, client->endpoint.host);
    (void)pthread_mutex_unlock(&client->lock);
    if (attempt->host == NULL || attempt->region == NULL)
        return err_nomem(err);
    if (call->key != NULL) {
        buf_add_char(&attempt->path, '/');
        uri_encode(&attempt->path, str_from(call->key), true);
    } else if (attempt->path.len == 0) {
        buf_add_char(&attempt->path, '/');
    }
    buf_add_str(&attempt->url, buf_str(&attempt->path));
    if (attempt->query.len > 0) {
        buf_add_char(&attempt->url, '?');
        buf_add_str(&attempt->url, buf_str(&attempt->query));
    }
    r = buf_check(&attempt->path, err);
    return r < 0 ? r : buf_check(&attempt->url, err);
}

static int add_headers(struct attempt *attempt, const char *date, struct err *err)
{
    const struct s3_call *call = attempt->call;
    const struct secret *token = &attempt->credentials.session_token;
    const char *hash = call->payload_hash != NULL ? call->payload_hash : SIGV4_EMPTY_SHA256;
    int r;

    r = http_headers_add(&attempt->headers, "Host", attempt->host, err);
    if (r == 0)
        r = http_headers_add(&attempt->headers, "x-amz-date", date, err);
    if (r == 0)
        r = http_headers_add(&attempt->headers, "x-amz-content-sha256", hash, err);
    if (r == 0 && secret_is_set(token))
        r = http_headers_add(&attempt->headers, "x-amz-security-token", token->ptr, err);
    if (r == 0) {
        r = s3_storage_add_headers(&attempt->client->storage, call->operation, call->key,
                                   &attempt->headers, err);
    }
    for (size_t i = 0; call->headers != NULL && i < call->headers->count && r == 0; i++) {
        r = http_headers_add(&attempt->headers, call->headers->items[i].name,
                             call->headers->items[i].value, err);
    }
    return r;
}

static int sign(struct attempt *attempt, struct err *err)
{
    const struct s3_client *client = attempt->client;
    const struct s3_call *call = attempt->call;
    struct buf authorization = BUF_INIT(8192);
    char date[FORMAT_TIME_SIZE];
    struct sigv4_scope scope = { date, attempt->region, "s3" };
    struct sigv4_request request = {
        .method = http_method_name(call->method),
        .path = attempt->path.ptr,
        .query = attempt->query.ptr,
        .headers = &attempt->headers,
        .payload_hash = call->payload_hash != NULL ? call->payload_hash : SIGV4_EMPTY_SHA256,
    };
    int r;

    attempt->has_time_fixed = atomic_load(&client->has_clock_offset);
    attempt->offset_ms = atomic_load(&client->clock_offset_ms);
    attempt->signed_ms = clock_now_ms(client->clock) + attempt->offset_ms;
    format_time_basic(attempt->signed_ms, date);
    r = add_headers(attempt, date, err);
    if (r < 0)
        return r;
    r = sigv4_authorization(&request, &scope, attempt->credentials.access_key_id,
                            &attempt->credentials.secret_access_key, &authorization, err);
    if (r == 0)
        r = http_headers_add(&attempt->headers, "Authorization", authorization.ptr, err);
    buf_wipe(&authorization);
    return r;
}

static bool is_success(int status)
{
    return status >= 200 && status < 300;
}

/* No object that anybody asks for is XML, and a part of one comes with status 206. */
static bool is_document(const struct http_response *response, const char *data, size_t len)
{
    return response->status == 200 && ((len >= 5 && memcmp(data, "<?xml", 5) == 0) ||
                                       (len >= 6 && memcmp(data, "<Error", 6) == 0));
}

/* The body of a success goes where the call wants it; that of an error is kept, up to a limit. */
static int take_body(void *context, const struct http_response *response, const void *data,
                     size_t len, struct err *err)
{
    struct attempt *attempt = context;
    struct buf *kept = &attempt->answer->body;

    (void)atomic_fetch_add(&attempt->client->received_bytes, len);
    if (is_success(response->status)) {
        if (!attempt->has_begun) {
            const int r = s3_failure_check_success(response, data, len, err);

            if (r < 0)
                return r;
            attempt->has_begun = true;
            attempt->is_document = is_document(response, data, len);
        }
        if (attempt->call->on_body != NULL && !attempt->is_document)
            return attempt->call->on_body(attempt->call->context, response, data, len, err);
        buf_add(kept, data, len);
        return buf_check(kept, err);
    }
    if (kept->len + len > ERROR_BODY_LEN_MAX)
        len = ERROR_BODY_LEN_MAX - kept->len;
    buf_add(kept, data, len);
    return buf_check(kept, err);
}

/* A body that counts what is taken of it: an attempt that broke has not sent all of it. */
struct counted_body {
    struct io_source source;
    struct io_source *inner;
    struct s3_client *client;
};

static int counted_read(struct io_source *source, void *data, size_t len, size_t *ret_len,
                        struct err *err)
{
    struct counted_body *body = (struct counted_body *)source;
    const int r = io_read(body->inner, data, len, ret_len, err);

    if (r == 0)
        (void)atomic_fetch_add(&body->client->sent_bytes, *ret_len);
    return r;
}

static int counted_rewind(struct io_source *source, struct err *err)
{
    return io_rewind(((struct counted_body *)source)->inner, err);
}

/* On the stack of send_attempt(), which frees nothing. */
static const struct io_source_ops counted_ops = { .name = "body",
                                                  .read = counted_read,
                                                  .rewind = counted_rewind };

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int send_attempt(struct attempt *attempt, const struct s3_attempts *attempts,
                        struct err *err)
{
    struct s3_client *client = attempt->client;
    const struct s3_call *call = attempt->call;
    const int64_t stall_ms = client->stall_timeout_ms;
    struct counted_body body = {
        .source = { &counted_ops, call->body != NULL ? call->body->size : 0 },
        .inner = call->body,
        .client = client,
    };
    struct http_request request = {
        .method = call->method,
        .url = attempt->url.ptr,
        .headers = &attempt->headers,
        .body = call->body != NULL ? &body.source : NULL,
        .on_body = take_body,
        .context = attempt,
        .connect_timeout_ms = client->connect_timeout_ms,
        .stall_timeout_ms = stall_ms,
        .answer_timeout_ms = larger(stall_ms, ANSWER_TIMEOUT_MS),
        .no_expect = atomic_load(&client->refuses_expect),
        .upload_limit = client->upload_limit,
        .download_limit = client->download_limit,
        .cancel = call->is_cleanup ? NULL : client->cancel,
    };
    int64_t left_ms = attempts->retry.begun_ms + attempts->retry.policy.deadline_ms -
                      clock_mono_ms(client->clock);
    int r, status;

    if (stall_ms < ANSWER_TIMEOUT_MS / 2)
        request.answer_timeout_ms = 2 * stall_ms; /* somebody is in a hurry */
    if (call->is_slow) {
        request.answer_timeout_ms = stall_ms * SLOW_TIMEOUT_FACTOR;
        if (stall_ms >= ANSWER_TIMEOUT_MS / 2)
            request.answer_timeout_ms = larger(request.answer_timeout_ms, SLOW_TIMEOUT_MS);
    }
    request.total_timeout_ms = larger(left_ms, 1000);
    if (call->body != NULL) {
        r = io_rewind(call->body, err);
        if (r < 0)
            return r;
    }
    (void)atomic_fetch_add(&client->counts[call->method], 1);
    r = http_perform(client->transport, &request, &attempt->answer->response, err);
    status = attempt->answer->response.status;
    (void)atomic_fetch_add(&client->requests[call->operation][s3_status_index(status)], 1);
    if (status != 0)
        atomic_store(&client->has_answered, true);
    return r;
}

/* 0, or the answer as an error; what can be learnt from it is noted. */
static int judge(struct attempt *attempt, struct s3_attempts *attempts, struct err *err)
{
    const struct http_response *response = &attempt->answer->response;
    const struct s3_failure_context context = {
        .bucket = attempt->client->bucket,
        .host = attempt->host,
        .region = attempt->region,
        .signed_ms = attempt->signed_ms,
        .has_time_fixed = attempt->has_time_fixed,
    };
    struct s3_xml_error error;
    struct s3_lesson lesson;
    int r;

    if (is_success(response->status) &&
        (attempt->answer->body.len == 0 ||
         !s3_xml_error_parse(buf_str(&attempt->answer->body), &error)))
        return 0;
    r = s3_failure_describe(response, buf_str(&attempt->answer->body), &context, &lesson, err);
    attempts->retry_after_ms = s3_retry_after_ms(
        http_headers_get(&response->headers, "retry-after"), clock_now_ms(attempt->client->clock));
    attempts->wants_clock = lesson.has_skew;
    attempts->clock_offset_ms = attempt->offset_ms + lesson.skew_ms;
    attempts->wants_key = lesson.is_key_over;
    attempts->wants_region =
        lesson.region[0] != '\0' && strcmp(lesson.region, attempt->region) != 0;
    if (attempts->wants_region) {
        (void)snprintf(attempts->region, sizeof(attempts->region), "%.*s", S3_REGION_LEN_MAX,
                       lesson.region);
    }
    return r;
}

int s3_attempt(struct s3_client *client, const struct s3_call *call, struct s3_attempts *attempts,
               struct s3_answer *answer, struct err *err)
{
    struct attempt attempt = {
        .client = client,
        .call = call,
        .answer = answer,
        .url = BUF_INIT(64u << 10),
        .path = BUF_INIT(16u << 10),
        .query = BUF_INIT(32u << 10),
        .headers = HTTP_HEADERS_INIT,
        .credentials = S3_CREDENTIALS_INIT,
    };
    int r;

    http_response_dispose(&answer->response);
    buf_clear(&answer->body);
    attempts->wants_clock = attempts->wants_region = attempts->wants_key = false;
    attempts->retry_after_ms = 0;
    attempts->count++;
    r = cancel_check(call->is_cleanup ? NULL : client->cancel, err);
    if (r == 0 && client->credentials != NULL) { /* there are none of who is anonymous */
        r = s3_credentials_provider_get(client->credentials, s3_client_now_ms(client),
                                        &attempt.credentials, &attempts->key_generation, err);
    }
    attempts->is_key_temporary = secret_is_set(&attempt.credentials.session_token);
    if (r == 0)
        r = build_url(&attempt, err);
    if (r == 0)
        r = sign(&attempt, err);
    if (r == 0)
        r = send_attempt(&attempt, attempts, err);
    if (r == 0)
        r = judge(&attempt, attempts, err);
    log_debug("%s %s: %d", http_method_name(call->method), attempt.url.ptr,
              answer->response.status);
    attempt_dispose(&attempt);
    return r;
}

/* From now on sign with the server's time.  Several threads may learn it at once. */
static void mend_clock(struct s3_client *client, struct s3_attempts *attempts)
{
    const int64_t offset_ms = attempts->clock_offset_ms;
    char by[FORMAT_TIME_SIZE];

    attempts->has_mended_clock = true;
    atomic_store(&client->clock_offset_ms, offset_ms);
    if (atomic_exchange(&client->has_clock_offset, true))
        return; /* said before */
    format_duration(offset_ms < 0 ? -offset_ms : offset_ms, by);
    log_warn("this machine's clock is %s %s that of the S3 server: requests are signed with the "
             "server's time; set the clock right",
             by, offset_ms > 0 ? "behind" : "ahead of");
}

static int mend_region(struct s3_client *client, struct s3_attempts *attempts, struct err *err)
{
    struct s3_endpoint_options options = { .bucket = client->bucket,
                                           .region = attempts->region,
                                           .addressing = client->addressing };
    struct s3_endpoint aws = S3_ENDPOINT_INIT;
    char *region = NULL;
    int r = 0;

    attempts->has_mended_region = true;
    (void)pthread_mutex_lock(&client->lock);
    if (strcmp(client->endpoint.region, attempts->region) == 0)
        goto out; /* another thread was faster */
    options.dualstack = client->endpoint.dualstack;
    options.fips = client->endpoint.fips;
    log_warn("bucket '%s' is in region '%s', not '%s': set region", client->bucket,
             attempts->region, client->endpoint.region);
    if (client->endpoint.is_aws) { /* whose hosts are named for their regions */
        r = s3_endpoint_resolve(&options, &aws, err);
        if (r < 0)
            goto out;
        s3_endpoint_dispose(&client->endpoint);
        client->endpoint = aws;
        goto out;
    }
    region = strdup(attempts->region);
    if (region == NULL) {
        r = err_nomem(err);
        goto out;
    }
    free(client->endpoint.region);
    client->endpoint.region = region;
out:
    (void)pthread_mutex_unlock(&client->lock);
    return r;
}

/* A HEAD that fails for its region or its key may say nothing at all: ask again with a request
 * whose answer has a body. */
static void ask_why(struct s3_client *client, struct s3_attempts *attempts)
{
    const struct uri_param params[] = { { "list-type", "2" }, { "max-keys", "1" } };
    const struct s3_call call = { .method = HTTP_GET,
                                  .operation = S3_OPERATION_LIST_OBJECTS,
                                  .params = params,
                                  .param_count = 2 };
    struct s3_answer answer = S3_ANSWER_INIT;
    struct s3_attempts asked;

    s3_attempts_init(&asked, client, &call);
    (void)s3_attempt(client, &call, &asked, &answer, NULL);
    attempts->wants_region = asked.wants_region;
    attempts->wants_key = asked.wants_key;
    attempts->key_generation = asked.key_generation;
    memcpy(attempts->region, asked.region, sizeof(attempts->region));
    s3_answer_dispose(&answer);
}

/* Whether a HEAD's status may have to do with region or key.  403 is what most servers say to a
 * key that has ended, but to every refusal too: only those that end are worth the question. */
static bool is_riddle(const struct s3_call *call, const struct s3_attempts *attempts, int status)
{
    return call->method == HTTP_HEAD && !attempts->has_mended_region && !attempts->wants_region &&
           !attempts->wants_key &&
           (status == 301 || status == 400 || (status == 403 && attempts->is_key_temporary));
}

void s3_attempts_init(struct s3_attempts *attempts, const struct s3_client *client,
                      const struct s3_call *call)
{
    struct s3_retry_policy policy = client->policy;

    if (call->is_cleanup && policy.attempts_max > CLEANUP_ATTEMPTS)
        policy.attempts_max = CLEANUP_ATTEMPTS;
    if (call->is_cleanup && policy.deadline_ms > CLEANUP_DEADLINE_MS)
        policy.deadline_ms = CLEANUP_DEADLINE_MS;
    memset(attempts, 0, sizeof(*attempts));
    s3_retry_init(&attempts->retry, &policy, clock_mono_ms(client->clock));
}

static int give_up(const struct s3_attempts *attempts, int code, struct err *err)
{
    if (attempts->count > 1 && err_is_retryable(code))
        return err_wrap(err, code, "after %u attempts", attempts->count);
    return code;
}

int s3_attempt_again(struct s3_client *client, const struct s3_call *call,
                     struct s3_attempts *attempts, int code, struct err *err)
{
    const struct err *seen = err; /* never NULL: s3_perform and its like see to it */
    const struct s3_failure failure = {
        .code = code,
        .s3_code = seen->s3_code,
        .never_answered = seen->http_status == 0 && !atomic_load(&client->has_answered),
        .retry_after_ms = attempts->retry_after_ms,
    };
    int64_t wait_ms;

    if (attempts->wants_clock && !attempts->has_mended_clock) {
        mend_clock(client, attempts);
        return 0;
    }
    if (seen->http_status == 417 && !attempts->has_mended_expect) {
        attempts->has_mended_expect = true;
        atomic_store(&client->refuses_expect, true);
        return 0;
    }
    if (is_riddle(call, attempts, seen->http_status))
        ask_why(client, attempts);
    if (attempts->wants_key && !attempts->has_mended_key) {
        attempts->has_mended_key = true;
        if (s3_credentials_provider_expire(client->credentials, attempts->key_generation)) {
            log_debug("the server no longer takes the credentials (%s): others are fetched",
                      seen->s3_code);
            return 0;
        }
    }
    if (attempts->wants_region && !attempts->has_mended_region)
        return mend_region(client, attempts, err);
    if (!s3_retry_next(&attempts->retry, &failure, clock_mono_ms(client->clock), random_u64(),
                       &wait_ms))
        return give_up(attempts, code, err);
    log_debug("attempt %u failed: %s; the next in %lld ms", attempts->count, seen->msg,
              (long long)wait_ms);
    (void)atomic_fetch_add(&client->retry_count, 1);
    clock_sleep_ms(client->clock, wait_ms, call->is_cleanup ? NULL : client->cancel);
    return 0;
}

int s3_perform(struct s3_client *client, const struct s3_call *call, struct s3_answer *answer,
               struct err *err)
{
    struct s3_attempts attempts;
    struct err unread;
    int r;

    if (err == NULL)
        err = &unread;
    s3_attempts_init(&attempts, client, call);
    for (;;) {
        err_clear(err);
        r = s3_attempt(client, call, &attempts, answer, err);
        if (r == 0)
            break;
        r = s3_attempt_again(client, call, &attempts, r, err);
        if (r < 0)
            break;
    }
    if (r == 0) {
        r = s3_storage_check_answer(&client->storage, call->operation, &answer->response.headers,
                                    err);
    }
    return s3_storage_explain(&client->storage, call->operation, r, err);
}

/* The length of the UTF-8 sequence at text, 0 for an invalid one (RFC 3629: shortest form, no
 * surrogates, nothing past U+10FFFF). */
static size_t utf8_len(const unsigned char *text)
{
    const unsigned char c = text[0];
    const size_t len = c < 0x80                ? 1
                       : c >= 0xc2 && c < 0xe0 ? 2
                       : c >= 0xe0 && c < 0xf0 ? 3
                       : c >= 0xf0 && c < 0xf5 ? 4
                                               : 0;

    for (size_t i = 1; i < len; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((c == 0xe0 && text[1] < 0xa0) || (c == 0xed && text[1] > 0x9f) ||
        (c == 0xf0 && text[1] < 0x90) || (c == 0xf4 && text[1] > 0x8f))
        return 0;
    return len;
}

int s3_key_check(const char *key, struct err *err)
{
    const size_t len = strlen(key);

    if (len < 1 || len > S3_KEY_LEN_MAX) {
        return err_set(err, ERR_CONFIG, "an object's key has 1 to %d bytes, not %zu",
                       S3_KEY_LEN_MAX, len);
    }
    for (size_t i = 0; i < len;) {
        const unsigned char *at = (const unsigned char *)key + i;
        const size_t step = utf8_len(at);

        /* XML cannot carry control characters: such a key could never be listed. */
        if (step == 0 || *at < 0x20 || *at == 0x7f) {
            return err_set(err, ERR_CONFIG,
                           "an object's key is not UTF-8 without control characters (byte %zu)", i);
        }
        i += step;
    }
    return 0;
}

static void add_hex(const uint8_t *digest, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[digest[i] >> 4];
        out[2 * i + 1] = digits[digest[i] & 15];
    }
    out[2 * len] = '\0';
}

int s3_payload_hash(struct io_source *source, const struct cancel *cancel,
                    char ret_hash[S3_PAYLOAD_HASH_SIZE], struct err *err)
{
    uint8_t *chunk = malloc(HASH_CHUNK), digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *sha = EVP_MD_CTX_new();
    uint64_t total = 0;
    size_t len = 0;
    int r = 0;

    if (chunk == NULL || sha == NULL || EVP_DigestInit_ex(sha, EVP_sha256(), NULL) != 1) {
        r = err_nomem(err);
    } else {
        r = io_rewind(source, err);
    }
    while (r == 0) {
        r = cancel_check(cancel, err);
        if (r == 0)
            r = io_read(source, chunk, HASH_CHUNK, &len, err);
        if (r < 0 || len == 0)
            break;
        total += len;
        if (EVP_DigestUpdate(sha, chunk, len) != 1)
            r = err_nomem(err);
    }
    if (r == 0 && total != source->size) {
        r = err_set(err, ERR_IO, "the data to send has %llu bytes, not %llu",
                    (unsigned long long)total, (unsigned long long)source->size);
    }
    if (r == 0 && EVP_DigestFinal_ex(sha, digest, NULL) != 1)
        r = err_nomem(err);
    if (r == 0)
        add_hex(digest, (S3_PAYLOAD_HASH_SIZE - 1) / 2, ret_hash);
    EVP_MD_CTX_free(sha);
    free(chunk);
    return r;
}
