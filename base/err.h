/*
 * err.h - what went wrong, in two halves: a code that says how to react, and a text for people.
 *
 * Functions that can fail return 0 or a negative enum err_code and take a `struct err *` as their
 * last parameter, which may be NULL.  The detail has a fixed size, so recording "out of memory"
 * cannot fail.  Messages are one line, lower case, without a final stop, with quotes round the
 * user's text, and never hold a secret.  What the operator should do goes into the hint.
 *
 * Not thread-local and not global: the caller owns the struct.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdbool.h>

#define ERR_MSG_SIZE  768
#define ERR_HINT_SIZE 384

/* How to react.  Values are negative so that `r < 0` is the one test for failure. */
enum err_code {
    ERR_NOMEM = -1,
    ERR_IO = -2,           /* a local file or device; see os_errno */
    ERR_BUSY = -3,         /* locked by somebody else for longer than we wait */
    ERR_NET = -4,          /* no connection, or it broke; may be tried again */
    ERR_TIMEOUT = -5,      /* a deadline passed; may be tried again */
    ERR_THROTTLED = -6,    /* the server asks us to slow down; may be tried again, later */
    ERR_SERVER = -7,       /* the server failed (5xx); may be tried again */
    ERR_DENIED = -8,       /* no permission, wrong key, wrong signature, clock skew */
    ERR_NOT_FOUND = -9,    /* what was asked for is not there */
    ERR_EXISTS = -10,      /* created only if absent, and it is there */
    ERR_PROTOCOL = -11,    /* an answer that the protocol does not allow */
    ERR_CORRUPT = -12,     /* data failed verification */
    ERR_CONFIG = -13,      /* usage or configuration */
    ERR_LIMIT = -14,       /* larger than a limit of ours or of the server's */
    ERR_CANCELED = -15,    /* asked to stop */
    ERR_REFUSED = -16,     /* a guard says no; the operator can override it */
    ERR_UNSUPPORTED = -17, /* the other side cannot do this at all (HTTP 501) */
    ERR_PARTIAL = -18      /* of several that are independent some failed, each of which was told */
};

struct err {
    int code;            /* 0 or enum err_code */
    int os_errno;        /* 0 when no system call was involved */
    int http_status;     /* 0 when no HTTP response was involved */
    char s3_code[64];    /* e.g. "NoSuchKey"; empty when none */
    char request_id[64]; /* x-amz-request-id; empty when none */
    char msg[ERR_MSG_SIZE];
    char hint[ERR_HINT_SIZE]; /* what to do; empty when nothing is known */
};

/* Record a failure, replacing what err held (the hint too).  @return code, for `return err_set()`.
 */
int err_set(struct err *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* As err_set, then append ": " and the text of the errno that is current on entry.  ENOENT gives
 * ERR_NOT_FOUND, EACCES and EPERM and EROFS give ERR_DENIED, EEXIST gives ERR_EXISTS, ENOMEM gives
 * ERR_NOMEM, all others ERR_IO.  ENOSPC, EDQUOT and EROFS also set a hint. */
int err_set_errno(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Put what the caller knows in front of the message: "upload part 7 of 'k': " + message.  At most
 * once a layer.  Keeps every other field.  @return code, unchanged. */
int err_wrap(struct err *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Set the advice.  A hint that is already there is kept: the layer nearest the cause knows best. */
void err_hint(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Back to "nothing went wrong". */
void err_clear(struct err *err);

/* ERR_NOMEM with its text; a convenience for the many places that allocate. */
int err_nomem(struct err *err);

/* NET, TIMEOUT, THROTTLED and SERVER are worth another try; nothing else is. */
bool err_is_retryable(int code);

/* The program's exit status for a code: DESIGN "Exit codes" (0, 1, 2, 10 to 14, 130). */
int err_exit_status(int code);

/* Stable lower-case name, for JSON and metrics: "not_found".  Never NULL. */
const char *err_code_name(int code);

#endif
