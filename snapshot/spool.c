#include "snapshot/spool.h"

#include "base/err.h"
#include "base/file.h"
#include "base/io.h"
#include "base/log.h"

#include <assert.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEMORY_SIZE_MIN (64u << 10)
/* A borrowed file's bytes are sent to the disk in steps of this size while more are written, so
 * that the final fsync finds little left to do. */
#define WRITEBACK_SIZE (8u << 20)
#define COPY_SIZE      (256u << 10)

struct spool {
    char *dir;
    char *name; /* for messages */
    uint8_t *memory;
    size_t memory_size, memory_max;
    int fd; /* -1 while in memory */
    bool fd_borrowed;
    uint64_t size;
    uint64_t held_max;
    uint64_t written_back; /* of a borrowed file: up to where writeback was started */
    atomic_uint_fast64_t released;
};

int spool_new(const char *dir, size_t memory_max, struct spool **ret_spool, struct err *err)
{
    struct spool *spool = calloc(1, sizeof(*spool));

    if (spool == NULL)
        return err_nomem(err);
    spool->fd = -1;
    spool->memory_max = memory_max;
    spool->name = strdup("the spool");
    if (dir != NULL)
        spool->dir = strdup(dir);
    if (spool->name == NULL || (dir != NULL && spool->dir == NULL)) {
        spool_free(spool);
        return err_nomem(err);
    }
    *ret_spool = spool;
    return 0;
}

void spool_free(struct spool *spool)
{
    if (spool == NULL)
        return;
    if (spool->fd >= 0 && !spool->fd_borrowed)
        (void)close(spool->fd);
    free(spool->memory);
    free(spool->name);
    free(spool->dir);
    free(spool);
}

uint64_t spool_size(const struct spool *spool)
{
    return spool->size;
}

uint64_t spool_held_max(const struct spool *spool)
{
    return spool->held_max;
}

static int memory_grow(struct spool *spool, size_t needed, struct err *err)
{
    size_t size = spool->memory_size > 0 ? spool->memory_size : MEMORY_SIZE_MIN;
    uint8_t *memory;

    if (needed <= spool->memory_size)
        return 0;
    while (size < needed)
        size *= 2;
    if (size > spool->memory_max)
        size = spool->memory_max; /* needed is not more, or there would be a file by now */
    memory = realloc(spool->memory, size);
    if (memory == NULL)
        return err_nomem(err);
    spool->memory = memory;
    spool->memory_size = size;
    return 0;
}

static int set_name(struct spool *spool, const char *name, struct err *err)
{
    char *copy = name != NULL ? strdup(name) : NULL;

    if (copy == NULL)
        return err_nomem(err);
    free(spool->name);
    spool->name = copy;
    return 0;
}

static int temp_in_memory(struct spool *spool, struct err *err)
{
    int fd = memfd_create("holdfast-spool", MFD_CLOEXEC);

    if (fd < 0)
        return err_set_errno(err, "make a spool in memory");
    log_warn("no directory can be written: the spool is kept in memory");
    spool->fd = fd;
    return 0;
}

static int temp_file(struct spool *spool, struct err *err)
{
    const char *dirs[] = { spool->dir, secure_getenv("TMPDIR"), "/var/tmp", "/tmp" };
    struct err why = { 0 };
    int r;

    for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
        if (dirs[i] == NULL || dirs[i][0] == '\0')
            continue;
        r = file_temp_unlinked(dirs[i], &spool->fd, &why);
        if (r == 0) {
            char *name = path_join(dirs[i], "(spool)");

            r = set_name(spool, name, err);
            free(name);
            return r;
        }
        if (i == 0) {
            log_warn("the spool directory '%s' cannot be used, trying others: %s", dirs[i],
                     why.msg);
        }
    }
    return temp_in_memory(spool, err);
}

static int write_file(struct spool *spool, uint64_t offset, const void *data, size_t len,
                      struct err *err)
{
    int r = file_pwrite_all(spool->fd, data, len, offset, spool->name, err);

    if (r < 0 && !spool->fd_borrowed && err != NULL) {
        err->hint[0] = '\0'; /* the layer below cannot know how to choose another place */
        err_hint(err, "free some space there, or let spool_dir name a directory with room for the "
                      "compressed database");
    }
    return r;
}

