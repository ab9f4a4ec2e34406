/*
 * counters.h - what was requested of a server: by operation and by how it answered.
 */
#ifndef S3_COUNTERS_H
#define S3_COUNTERS_H

#include <stddef.h>
#include <stdint.h>

/* Named as in S3's API: docs.aws.amazon.com/AmazonS3/latest/API/API_Operations.html */
enum s3_operation {
    S3_OPERATION_OTHER,
    S3_OPERATION_PUT_OBJECT,
    S3_OPERATION_GET_OBJECT,
    S3_OPERATION_HEAD_OBJECT,
    S3_OPERATION_DELETE_OBJECT,
    S3_OPERATION_DELETE_OBJECTS,
    S3_OPERATION_LIST_OBJECTS,
    S3_OPERATION_CREATE_UPLOAD,
    S3_OPERATION_UPLOAD_PART,
    S3_OPERATION_COMPLETE_UPLOAD,
    S3_OPERATION_ABORT_UPLOAD,
    S3_OPERATION_LIST_UPLOADS,
    S3_OPERATION_LIST_VERSIONS,
    S3_OPERATION_PUT_RETENTION,
    S3_OPERATION_COUNT
};

#define S3_STATUS_COUNT 24

/* "PutObject"; never NULL. */
const char *s3_operation_name(enum s3_operation operation);
/* The place of an HTTP status in a table of S3_STATUS_COUNT, and its name there: "200", "none" for
 * 0 (there was no answer), "other" for a rare one. */
size_t s3_status_index(int http_status);
const char *s3_status_name(size_t index);

/* Every attempt counts. */
struct s3_counters {
    uint64_t put, get, head, post, delete_, retries; /* by method */
    uint64_t sent_bytes, received_bytes;             /* bodies */
    uint64_t requests[S3_OPERATION_COUNT][S3_STATUS_COUNT];
};

void s3_counters_add(struct s3_counters *sum, const struct s3_counters *more);

#endif
