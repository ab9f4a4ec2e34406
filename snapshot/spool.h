/*
 * spool.h - bytes that wait: in memory while they are few, then in a temporary file without a name.
 *
 * One thread writes at a time; any thread reads what has been written.  Until the first read by
 * another thread spool_to_file() must have been called, so that nothing moves under the reader.
 * Gone with the process, however that ends.
 */
#ifndef SNAPSHOT_SPOOL_H
#define SNAPSHOT_SPOOL_H

#include <stddef.h>
#include <stdint.h>

struct err;
struct io_source;
struct spool;

/* dir: where to put the file; NULL, or not usable (said once, as a warning): $TMPDIR, /var/tmp,
 * /tmp, and at last memory.  memory_max: bytes that are kept in memory before there is a file. */
int spool_new(const char *dir, size_t memory_max, struct spool **ret_spool, struct err *err);
void spool_free(struct spool *spool); /* NULL is fine */

/* Write within what is there, or right at its end.  ERR_IO with a hint when the disk is full. */
int spool_write(struct spool *spool, uint64_t offset, const void *data, size_t len,
                struct err *err);
int spool_append(struct spool *spool, const void *data, size_t len, struct err *err);
/* Exactly len bytes. */
int spool_read(struct spool *spool, uint64_t offset, void *data, size_t len, struct err *err);
uint64_t spool_size(const struct spool *spool);

/* Move to a file now.  fd >= 0 (borrowed, empty): to that one, which then holds all of the spool at
 * the same offsets and is written back to disk as it grows; -1: to a temporary one, unless it is in
 * a file already. */
int spool_to_file(struct spool *spool, int fd, struct err *err);
/* Read [offset, offset + len) as often as wanted; the spool must outlive the source. */
int spool_source(struct spool *spool, uint64_t offset, uint64_t len, struct io_source **ret_source,
                 struct err *err);
/* Nobody will read these bytes again: give their room back, unless the file is borrowed.  From any
 * thread. */
void spool_release(struct spool *spool, uint64_t offset, uint64_t len);
/* The most bytes that were held, and not released, at any time. */
uint64_t spool_held_max(const struct spool *spool);

#endif