/* Ignored where it is not possible: the final fsync does it all. */
static void start_writeback(struct spool *spool)
{
    if (!spool->fd_borrowed || spool->size - spool->written_back < WRITEBACK_SIZE)
        return;
    (void)sync_file_range(spool->fd, (off_t)spool->written_back,
                          (off_t)(spool->size - spool->written_back), SYNC_FILE_RANGE_WRITE);
    spool->written_back = spool->size;
}

static void forget_memory(struct spool *spool)
{
    free(spool->memory);
    spool->memory = NULL;
    spool->memory_size = 0;
}

/* Copy what there is, in memory or in a temporary file, and go on in fd. */
static int borrow_file(struct spool *spool, int fd, struct err *err)
{
    uint8_t *chunk = malloc(COPY_SIZE);
    int r = 0;

    if (chunk == NULL)
        return err_nomem(err);
    for (uint64_t offset = 0; offset < spool->size && r == 0; offset += COPY_SIZE) {
        uint64_t left = spool->size - offset;
        size_t len = left < COPY_SIZE ? (size_t)left : COPY_SIZE;

        r = spool_read(spool, offset, chunk, len, err);
        if (r == 0)
            r = file_pwrite_all(fd, chunk, len, offset, "the pack", err);
    }
    free(chunk);
    if (r < 0)
        return r;
    if (spool->fd >= 0)
        (void)close(spool->fd);
    forget_memory(spool);
    spool->fd = fd;
    spool->fd_borrowed = true;
    return set_name(spool, "the pack", err);
}

int spool_to_file(struct spool *spool, int fd, struct err *err)
{
    int r;

    if (fd >= 0)
        return borrow_file(spool, fd, err);
    if (spool->fd >= 0)
        return 0;
    r = temp_file(spool, err);
    if (r < 0)
        return r;
    if (spool->size > 0)
        r = write_file(spool, 0, spool->memory, (size_t)spool->size, err);
    forget_memory(spool);
    return r;
}

int spool_write(struct spool *spool, uint64_t offset, const void *data, size_t len, struct err *err)
{
    uint64_t end = offset + len, held;
    int r;

    assert(offset <= spool->size); /* no holes */
    if (spool->fd < 0 && end > spool->memory_max) {
        r = spool_to_file(spool, -1, err);
        if (r < 0)
            return r;
    }
    if (spool->fd >= 0) {
        r = write_file(spool, offset, data, len, err);
    } else {
        r = memory_grow(spool, (size_t)end, err);
        if (r == 0) {
            assert(spool->memory != NULL);
            memcpy(spool->memory + offset, data, len);
        }
    }
    if (r < 0)
        return r;
    if (end > spool->size)
        spool->size = end;
    held = spool->size - atomic_load(&spool->released);
    if (held > spool->held_max)
        spool->held_max = held;
    start_writeback(spool);
    return 0;
}

int spool_append(struct spool *spool, const void *data, size_t len, struct err *err)
{
    return spool_write(spool, spool->size, data, len, err);
}

int spool_read(struct spool *spool, uint64_t offset, void *data, size_t len, struct err *err)
{
    assert(offset + len <= spool->size);
    if (spool->fd >= 0)
        return file_pread_all(spool->fd, data, len, offset, spool->name, err);
    if (len > 0) {
        assert(spool->memory != NULL);
        memcpy(data, spool->memory + offset, len);
    }
    return 0;
}

int spool_source(struct spool *spool, uint64_t offset, uint64_t len, struct io_source **ret_source,
                 struct err *err)
{
    if (spool->fd >= 0)
        return fd_source_new(spool->fd, offset, len, ret_source, err);
    return memory_source_new(spool->memory + offset, (size_t)len, ret_source, err);
}

void spool_release(struct spool *spool, uint64_t offset, uint64_t len)
{
    if (spool->fd < 0 || spool->fd_borrowed)
        return;
    /* Where the file system cannot punch holes, the room comes back at the end. */
    if (fallocate(spool->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
                  (off_t)len) == 0)
        (void)atomic_fetch_add(&spool->released, len);
}
