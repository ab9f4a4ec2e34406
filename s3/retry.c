#include "s3/retry.h"

#include <string.h>

#include "base/backoff.h"
#include "base/err.h"
#include "base/parse.h"

#define RETRY_AFTER_MS_MAX 60000
#define WAIT_MS_MAX        20000
#define WAIT_MS_FIRST      200
/* A server that is overloaded wants fewer requests, not sooner ones; and R2 takes one write a
 * second of a key (developers.cloudflare.com/r2/platform/limits/). */
#define THROTTLED_MS 1000

/* Bytes that were damaged on their way are worth two more tries; after that it is a proxy or the
 * memory, and trying on would only hide it. */
#define DAMAGED_COUNT_MAX 2

/* A host that never answered is likelier misspelt, or not what it is taken for, than restarting:
 * about a second and a half, then the operator is told. */
#define UNANSWERED_COUNT_MAX 5

static const struct {
    const char *s3_code;
    int code;
} by_s3_code[] = {
    { "SlowDown", ERR_THROTTLED },
    { "SlowDownRead", ERR_THROTTLED },
    { "SlowDownWrite", ERR_THROTTLED },
    { "Busy", ERR_THROTTLED },
    { "ServiceUnavailable", ERR_THROTTLED },
    { "Throttling", ERR_THROTTLED },
    { "ThrottlingException", ERR_THROTTLED },
    { "ThrottledException", ERR_THROTTLED },
    { "RequestThrottled", ERR_THROTTLED },
    { "RequestThrottledException", ERR_THROTTLED },
    { "RequestLimitExceeded", ERR_THROTTLED },
    { "RequestRateLimitExceeded", ERR_THROTTLED }, /* Wasabi, under status 400 */
    { "BandwidthLimitExceeded", ERR_THROTTLED },
    { "TooManyRequests", ERR_THROTTLED },
    { "TooManyRequestsException", ERR_THROTTLED },
    { "PriorRequestNotComplete", ERR_THROTTLED },
    { "EC2ThrottledException", ERR_THROTTLED },
    { "InternalError", ERR_SERVER },
    { "InternalErrors", ERR_SERVER },
    { "OperationAborted", ERR_SERVER },
    { "ConditionalRequestConflict", ERR_SERVER }, /* another write was under way: ask again */
    { "ClientDisconnected", ERR_SERVER },         /* MinIO */
    { "RequestCanceled", ERR_SERVER },            /* Tigris, shedding load */
    { "BadDigest", ERR_SERVER },
    { "XAmzContentSHA256Mismatch", ERR_SERVER },
    { "IncompleteBody", ERR_SERVER },
    { "RequestTimeout", ERR_TIMEOUT }, /* under status 400 */
    { "RequestTimeoutException", ERR_TIMEOUT },
    { "AccessDenied", ERR_DENIED },
    { "InvalidAccessKeyId", ERR_DENIED },
    { "SignatureDoesNotMatch", ERR_DENIED },
    { "RequestTimeTooSkewed", ERR_DENIED },
    { "RequestExpired", ERR_DENIED },
    { "RequestInTheFuture", ERR_DENIED },
    { "ExpiredToken", ERR_DENIED },
    { "InvalidToken", ERR_DENIED },
    { "NoSuchBucket", ERR_NOT_FOUND },
    { "NoSuchKey", ERR_NOT_FOUND },
    { "NoSuchUpload", ERR_NOT_FOUND },
    { "PreconditionFailed", ERR_EXISTS },
    { "NotImplemented", ERR_UNSUPPORTED },
    { "MethodNotAllowed", ERR_UNSUPPORTED },
    { "EntityTooLarge", ERR_LIMIT },
    { "QuotaExceeded", ERR_LIMIT },
    { "InvalidBucketName", ERR_CONFIG },
    { "AuthorizationHeaderMalformed", ERR_CONFIG },
    { "IllegalLocationConstraintException", ERR_CONFIG },
    { "PermanentRedirect", ERR_CONFIG },
    { "TemporaryRedirect", ERR_CONFIG },
    { "InvalidRange", ERR_CORRUPT },
    { "InvalidPart", ERR_PROTOCOL }, /* the three may come under status 200 */
    { "InvalidPartOrder", ERR_PROTOCOL },
    { "EntityTooSmall", ERR_PROTOCOL },
};

