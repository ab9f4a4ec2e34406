/* Multipart uploads. */
#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "s3/client.h"
#include "s3/md5.h"
#include "s3/object_lock.h"
#include "s3/request.h"
#include "s3/xml.h"

#define MIB               (UINT64_C(1) << 20)
#define PART_COUNT_WANTED 9000u      /* room below S3_PART_COUNT_MAX for a wrong estimate */
#define DOCUMENT_LEN_MAX  (4u << 20) /* bytes; 10,000 parts with long ETags are 2 MiB */

struct part {
    char *etag; /* as the server sent it; NULL: not sent yet */
    uint64_t size;
};

struct s3_upload {
    struct s3_client *client;
    char *key;
    char *id;
    pthread_mutex_t lock; /* over parts */
    struct part *parts;   /* S3_PART_COUNT_MAX of them, by part number less one */
    bool is_over;         /* completed or aborted */
};

int s3_create_multipart_upload(struct s3_client *client, const char *key,
                               struct s3_upload **ret_upload, struct err *err)
{
    static const struct uri_param params[] = { { "uploads", NULL } };
    struct http_headers headers = HTTP_HEADERS_INIT;
    const struct s3_call call = { .method = HTTP_POST,
                                  .operation = S3_OPERATION_CREATE_UPLOAD,
                                  .key = key,
                                  .params = params,
                                  .param_count = 1,
                                  .headers = &headers };
    struct s3_answer answer = S3_ANSWER_INIT;
    struct s3_upload *upload = NULL;
    int r;

    r = s3_key_check(key, err);
    if (r < 0)
        goto out;
    upload = calloc(1, sizeof(*upload));
    if (upload == NULL) {
        r = err_nomem(err);
        goto out;
    }
    (void)pthread_mutex_init(&upload->lock, NULL);
    upload->client = client;
    upload->key = strdup(key);
    upload->parts = calloc(S3_PART_COUNT_MAX, sizeof(*upload->parts));
    if (upload->key == NULL || upload->parts == NULL) {
        r = err_nomem(err);
        goto out;
    }
    r = http_headers_add(&headers, "Content-Type", "application/octet-stream", err);
    if (r == 0)
        r = s3_lock_add_headers(client, &headers, err);
    if (r == 0)
        r = s3_lock_explain(client, s3_perform(client, &call, &answer, err), err);
    if (r == 0)
        r = s3_xml_initiate_parse(buf_str(&answer.body), &upload->id, err);
    if (r < 0)
        goto out;
    *ret_upload = upload;
    upload = NULL;
out:
    s3_upload_free(upload);
    s3_answer_dispose(&answer);
    http_headers_dispose(&headers);
    return r < 0 ? err_wrap(err, r, "begin the upload of '%s'", key) : 0;
}

static int keep_etag(struct s3_upload *upload, unsigned part_number, uint64_t size,
                     const struct http_response *response, struct err *err)
{
    struct part *part = &upload->parts[part_number - 1];
    const char *sent = http_headers_get(&response->headers, "etag");
    char *etag, *old;

    if (sent == NULL || sent[0] == '\0')
        return err_set(err, ERR_PROTOCOL, "the answer has no ETag");
    etag = strdup(sent);
    if (etag == NULL)
        return err_nomem(err);
    (void)pthread_mutex_lock(&upload->lock);
    old = part->etag;
    part->etag = etag;
    part->size = size;
    (void)pthread_mutex_unlock(&upload->lock);
    free(old);
    return 0;
}

/* Parts of an object that will be locked must come with a checksum. */
static int add_md5(const struct s3_upload *upload, struct io_source *body,
                   struct http_headers *headers, struct err *err)
{
    char md5[S3_MD5_SIZE];
    int r;

    if (upload->client->lock_mode == S3_LOCK_NONE)
        return 0;
    r = s3_md5_source(body, upload->client->cancel, md5, err);
    return r < 0 ? r : http_headers_add(headers, "Content-MD5", md5, err);
}

