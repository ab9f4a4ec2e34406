/*
 * io.h - streams of bytes: a source is pulled, a sink is pushed to.
 *
 * A sink is a transaction: bytes become visible only if finish succeeds.  After write or finish
 * has failed, only abort and free are legal.
 */
#ifndef BASE_IO_H
#define BASE_IO_H

#include <stddef.h>
#include <stdint.h>

struct buf;
struct cancel;
struct err;
struct io_sink;
struct io_source;

struct io_sink_ops {
    const char *name; /* for logs, e.g. "zstd" */
    /* Take all len bytes or fail; never a short write. */
    int (*write)(struct io_sink *sink, const void *data, size_t len, struct err *err);
    /* Flush, then commit downstream.  Called at most once. */
    int (*finish)(struct io_sink *sink, struct err *err);
    /* Discard.  Cannot fail, idempotent, a no-op after finish. */
    void (*abort)(struct io_sink *sink);
    /* Release the sink and everything downstream; aborts if unfinished. */
    void (*free)(struct io_sink *sink);
};

struct io_sink {
    const struct io_sink_ops *ops;
};

struct io_source_ops {
    const char *name;
    /* Fill at most len bytes; *ret_len 0 means the end. */
    int (*read)(struct io_source *source, void *data, size_t len, size_t *ret_len, struct err *err);
    /* Back to the first byte, for a request that is sent again. */
    int (*rewind)(struct io_source *source, struct err *err);
    void (*free)(struct io_source *source);
};

struct io_source {
    const struct io_source_ops *ops;
    uint64_t size; /* bytes that read will deliver in all; known before the first read */
};

static inline int io_write(struct io_sink *sink, const void *data, size_t len, struct err *err)
{
    return sink->ops->write(sink, data, len, err);
}

static inline int io_finish(struct io_sink *sink, struct err *err)
{
    return sink->ops->finish(sink, err);
}

static inline int io_read(struct io_source *source, void *data, size_t len, size_t *ret_len,
                          struct err *err)
{
    return source->ops->read(source, data, len, ret_len, err);
}

static inline int io_rewind(struct io_source *source, struct err *err)
{
    return source->ops->rewind(source, err);
}

void io_sink_free(struct io_sink *sink);       /* NULL is fine */
void io_source_free(struct io_source *source); /* NULL is fine */

/* Move everything; does not finish the sink.  ret_len may be NULL. */
int io_copy(struct io_source *source, struct io_sink *sink, const struct cancel *cancel,
            uint64_t *ret_len, struct err *err);

/* Append to *buf (borrowed, must outlive the sink); ERR_LIMIT past the buf's cap. */
int buf_sink_new(struct buf *buf, struct io_sink **ret_sink, struct err *err);

/* Read len bytes at data (borrowed, must outlive the source). */
int memory_source_new(const void *data, size_t len, struct io_source **ret_source, struct err *err);

/* Read [offset, offset + size) of a descriptor with pread: the descriptor's position is neither
 * used nor moved, so many sources can share one.  fd is borrowed.  A file that ends early is
 * ERR_IO. */
int fd_source_new(int fd, uint64_t offset, uint64_t size, struct io_source **ret_source,
                  struct err *err);

/* Write sequentially to fd (borrowed; a pipe is fine).  name is for messages, borrowed. */
int fd_sink_new(int fd, const char *name, struct io_sink **ret_sink, struct err *err);

#endif
