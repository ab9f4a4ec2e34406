/*
 * retry.h - what an answer means, and whether and when to try again.  Pure.
 *
 * Source: docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html and RFC 9110 section 15; the
 * codes of other servers are those that they were seen to send.
 */
#ifndef S3_RETRY_H
#define S3_RETRY_H

#include <stdbool.h>
#include <stdint.h>

/* The enum err_code for an S3 error code and an HTTP status; the code, where it is known, says
 * more: some servers throttle under status 400, and some fail under 200. */
int s3_classify(int http_status, const char *s3_code);

struct s3_retry_policy {
    unsigned attempts_max; /* > 0, the first one included */
    int64_t deadline_ms; /* no attempt begins later than this after the first, or after progress */
};

/* One operation's attempts so far. */
struct s3_retry {
    struct s3_retry_policy policy;
    unsigned failed_count; /* since the last progress */
    unsigned damaged_count;
    int64_t begun_ms; /* monotonic */
};

/* Why an attempt failed. */
struct s3_failure {
    int code;               /* enum err_code */
    const char *s3_code;    /* "" when there is none */
    bool never_answered;    /* neither this time nor ever before */
    int64_t retry_after_ms; /* what the server asked for; 0: nothing */
};

void s3_retry_init(struct s3_retry *retry, const struct s3_retry_policy *policy, int64_t now_ms);

/* Bytes have arrived that need not be fetched again: the budget starts afresh. */
void s3_retry_progress(struct s3_retry *retry, int64_t now_ms);

/* Count a failure.  true: try again after *ret_wait_ms.  random is uniform over all 64 bits. */
bool s3_retry_next(struct s3_retry *retry, const struct s3_failure *failure, int64_t now_ms,
                   uint64_t random, int64_t *ret_wait_ms);

/* A Retry-After header, seconds or a date; at most a minute, 0 for NULL and for nonsense. */
int64_t s3_retry_after_ms(const char *header, int64_t wall_now_ms);

#endif
