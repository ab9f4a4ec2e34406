#include "store/dir_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/io.h"
#include "store/dir_list.h"
#include "store/object_store.h"

#define DIR_MODE    0700
#define TEMP_PREFIX ".tmp-"
#define COPY_CHUNK  (256u << 10)
#define PART_SIZE                                                                                  \
    (UINT64_C(8) << 20) /* bytes; a larger pack is written in place, see direct_fd                 \
                         */

struct dir_store {
    struct object_store store;
    char *root;
};

static const char *root_of(const struct object_store *store)
{
    return ((const struct dir_store *)store)->root;
}

static int make_path(const struct object_store *store, const char *key, char **ret_path,
                     struct err *err)
{
    *ret_path = path_join(root_of(store), key);
    return *ret_path == NULL ? err_nomem(err) : 0;
}

/* The folders above path, from the root's own on; each new one is synced into its parent, or it
 * could be gone after a crash with all that was put into it.
 * NOLINTNEXTLINE(misc-no-recursion): as deep as a path, which has a limit. */
static int make_parents(const char *path, struct err *err)
{
    char *dir = path_parent(path);
    struct stat st;
    int r = 0;

    if (dir == NULL)
        return err_nomem(err);
    if (stat(dir, &st) < 0 && strcmp(dir, path) != 0) {
        r = make_parents(dir, err);
        if (r == 0)
            r = file_mkdirs(dir, DIR_MODE, err);
        if (r == 0)
            r = file_sync_parent(dir, err);
    }
    free(dir);
    return r;
}

/* A temporary file in the folder where path will be. */
static int open_temp(const char *path, int *ret_fd, char **ret_temp, struct err *err)
{
    char *dir;
    int r;

    r = make_parents(path, err);
    if (r < 0)
        return r;
    dir = path_parent(path);
    if (dir == NULL)
        return err_nomem(err);
    r = file_temp_named(dir, TEMP_PREFIX, ret_fd, ret_temp, err);
    free(dir);
    return r;
}

static int publish(int fd, const char *temp, const char *path, struct err *err)
{
    if (fsync(fd) < 0)
        return err_set_errno(err, "sync '%s'", path);
    return file_publish(temp, path, err);
}

/* A source into a descriptor at an offset. */
static int copy_at(struct io_source *body, int fd, uint64_t offset, const char *name,
                   struct err *err)
{
    uint8_t *chunk = malloc(COPY_CHUNK);
    size_t len = 0;
    int r;

    if (chunk == NULL)
        return err_nomem(err);
    do {
        r = io_read(body, chunk, COPY_CHUNK, &len, err);
        if (r == 0)
            r = file_pwrite_all(fd, chunk, len, offset, name, err);
        offset += len;
    } while (r == 0 && len > 0);
    free(chunk);
    return r;
}

static int dir_put(struct object_store *store, const char *key, struct io_source *body,
                   enum object_put_mode mode, struct err *err)
{
    char *path = NULL, *temp = NULL;
    int fd = -1, r;

    (void)mode; /* never replaced, in either mode */
    r = make_path(store, key, &path, err);
    if (r == 0)
        r = open_temp(path, &fd, &temp, err);
    if (r == 0)
        r = copy_at(body, fd, 0, path, err);
    if (r == 0)
        r = publish(fd, temp, path, err);
    if (fd >= 0)
        (void)close(fd);
    if (r < 0 && temp != NULL)
        (void)unlink(temp);
    free(temp);
    free(path);
    return r;
}

static int64_t modified_ms(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000;
}

static void fill_info(const struct stat *st, struct object_info *ret_info)
{
    ret_info->size = (uint64_t)st->st_size;
    ret_info->modified_ms = modified_ms(st);
}

/* Bytes [offset, offset + len) of fd to sink. */
static int read_range(int fd, uint64_t offset, uint64_t len, const char *name, struct io_sink *sink,
                      struct err *err)
{
    uint8_t *chunk = malloc(COPY_CHUNK);
    int r = 0;

    if (chunk == NULL)
        return err_nomem(err);
    while (r == 0 && len > 0) {
        const size_t n = len < COPY_CHUNK ? (size_t)len : COPY_CHUNK;

        r = file_pread_all(fd, chunk, n, offset, name, err);
        if (r == 0)
            r = io_write(sink, chunk, n, err);
        offset += n;
        len -= n;
    }
    free(chunk);
    return r;
}

static int dir_get(struct object_store *store, const char *key, uint64_t offset, uint64_t len,
                   struct io_sink *sink, struct object_info *ret_info, struct err *err)
{
    struct object_info info;
    char *path = NULL;
    struct stat st;
    int fd = -1, r;

