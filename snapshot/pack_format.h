/*
 * pack_format.h - what follows the frames in a pack: index blocks and the seek table.  Pure.
 *
 *   frame 0 .. frame n-1        zstd frames of page slots
 *   index blocks                skippable frames (magic 0x184D2A5D): INDEX_HASHES..., INDEX_MAP,
 *                               INDEX_INFO, in this order
 *   seek table                  the zstd seekable format's skippable frame; one entry a frame,
 *                               index blocks included with a decompressed size of 0
 *
 * The index is several blocks and not one, so that neither writing nor reading it needs memory in
 * proportion to the database.  Byte by byte: docs/format.md.
 *
 * Source: RFC 8878 section 3.1.2; github.com/facebook/zstd
 * contrib/seekable_format/zstd_seekable_compression_format.md
 */
#ifndef SNAPSHOT_PACK_FORMAT_H
#define SNAPSHOT_PACK_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "snapshot/page_hash.h"

struct buf;
struct err;

enum index_type {
    INDEX_HASHES = 1,
    INDEX_MAP = 2,
    INDEX_INFO = 3
};

#define INDEX_BLOCK_SLOTS_MAX 65536u              /* slots in one INDEX_HASHES block */
#define INDEX_BLOCK_RAW_MAX   (UINT64_C(1) << 30) /* bytes of a payload before compression */

/* Append one index block (skippable frame header, block header, payload compressed when that is
 * smaller, checksum) to out. */
int index_block_encode(enum index_type type, const void *payload, size_t payload_len,
                       struct buf *out, struct err *err);

/* Read the block at data: verify magic, type, bounds and checksum, append the payload to
 * ret_payload (its cap is the bound on memory) and say how many stored bytes it took. */
int index_block_decode(const void *data, size_t len, enum index_type type, struct buf *ret_payload,
                       size_t *ret_stored_len, struct err *err);

/* Stored length of the index block that begins at data, from its first 8 bytes. */
int index_block_len(const void *data, size_t len, uint64_t *ret_stored_len, struct err *err);

struct index_slot {
    uint32_t page_number;
    struct page_hash hash;
};

/* Payload of INDEX_HASHES: slots first_slot .. first_slot+slot_count-1, page numbers ascending. */
int index_hashes_encode(uint64_t first_slot, const struct index_slot *slots, uint32_t slot_count,
                        struct buf *out, struct err *err);
/* slots has room for INDEX_BLOCK_SLOTS_MAX. */
int index_hashes_decode(const void *data, size_t len, uint64_t *ret_first_slot,
                        struct index_slot *slots, uint32_t *ret_slot_count, struct err *err);

struct seek_entry {
    uint32_t stored_len; /* bytes in the object */
    uint32_t raw_len;    /* bytes decompressed; 0 for an index block */
};

#define SEEK_FOOTER_LEN 9u
/* The complete skippable frame. */
int seek_table_encode(const struct seek_entry *entries, uint32_t entry_count, struct buf *out,
                      struct err *err);
/* From the object's last SEEK_FOOTER_LEN bytes: the table's stored length with all its headers. */
int seek_table_footer(const uint8_t footer[SEEK_FOOTER_LEN], uint64_t *ret_table_len,
                      struct err *err);
/* data is the whole table; *ret_entries is malloc'd. */
int seek_table_decode(const void *data, size_t len, struct seek_entry **ret_entries,
                      uint32_t *ret_entry_count, struct err *err);

#endif
