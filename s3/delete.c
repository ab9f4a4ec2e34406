/* DeleteObjects, and what stands in for it where a server has none. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "s3/client.h"
#include "s3/md5.h"
#include "s3/request.h"
#include "s3/xml.h"

#define BATCH_COUNT_MAX  500 /* S3 takes 1000, Cloudflare R2 fails above 700 */
#define DOCUMENT_LEN_MAX (4u << 20)

static int build_document(const char *const *keys, size_t key_count, struct buf *to,
                          struct err *err)
{
    buf_add_text(to, "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                     "<Quiet>true</Quiet>");
    for (size_t i = 0; i < key_count; i++) {
        const int r = s3_key_check(keys[i], err);

        if (r < 0)
            return r;
        buf_add_text(to, "<Object><Key>");
        s3_xml_escape(to, keys[i]);
        buf_add_text(to, "</Key></Object>");
    }
    buf_add_text(to, "</Delete>");
    return buf_check(to, err);
}

static int delete_batch(struct s3_client *client, const char *const *keys, size_t key_count,
                        struct err *err)
{
    static const struct uri_param params[] = { { "delete", NULL } };
    char hash[S3_PAYLOAD_HASH_SIZE], md5[S3_MD5_SIZE];
    struct buf document = BUF_INIT(DOCUMENT_LEN_MAX);
    struct http_headers headers = HTTP_HEADERS_INIT;
    struct s3_answer answer = S3_ANSWER_INIT;
    struct s3_call call = { .method = HTTP_POST,
                            .operation = S3_OPERATION_DELETE_OBJECTS,
                            .params = params,
                            .param_count = 1,
                            .headers = &headers,
                            .payload_hash = hash };
    struct s3_xml_error error;
    int r;

    r = build_document(keys, key_count, &document, err);
    if (r < 0)
        goto out;
    r = memory_source_new(document.ptr, document.len, &call.body, err);
    if (r == 0)
        r = s3_payload_hash(call.body, client->cancel, hash, err);
    if (r == 0) /* asked for here, whatever else is signed */
        r = s3_md5_text(buf_str(&document), md5, err);
    if (r == 0)
        r = http_headers_add(&headers, "Content-MD5", md5, err);
    if (r == 0)
        r = http_headers_add(&headers, "Content-Type", "application/xml", err);
    if (r == 0)
        r = s3_perform(client, &call, &answer, err);
    if (r < 0)
        goto out;
    r = s3_xml_delete_parse(buf_str(&answer.body), &error, err);
    if (r == ERR_SERVER) {
        r = s3_classify(200, error.code);
        if (err != NULL) {
            err->code = r;
            err->http_status = 200;
            (void)snprintf(err->s3_code, sizeof(err->s3_code), "%s", error.code);
        }
    }
out:
    io_source_free(call.body);
    s3_answer_dispose(&answer);
    http_headers_dispose(&headers);
    buf_dispose(&document);
    return r;
}

static int delete_singly(struct s3_client *client, const char *const *keys, size_t key_count,
                         struct err *err)
{
    int first = 0;

    for (size_t i = 0; i < key_count; i++) {
        const int r = s3_delete_object(client, keys[i], first == 0 ? err : NULL);

        if (first == 0)
            first = r;
        if (r == ERR_CANCELED || err_is_retryable(r)) /* tried for long, as would be the next */
            break;
    }
    return first;
}

int s3_delete_objects(struct s3_client *client, const char *const *keys, size_t key_count,
                      struct err *err)
{
    bool singly = key_count == 1;
    int r = 0;

    while (key_count > 0 && r == 0) {
        const size_t count = key_count < BATCH_COUNT_MAX ? key_count : BATCH_COUNT_MAX;

        if (!singly) {
            r = delete_batch(client, keys, count, err);
            if (r == ERR_UNSUPPORTED || r == ERR_PROTOCOL) {
                log_debug("no DeleteObjects here: deleting one object after the other");
                singly = true;
            } else if (r < 0) {
                return err_wrap(err, r, "delete %zu objects", count);
            }
        }
        if (singly)
            r = delete_singly(client, keys, count, err);
        keys += count;
        key_count -= count;
    }
    return r;
}
