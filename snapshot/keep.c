#include "snapshot/keep.h"

#include "base/cancel.h"
#include "base/err.h"
#include "base/file.h"
#include "base/parse.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_SIZE (1u << 20)

/* What SQLite would read together with the file; a -shm is made anew. */
static const char *const suffixes[] = { "", "-journal", "-wal" };
#define SUFFIX_COUNT (sizeof(suffixes) / sizeof(suffixes[0]))

static int copy_bytes(int from, int to, const char *name, const struct cancel *cancel,
                      struct err *err)
{
    char *data = malloc(COPY_SIZE);
    ssize_t n;
    int r;

    if (data == NULL)
        return err_nomem(err);
    do {
        r = cancel_check(cancel, err);
        if (r < 0)
            break;
        n = read(from, data, COPY_SIZE);
        if (n < 0) {
            r = err_set_errno(err, "read '%s'", name);
        } else {
            r = file_write_all(to, data, (size_t)n, name, err);
        }
    } while (r == 0 && n > 0);
    free(data);
    return r;
}

static int copy_file(const char *from, const char *to, const struct cancel *cancel, struct err *err)
{
    int from_fd = -1, to_fd = -1, r;
    struct stat st;

    from_fd = open(from, O_RDONLY | O_CLOEXEC);
    if (from_fd < 0)
        return errno == ENOENT ? 0 : err_set_errno(err, "open '%s'", from);
    to_fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (to_fd < 0) {
        r = err_set_errno(err, "create '%s'", to);
        goto out;
    }
    r = copy_bytes(from_fd, to_fd, to, cancel, err);
    if (r < 0)
        goto out;
    /* A copy that its owner cannot read is better than none. */
    if (fstat(from_fd, &st) == 0 && fchown(to_fd, st.st_uid, st.st_gid) == 0)
        (void)fchmod(to_fd, st.st_mode & 0777);
    if (fsync(to_fd) < 0)
        r = err_set_errno(err, "fsync '%s'", to);
out:
    if (r < 0 && to_fd >= 0)
        (void)unlink(to);
    if (to_fd >= 0)
        (void)close(to_fd);
    (void)close(from_fd);
    return r;
}

static int copy_with_suffix(const char *from, const char *to, const char *suffix,
                            const struct cancel *cancel, struct err *err)
{
    char *from_path = NULL, *to_path = NULL;
    int r;

    if (asprintf(&from_path, "%s%s", from, suffix) < 0)
        return err_nomem(err);
    if (asprintf(&to_path, "%s%s", to, suffix) < 0) {
        free(from_path);
        return err_nomem(err);
    }
    r = copy_file(from_path, to_path, cancel, err);
    free(from_path);
    free(to_path);
    return r;
}

static void remove_with_suffix(const char *path, const char *suffix)
{
    char *name = NULL;

    if (asprintf(&name, "%s%s", path, suffix) < 0)
        return;
    (void)unlink(name);
    free(name);
}

int keep_files(const char *path, int64_t now_ms, const struct cancel *cancel, char **ret_path,
               struct err *err)
{
    char time_text[FORMAT_TIME_SIZE];
    char *to = NULL;
    size_t done = 0;
    int r = 0;

    format_time_basic(now_ms, time_text);
    if (asprintf(&to, "%s.unreadable-%s", path, time_text) < 0)
        return err_nomem(err);
    while (r == 0 && done < SUFFIX_COUNT) {
        r = copy_with_suffix(path, to, suffixes[done], cancel, err);
        if (r == 0)
            done++;
    }
    if (r == 0)
        r = file_sync_parent(to, err);
    if (r < 0) {
        while (done > 0)
            remove_with_suffix(to, suffixes[--done]);
        free(to);
        return err_wrap(err, r, "keep '%s'", path);
    }
    *ret_path = to;
    return 0;
}

uint64_t keep_files_size(const char *path)
{
    uint64_t size = 0;

    for (size_t i = 0; i < SUFFIX_COUNT; i++) {
        char *name = NULL;
        struct stat st;

        if (asprintf(&name, "%s%s", path, suffixes[i]) < 0)
            continue;
        if (stat(name, &st) == 0)
            size += (uint64_t)st.st_size;
        free(name);
    }
    return size;
}
