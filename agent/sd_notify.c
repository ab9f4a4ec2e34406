#include "agent/sd_notify.h"

#include "agent/env.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/parse.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MESSAGE_SIZE      512
#define WATCHDOG_USEC_MAX (UINT64_C(24) * 60 * 60 * 1000000)

/* A path, or with '@' for the first byte a name that is no file: unix(7).  Other kinds (vsock, for
 * virtual machines) are not for services. */
static bool parse_address(const char *text, struct sockaddr_un *ret_address, socklen_t *ret_len)
{
    const size_t len = strlen(text);
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    if ((*text != '/' && *text != '@') || len < 2 || len >= sizeof(address.sun_path))
        return false;
    memcpy(address.sun_path, text, len);
    if (*text == '@')
        address.sun_path[0] = '\0';
    *ret_address = address;
    *ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (*text == '/'));
    return true;
}

/* Half of what systemd waits for, as its manual advises; 0 when it is another process's. */
static int64_t watchdog_ms(void)
{
    const char *usec = env_get("WATCHDOG_USEC");
    const char *pid = env_get("WATCHDOG_PID");
    uint64_t value = 0;

    if (usec == NULL || parse_u64(usec, 2000, WATCHDOG_USEC_MAX, &value, NULL) < 0)
        return 0;
    if (pid != NULL) {
        uint64_t owner = 0;

        if (parse_u64(pid, 0, UINT64_MAX, &owner, NULL) < 0 || owner != (uint64_t)getpid())
            return 0;
    }
    return (int64_t)(value / 2000);
}

void sd_notify_open(struct sd_notify *notify, struct clock *clock)
{
    const char *path = env_get("NOTIFY_SOCKET");

    *notify = (struct sd_notify){ .fd = -1, .clock = clock };
    if (path == NULL)
        return;
    if (!parse_address(path, &notify->address, &notify->address_len)) {
        log_warn("NOTIFY_SOCKET='%s' is no address that is understood here", path);
        return;
    }
    notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (notify->fd >= 0)
        notify->watchdog_ms = watchdog_ms();
}

void sd_notify_close(struct sd_notify *notify)
{
    if (notify->fd >= 0)
        (void)close(notify->fd);
    notify->fd = -1;
    notify->watchdog_ms = 0;
}

static void send_text(struct sd_notify *notify, const char *text)
{
    struct err why = { 0 };

    if (notify->fd < 0)
        return;
    if (sendto(notify->fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&notify->address,
               notify->address_len) >= 0 ||
        notify->has_failed)
        return;
    notify->has_failed = true;
    (void)err_set_errno(&why, "tell the service manager");
    log_warn("%s", why.msg);
}

void sd_notify_ready(struct sd_notify *notify, const char *status)
{
    char text[MESSAGE_SIZE];

    (void)snprintf(text, sizeof(text), "READY=1\nSTATUS=%s", status);
    send_text(notify, text);
}

/* The time tells this reload from one before: systemd.service(5), Type=notify-reload. */
void sd_notify_reloading(struct sd_notify *notify)
{
    char text[MESSAGE_SIZE];

    (void)snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRId64,
                   clock_mono_ms(notify->clock) * 1000);
    send_text(notify, text);
}

void sd_notify_stopping(struct sd_notify *notify, const char *status)
{
    char text[MESSAGE_SIZE];

    (void)snprintf(text, sizeof(text), "STOPPING=1\nSTATUS=%s", status);
    send_text(notify, text);
}

void sd_notify_status(struct sd_notify *notify, const char *status)
{
    char text[MESSAGE_SIZE];

    (void)snprintf(text, sizeof(text), "STATUS=%s", status);
    send_text(notify, text);
}

void sd_notify_alive(struct sd_notify *notify)
{
    const int64_t now_ms = clock_mono_ms(notify->clock);

    if (notify->watchdog_ms == 0)
        return;
    if (notify->alive_ms != 0 && now_ms - notify->alive_ms < notify->watchdog_ms)
        return;
    notify->alive_ms = now_ms;
    send_text(notify, "WATCHDOG=1");
}

int64_t sd_notify_wait_ms(const struct sd_notify *notify, int64_t wait_ms)
{
    int64_t left_ms;

    if (notify->watchdog_ms == 0)
        return wait_ms;
    left_ms = notify->alive_ms + notify->watchdog_ms - clock_mono_ms(notify->clock);
    if (left_ms < 1)
        left_ms = 1;
    return left_ms < wait_ms ? left_ms : wait_ms;
}
