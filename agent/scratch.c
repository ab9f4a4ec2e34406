#include "agent/scratch.h"

#include "agent/env.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define PREFIX       "holdfast-scratch-"
#define TEMPLATE     PREFIX "XXXXXX"
#define ATTEMPTS_MAX 10

static int open_directory(int parent_fd, const char *name)
{
    return openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Files only: nobody makes directories there. */
static void remove_files(int dir_fd)
{
    const int fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 0);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

    if (dir == NULL) {
        if (fd >= 0)
            (void)close(fd);
        return;
    }
    rewinddir(dir); /* the position is shared with dir_fd */
    for (;;) {
        const struct dirent *entry =
            readdir(dir); /* NOLINT(concurrency-mt-unsafe): a DIR of ours */

        if (entry == NULL)
            break;
        (void)unlinkat(dir_fd, entry->d_name, 0); /* "." and ".." are refused */
    }
    (void)closedir(dir);
}

/* What is left of a process that ended without removing it.  Others' directories are none of our
 * business, and in /var/tmp anybody may make one of that name. */
static void remove_leftover(int parent_fd, const char *name)
{
    const int fd = open_directory(parent_fd, name);
    struct stat st;

    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && st.st_uid == geteuid() && flock(fd, LOCK_EX | LOCK_NB) == 0) {
        remove_files(fd);
        if (unlinkat(parent_fd, name, AT_REMOVEDIR) == 0)
            log_info("'%s', which a killed run left behind, is removed", name);
    }
    (void)close(fd);
}

static void remove_leftovers(const char *dir)
{
    DIR *parent = opendir(dir);

    if (parent == NULL)
        return;
    for (;;) {
        const struct dirent *entry =
            readdir(parent); /* NOLINT(concurrency-mt-unsafe): a DIR of ours */

        if (entry == NULL)
            break;
        if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) == 0)
            remove_leftover(dirfd(parent), entry->d_name);
    }
    (void)closedir(parent);
}

/* Between being made and being locked it looks like a leftover to others, who may remove it. */
static int make_and_lock(const char *dir, struct scratch *scratch, struct err *err)
{
    struct stat st = { 0 };

    scratch->path = path_join(dir, TEMPLATE);
    if (scratch->path == NULL)
        return err_nomem(err);
    if (mkdtemp(scratch->path) == NULL)
        return err_set_errno(err, "make a scratch directory in '%s'", dir);
    scratch->fd = open_directory(AT_FDCWD, scratch->path);
    if (scratch->fd < 0)
        return errno == ENOENT ? ERR_EXISTS : err_set_errno(err, "open '%s'", scratch->path);
    if (flock(scratch->fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
        return ERR_EXISTS;
    return fstat(scratch->fd, &st) == 0 && st.st_nlink > 0 ? 0 : ERR_EXISTS;
}

int scratch_make(const char *dir, struct scratch *ret_scratch, struct err *err)
{
    struct scratch scratch = SCRATCH_INIT;
    int r;

    if (dir == NULL)
        dir = env_get("TMPDIR");
    if (dir == NULL)
        dir = "/var/tmp";
    r = file_mkdirs(dir, 0700, err);
    if (r < 0)
        return r;
    remove_leftovers(dir);
    for (int i = 0; i < ATTEMPTS_MAX; i++) {
        r = make_and_lock(dir, &scratch, err);
        if (r == 0)
            *ret_scratch = scratch;
        if (r == 0)
            return 0;
        scratch_remove(&scratch);
        if (r != ERR_EXISTS)
            return r;
    }
    return err_set(err, ERR_BUSY, "scratch directories in '%s' are removed as they are made", dir);
}

void scratch_remove(struct scratch *scratch)
{
    if (scratch->fd >= 0) {
        remove_files(scratch->fd);
        (void)rmdir(scratch->path);
        (void)close(scratch->fd);
    }
    free(scratch->path);
    *scratch = (struct scratch)SCRATCH_INIT;
}

int scratch_check_room(const struct scratch *scratch, uint64_t size, struct err *err)
{
    char wanted[FORMAT_SIZE_SIZE], there[FORMAT_SIZE_SIZE];
    struct statvfs room;
    uint64_t bytes;

    if (fstatvfs(scratch->fd, &room) < 0)
        return err_set_errno(err, "see how much room '%s' has", scratch->path);
    bytes = (uint64_t)room.f_bavail * room.f_frsize;
    if (bytes >= size)
        return 0;
    format_size(size, wanted);
    format_size(bytes, there);
    return err_set(err, ERR_IO, "'%s' would need %s, and %s are free there", scratch->path, wanted,
                   there);
}