    r = make_path(store, key, &path, err);
    if (r < 0)
        return r;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        r = err_set_errno(err, "open '%s'", path);
        goto out;
    }
    fill_info(&st, &info);
    if (offset > info.size || (len != OBJECT_TO_END && len > info.size - offset)) {
        r = err_set(err, ERR_CORRUPT, "'%s' has %llu bytes, fewer than it should", path,
                    (unsigned long long)info.size);
        goto out;
    }
    r = read_range(fd, offset, len == OBJECT_TO_END ? info.size - offset : len, path, sink, err);
    if (r == 0 && ret_info != NULL)
        *ret_info = info;
out:
    if (fd >= 0)
        (void)close(fd);
    free(path);
    return r;
}

static int dir_head(struct object_store *store, const char *key, struct object_info *ret_info,
                    struct err *err)
{
    char *path = NULL;
    struct stat st;
    int r;

    r = make_path(store, key, &path, err);
    if (r < 0)
        return r;
    if (stat(path, &st) < 0) {
        r = err_set_errno(err, "look at '%s'", path);
    } else if (!S_ISREG(st.st_mode)) {
        r = err_set(err, ERR_NOT_FOUND, "'%s' is not a file", path);
    } else {
        fill_info(&st, ret_info);
    }
    free(path);
    return r;
}

static int dir_list(struct object_store *store, const char *prefix, const char *start_after,
                    object_list_fn callback, void *context, struct err *err)
{
    return dir_list_objects(root_of(store), prefix, start_after, callback, context, err);
}

static int dir_list_prefixes(struct object_store *store, const char *prefix,
                             object_list_fn callback, void *context, struct err *err)
{
    return dir_list_folders(root_of(store), prefix, callback, context, err);
}

/* Remove the folders above path that are empty now, up to the root, which stays. */
static void remove_empty_parents(const char *root, char *path)
{
    const size_t root_len = strlen(root);

    for (;;) {
        char *slash = strrchr(path, '/');

        if (slash == NULL || (size_t)(slash - path) <= root_len)
            return;
        *slash = '\0';
        if (rmdir(path) < 0)
            return;
    }
}

static int dir_delete(struct object_store *store, const char *const *keys, size_t key_count,
                      struct err *err)
{
    int first = 0;

    for (size_t i = 0; i < key_count; i++) {
        char *path;
        int r;

        r = make_path(store, keys[i], &path, err);
        if (r < 0)
            return r;
        if (unlink(path) == 0) {
            remove_empty_parents(root_of(store), path);
        } else if (errno != ENOENT && errno != ENOTDIR && first == 0) {
            first = err_set_errno(err, "delete '%s'", path);
        }
        free(path);
    }
    return first;
}

struct dir_upload {
    struct object_upload upload;
    char *path, *temp; /* temp is NULL once published or gone */
    int fd;
    uint64_t part_size;
};

static int upload_direct_fd(struct object_upload *upload)
{
    return ((struct dir_upload *)upload)->fd;
}

static int upload_part(struct object_upload *upload, unsigned part_index, struct io_source *body,
                       struct err *err)
{
    const struct dir_upload *self = (struct dir_upload *)upload;

    return copy_at(body, self->fd, part_index * self->part_size, self->path, err);
}

static int upload_finish(struct object_upload *upload, uint64_t size, struct err *err)
{
    struct dir_upload *self = (struct dir_upload *)upload;
    int r;

    if (ftruncate(self->fd, (off_t)size) < 0)
        return err_set_errno(err, "set the size of '%s'", self->path);
    r = publish(self->fd, self->temp, self->path, err);
    if (r < 0)
        return r;
    free(self->temp);
    self->temp = NULL;
    return 0;
}

static void upload_abort(struct object_upload *upload)
{
    struct dir_upload *self = (struct dir_upload *)upload;

    if (self->temp == NULL)
        return;
    (void)unlink(self->temp);
    free(self->temp);
    self->temp = NULL;
}

static void upload_free(struct object_upload *upload)
{
    struct dir_upload *self = (struct dir_upload *)upload;

    upload_abort(upload);
    (void)close(self->fd);
    free(self->path);
    free(self);
}

static int dir_upload_new(struct object_store *store, const char *key, uint64_t part_size,
                          struct object_upload **ret_upload, struct err *err)
{
    static const struct object_upload_ops ops = { upload_direct_fd, upload_part, upload_finish,
                                                  upload_abort, upload_free };
    struct dir_upload *self = calloc(1, sizeof(*self));
    int r;

