/*
 * object_store.h - the one interface to where backups are kept.
 *
 * Objects are written once under their own name, whole or not at all, and never overwritten.  Keys
 * are relative to the store's root (an S3 bucket's prefix, a directory): segments of
 * [A-Za-z0-9._-] joined by single slashes, no segment "." or ".." and none that begins with a dot,
 * at most 900 bytes; anything else is ERR_CONFIG.  Safe from many threads.  All stores pass the
 * same conformance test (tests/integ/test_store_conformance.c).
 *
 * Errors, beside the transport's own: ERR_NOT_FOUND, ERR_EXISTS, ERR_DENIED, ERR_UNSUPPORTED.
 */
#ifndef STORE_OBJECT_STORE_H
#define STORE_OBJECT_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct io_sink;
struct io_source;
struct object_store;
struct object_upload;

#define OBJECT_KEY_LEN_MAX 900
#define OBJECT_TO_END      UINT64_MAX

struct object_info {
    uint64_t size; /* bytes */
    int64_t modified_ms;
};

/* info is NULL for a common prefix.  A negative return ends the listing with that code. */
typedef int (*object_list_fn)(void *context, const char *key, const struct object_info *info,
                              struct err *err);

enum object_put_mode {
    OBJECT_PUT_PLAIN,     /* the caller knows the name is new */
    OBJECT_PUT_IF_ABSENT, /* ERR_EXISTS when it is there; ERR_UNSUPPORTED when the store can't say
                           */
};

struct object_store_ops {
    /* One small object (a manifest, a pack of one part), durable when this returns. */
    int (*put)(struct object_store *store, const char *key, struct io_source *body,
               enum object_put_mode mode, struct err *err);
    /* Bytes [offset, offset+len) to sink, not finished; OBJECT_TO_END for the rest.  An object
     * that ends before offset+len is ERR_CORRUPT.  ret_info may be NULL. */
    int (*get)(struct object_store *store, const char *key, uint64_t offset, uint64_t len,
               struct io_sink *sink, struct object_info *ret_info, struct err *err);
    int (*head)(struct object_store *store, const char *key, struct object_info *ret_info,
                struct err *err);
    /* Every object whose key starts with prefix (a string prefix, "" for all), in byte order of
     * keys, only those greater than start_after unless that is NULL. */
    int (*list)(struct object_store *store, const char *prefix, const char *start_after,
                object_list_fn callback, void *context, struct err *err);
    /* The names directly below prefix ("" or ending in '/') that are folders, each ending in '/'.
     */
    int (*list_prefixes)(struct object_store *store, const char *prefix, object_list_fn callback,
                         void *context, struct err *err);
    /* Absent keys are no error.  One that cannot be deleted does not keep the others from it; of
     * several failures the first is returned. */
    int (*delete)(struct object_store *store, const char *const *keys, size_t key_count,
                  struct err *err);
    /* Begin a large object in equal parts of part_size bytes (the last may be smaller). */
    int (*upload_new)(struct object_store *store, const char *key, uint64_t part_size,
                      struct object_upload **ret_upload, struct err *err);
    /* Give up every upload below prefix (ending in '/') that was begun before before_ms and never
     * finished: what killed programs left.  dry_run: only count.  *ret_count: how many. */
    int (*abort_uploads)(struct object_store *store, const char *prefix, int64_t before_ms,
                         bool dry_run, size_t *ret_count, struct err *err);
    /* What time it is for the store, whose modified_ms may be by another clock than ours.  No
     * request: as far as it is known. */
    int64_t (*now_ms)(struct object_store *store);
    /* The part size to use for an object of at most size_max bytes, given what is wanted (0: the
     * store's default). */
    int (*part_size)(struct object_store *store, uint64_t size_max, uint64_t wanted,
                     uint64_t *ret_part_size, struct err *err);
    /* Lock an object that is there as if it were written now; *ret_until_ms: until when.  NULL in
     * a store that locks nothing. */
    int (*lock)(struct object_store *store, const char *key, int64_t *ret_until_ms,
                struct err *err);
    void (*free)(struct object_store *store);
};

#define STORE_CONCURRENCY_DEFAULT 4u
#define STORE_CONCURRENCY_MAX     16u

struct object_store {
    const struct object_store_ops *ops;
    char *url; /* canonical, without credentials: names the store in messages and JSON; owned */
    /* For how long what is written can be neither deleted nor replaced; 0: that is not so.  What is
     * promised is lock_promise_ms; lock_ms is longer, so that a lock need not be renewed each time
     * that something new depends on what is old. */
    int64_t lock_promise_ms, lock_ms;
    /* Parts that are sent, and ranges that are fetched, at the same time; 0: the default.  Set
     * once, by who opens the store. */
    unsigned upload_concurrency, download_concurrency;
};

/* A large object on its way: invisible until finish, gone after abort. */
struct object_upload_ops {
    /* A descriptor into which the bytes may be written in place, at their offsets in the object,
     * instead of being sent as parts; -1 where there is none.  Owned by the upload. */
    int (*direct_fd)(struct object_upload *upload);
    /* part_index from 0, any order, from any thread. */
    int (*part)(struct object_upload *upload, unsigned part_index, struct io_source *body,
                struct err *err);
    /* Make it visible and durable.  size is the object's; every part below it was sent (or every
     * byte written through direct_fd).  ERR_EXISTS if the key is there and the store can tell. */
    int (*finish)(struct object_upload *upload, uint64_t size, struct err *err);
    void (*abort)(struct object_upload *upload); /* idempotent; a no-op after finish */
    void (*free)(struct object_upload *upload);  /* aborts if unfinished */
};

struct object_upload {
    const struct object_upload_ops *ops;
};

/* Thin calls through the table; they check keys and wrap nothing. */
int object_put(struct object_store *store, const char *key, struct io_source *body,
               enum object_put_mode mode, struct err *err);
int object_put_bytes(struct object_store *store, const char *key, const void *data, size_t len,
                     enum object_put_mode mode, struct err *err);
int object_get(struct object_store *store, const char *key, uint64_t offset, uint64_t len,
               struct io_sink *sink, struct object_info *ret_info, struct err *err);
int object_head(struct object_store *store, const char *key, struct object_info *ret_info,
                struct err *err);
int object_list(struct object_store *store, const char *prefix, const char *start_after,
                object_list_fn callback, void *context, struct err *err);
int object_list_prefixes(struct object_store *store, const char *prefix, object_list_fn callback,
                         void *context, struct err *err);
int object_delete(struct object_store *store, const char *const *keys, size_t key_count,
                  struct err *err);
int object_upload_new(struct object_store *store, const char *key, uint64_t part_size,
                      struct object_upload **ret_upload, struct err *err);
int object_abort_uploads(struct object_store *store, const char *prefix, int64_t before_ms,
                         bool dry_run, size_t *ret_count, struct err *err);
int64_t object_now_ms(struct object_store *store);
int object_part_size(struct object_store *store, uint64_t size_max, uint64_t wanted,
                     uint64_t *ret_part_size, struct err *err);
/* ERR_UNSUPPORTED in a store that locks nothing. */
int object_lock(struct object_store *store, const char *key, int64_t *ret_until_ms,
                struct err *err);
/* Whether it is the whole store that is not there (a bucket), and not one object of it. */
bool object_store_is_missing(const struct err *why);
void object_store_free(struct object_store *store);    /* NULL is fine */
void object_upload_free(struct object_upload *upload); /* NULL is fine */

/* 0, or ERR_CONFIG for a key that the rules above forbid.  Pure. */
int object_key_check(const char *key, struct err *err);

#endif