static int by_status(int status)
{
    switch (status) {
    case 401:
    case 403:
        return ERR_DENIED;
    case 404:
        return ERR_NOT_FOUND;
    case 405:
    case 501:
        return ERR_UNSUPPORTED;
    case 408:
        return ERR_TIMEOUT;
    case 409:
    case 412:
        return ERR_EXISTS;
    case 413:
        return ERR_LIMIT;
    case 416:
        return ERR_CORRUPT;
    case 429:
    case 503:
    case 509: /* bandwidth used up */
        return ERR_THROTTLED;
    case 499: /* MinIO: the client went away, which we did not */
        return ERR_SERVER;
    default:
        break;
    }
    if (status >= 500)
        return ERR_SERVER;
    if (status >= 300 && status < 400)
        return ERR_CONFIG;
    /* An error document under a status of success is S3's way to fail late. */
    return status >= 200 && status < 300 ? ERR_SERVER : ERR_PROTOCOL;
}

int s3_classify(int http_status, const char *s3_code)
{
    for (size_t i = 0; i < sizeof(by_s3_code) / sizeof(by_s3_code[0]); i++) {
        if (strcmp(by_s3_code[i].s3_code, s3_code) == 0)
            return by_s3_code[i].code;
    }
    return by_status(http_status);
}

void s3_retry_init(struct s3_retry *retry, const struct s3_retry_policy *policy, int64_t now_ms)
{
    *retry = (struct s3_retry){ .policy = *policy, .begun_ms = now_ms };
}

void s3_retry_progress(struct s3_retry *retry, int64_t now_ms)
{
    retry->failed_count = 0;
    retry->begun_ms = now_ms;
}

static bool is_damage(const char *s3_code)
{
    return strcmp(s3_code, "BadDigest") == 0 || strcmp(s3_code, "IncompleteBody") == 0 ||
           strcmp(s3_code, "XAmzContentSHA256Mismatch") == 0;
}

bool s3_retry_next(struct s3_retry *retry, const struct s3_failure *failure, int64_t now_ms,
                   uint64_t random, int64_t *ret_wait_ms)
{
    const struct backoff backoff = { WAIT_MS_FIRST, WAIT_MS_MAX };
    unsigned attempts_max = retry->policy.attempts_max;
    int64_t wait_ms;

    retry->failed_count++;
    if (!err_is_retryable(failure->code))
        return false;
    if (is_damage(failure->s3_code) && ++retry->damaged_count > DAMAGED_COUNT_MAX)
        return false;
    if (failure->never_answered && attempts_max > UNANSWERED_COUNT_MAX)
        attempts_max = UNANSWERED_COUNT_MAX;
    if (retry->failed_count >= attempts_max)
        return false;
    wait_ms = backoff_delay_ms(&backoff, retry->failed_count, random);
    if (failure->code == ERR_THROTTLED)
        wait_ms += THROTTLED_MS;
    if (wait_ms < failure->retry_after_ms)
        wait_ms = failure->retry_after_ms;
    if (now_ms - retry->begun_ms + wait_ms > retry->policy.deadline_ms)
        return false;
    *ret_wait_ms = wait_ms;
    return true;
}

int64_t s3_retry_after_ms(const char *header, int64_t wall_now_ms)
{
    int64_t date_ms, wait_ms = 0;
    uint64_t seconds;

    if (header == NULL)
        return 0;
    if (parse_u64(header, 0, INT32_MAX, &seconds, NULL) == 0) {
        wait_ms = (int64_t)seconds * 1000;
    } else if (parse_http_date(header, &date_ms, NULL) == 0) {
        wait_ms = date_ms - wall_now_ms;
    }
    if (wait_ms < 0)
        return 0;
    return wait_ms < RETRY_AFTER_MS_MAX ? wait_ms : RETRY_AFTER_MS_MAX;
}
