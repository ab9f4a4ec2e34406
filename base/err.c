#include "base/err.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    int code;
    int exit_status;
    const char *name;
} codes[] = {
    { 0, 0, "ok" },
    { ERR_NOMEM, 1, "nomem" },
    { ERR_IO, 1, "io" },
    { ERR_BUSY, 11, "busy" },
    { ERR_NET, 1, "net" },
    { ERR_TIMEOUT, 1, "timeout" },
    { ERR_THROTTLED, 1, "throttled" },
    { ERR_SERVER, 1, "server" },
    { ERR_DENIED, 12, "denied" },
    { ERR_NOT_FOUND, 10, "not_found" },
    { ERR_EXISTS, 14, "exists" },
    { ERR_PROTOCOL, 1, "protocol" },
    { ERR_CORRUPT, 13, "corrupt" },
    { ERR_CONFIG, 2, "config" },
    { ERR_LIMIT, 1, "limit" },
    { ERR_CANCELED, 128 + SIGINT, "canceled" },
    { ERR_REFUSED, 14, "refused" },
    { ERR_UNSUPPORTED, 1, "unsupported" },
    { ERR_PARTIAL, 3, "partial" },
};

void err_clear(struct err *err)
{
    if (err != NULL)
        memset(err, 0, sizeof(*err));
}

static void __attribute__((format(printf, 3, 0)))
err_vset(struct err *err, int code, const char *format, va_list args)
{
    if (err == NULL)
        return;
    err_clear(err);
    err->code = code;
    (void)vsnprintf(err->msg, sizeof(err->msg), format, args);
}

int err_set(struct err *err, int code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    err_vset(err, code, format, args);
    va_end(args);
    return code;
}

static int code_of_errno(int os_errno)
{
    switch (os_errno) {
    case ENOENT:
        return ERR_NOT_FOUND;
    case EACCES:
    case EPERM:
    case EROFS:
        return ERR_DENIED;
    case EEXIST:
        return ERR_EXISTS;
    case ENOMEM:
        return ERR_NOMEM;
    default:
        return ERR_IO;
    }
}

int err_set_errno(struct err *err, const char *format, ...)
{
    const int os_errno = errno;
    const int code = code_of_errno(os_errno);
    char text[128];
    va_list args;
    size_t len;

    if (err == NULL)
        return code;
    va_start(args, format);
    err_vset(err, code, format, args);
    va_end(args);
    err->os_errno = os_errno;
    len = strlen(err->msg);
    (void)snprintf(err->msg + len, sizeof(err->msg) - len, ": %s",
                   strerror_r(os_errno, text, sizeof(text))); /* the GNU variant */
    if (os_errno == ENOSPC || os_errno == EDQUOT) {
        err_hint(err, "free some space there, or choose another place");
    } else if (os_errno == EROFS) {
        err_hint(err, "the file system is mounted read-only");
    }
    return code;
}

int err_wrap(struct err *err, int code, const char *format, ...)
{
    char msg[ERR_MSG_SIZE];
    va_list args;
    size_t len;

    if (err == NULL)
        return code;
    memcpy(msg, err->msg, sizeof(msg));
    va_start(args, format);
    (void)vsnprintf(err->msg, sizeof(err->msg), format, args);
    va_end(args);
    len = strlen(err->msg);
    (void)snprintf(err->msg + len, sizeof(err->msg) - len, ": %s", msg);
    err->code = code;
    return code;
}

void err_hint(struct err *err, const char *format, ...)
{
    va_list args;

    if (err == NULL || err->hint[0] != '\0')
        return;
    va_start(args, format);
    (void)vsnprintf(err->hint, sizeof(err->hint), format, args);
    va_end(args);
}

int err_nomem(struct err *err)
{
    return err_set(err, ERR_NOMEM, "out of memory");
}

bool err_is_retryable(int code)
{
    return code == ERR_NET || code == ERR_TIMEOUT || code == ERR_THROTTLED || code == ERR_SERVER;
}

int err_exit_status(int code)
{
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (codes[i].code == code)
            return codes[i].exit_status;
    }
    return 1;
}

const char *err_code_name(int code)
{
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (codes[i].code == code)
            return codes[i].name;
    }
    return "unknown";
}
