/*
 * memory_store.h - objects in memory, with the ways in which servers treat conditional writes.
 *
 * Unlike the real stores a plain put replaces, as S3 does.  One thread at a time.
 */
#ifndef TESTS_HARNESS_MEMORY_STORE_H
#define TESTS_HARNESS_MEMORY_STORE_H

#include <stdbool.h>

struct err;
struct object_store;

enum memory_conditional {
    MEMORY_SUPPORTS,
    MEMORY_REFUSES,
    MEMORY_IGNORES
};

/* What is to happen at which call; may be changed at any time. */
struct memory_quirks {
    enum memory_conditional conditional;
    int calls;      /* counted from 1, of any kind */
    int fail_at;    /* this call does nothing and fails with ERR_NET; 0: none */
    int lose_at;    /* this call takes effect, and its answer is lost: ERR_NET */
    int retry_lost; /* that many lost puts are tried again inside, as the S3 client does */
    /* Called before each put, outside of the count: another writer's chance.  May be NULL. */
    void (*before_put)(void *context, const char *key);
    void *context;
};

/* quirks are borrowed. */
int memory_store_new(struct memory_quirks *quirks, struct object_store **ret_store,
                     struct err *err);
int memory_store_count(const struct object_store *store);

#endif
