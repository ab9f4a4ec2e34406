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

static int busy(int fd, const struct job *job, struct err *err)
{
    struct flock holder = { .l_type = F_WRLCK, .l_start = place_of(job->title), .l_len = 1 };

    /* 0: it ended meanwhile, or lives in another PID namespace, as in another container. */
    if (fcntl(fd, F_GETLK, &holder) == 0 && holder.l_type != F_UNLCK && holder.l_pid > 0) {
        (void)err_set(err, ERR_BUSY, "another run is under way with %s, process %ld", job->title,
                      (long)holder.l_pid);
    } else {
        (void)err_set(err, ERR_BUSY, "another run is under way with %s", job->title);
    }
    err_hint(err, "let it end, or wait for it: --wait-lock 10m");
    return ERR_BUSY;
}

static int set_byte(int fd, const struct job *job, short type)
{
    struct flock byte = { .l_type = type, .l_start = place_of(job->title), .l_len = 1 };

    return fcntl(fd, F_SETLK, &byte);
}

static void unlock_all(int fd, const struct jobs *jobs, size_t lane)
{
    for (size_t i = 0; i < jobs->count; i++) {
        if (jobs->items[i].lane == lane)
            (void)set_byte(fd, &jobs->items[i], F_UNLCK);
    }
}

/* Never some of them while waiting for others: so two passes cannot wait for each other. */
static int lock_all(int fd, const struct pass_lock_options *options, struct err *err)
{
    const struct jobs *jobs = options->jobs;

    for (size_t i = 0; i < jobs->count; i++) {
        const struct job *job = &jobs->items[i];
        int r;

        if (job->lane != options->lane || set_byte(fd, job, F_WRLCK) == 0)
            continue;
        r = errno == EACCES || errno == EAGAIN ? busy(fd, job, err)
                                               : err_set_errno(err, "lock '%s'", LOCK_FILE);
        unlock_all(fd, jobs, options->lane);
        return r;
    }
    return 0;
}

static int wait_for_all(int fd, const struct pass_lock_options *options, struct err *err)
{
    const int64_t deadline_ms = clock_mono_ms(options->clock) + options->timeout_ms;
    int r;

    for (;;) {
        r = lock_all(fd, options, err);
        if (r != ERR_BUSY || clock_mono_ms(options->clock) >= deadline_ms)
            return r;
        r = cancel_check(options->cancel, err);
        if (r < 0)
            return r;
        clock_sleep_ms(options->clock, POLL_MS, options->cancel);
    }
}

void pass_lock_open(const struct jobs *jobs, struct pass_lock *ret_lock)
{
    struct err reason = { 0 };

    *ret_lock = (struct pass_lock)PASS_LOCK_INIT;
    if (open_lock_file(jobs->state_dir, &ret_lock->fd, &reason) < 0) {
        log_warn("no state directory (%s): going on, but runs that overlap are not kept apart",
                 reason.msg);
    }
}

int pass_lock_acquire(const struct pass_lock *lock, const struct pass_lock_options *options,
                      struct err *err)
{
    return lock->fd >= 0 ? wait_for_all(lock->fd, options, err) : 0;
}

void pass_lock_release(const struct pass_lock *lock, const struct jobs *jobs, size_t lane)
{
    if (lock->fd >= 0)
        unlock_all(lock->fd, jobs, lane);
}

void pass_lock_close(struct pass_lock *lock)
{
    if (lock->fd >= 0)
        (void)close(lock->fd);
    lock->fd = -1;
}