int s3_upload_part(struct s3_upload *upload, unsigned part_number, struct io_source *body,
                   struct err *err)
{
    char hash[S3_PAYLOAD_HASH_SIZE], number[16];
    const struct uri_param params[] = { { "partNumber", number }, { "uploadId", upload->id } };
    struct http_headers headers = HTTP_HEADERS_INIT;
    const struct s3_call call = { .method = HTTP_PUT,
                                  .operation = S3_OPERATION_UPLOAD_PART,
                                  .key = upload->key,
                                  .params = params,
                                  .param_count = 2,
                                  .headers = &headers,
                                  .body = body,
                                  .payload_hash = hash };
    struct s3_answer answer = S3_ANSWER_INIT;
    int r;

    assert(part_number >= 1 && part_number <= S3_PART_COUNT_MAX);
    (void)snprintf(number, sizeof(number), "%u", part_number);
    r = s3_payload_hash(body, upload->client->cancel, hash, err);
    if (r == 0)
        r = add_md5(upload, body, &headers, err);
    if (r == 0)
        r = s3_perform(upload->client, &call, &answer, err);
    if (r == 0)
        r = keep_etag(upload, part_number, body->size, &answer.response, err);
    s3_answer_dispose(&answer);
    http_headers_dispose(&headers);
    return r < 0 ? err_wrap(err, r, "upload part %u of '%s'", part_number, upload->key) : 0;
}

