/*
 * frame.h - one zstd frame of consecutive page slots.
 *
 * Every frame states its content size and carries a checksum.  This is also the one place where
 * frames will be sealed when encryption comes.
 *
 * Source: RFC 8878
 */
#ifndef SNAPSHOT_FRAME_H
#define SNAPSHOT_FRAME_H

#include <stddef.h>
#include <stdint.h>

struct err;
struct frame_codec;

/* Raw bytes that a frame is filled up to: whole pages, at least one. */
#define FRAME_RAW_SIZE (256u << 10)
/* No frame holds more: the bound that readers enforce before they allocate. */
#define FRAME_RAW_SIZE_MAX (256u << 10)
/* Stored bytes of any legal frame are at most this. */
#define FRAME_STORED_SIZE_MAX ((256u << 10) + 2048u)

static inline uint32_t frame_slots(uint32_t page_size)
{
    return FRAME_RAW_SIZE / page_size;
}

/* One thread's compressor and decompressor; level 1..19. */
int frame_codec_new(int level, struct frame_codec **ret_codec, struct err *err);
void frame_codec_free(struct frame_codec *codec);

/* out has room for FRAME_STORED_SIZE_MAX bytes; raw_len <= FRAME_RAW_SIZE_MAX. */
int frame_encode(struct frame_codec *codec, const void *raw, size_t raw_len, void *out,
                 size_t *ret_len, struct err *err);
/* raw_len is what the frame must hold, exactly; anything else, a bad checksum, trailing bytes or a
 * frame that claims more is ERR_CORRUPT. */
int frame_decode(struct frame_codec *codec, const void *stored, size_t stored_len, void *raw,
                 size_t raw_len, struct err *err);

/* The lengths of the frame that data begins with, stored and decoded, from the frame itself: for
 * when nothing else tells them.  ERR_CORRUPT. */
int frame_lengths(const void *data, size_t len, size_t *ret_stored_len, size_t *ret_raw_len,
                  struct err *err);

/* The first frame of a full pack holds page 1 alone in one raw block, so that its length is known
 * before its content is. */
static inline size_t frame_stored_page_len(uint32_t page_size)
{
    return 4u + 1u + 2u + 3u + page_size +
           4u; /* magic, descriptor, content size, block, checksum */
}
/* out has room for frame_stored_page_len() bytes. */
void frame_encode_stored_page(const void *page, uint32_t page_size, void *out);

#endif
