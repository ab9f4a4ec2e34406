#include "snapshot/hash_spool.h"

#include "base/err.h"
#include "snapshot/spool.h"

#include <stdlib.h>

#define MEMORY_MAX  (1u << 20)
#define CHUNK_PAGES 256u /* converted at a time */

struct hash_spool {
    struct spool *spool;
};

int hash_spool_new(const char *dir, struct hash_spool **ret_hashes, struct err *err)
{
    static const uint8_t page_one[PAGE_HASH_SIZE]; /* which is known last */
    struct hash_spool *hashes = calloc(1, sizeof(*hashes));
    int r;

    if (hashes == NULL)
        return err_nomem(err);
    r = spool_new(dir, MEMORY_MAX, &hashes->spool, err);
    if (r == 0)
        r = spool_append(hashes->spool, page_one, sizeof(page_one), err);
    if (r < 0) {
        hash_spool_free(hashes);
        return r;
    }
    *ret_hashes = hashes;
    return 0;
}

void hash_spool_free(struct hash_spool *hashes)
{
    if (hashes == NULL)
        return;
    spool_free(hashes->spool);
    free(hashes);
}

static uint64_t page_offset(uint32_t page_number)
{
    return (uint64_t)(page_number - 1) * PAGE_HASH_SIZE;
}

int hash_spool_put(struct hash_spool *hashes, uint32_t first_page, const struct page_hash *from,
                   uint32_t page_count, struct err *err)
{
    uint8_t stored[CHUNK_PAGES * PAGE_HASH_SIZE];
    int r;

    for (uint32_t done = 0; done < page_count;) {
        uint32_t n = page_count - done < CHUNK_PAGES ? page_count - done : CHUNK_PAGES;

        for (uint32_t i = 0; i < n; i++)
            page_hash_encode(from[done + i], stored + (size_t)i * PAGE_HASH_SIZE);
        r = spool_write(hashes->spool, page_offset(first_page + done), stored,
                        (size_t)n * PAGE_HASH_SIZE, err);
        if (r < 0)
            return r;
        done += n;
    }
    return 0;
}

int hash_spool_get(struct hash_spool *hashes, uint32_t first_page, struct page_hash *to,
                   uint32_t page_count, struct err *err)
{
    uint8_t stored[CHUNK_PAGES * PAGE_HASH_SIZE];
    int r;

    for (uint32_t done = 0; done < page_count;) {
        uint32_t n = page_count - done < CHUNK_PAGES ? page_count - done : CHUNK_PAGES;

        r = spool_read(hashes->spool, page_offset(first_page + done), stored,
                       (size_t)n * PAGE_HASH_SIZE, err);
        if (r < 0)
            return r;
        for (uint32_t i = 0; i < n; i++)
            to[done + i] = page_hash_decode(stored + (size_t)i * PAGE_HASH_SIZE);
        done += n;
    }
    return 0;
}
