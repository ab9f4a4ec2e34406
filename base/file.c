#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"

#define READ_CHUNK (64u << 10)

/* One read of at most READ_CHUNK, and at most one byte past the cap, so that a file of exactly the
 * cap is told from a longer one.  *ret_len 0: the end. */
static int read_chunk(int fd, const char *path, struct buf *buf, size_t *ret_len, struct err *err)
{
    char past_cap;
    void *to = &past_cap;
    size_t room = buf->max - buf->len;
    ssize_t got;

    if (room > READ_CHUNK)
        room = READ_CHUNK;
    if (room > 0 && (to = buf_reserve(buf, room)) == NULL)
        return buf_check(buf, err);
    do {
        got = read(fd, to, room > 0 ? room : 1);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return err_set_errno(err, "read '%s'", path);
    if (got > 0 && room == 0) {
        return err_set(err, ERR_LIMIT, "'%s' is longer than the limit of %zu bytes", path,
                       buf->max);
    }
    buf_commit(buf, (size_t)got);
    *ret_len = (size_t)got;
    return 0;
}

int file_read(const char *path, struct buf *buf, struct err *err)
{
    size_t len = 1;
    int fd, r = 0;

    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, "open '%s'", path);
    while (r == 0 && len > 0)
        r = read_chunk(fd, path, buf, &len, err);
    (void)close(fd);
    return r;
}

int file_write_all(int fd, const void *data, size_t len, const char *name, struct err *err)
{
    const uint8_t *bytes = data;

    while (len > 0) {
        ssize_t put = write(fd, bytes, len);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return err_set_errno(err, "write '%s'", name);
        bytes += put;
        len -= (size_t)put;
    }
    return 0;
}

int file_pwrite_all(int fd, const void *data, size_t len, uint64_t offset, const char *name,
                    struct err *err)
{
    const uint8_t *bytes = data;

    while (len > 0) {
        ssize_t put = pwrite(fd, bytes, len, (off_t)offset);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return err_set_errno(err, "write '%s'", name);
        bytes += put;
        len -= (size_t)put;
        offset += (uint64_t)put;
    }
    return 0;
}

int file_pread_all(int fd, void *data, size_t len, uint64_t offset, const char *name,
                   struct err *err)
{
    uint8_t *bytes = data;

    while (len > 0) {
        ssize_t got = pread(fd, bytes, len, (off_t)offset);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_set_errno(err, "read '%s'", name);
        if (got == 0) {
            return err_set(err, ERR_CORRUPT, "'%s' ends at byte %llu", name,
                           (unsigned long long)offset);
        }
        bytes += got;
        len -= (size_t)got;
        offset += (uint64_t)got;
    }
    return 0;
}

int file_temp_named(const char *dir, const char *prefix, int *ret_fd, char **ret_path,
                    struct err *err)
{
    struct buf path = BUF_INIT(PATH_MAX);
    char *text;
    int fd, r;

    buf_addf(&path, "%s/%sXXXXXX", dir, prefix);
    r = buf_check(&path, err);
    text = buf_detach(&path);
    if (r < 0)
        return r;
    if (text == NULL)
        return err_nomem(err);
    fd = mkostemp(text, O_CLOEXEC); /* mode 0600 */
    if (fd < 0) {
        r = err_set_errno(err, "create a temporary file in '%s'", dir);
        free(text);
        return r;
    }
    *ret_fd = fd;
    *ret_path = text;
    return 0;
}

int file_temp_unlinked(const char *dir, int *ret_fd, struct err *err)
{
    char *path = NULL;
    int r, fd;

    fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0) {
        *ret_fd = fd;
        return 0;
    }
    /* File systems without O_TMPFILE (overlayfs before 6.3, NFS) answer one of these. */
    if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
        return err_set_errno(err, "create a temporary file in '%s'", dir);
    r = file_temp_named(dir, ".holdfast-", &fd, &path, err);
    if (r < 0)
        return r;
    if (unlink(path) < 0)
        r = err_set_errno(err, "remove '%s'", path);
    free(path);
    if (r < 0) {
        (void)close(fd);
        return r;
    }
    *ret_fd = fd;
    return 0;
}

int file_sync_parent(const char *path, struct err *err)
{
    char *dir = path_parent(path);
    int fd, r = 0;

    if (dir == NULL)
        return err_nomem(err);
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        r = err_set_errno(err, "open '%s'", dir);
    } else if (fsync(fd) < 0 && errno != EINVAL) { /* EINVAL: directories cannot be synced there */
        r = err_set_errno(err, "sync '%s'", dir);
    }
    if (fd >= 0)
        (void)close(fd);
    free(dir);
    return r;
}

int file_write_atomic(const char *path, const void *data, size_t len, mode_t mode, struct err *err)
{
    char *dir = path_parent(path), *temp = NULL;
    int fd = -1, r;

    if (dir == NULL)
        return err_nomem(err);
    r = file_temp_named(dir, ".tmp-", &fd, &temp, err);
    if (r < 0)
        goto out;
    r = file_write_all(fd, data, len, path, err);
    if (r == 0 && (fchmod(fd, mode) < 0 || fsync(fd) < 0))
        r = err_set_errno(err, "write '%s'", path);
    if (r == 0 && rename(temp, path) < 0)
        r = err_set_errno(err, "rename to '%s'", path);
    if (r == 0)
        r = file_sync_parent(path, err);
out:
    if (fd >= 0)
        (void)close(fd);
    if (r < 0 && temp != NULL)
        (void)unlink(temp);
    free(temp);
    free(dir);
    return r;
}

int file_publish(const char *from, const char *to, struct err *err)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) < 0) {
        if (errno != EINVAL && errno != ENOSYS && errno != EPERM)
            return err_set_errno(err, "rename to '%s'", to);
        /* The file system knows no flags, or a container's filter does not know the call (EPERM):
         * a link fails when the name is taken, too. */
        if (link(from, to) < 0)
            return err_set_errno(err, "link to '%s'", to);
        (void)unlink(from);
    }
    return file_sync_parent(to, err);
}

/* Make one directory; a directory that is there is fine. */
static int make_dir(const char *path, mode_t mode, struct err *err)
{
    struct stat st;

    if (mkdir(path, mode) == 0)
        return 0;
    if (errno == EEXIST && stat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode))
            return 0;
        errno = ENOTDIR;
    }
    return err_set_errno(err, "make directory '%s'", path);
}

int file_mkdirs(const char *path, mode_t mode, struct err *err)
{
    struct stat st;
    char *copy;
    int r = 0;

    if (path[0] == '\0' || (stat(path, &st) == 0 && S_ISDIR(st.st_mode)))
        return 0;
    copy = strdup(path);
    if (copy == NULL)
        return err_nomem(err);
    for (char *slash = strchr(copy + 1, '/'); slash != NULL && r == 0;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        r = make_dir(copy, mode, err);
        *slash = '/';
    }
    if (r == 0)
        r = make_dir(copy, mode, err);
    free(copy);
    return r;
}

char *path_join(const char *dir, const char *name)
{
    struct buf path = BUF_INIT(SIZE_MAX / 2);
    const size_t len = strlen(dir);

    buf_addf(&path, "%s%s%s", dir, len > 0 && dir[len - 1] == '/' ? "" : "/", name);
    return buf_detach(&path);
}

char *path_parent(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (slash == NULL)
        return strdup(".");
    while (slash > path && slash[-1] == '/')
        slash--;
    return str_dup((struct str){ path, slash == path ? 1 : (size_t)(slash - path) });
}

const char *path_base(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? path : slash + 1;
}
