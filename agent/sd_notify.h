/*
 * sd_notify.h - tell systemd how we are: ready, reloading, stopping, alive.
 *
 * The protocol of sd_notify(3): datagrams to $NOTIFY_SOCKET.  Without that variable everything here
 * does nothing.  What cannot be sent is logged once and is no error.
 */
#ifndef AGENT_SD_NOTIFY_H
#define AGENT_SD_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

struct clock;

struct sd_notify {
    int fd; /* -1: nobody wants to know */
    struct sockaddr_un address;
    socklen_t address_len;
    struct clock *clock;
    int64_t watchdog_ms; /* between two signs of life; 0: none is waited for */
    int64_t alive_ms;    /* of the last one, by the monotonic clock */
    bool has_failed;
};

/* From the environment. */
void sd_notify_open(struct sd_notify *notify, struct clock *clock);
void sd_notify_close(struct sd_notify *notify);

void sd_notify_ready(struct sd_notify *notify, const char *status);
void sd_notify_reloading(struct sd_notify *notify);
void sd_notify_stopping(struct sd_notify *notify, const char *status);
void sd_notify_status(struct sd_notify *notify, const char *status);

/* A sign of life, if it is time for one. */
void sd_notify_alive(struct sd_notify *notify);
/* wait_ms, or less: until the next sign of life is due. */
int64_t sd_notify_wait_ms(const struct sd_notify *notify, int64_t wait_ms);

#endif
