/*
 * version_store.h - what a versioned bucket held at some moment, as a store that is only read.
 *
 * Of each key it has the version that was the newest one then, also when it was deleted or
 * overwritten since.  The versions of a folder are listed once, when something in it is first asked
 * for, and remembered.  Every write is ERR_REFUSED.
 */
#ifndef STORE_VERSION_STORE_H
#define STORE_VERSION_STORE_H

#include <stdint.h>

struct err;
struct object_store;

/* Takes ownership of store, also on failure.  ERR_UNSUPPORTED when it is no bucket, or one that
 * keeps no versions. */
int version_store_new(struct object_store *store, int64_t as_of_ms, struct object_store **ret_store,
                      struct err *err);

/* The store as it is now, borrowed; store itself when it is of another kind. */
struct object_store *version_store_present(struct object_store *store);

#endif
