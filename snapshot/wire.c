#include "snapshot/wire.h"

#include "base/buf.h"

#define VARINT_LEN_MAX 10u

void wire_put_u32(uint8_t *to, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        to[i] = (uint8_t)(value >> (8 * i));
}

void wire_put_u64(uint8_t *to, uint64_t value)
{
    wire_put_u32(to, (uint32_t)value);
    wire_put_u32(to + 4, (uint32_t)(value >> 32));
}

uint32_t wire_get_u32(const uint8_t *from)
{
    return (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 |
           (uint32_t)from[3] << 24;
}

uint64_t wire_get_u64(const uint8_t *from)
{
    return wire_get_u32(from) | (uint64_t)wire_get_u32(from + 4) << 32;
}

void wire_add_varint(struct buf *out, uint64_t value)
{
    uint8_t bytes[VARINT_LEN_MAX];
    size_t len = 0;

    while (value >= 0x80) {
        bytes[len++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    bytes[len++] = (uint8_t)value;
    buf_add(out, bytes, len);
}

uint64_t wire_read_varint(struct wire_reader *reader, uint64_t max)
{
    uint64_t value = 0;

    for (unsigned shift = 0; !reader->failed; shift += 7) {
        const uint8_t *byte = wire_read_bytes(reader, 1);
        uint64_t bits;

        if (byte == NULL)
            break;
        bits = *byte & 0x7f;
        if (shift > 63 || bits << shift >> shift != bits)
            break;
        value |= bits << shift;
        if ((*byte & 0x80) == 0) {
            if (value > max)
                break;
            return value;
        }
    }
    reader->failed = true;
    return 0;
}

const uint8_t *wire_read_bytes(struct wire_reader *reader, size_t len)
{
    const uint8_t *bytes = reader->at;

    if (reader->failed || wire_left(reader) < len) {
        reader->failed = true;
        return NULL;
    }
    reader->at += len;
    return bytes;
}
