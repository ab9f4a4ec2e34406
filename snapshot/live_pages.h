/*
 * live_pages.h - which pages of each pack the backups of a manifest need.
 *
 * A page map names the pack that a page was first written to; where that was replaced or repaired
 * (pack_repair.h), the page counts for the last pack of its chain.  A pack has each page number
 * once, so a page number says which slot.
 */
#ifndef SNAPSHOT_LIVE_PAGES_H
#define SNAPSHOT_LIVE_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cancel;
struct err;
struct manifest;
struct object_store;

struct live_pack {
    uint64_t **chunks; /* bits of LIVE_CHUNK_PAGES pages each; NULL: none of these */
    size_t chunk_count;
    uint64_t page_count; /* that are needed */
    uint32_t page_size;  /* of the backups that need them */
    size_t first_user;   /* index of the oldest of those backups */
    bool needs_map;      /* its page map is the base of a needed one */
};

struct live_pages {
    struct live_pack *packs; /* of each pack of the manifest */
    size_t pack_count;
};

#define LIVE_CHUNK_PAGES 1024u
#define LIVE_PAGES_INIT                                                                            \
    {                                                                                              \
        NULL, 0                                                                                    \
    }

/* One or two GETs a backup.  Memory: a bit a page, of the regions of LIVE_CHUNK_PAGES pages in
 * which a pack has any. */
int live_pages_read(struct object_store *store, const struct manifest *manifest,
                    const struct cancel *cancel, struct live_pages *ret_live, struct err *err);
void live_pages_dispose(struct live_pages *live); /* may be repeated */

/* Whether a page number is needed in both. */
bool live_pages_meet(const struct live_pack *a, const struct live_pack *b);

bool live_pages_has(const struct live_pages *live, size_t pack, uint32_t page_number);

#endif
