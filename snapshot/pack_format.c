#include "snapshot/pack_format.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>
#include <zstd.h>

#include "base/buf.h"
#include "base/err.h"
#include "snapshot/wire.h"

#define SKIPPABLE_HEADER_LEN 8u /* magic, length of what follows */
#define INDEX_SKIPPABLE      0x184D2A5Du
#define SEEK_SKIPPABLE       0x184D2A5Eu
#define SEEK_MAGIC           0x8F92EAB1u
#define SEEK_ENTRY_LEN       8u
#define SEEK_ENTRIES_MAX     0x8000000u /* of the seekable format: ZSTD_SEEKABLE_MAXFRAMES */

/* Block header after the skippable frame's: "HFIX", version, type, encoding, reserved 0, payload's
 * raw length, payload's stored length; then the payload; then XXH64 of header and payload. */
#define BLOCK_MAGIC        0x58494648u /* "HFIX" */
#define BLOCK_VERSION      1u
#define BLOCK_HEADER_LEN   16u
#define BLOCK_CHECKSUM_LEN 8u
#define ENCODING_RAW       0u
#define ENCODING_ZSTD      1u
#define INDEX_LEVEL        3 /* of zstd: hashes do not compress, page maps and JSON well */

static int corrupt(struct err *err, const char *what)
{
    return err_set(err, ERR_CORRUPT, "pack index: %s", what);
}

int index_block_encode(enum index_type type, const void *payload, size_t payload_len,
                       struct buf *out, struct err *err)
{
    const size_t bound = ZSTD_compressBound(payload_len);
    const size_t start = out->len;
    uint8_t *to;
    size_t stored_len;
    bool raw;

    if (payload_len > INDEX_BLOCK_RAW_MAX)
        return err_set(err, ERR_LIMIT, "pack index: a block of %zu bytes", payload_len);
    to = buf_reserve(out, SKIPPABLE_HEADER_LEN + BLOCK_HEADER_LEN + bound + BLOCK_CHECKSUM_LEN);
    if (to == NULL)
        return buf_check(out, err);
    stored_len = ZSTD_compress(to + SKIPPABLE_HEADER_LEN + BLOCK_HEADER_LEN, bound, payload,
                               payload_len, INDEX_LEVEL);
    raw = ZSTD_isError(stored_len) || stored_len >= payload_len;
    if (raw) {
        stored_len = payload_len;
        if (payload_len > 0)
            memcpy(to + SKIPPABLE_HEADER_LEN + BLOCK_HEADER_LEN, payload, payload_len);
    }
    wire_put_u32(to, INDEX_SKIPPABLE);
    wire_put_u32(to + 4, (uint32_t)(BLOCK_HEADER_LEN + stored_len + BLOCK_CHECKSUM_LEN));
    to += SKIPPABLE_HEADER_LEN;
    wire_put_u32(to, BLOCK_MAGIC);
    to[4] = BLOCK_VERSION;
    to[5] = (uint8_t)type;
    to[6] = (uint8_t)(raw ? ENCODING_RAW : ENCODING_ZSTD);
    to[7] = 0;
    wire_put_u32(to + 8, (uint32_t)payload_len);
    wire_put_u32(to + 12, (uint32_t)stored_len);
    wire_put_u64(to + BLOCK_HEADER_LEN + stored_len, XXH64(to, BLOCK_HEADER_LEN + stored_len, 0));
    buf_commit(out, SKIPPABLE_HEADER_LEN + BLOCK_HEADER_LEN + stored_len + BLOCK_CHECKSUM_LEN);
    assert(out->len > start);
    return 0;
}

int index_block_len(const void *data, size_t len, uint64_t *ret_stored_len, struct err *err)
{
    const uint8_t *from = data;

    if (len < SKIPPABLE_HEADER_LEN || wire_get_u32(from) != INDEX_SKIPPABLE)
        return corrupt(err, "no block where one should begin");
    *ret_stored_len = SKIPPABLE_HEADER_LEN + (uint64_t)wire_get_u32(from + 4);
    return 0;
}

