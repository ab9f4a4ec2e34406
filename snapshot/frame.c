#include "snapshot/frame.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>
#include <zstd.h>

#include "base/err.h"
#include "snapshot/page_hash.h"
#include "snapshot/wire.h"

/* RFC 8878 section 3.1.1.1.1: a two-byte content size (flag 1), single segment, a checksum. */
#define STORED_DESCRIPTOR 0x64u

struct frame_codec {
    ZSTD_CCtx *compressor;
    ZSTD_DCtx *decompressor;
};

_Static_assert(FRAME_STORED_SIZE_MAX >= ZSTD_COMPRESSBOUND(FRAME_RAW_SIZE_MAX),
               "an incompressible frame must fit");

int frame_codec_new(int level, struct frame_codec **ret_codec, struct err *err)
{
    struct frame_codec *codec = calloc(1, sizeof(*codec));

    if (codec == NULL)
        return err_nomem(err);
    codec->compressor = ZSTD_createCCtx();
    codec->decompressor = ZSTD_createDCtx();
    if (codec->compressor == NULL || codec->decompressor == NULL ||
        ZSTD_isError(ZSTD_CCtx_setParameter(codec->compressor, ZSTD_c_compressionLevel, level)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(codec->compressor, ZSTD_c_checksumFlag, 1))) {
        frame_codec_free(codec);
        return err_nomem(err);
    }
    *ret_codec = codec;
    return 0;
}

void frame_codec_free(struct frame_codec *codec)
{
    if (codec == NULL)
        return;
    (void)ZSTD_freeCCtx(codec->compressor);
    (void)ZSTD_freeDCtx(codec->decompressor);
    free(codec);
}

int frame_encode(struct frame_codec *codec, const void *raw, size_t raw_len, void *out,
                 size_t *ret_len, struct err *err)
{
    size_t len;

    assert(raw_len > 0 && raw_len <= FRAME_RAW_SIZE_MAX);
    len = ZSTD_compress2(codec->compressor, out, FRAME_STORED_SIZE_MAX, raw, raw_len);
    if (ZSTD_isError(len))
        return err_set(err, ERR_NOMEM, "compress a frame: %s", ZSTD_getErrorName(len));
    *ret_len = len;
    return 0;
}

int frame_decode(struct frame_codec *codec, const void *stored, size_t stored_len, void *raw,
                 size_t raw_len, struct err *err)
{
    const unsigned long long content_size = ZSTD_getFrameContentSize(stored, stored_len);
    size_t len;

    if (content_size != raw_len)
        return err_set(err, ERR_CORRUPT, "a frame does not hold the %zu bytes it should", raw_len);
    if (ZSTD_findFrameCompressedSize(stored, stored_len) != stored_len)
        return err_set(err, ERR_CORRUPT, "a frame is not the %zu bytes it should be", stored_len);
    len = ZSTD_decompressDCtx(codec->decompressor, raw, raw_len, stored, stored_len);
    if (ZSTD_isError(len))
        return err_set(err, ERR_CORRUPT, "a frame is damaged: %s", ZSTD_getErrorName(len));
    if (len != raw_len)
        return err_set(err, ERR_CORRUPT, "a frame does not hold the %zu bytes it should", raw_len);
    return 0;
}

void frame_encode_stored_page(const void *page, uint32_t page_size, void *out)
{
    uint8_t *to = out;
    const uint32_t content_size = page_size - 256; /* stored so: RFC 8878 section 3.1.1.1.4 */

    assert(page_size_is_valid(page_size));
    wire_put_u32(to, ZSTD_MAGICNUMBER);
    to[4] = STORED_DESCRIPTOR;
    to[5] = (uint8_t)content_size;
    to[6] = (uint8_t)(content_size >> 8);
    to[7] = (uint8_t)(page_size << 3 | 1); /* block header: last, type raw, size */
    to[8] = (uint8_t)(page_size >> 5);
    to[9] = (uint8_t)(page_size >> 13);
    memcpy(to + 10, page, page_size);
    wire_put_u32(to + 10 + page_size, (uint32_t)XXH64(page, page_size, 0));
}

int frame_lengths(const void *data, size_t len, size_t *ret_stored_len, size_t *ret_raw_len,
                  struct err *err)
{
    const size_t stored_len = ZSTD_findFrameCompressedSize(data, len);
    const unsigned long long raw_len = ZSTD_getFrameContentSize(data, len);

    if (ZSTD_isError(stored_len) || raw_len == 0 || raw_len > FRAME_RAW_SIZE_MAX)
        return err_set(err, ERR_CORRUPT, "no frame where one should begin");
    *ret_stored_len = stored_len;
    *ret_raw_len = (size_t)raw_len;
    return 0;
}
