/*
 * fetch.h - the pages of one backup, out of the store, each verified before it is handed on.
 *
 * Memory is a frame or two a thread, the page map, and the page hashes, which go to a temporary
 * file when there are many.  A page whose hash differs, a frame that does not decode, a pack that
 * ends early: ERR_CORRUPT, naming backup, pack and page or frame.
 */
#ifndef SNAPSHOT_FETCH_H
#define SNAPSHOT_FETCH_H

#include "snapshot/manifest.h"

struct err;
struct fetch;
struct fetch_options;
struct fetch_tally;
struct io_sink;
struct object_store;

#define FETCH_THREADS_MAX 32u

/* Read the page map and the hashes: all that is needed but the pages.  The arguments are borrowed
 * until fetch_close(). */
int fetch_open(struct object_store *store, const struct manifest *manifest,
               const struct backup_record *backup, const struct fetch_options *options,
               struct fetch **ret_fetch, struct err *err);
/* Another backup of the same manifest, with the same options.  Page hashes that sibling has read
 * are not read again, so it must be closed later. */
int fetch_open_beside(const struct fetch *sibling, const struct backup_record *backup,
                      struct fetch **ret_fetch, struct err *err);
void fetch_close(struct fetch *fetch); /* NULL is fine */

/* Every page to its place in fd, by many threads, but for those that seed_copy() has put there.
 * name is for messages. */
int fetch_to_file(struct fetch *fetch, int fd, const char *name, struct err *err);

/* Every page to the sink, in page order; does not finish it. */
int fetch_to_sink(struct fetch *fetch, struct io_sink *sink, struct err *err);

/* What was copied and read so far. */
struct fetch_tally fetch_tally(const struct fetch *fetch);

#endif