/* The payload of the block whose header, payload and checksum begin at `from`. */
static int decode_payload(const uint8_t *from, struct buf *ret_payload, struct err *err)
{
    const uint32_t raw_len = wire_get_u32(from + 8), stored_len = wire_get_u32(from + 12);
    const uint8_t *stored = from + BLOCK_HEADER_LEN;
    void *to;
    size_t len;

    if (raw_len > INDEX_BLOCK_RAW_MAX)
        return corrupt(err, "a block that claims too much");
    if (raw_len == 0)
        return 0;
    to = buf_reserve(ret_payload, raw_len);
    if (to == NULL)
        return buf_check(ret_payload, err);
    if (from[6] == ENCODING_RAW) {
        if (stored_len != raw_len)
            return corrupt(err, "a block of two lengths");
        memcpy(to, stored, raw_len);
    } else {
        len = ZSTD_decompress(to, raw_len, stored, stored_len);
        if (ZSTD_isError(len) || len != raw_len)
            return corrupt(err, "a block that does not decompress");
    }
    buf_commit(ret_payload, raw_len);
    return 0;
}

int index_block_decode(const void *data, size_t len, enum index_type type, struct buf *ret_payload,
                       size_t *ret_stored_len, struct err *err)
{
    const uint8_t *from = (const uint8_t *)data + SKIPPABLE_HEADER_LEN;
    uint64_t total;
    size_t stored_len;
    int r;

    r = index_block_len(data, len, &total, err);
    if (r < 0)
        return r;
    if (total > len)
        return corrupt(err, "a block that is cut off");
    if (total < SKIPPABLE_HEADER_LEN + BLOCK_HEADER_LEN + BLOCK_CHECKSUM_LEN)
        return corrupt(err, "a block without a header");
    stored_len = (size_t)total - SKIPPABLE_HEADER_LEN - BLOCK_HEADER_LEN - BLOCK_CHECKSUM_LEN;
    if (wire_get_u64(from + BLOCK_HEADER_LEN + stored_len) !=
        XXH64(from, BLOCK_HEADER_LEN + stored_len, 0))
        return corrupt(err, "a block whose checksum is wrong");
    if (wire_get_u32(from) != BLOCK_MAGIC || wire_get_u32(from + 12) != stored_len)
        return corrupt(err, "a block with a wrong header");
    if (from[4] != BLOCK_VERSION || from[6] > ENCODING_ZSTD || from[7] != 0) {
        return err_set(err, ERR_UNSUPPORTED, "pack index: a block of version %u, encoding %u",
                       from[4], from[6]);
    }
    if (from[5] != (uint8_t)type)
        return corrupt(err, "a block of another type");
    r = decode_payload(from, ret_payload, err);
    if (r == 0)
        *ret_stored_len = (size_t)total;
    return r;
}

int index_hashes_encode(uint64_t first_slot, const struct index_slot *slots, uint32_t slot_count,
                        struct buf *out, struct err *err)
{
    uint8_t hash[PAGE_HASH_SIZE];
    uint32_t next_page = 0;

    assert(slot_count > 0 && slot_count <= INDEX_BLOCK_SLOTS_MAX);
    wire_add_varint(out, first_slot);
    wire_add_varint(out, slot_count);
    /* Page numbers as (gap to the page after the last run, length of this run). */
    for (uint32_t i = 0; i < slot_count;) {
        uint32_t run = 1;

        assert(slots[i].page_number > next_page || (i == 0 && slots[i].page_number > 0) ||
               slots[i].page_number == next_page);
        while (i + run < slot_count && slots[i + run].page_number == slots[i].page_number + run)
            run++;
        wire_add_varint(out, slots[i].page_number - next_page);
        wire_add_varint(out, run);
        next_page = slots[i].page_number + run;
        i += run;
    }
    for (uint32_t i = 0; i < slot_count; i++) {
        page_hash_encode(slots[i].hash, hash);
        buf_add(out, hash, sizeof(hash));
    }
    return buf_check(out, err);
}

/* Page numbers of slot_count slots, ascending. */
static bool read_page_numbers(struct wire_reader *reader, struct index_slot *slots,
                              uint32_t slot_count)
{
    uint64_t next_page = 0;

    for (uint32_t i = 0; i < slot_count;) {
        const uint64_t page = next_page + wire_read_varint(reader, UINT32_MAX);
        const uint64_t run = wire_read_varint(reader, slot_count - i);

        if (reader->failed || run == 0 || page == 0 || page + run - 1 > UINT32_MAX)
            return false;
        for (uint64_t k = 0; k < run; k++)
            slots[i++].page_number = (uint32_t)(page + k);
        next_page = page + run;
    }
    return true;
}

