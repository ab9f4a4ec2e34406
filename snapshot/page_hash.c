#include "snapshot/page_hash.h"

#include <string.h>

#include <xxhash.h>

#include "base/buf.h"
#include "base/parse.h"
#include "snapshot/wire.h"

struct page_hash page_hash(uint64_t seed, uint32_t page_number, const void *page, size_t page_size)
{
    const XXH128_hash_t hash = XXH3_128bits_withSeed(page, page_size, seed + page_number);

    return (struct page_hash){ hash.low64, hash.high64 };
}

void page_hash_xor(struct page_hash *sum, struct page_hash hash)
{
    sum->low ^= hash.low;
    sum->high ^= hash.high;
}

bool page_hash_eq(struct page_hash a, struct page_hash b)
{
    return a.low == b.low && a.high == b.high;
}

void page_hash_encode(struct page_hash hash, uint8_t out[PAGE_HASH_SIZE])
{
    wire_put_u64(out, hash.low);
    wire_put_u64(out + 8, hash.high);
}

struct page_hash page_hash_decode(const uint8_t data[PAGE_HASH_SIZE])
{
    return (struct page_hash){ wire_get_u64(data), wire_get_u64(data + 8) };
}

void page_hash_format(struct page_hash hash, char out[PAGE_HASH_TEXT_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t bytes[PAGE_HASH_SIZE];

    page_hash_encode(hash, bytes);
    for (size_t i = 0; i < PAGE_HASH_SIZE; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[PAGE_HASH_TEXT_SIZE - 1] = '\0';
}

bool page_hash_parse(const char *text, struct page_hash *ret_hash)
{
    uint8_t bytes[PAGE_HASH_SIZE];

    if (parse_hex(text, bytes, sizeof(bytes), NULL) < 0)
        return false;
    *ret_hash = page_hash_decode(bytes);
    return true;
}

bool page_size_is_valid(uint64_t page_size)
{
    return page_size >= PAGE_SIZE_MIN && page_size <= PAGE_SIZE_MAX &&
           (page_size & (page_size - 1)) == 0;
}

uint32_t page_lock_byte(uint32_t page_size)
{
    return (UINT32_C(1) << 30) / page_size + 1;
}