    if (self == NULL)
        return err_nomem(err);
    self->upload.ops = &ops;
    self->fd = -1;
    self->part_size = part_size;
    r = make_path(store, key, &self->path, err);
    if (r == 0)
        r = open_temp(self->path, &self->fd, &self->temp, err);
    if (r < 0) {
        free(self->path);
        free(self);
        return r;
    }
    *ret_upload = (struct object_upload *)self;
    return 0;
}

/* An upload is a temporary file that grows; a killed program's no longer does. */
struct abortion {
    struct object_store *store;
    int64_t before_ms;
    bool dry_run;
    size_t count;
};

static int abort_file(struct abortion *abortion, const char *path, struct err *err)
{
    struct stat st;

    if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) || modified_ms(&st) >= abortion->before_ms)
        return 0;
    if (!abortion->dry_run && unlink(path) < 0 && errno != ENOENT)
        return err_set_errno(err, "delete '%s'", path);
    abortion->count++;
    return 0;
}

static int abort_in_folder(void *context, const char *folder, const struct object_info *info,
                           struct err *err)
{
    struct abortion *abortion = context;
    char *path = path_join(root_of(abortion->store), folder);
    DIR *dir = path != NULL ? opendir(path) : NULL;
    struct dirent *entry;
    int r = path != NULL ? 0 : err_nomem(err);

    (void)info;
    while (r == 0 && dir != NULL) {
        char *file;

        entry = readdir(dir); /* NOLINT(concurrency-mt-unsafe): safe for a stream of one's own */
        if (entry == NULL)
            break;
        if (strncmp(entry->d_name, TEMP_PREFIX, strlen(TEMP_PREFIX)) != 0)
            continue;
        file = path_join(path, entry->d_name);
        r = file != NULL ? abort_file(abortion, file, err) : err_nomem(err);
        free(file);
    }
    if (dir != NULL)
        (void)closedir(dir);
    free(path);
    return r;
}

static int dir_abort_uploads(struct object_store *store, const char *prefix, int64_t before_ms,
                             bool dry_run, size_t *ret_count, struct err *err)
{
    struct abortion abortion = { store, before_ms, dry_run, 0 };
    int r;

    r = abort_in_folder(&abortion, prefix, NULL, err);
    if (r == 0)
        r = dir_list_folders(root_of(store), prefix, abort_in_folder, &abortion, err);
    *ret_count = abortion.count;
    return r;
}

/* A directory may lie on another machine, with another clock. */
static int64_t dir_now_ms(struct object_store *store)
{
    int64_t now_ms = clock_now_ms(clock_system());
    char *temp = NULL;
    struct stat st;
    int fd = -1;

    if (file_temp_named(root_of(store), TEMP_PREFIX, &fd, &temp, NULL) < 0)
        return now_ms;
    if (fstat(fd, &st) == 0)
        now_ms = modified_ms(&st);
    (void)close(fd);
    (void)unlink(temp);
    free(temp);
    return now_ms;
}

static int dir_part_size(struct object_store *store, uint64_t size_max, uint64_t wanted,
                         uint64_t *ret_part_size, struct err *err)
{
    (void)store;
    (void)size_max;
    (void)err;
    *ret_part_size = wanted > 0 ? wanted : PART_SIZE;
    return 0;
}

static void dir_free(struct object_store *store)
{
    struct dir_store *self = (struct dir_store *)store;

    free(self->root);
    free(self->store.url);
    free(self);
}

int dir_store_new(const char *path, struct object_store **ret_store, struct err *err)
{
    static const struct object_store_ops ops = {
        dir_put,           dir_get,       dir_head,       dir_list,
        dir_list_prefixes, dir_delete,    dir_upload_new, dir_abort_uploads,
        dir_now_ms,        dir_part_size, NULL,           dir_free,
    };
    struct dir_store *self;
    struct buf url = BUF_INIT(PATH_MAX + 8);
    size_t len = strlen(path);

    if (path[0] != '/')
        return err_set(err, ERR_CONFIG, "store directory '%s' is not an absolute path", path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    self = calloc(1, sizeof(*self));
    if (self == NULL)
        return err_nomem(err);
    self->store.ops = &ops;
    self->root = str_dup((struct str){ path, len });
    buf_addf(&url, "file://%.*s", (int)len, path);
    self->store.url = buf_detach(&url);
    if (self->root == NULL || self->store.url == NULL) {
        dir_free((struct object_store *)self);
        return err_nomem(err);
    }
    *ret_store = (struct object_store *)self;
    return 0;
}
