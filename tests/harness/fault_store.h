/*
 * fault_store.h - a store in front of another one that counts calls and fails one of them.
 *
 * Counted are put, get, head, list, delete, upload_new, abort_uploads, lock, and an upload's part
 * and finish; each from whatever thread.  A call that fails has done nothing.
 */
#ifndef TESTS_HARNESS_FAULT_STORE_H
#define TESTS_HARNESS_FAULT_STORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct clock;
struct err;
struct object_store;

struct fault_store_options {
    uint64_t part_size; /* 0: the inner store's */
    bool no_direct_fd;  /* parts are sent, as to a server */
    int code;           /* of the failure; 0: ERR_SERVER */
    /* The store's own clock, by which objects bear the time when they were put and uploads that of
     * the inner store's; NULL: the inner store's. */
    struct clock *clock;
    /* Before each call that is counted, which it may not be itself; may be NULL. */
    void (*before)(void *context, const char *operation, const char *key);
    void *context;
};

struct fault_store_counters {
    atomic_uint calls;
    atomic_uint fail_at;      /* call, from 1; 0: never */
    atomic_uint puts;         /* put calls alone */
    atomic_uint gets;         /* get calls alone */
    atomic_ullong get_bytes;  /* that they were asked for, with an end */
    atomic_uint get_delay_ms; /* how long each get takes at least */
    atomic_uint gets_open;    /* under way now, and the most at any time */
    atomic_uint gets_open_max;
    atomic_uint parts;         /* part calls alone */
    atomic_uint part_delay_ms; /* as of gets, and the next two */
    atomic_uint parts_open;
    atomic_uint parts_open_max;
    atomic_uint uploads_open;    /* begun, and neither finished nor freed */
    atomic_uint uploads_aborted; /* freed without a finish that went well */
};

/* Takes ownership of inner; counters are borrowed and may be set and read at any time. */
int fault_store_new(struct object_store *inner, const struct fault_store_options *options,
                    struct fault_store_counters *counters, struct object_store **ret_store,
                    struct err *err);

#endif
