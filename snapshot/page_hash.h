/*
 * page_hash.h - the 128-bit hash of one page, and the database hash made of them.  Pure.
 *
 * hash(page) = XXH3-128 (xxhash 0.8, github.com/Cyan4973/xxHash, doc/xxhash_spec.md) over the
 * page's bytes with the 64-bit seed `manifest seed + page number` (mod 2^64).  The database hash is
 * the XOR of the hashes of all pages 1..page_count, so it can be kept up to date page by page.
 * The lock-byte page counts as a page of zeros.  Finds changes and damage, not forgery.
 */
#ifndef SNAPSHOT_PAGE_HASH_H
#define SNAPSHOT_PAGE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_HASH_SIZE 16 /* stored: low 64 bits little-endian, then high 64 bits little-endian */

struct page_hash {
    uint64_t low, high;
};

struct page_hash page_hash(uint64_t seed, uint32_t page_number, const void *page, size_t page_size);
void page_hash_xor(struct page_hash *sum, struct page_hash hash);
bool page_hash_eq(struct page_hash a, struct page_hash b);
void page_hash_encode(struct page_hash hash, uint8_t out[PAGE_HASH_SIZE]);
struct page_hash page_hash_decode(const uint8_t data[PAGE_HASH_SIZE]);

#define PAGE_HASH_TEXT_SIZE 33 /* 32 hex digits of the stored bytes, and the NUL */
void page_hash_format(struct page_hash hash, char out[PAGE_HASH_TEXT_SIZE]);
bool page_hash_parse(const char *text, struct page_hash *ret_hash);

#define PAGE_SIZE_MIN 512u
#define PAGE_SIZE_MAX 65536u
bool page_size_is_valid(uint64_t page_size); /* a power of two, 512..65536 */
/* The page that SQLite never uses: it holds byte 2^30.  sqlite.org/fileformat2.html#lockbyte */
uint32_t page_lock_byte(uint32_t page_size);

#endif