int index_hashes_decode(const void *data, size_t len, uint64_t *ret_first_slot,
                        struct index_slot *slots, uint32_t *ret_slot_count, struct err *err)
{
    struct wire_reader reader = { data, (const uint8_t *)data + len, false };
    const uint64_t first_slot = wire_read_varint(&reader, UINT64_MAX / 2);
    const uint32_t slot_count = (uint32_t)wire_read_varint(&reader, INDEX_BLOCK_SLOTS_MAX);

    if (reader.failed || slot_count == 0 || !read_page_numbers(&reader, slots, slot_count))
        return corrupt(err, "hashes with bad page numbers");
    if (wire_left(&reader) != (size_t)slot_count * PAGE_HASH_SIZE)
        return corrupt(err, "hashes of a wrong length");
    for (uint32_t i = 0; i < slot_count; i++)
        slots[i].hash = page_hash_decode(reader.at + (size_t)i * PAGE_HASH_SIZE);
    *ret_first_slot = first_slot;
    *ret_slot_count = slot_count;
    return 0;
}

int seek_table_encode(const struct seek_entry *entries, uint32_t entry_count, struct buf *out,
                      struct err *err)
{
    const uint64_t body_len = (uint64_t)entry_count * SEEK_ENTRY_LEN + SEEK_FOOTER_LEN;
    uint8_t *to;

    if (entry_count > SEEK_ENTRIES_MAX) {
        return err_set(err, ERR_LIMIT, "a pack of %u frames, more than the seekable format allows",
                       entry_count);
    }
    to = buf_reserve(out, SKIPPABLE_HEADER_LEN + (size_t)body_len);
    if (to == NULL)
        return buf_check(out, err);
    wire_put_u32(to, SEEK_SKIPPABLE);
    wire_put_u32(to + 4, (uint32_t)body_len);
    to += SKIPPABLE_HEADER_LEN;
    for (uint32_t i = 0; i < entry_count; i++, to += SEEK_ENTRY_LEN) {
        wire_put_u32(to, entries[i].stored_len);
        wire_put_u32(to + 4, entries[i].raw_len);
    }
    wire_put_u32(to, entry_count);
    to[4] = 0; /* descriptor: no checksum an entry, the frames have their own */
    wire_put_u32(to + 5, SEEK_MAGIC);
    buf_commit(out, SKIPPABLE_HEADER_LEN + (size_t)body_len);
    return 0;
}

int seek_table_footer(const uint8_t footer[SEEK_FOOTER_LEN], uint64_t *ret_table_len,
                      struct err *err)
{
    const uint32_t entry_count = wire_get_u32(footer);

    if (wire_get_u32(footer + 5) != SEEK_MAGIC)
        return err_set(err, ERR_CORRUPT, "pack: does not end in a seek table");
    if (footer[4] != 0 || entry_count > SEEK_ENTRIES_MAX)
        return err_set(err, ERR_CORRUPT, "pack: a seek table of a kind that is never written");
    *ret_table_len =
        SKIPPABLE_HEADER_LEN + (uint64_t)entry_count * SEEK_ENTRY_LEN + SEEK_FOOTER_LEN;
    return 0;
}

int seek_table_decode(const void *data, size_t len, struct seek_entry **ret_entries,
                      uint32_t *ret_entry_count, struct err *err)
{
    const uint8_t *from = data;
    struct seek_entry *entries;
    uint64_t table_len;
    uint32_t entry_count;
    int r;

    if (len < SKIPPABLE_HEADER_LEN + SEEK_FOOTER_LEN)
        return err_set(err, ERR_CORRUPT, "pack: too short for a seek table");
    r = seek_table_footer(from + len - SEEK_FOOTER_LEN, &table_len, err);
    if (r < 0)
        return r;
    if (table_len != len || wire_get_u32(from) != SEEK_SKIPPABLE ||
        wire_get_u32(from + 4) != len - SKIPPABLE_HEADER_LEN)
        return err_set(err, ERR_CORRUPT, "pack: a seek table of a wrong length");
    entry_count = wire_get_u32(from + len - SEEK_FOOTER_LEN);
    entries = calloc(entry_count > 0 ? entry_count : 1, sizeof(*entries));
    if (entries == NULL)
        return err_nomem(err);
    from += SKIPPABLE_HEADER_LEN;
    for (uint32_t i = 0; i < entry_count; i++, from += SEEK_ENTRY_LEN)
        entries[i] = (struct seek_entry){ wire_get_u32(from), wire_get_u32(from + 4) };
    *ret_entries = entries;
    *ret_entry_count = entry_count;
    return 0;
}
