#include "agent/hints.h"

#include "base/err.h"

#include <errno.h>
#include <stddef.h>

static const struct {
    int code;
    const char *hint;
} hints[] = {
    { ERR_NOMEM, "give the machine or the container more memory, or use fewer --threads" },
    { ERR_IO, "look at the disk and its file system; the system's log may say more" },
    { ERR_BUSY, "wait longer with --busy-timeout 1m, or find out who holds the lock" },
    { ERR_NET, "is the endpoint right, and can this machine reach it? --log debug shows each "
               "request" },
    { ERR_TIMEOUT, "is the network slow, or the server busy? --log debug shows each request" },
    { ERR_THROTTLED, "the server wants fewer requests: try again later" },
    { ERR_SERVER, "the server failed: try again later, and look at its log" },
    { ERR_DENIED, "are the key and its permissions right, or those of the file?" },
    { ERR_NOT_FOUND, "is the name right, and the store?" },
    { ERR_EXISTS, "choose another name" },
    { ERR_PROTOCOL, "is this an S3 server, and nothing in between? --log debug shows each "
                    "request" },
    { ERR_CORRUPT, "another backup may be whole: 'holdfast list' shows them all" },
    { ERR_CONFIG, "'holdfast help' explains every command and setting" },
    { ERR_LIMIT, "this is more than Holdfast or the server can take" },
    { ERR_UNSUPPORTED, "a newer Holdfast, or another server, may be able to" },
};

void hints_add(struct err *err)
{
    if (err->os_errno == EPIPE)
        err_hint(err, "the program that was to read this has ended");
    for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++) {
        if (hints[i].code == err->code)
            err_hint(err, "%s", hints[i].hint);
    }
}
