#include "agent/lock.h"

#include "agent/env.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define POLL_MS       50
#define HOLDER_SIZE   24 /* a process id, in digits */
#define STATE_MODE    0700
#define ROOT_STATE    "/var/lib/holdfast"
#define STATE_IN_HOME ".local/state/holdfast"

char *state_dir_default(void)
{
    const char *xdg = env_get("XDG_STATE_HOME");
    const char *home = env_get("HOME");

    if (geteuid() == 0)
        return strdup(ROOT_STATE);
    if (xdg != NULL && *xdg == '/') /* a relative one is invalid: the XDG specification */
        return path_join(xdg, "holdfast");
    return home != NULL && *home == '/' ? path_join(home, STATE_IN_HOME) : NULL;
}

static int open_lock_file(const struct lock_options *options, int *ret_fd, struct err *err)
{
    char *dir = path_join(options->state_dir, options->database);
    char *path = dir != NULL ? path_join(dir, "lock") : NULL;
    int r, fd;

    if (path == NULL) {
        r = err_nomem(err);
        goto out;
    }
    r = file_mkdirs(dir, STATE_MODE, err);
    if (r < 0)
        goto out;
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        r = err_set_errno(err, "open '%s'", path);
    } else {
        *ret_fd = fd;
    }
out:
    free(path);
    free(dir);
    return r;
}

static int busy(int fd, const struct lock_options *options, struct err *err)
{
    char holder[HOLDER_SIZE] = "";
    const ssize_t len = pread(fd, holder, sizeof(holder) - 1, 0);

    holder[len > 0 ? len : 0] = '\0';
    holder[strspn(holder, "0123456789")] = '\0';
    if (*holder != '\0') {
        (void)err_set(err, ERR_BUSY, "process %s is at work on '%s'", holder, options->database);
    } else {
        (void)err_set(err, ERR_BUSY, "another holdfast is at work on '%s'", options->database);
    }
    err_hint(err, "wait for it to end, or wait longer: --busy-timeout 10m");
    return ERR_BUSY;
}

static int wait_for_lock(int fd, const struct lock_options *options, struct err *err)
{
    const int64_t deadline_ms = clock_mono_ms(options->clock) + options->timeout_ms;

    while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        int r;

        if (errno != EWOULDBLOCK && errno != EINTR)
            return err_set_errno(err, "lock '%s'", options->database);
        r = cancel_check(options->cancel, err);
        if (r < 0)
            return r;
        if (clock_mono_ms(options->clock) >= deadline_ms)
            return busy(fd, options, err);
        clock_sleep_ms(options->clock, POLL_MS, options->cancel);
    }
    return 0;
}

/* For the message of whoever waits; the lock holds without it. */
static void write_holder(int fd)
{
    char holder[HOLDER_SIZE];
    const int len = snprintf(holder, sizeof(holder), "%ld\n", (long)getpid());

    if (ftruncate(fd, 0) == 0)
        (void)file_pwrite_all(fd, holder, (size_t)len, 0, "lock", NULL);
}

int lock_acquire(const struct lock_options *options, struct lock *ret_lock, struct err *err)
{
    struct err reason;
    int fd = -1;
    int r;

    err_clear(&reason);
    if (options->state_dir == NULL) {
        r = err_set(&reason, ERR_CONFIG, "there is no home directory");
    } else {
        r = open_lock_file(options, &fd, &reason);
    }
    if (r < 0) {
        log_warn("no state directory (%s): going on, but two runs at a time on '%s' are not kept "
                 "apart and may both do the same work",
                 reason.msg, options->database);
        return 0;
    }
    r = wait_for_lock(fd, options, err);
    if (r < 0) {
        (void)close(fd);
        return r;
    }
    write_holder(fd);
    ret_lock->fd = fd;
    return 0;
}

void lock_release(struct lock *lock)
{
    if (lock->fd >= 0)
        (void)close(lock->fd);
    lock->fd = -1;
}
