/*
 * hash_spool.h - the hashes of all pages of one database: 16 bytes a page, in a spool, so that
 * memory does not depend on the number of pages.
 *
 * From one thread at a time.
 */
#ifndef SNAPSHOT_HASH_SPOOL_H
#define SNAPSHOT_HASH_SPOOL_H

#include "snapshot/page_hash.h"

#include <stdint.h>

struct err;
struct hash_spool;

/* dir: as in spool.h.  Holds page 1, as zeros, from the start. */
int hash_spool_new(const char *dir, struct hash_spool **ret_hashes, struct err *err);
void hash_spool_free(struct hash_spool *hashes); /* NULL is fine */
/* Those of page_count pages from first_page: over what is there, or right behind it. */
int hash_spool_put(struct hash_spool *hashes, uint32_t first_page, const struct page_hash *from,
                   uint32_t page_count, struct err *err);
/* Pages that were never put are a programmer's error. */
int hash_spool_get(struct hash_spool *hashes, uint32_t first_page, struct page_hash *to,
                   uint32_t page_count, struct err *err);

#endif