static int build_document(struct s3_upload *upload, unsigned part_count, struct buf *to,
                          uint64_t *ret_size, struct err *err)
{
    uint64_t size = 0;

    buf_add_text(to, "<CompleteMultipartUpload "
                     "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    (void)pthread_mutex_lock(&upload->lock);
    for (unsigned i = 0; i < part_count; i++) {
        assert(upload->parts[i].etag != NULL);
        buf_addf(to, "<Part><PartNumber>%u</PartNumber><ETag>", i + 1);
        s3_xml_escape(to, upload->parts[i].etag);
        buf_add_text(to, "</ETag></Part>");
        size += upload->parts[i].size;
    }
    (void)pthread_mutex_unlock(&upload->lock);
    buf_add_text(to, "</CompleteMultipartUpload>");
    *ret_size = size;
    return buf_check(to, err);
}

/* Whether an answer that says neither yes nor no leaves the object in doubt: a success without its
 * document; or an upload that is not known any more, maybe because an earlier try has completed it,
 * which may have been libcurl's own, on a connection that broke. */
static bool is_in_doubt(int code, const struct err *err)
{
    return (code == ERR_NOT_FOUND && strcmp(err->s3_code, "NoSuchUpload") == 0) ||
           (code == ERR_PROTOCOL && err->http_status == 0);
}

/* The object itself settles it. */
static int settle(struct s3_upload *upload, uint64_t size, int code, struct err *err)
{
    struct s3_object_info info;
    struct err head;

    err_clear(&head);
    if (s3_head_object(upload->client, upload->key, &info, &head) == 0 && info.size == size) {
        log_debug("complete '%s': %s, but the object is there", upload->key, err->msg);
        return 0;
    }
    return code;
}

int s3_complete_multipart_upload(struct s3_upload *upload, unsigned part_count, struct err *err)
{
    const struct uri_param params[] = { { "uploadId", upload->id } };
    char hash[S3_PAYLOAD_HASH_SIZE];
    struct buf document = BUF_INIT(DOCUMENT_LEN_MAX);
    struct http_headers headers = HTTP_HEADERS_INIT;
    struct s3_call call = { .method = HTTP_POST,
                            .operation = S3_OPERATION_COMPLETE_UPLOAD,
                            .key = upload->key,
                            .params = params,
                            .param_count = 1,
                            .headers = &headers,
                            .payload_hash = hash,
                            .is_slow = true };
    struct s3_answer answer = S3_ANSWER_INIT;
    struct err unread;
    uint64_t size;
    int r;

    assert(part_count >= 1 && part_count <= S3_PART_COUNT_MAX && !upload->is_over);
    if (err == NULL)
        err = &unread;
    r = build_document(upload, part_count, &document, &size, err);
    if (r == 0)
        r = memory_source_new(document.ptr, document.len, &call.body, err);
    if (r == 0)
        r = s3_payload_hash(call.body, upload->client->cancel, hash, err);
    if (r == 0)
        r = http_headers_add(&headers, "Content-Type", "application/xml", err);
    if (r < 0)
        goto out;
    err_clear(err);
    r = s3_perform(upload->client, &call, &answer, err);
    if (r == 0)
        r = s3_xml_complete_parse(buf_str(&answer.body), err);
    if (r < 0 && is_in_doubt(r, err))
        r = settle(upload, size, r, err);
    upload->is_over = r == 0;
    /* Ceph 16 forgets the lock that the upload was begun with; elsewhere this makes it begin now.
     */
    if (r == 0 && upload->client->lock_mode != S3_LOCK_NONE)
        r = s3_put_object_retention(upload->client, upload->key, &(int64_t){ 0 }, err);
out:
    io_source_free(call.body);
    s3_answer_dispose(&answer);
    http_headers_dispose(&headers);
    buf_dispose(&document);
    return r < 0 ? err_wrap(err, r, "complete the upload of '%s'", upload->key) : 0;
}

static int abort_upload(struct s3_client *client, const char *key, const char *upload_id,
                        bool is_cleanup, struct err *err)
{
    const struct uri_param params[] = { { "uploadId", upload_id } };
    const struct s3_call call = { .method = HTTP_DELETE,
                                  .operation = S3_OPERATION_ABORT_UPLOAD,
                                  .key = key,
                                  .params = params,
                                  .param_count = 1,
                                  .is_cleanup = is_cleanup };
    struct s3_answer answer = S3_ANSWER_INIT;
    int r;

    r = s3_perform(client, &call, &answer, err);
    s3_answer_dispose(&answer);
    if (r == ERR_NOT_FOUND) {
        err_clear(err);
        return 0;
    }
    return r;
}

int s3_abort_upload_of(struct s3_client *client, const char *key, const char *upload_id,
                       struct err *err)
{
    const int r = abort_upload(client, key, upload_id, false, err);

    return r < 0 ? err_wrap(err, r, "give up the upload of '%s'", key) : 0;
}

void s3_abort_multipart_upload(struct s3_upload *upload)
{
    struct err err;
    int r;

    if (upload->is_over)
        return;
    upload->is_over = true;
    r = abort_upload(upload->client, upload->key, upload->id, true, &err);
    if (r < 0) {
        log_warn("the unfinished upload of '%s' could not be removed (%s): its parts take up "
                 "space until the bucket's rules remove them",
                 upload->key, err.msg);
    }
}

void s3_upload_free(struct s3_upload *upload)
{
    if (upload == NULL)
        return;
    for (unsigned i = 0; upload->parts != NULL && i < S3_PART_COUNT_MAX; i++)
        free(upload->parts[i].etag);
    free(upload->parts);
    free(upload->key);
    free(upload->id);
    (void)pthread_mutex_destroy(&upload->lock);
    free(upload);
}

int s3_part_size_choose(uint64_t object_size_max, uint64_t part_size_wanted,
                        uint64_t *ret_part_size, struct err *err)
{
    uint64_t size =
        object_size_max / PART_COUNT_WANTED + (object_size_max % PART_COUNT_WANTED != 0 ? 1 : 0);

    if (size < part_size_wanted)
        size = part_size_wanted;
    if (size < S3_PART_SIZE_MIN)
        size = S3_PART_SIZE_MIN;
    if (size > S3_PART_SIZE_MAX) {
        return err_set(err, ERR_LIMIT,
                       "an object of %" PRIu64 " bytes needs parts larger than the %" PRIu64
                       " bytes that S3 takes",
                       object_size_max, S3_PART_SIZE_MAX);
    }
    *ret_part_size = (size + MIB - 1) / MIB * MIB;
    return 0;
}
