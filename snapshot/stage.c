#include "snapshot/stage.h"

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Nobody holds its lock: the process that made it is gone. */
static void remove_if_left(int dir_fd, const char *name)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd < 0)
        return;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && unlinkat(dir_fd, name, 0) == 0)
        log_info("removed '%s', left behind by a run that was killed", name);
    (void)close(fd);
}

/* Best effort: what cannot be removed is in nobody's way. */
static void remove_leftovers(const char *dir)
{
    DIR *stream = opendir(dir);
    struct dirent *entry;

    if (stream == NULL)
        return;
    /* A stream of our own: nobody else reads it. */
    while ((entry = readdir(stream)) != NULL) { /* NOLINT(concurrency-mt-unsafe) */
        if (strncmp(entry->d_name, STAGE_PREFIX, strlen(STAGE_PREFIX)) == 0)
            remove_if_left(dirfd(stream), entry->d_name);
    }
    (void)closedir(stream);
}

/* Between its creation and the lock another run may have taken the file for a leftover. */
static bool is_still_there(const struct stage *stage)
{
    struct stat st;

    return fstat(stage->fd, &st) == 0 && st.st_nlink > 0;
}

static int try_new(const char *dir, struct stage *stage, struct err *err)
{
    int r = file_temp_named(dir, STAGE_PREFIX, &stage->fd, &stage->path, err);

    if (r < 0)
        return r;
    if (flock(stage->fd, LOCK_EX | LOCK_NB) < 0 && errno != EWOULDBLOCK)
        return err_set_errno(err, "lock '%s'", stage->path);
    return 0;
}

int stage_new(const char *target, struct stage *ret_stage, struct err *err)
{
    struct stage stage = STAGE_INIT;
    char *dir = path_parent(target);
    int r;

    if (dir == NULL)
        return err_nomem(err);
    remove_leftovers(dir);
    r = try_new(dir, &stage, err);
    while (r == 0 && !is_still_there(&stage)) {
        stage_dispose(&stage);
        r = try_new(dir, &stage, err);
    }
    free(dir);
    if (r < 0) {
        stage_dispose(&stage);
        return r;
    }
    *ret_stage = stage;
    return 0;
}

int stage_check_space(const char *path, uint64_t size, struct err *err)
{
    char *dir = path_parent(path);
    char needed[FORMAT_SIZE_SIZE], available[FORMAT_SIZE_SIZE];
    struct statvfs fs;
    uint64_t free_size;
    int r;

    if (dir == NULL)
        return err_nomem(err);
    r = statvfs(dir, &fs);
    if (r < 0) {
        r = err_set_errno(err, "find the free space of '%s'", dir);
        goto out;
    }
    free_size = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (free_size >= size)
        goto out;
    format_size(size, needed);
    format_size(free_size, available);
    r = err_set(err, ERR_IO, "'%s' has %s free, and %s are needed", dir, available, needed);
    if (err != NULL)
        err->os_errno = ENOSPC;
    err_hint(err, "free some space there");
out:
    free(dir);
    return r;
}

int stage_reserve(struct stage *stage, uint64_t size, uint64_t extra_size, struct err *err)
{
    int r;

    r = stage_check_space(stage->path, size + extra_size, err);
    if (r < 0)
        return r;
    if (fallocate(stage->fd, 0, 0, (off_t)size) == 0)
        return 0;
    if (errno != EOPNOTSUPP && errno != ENOSYS) {
        return err_set_errno(err, "reserve %llu bytes for '%s'", (unsigned long long)size,
                             stage->path);
    }
    if (ftruncate(stage->fd, (off_t)size) < 0)
        return err_set_errno(err, "extend '%s'", stage->path);
    return 0;
}

int stage_sync(struct stage *stage, struct err *err)
{
    if (fsync(stage->fd) < 0)
        return err_set_errno(err, "fsync '%s'", stage->path);
    return 0;
}

int stage_publish(struct stage *stage, const char *path, bool overwrite, struct err *err)
{
    int r;

    r = stage_sync(stage, err);
    if (r < 0)
        return r;
    if (!overwrite) {
        r = file_publish(stage->path, path, err);
    } else if (rename(stage->path, path) < 0) {
        r = err_set_errno(err, "rename '%s' to '%s'", stage->path, path);
    } else {
        r = file_sync_parent(path, err);
    }
    if (r < 0)
        return r;
    free(stage->path);
    stage->path = NULL;
    return 0;
}

void stage_dispose(struct stage *stage)
{
    if (stage->path != NULL)
        (void)unlink(stage->path);
    free(stage->path);
    stage->path = NULL;
    if (stage->fd >= 0)
        (void)close(stage->fd);
    stage->fd = -1;
}
