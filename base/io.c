#include "base/io.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cancel.h"
#include "base/err.h"
#include "base/file.h"

#define COPY_CHUNK (256u << 10)

void io_sink_free(struct io_sink *sink)
{
    if (sink != NULL)
        sink->ops->free(sink);
}

void io_source_free(struct io_source *source)
{
    if (source != NULL)
        source->ops->free(source);
}

int io_copy(struct io_source *source, struct io_sink *sink, const struct cancel *cancel,
            uint64_t *ret_len, struct err *err)
{
    uint8_t *chunk = malloc(COPY_CHUNK);
    uint64_t total = 0;
    size_t len;
    int r;

    if (chunk == NULL)
        return err_nomem(err);
    for (;;) {
        r = cancel_check(cancel, err);
        if (r < 0)
            break;
        r = io_read(source, chunk, COPY_CHUNK, &len, err);
        if (r < 0 || len == 0)
            break;
        r = io_write(sink, chunk, len, err);
        if (r < 0)
            break;
        total += len;
    }
    free(chunk);
    if (r < 0)
        return r;
    if (ret_len != NULL)
        *ret_len = total;
    return 0;
}

static int nothing_to_finish(struct io_sink *sink, struct err *err)
{
    (void)sink;
    (void)err;
    return 0;
}

static void nothing_to_abort(struct io_sink *sink)
{
    (void)sink;
}

static void plain_sink_free(struct io_sink *sink)
{
    free(sink);
}

static void plain_source_free(struct io_source *source)
{
    free(source);
}

struct buf_sink {
    struct io_sink sink;
    struct buf *buf;
};

static int buf_sink_write(struct io_sink *sink, const void *data, size_t len, struct err *err)
{
    struct buf *buf = ((struct buf_sink *)sink)->buf;

    buf_add(buf, data, len);
    return buf_check(buf, err);
}

int buf_sink_new(struct buf *buf, struct io_sink **ret_sink, struct err *err)
{
    static const struct io_sink_ops ops = { "buf", buf_sink_write, nothing_to_finish,
                                            nothing_to_abort, plain_sink_free };
    struct buf_sink *self = calloc(1, sizeof(*self));

    if (self == NULL)
        return err_nomem(err);
    self->sink.ops = &ops;
    self->buf = buf;
    *ret_sink = (struct io_sink *)self;
    return 0;
}

struct fd_sink {
    struct io_sink sink;
    int fd;
    const char *name;
};

static int fd_sink_write(struct io_sink *sink, const void *data, size_t len, struct err *err)
{
    const struct fd_sink *self = (struct fd_sink *)sink;

    return file_write_all(self->fd, data, len, self->name, err);
}

int fd_sink_new(int fd, const char *name, struct io_sink **ret_sink, struct err *err)
{
    static const struct io_sink_ops ops = { "fd", fd_sink_write, nothing_to_finish,
                                            nothing_to_abort, plain_sink_free };
    struct fd_sink *self = calloc(1, sizeof(*self));

    if (self == NULL)
        return err_nomem(err);
    self->sink.ops = &ops;
    self->fd = fd;
    self->name = name;
    *ret_sink = (struct io_sink *)self;
    return 0;
}

struct memory_source {
    struct io_source source;
    const uint8_t *data;
    size_t at;
};

static int memory_source_read(struct io_source *source, void *data, size_t len, size_t *ret_len,
                              struct err *err)
{
    struct memory_source *self = (struct memory_source *)source;
    const size_t left = (size_t)source->size - self->at;

    (void)err;
    if (len > left)
        len = left;
    if (len > 0)
        memcpy(data, self->data + self->at, len);
    self->at += len;
    *ret_len = len;
    return 0;
}

static int memory_source_rewind(struct io_source *source, struct err *err)
{
    (void)err;
    ((struct memory_source *)source)->at = 0;
    return 0;
}

int memory_source_new(const void *data, size_t len, struct io_source **ret_source, struct err *err)
{
    static const struct io_source_ops ops = { "memory", memory_source_read, memory_source_rewind,
                                              plain_source_free };
    struct memory_source *self = calloc(1, sizeof(*self));

    if (self == NULL)
        return err_nomem(err);
    self->source.ops = &ops;
    self->source.size = len;
    self->data = data;
    *ret_source = (struct io_source *)self;
    return 0;
}

struct fd_source {
    struct io_source source;
    int fd;
    uint64_t offset, at;
};

static int fd_source_read(struct io_source *source, void *data, size_t len, size_t *ret_len,
                          struct err *err)
{
    struct fd_source *self = (struct fd_source *)source;
    const uint64_t left = source->size - self->at;
    ssize_t got = 0;

    if (len > left)
        len = (size_t)left;
    if (len > 0) {
        do {
            got = pread(self->fd, data, len, (off_t)(self->offset + self->at));
        } while (got < 0 && errno == EINTR);
        if (got < 0)
            return err_set_errno(err, "read");
        if (got == 0)
            return err_set(err, ERR_IO, "the file ends %llu bytes early", (unsigned long long)left);
    }
    self->at += (uint64_t)got;
    *ret_len = (size_t)got;
    return 0;
}

static int fd_source_rewind(struct io_source *source, struct err *err)
{
    (void)err;
    ((struct fd_source *)source)->at = 0;
    return 0;
}

int fd_source_new(int fd, uint64_t offset, uint64_t size, struct io_source **ret_source,
                  struct err *err)
{
    static const struct io_source_ops ops = { "fd", fd_source_read, fd_source_rewind,
                                              plain_source_free };
    struct fd_source *self = calloc(1, sizeof(*self));

    if (self == NULL)
        return err_nomem(err);
    self->source.ops = &ops;
    self->source.size = size;
    self->fd = fd;
    self->offset = offset;
    *ret_source = (struct io_source *)self;
    return 0;
}
