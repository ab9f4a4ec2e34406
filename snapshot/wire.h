/*
 * wire.h - little-endian integers and varints, as packs store them.  Pure.
 *
 * A varint is LEB128: seven bits a byte, least significant first, the high bit says that more
 * follow; at most ten bytes.
 */
#ifndef SNAPSHOT_WIRE_H
#define SNAPSHOT_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

void wire_put_u32(uint8_t *to, uint32_t value);
void wire_put_u64(uint8_t *to, uint64_t value);
uint32_t wire_get_u32(const uint8_t *from);
uint64_t wire_get_u64(const uint8_t *from);

void wire_add_varint(struct buf *out, uint64_t value);

/* Reading what may be damaged: once something is missing or out of range, failed is set and every
 * further read gives 0. */
struct wire_reader {
    const uint8_t *at, *end;
    bool failed;
};

static inline size_t wire_left(const struct wire_reader *reader)
{
    return (size_t)(reader->end - reader->at);
}

/* A varint of at most max. */
uint64_t wire_read_varint(struct wire_reader *reader, uint64_t max);
/* len bytes in place; NULL when there are fewer. */
const uint8_t *wire_read_bytes(struct wire_reader *reader, size_t len);

#endif
