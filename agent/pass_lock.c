#include "agent/pass_lock.h"

#include "agent/jobs.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define LOCK_FILE  ".run.lock"
#define POLL_MS    200
#define STATE_MODE 0700

/* FNV-1a.  Two names at one place would only wait for each other. */
static off_t place_of(const char *name)
{
    uint64_t value = UINT64_C(0xcbf29ce484222325);

    for (; *name != '\0'; name++)
        value = (value ^ (uint8_t)*name) * UINT64_C(0x100000001b3);
    return (off_t)(value >> 2); /* the end of the byte fits off_t as well */
}

static int open_lock_file(const char *state_dir, int *ret_fd, struct err *err)
{
    char *path;
    int r;

    if (state_dir == NULL)
        return err_set(err, ERR_CONFIG, "there is no home directory");
    path = path_join(state_dir, LOCK_FILE);
    if (path == NULL)
        return err_nomem(err);
    r = file_mkdirs(state_dir, STATE_MODE, err);
    if (r == 0) {
        const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

        if (fd < 0) {
            r = err_set_errno(err, "open '%s'", path);
        } else {
            *ret_fd = fd;
        }
    }
    free(path);
    return r;
}

static int busy(int fd, const char *database, struct err *err)
{
    struct flock holder = { .l_type = F_WRLCK, .l_start = place_of(database), .l_len = 1 };

    /* 0: it ended meanwhile, or lives in another PID namespace, as in another container. */
    if (fcntl(fd, F_GETLK, &holder) == 0 && holder.l_type != F_UNLCK && holder.l_pid > 0) {
        (void)err_set(err, ERR_BUSY, "another run is under way with '%s', process %ld", database,
                      (long)holder.l_pid);
    } else {
        (void)err_set(err, ERR_BUSY, "another run is under way with '%s'", database);
    }
    err_hint(err, "let it end, or wait for it: --wait-lock 10m");
    return ERR_BUSY;
}

/* Never some of them while waiting for others: so two passes cannot wait for each other. */
static int lock_all(int fd, const struct jobs *jobs, struct err *err)
{
    for (size_t i = 0; i < jobs->count; i++) {
        const char *name = jobs->items[i].database.name;
        struct flock byte = { .l_type = F_WRLCK, .l_start = place_of(name), .l_len = 1 };
        struct flock all = { .l_type = F_UNLCK };
        int r;

        if (fcntl(fd, F_SETLK, &byte) == 0)
            continue;
        r = errno == EACCES || errno == EAGAIN ? busy(fd, name, err)
                                               : err_set_errno(err, "lock '%s'", LOCK_FILE);
        (void)fcntl(fd, F_SETLK, &all);
        return r;
    }
    return 0;
}

static int wait_for_all(int fd, const struct pass_lock_options *options, struct err *err)
{
    const int64_t deadline_ms = clock_mono_ms(options->clock) + options->timeout_ms;
    int r;

    for (;;) {
        r = lock_all(fd, options->jobs, err);
        if (r != ERR_BUSY || clock_mono_ms(options->clock) >= deadline_ms)
            return r;
        r = cancel_check(options->cancel, err);
        if (r < 0)
            return r;
        clock_sleep_ms(options->clock, POLL_MS, options->cancel);
    }
}

int pass_lock_acquire(const struct pass_lock_options *options, struct pass_lock *ret_lock,
                      struct err *err)
{
    struct err reason = { 0 };
    int fd = -1;
    int r = open_lock_file(options->jobs->state_dir, &fd, &reason);

    if (r < 0) {
        log_warn("no state directory (%s): going on, but runs that overlap are not kept apart",
                 reason.msg);
        return 0;
    }
    r = wait_for_all(fd, options, err);
    if (r < 0) {
        (void)close(fd);
        return r;
    }
    ret_lock->fd = fd;
    return 0;
}

void pass_lock_release(struct pass_lock *lock)
{
    if (lock->fd >= 0)
        (void)close(lock->fd);
    lock->fd = -1;
}
