#include "s3/counters.h"

static const char *const operations[S3_OPERATION_COUNT] = {
    [S3_OPERATION_OTHER] = "Other",
    [S3_OPERATION_PUT_OBJECT] = "PutObject",
    [S3_OPERATION_GET_OBJECT] = "GetObject",
    [S3_OPERATION_HEAD_OBJECT] = "HeadObject",
    [S3_OPERATION_DELETE_OBJECT] = "DeleteObject",
    [S3_OPERATION_DELETE_OBJECTS] = "DeleteObjects",
    [S3_OPERATION_LIST_OBJECTS] = "ListObjectsV2",
    [S3_OPERATION_CREATE_UPLOAD] = "CreateMultipartUpload",
    [S3_OPERATION_UPLOAD_PART] = "UploadPart",
    [S3_OPERATION_COMPLETE_UPLOAD] = "CompleteMultipartUpload",
    [S3_OPERATION_ABORT_UPLOAD] = "AbortMultipartUpload",
    [S3_OPERATION_LIST_UPLOADS] = "ListMultipartUploads",
    [S3_OPERATION_LIST_VERSIONS] = "ListObjectVersions",
    [S3_OPERATION_PUT_RETENTION] = "PutObjectRetention",
};

/* A fixed table needs no lock to be counted in.  The last place is for all other statuses. */
static const struct {
    int status;
    const char *name;
} statuses[S3_STATUS_COUNT] = {
    { 0, "none" },  { 200, "200" }, { 204, "204" }, { 206, "206" }, { 301, "301" }, { 307, "307" },
    { 400, "400" }, { 401, "401" }, { 403, "403" }, { 404, "404" }, { 405, "405" }, { 408, "408" },
    { 409, "409" }, { 411, "411" }, { 412, "412" }, { 413, "413" }, { 416, "416" }, { 429, "429" },
    { 500, "500" }, { 501, "501" }, { 502, "502" }, { 503, "503" }, { 504, "504" }, { -1, "other" },
};

const char *s3_operation_name(enum s3_operation operation)
{
    return operations[operation];
}

size_t s3_status_index(int http_status)
{
    size_t index = 0;

    while (index < S3_STATUS_COUNT - 1 && statuses[index].status != http_status)
        index++;
    return index;
}

const char *s3_status_name(size_t index)
{
    return statuses[index].name;
}

void s3_counters_add(struct s3_counters *sum, const struct s3_counters *more)
{
    sum->put += more->put;
    sum->get += more->get;
    sum->head += more->head;
    sum->post += more->post;
    sum->delete_ += more->delete_;
    sum->retries += more->retries;
    sum->sent_bytes += more->sent_bytes;
    sum->received_bytes += more->received_bytes;
    for (size_t operation = 0; operation < S3_OPERATION_COUNT; operation++) {
        for (size_t status = 0; status < S3_STATUS_COUNT; status++)
            sum->requests[operation][status] += more->requests[operation][status];
    }
}
