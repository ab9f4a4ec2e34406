/* Goal: what a frame holds comes back, and any other content of it is noticed. */
#include "snapshot/frame.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/err.h"
#include "base/random.h"
#include "tests/harness/test.h"

struct fixture {
    struct frame_codec *codec;
    uint8_t raw[FRAME_RAW_SIZE_MAX], back[FRAME_RAW_SIZE_MAX], stored[FRAME_STORED_SIZE_MAX];
};

static int setup(void **state)
{
    struct fixture *f = malloc(sizeof(*f));

    assert_non_null(f);
    assert_int_equal(frame_codec_new(1, &f->codec, NULL), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    frame_codec_free(f->codec);
    free(f);
    return 0;
}

static void content_of_every_size_comes_back(void **state)
{
    static const size_t sizes[] = { 1, 512, 65536, FRAME_RAW_SIZE_MAX };
    struct fixture *f = *state;

    for (int random = 0; random < 2; random++) {
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            size_t len = 0;

            memset(f->raw, 'a', sizeof(f->raw));
            if (random)
                random_bytes(f->raw, sizeof(f->raw)); /* does not compress: the largest frame */
            assert_int_equal(frame_encode(f->codec, f->raw, sizes[i], f->stored, &len, NULL), 0);
            assert_int_equal(frame_decode(f->codec, f->stored, len, f->back, sizes[i], NULL), 0);
            assert_memory_equal(f->raw, f->back, sizes[i]);
        }
    }
}

static void a_flipped_bit_in_any_byte_is_noticed(void **state)
{
    struct fixture *f = *state;
    size_t len = 0;

    for (size_t i = 0; i < 4096; i++)
        f->raw[i] = (uint8_t)(i * i / 7);
    assert_int_equal(frame_encode(f->codec, f->raw, 4096, f->stored, &len, NULL), 0);
    for (size_t i = 0; i < len; i++) {
        const uint8_t bit = (uint8_t)(1 << (i % 8));
        int r;

        f->stored[i] ^= bit;
        r = frame_decode(f->codec, f->stored, len, f->back, 4096, NULL);
        /* Bits that mean nothing exist (an unused one of the descriptor); then all is right. */
        assert_true(r == ERR_CORRUPT || memcmp(f->raw, f->back, 4096) == 0);
        f->stored[i] ^= bit;
    }
}

static void another_length_than_expected_is_refused(void **state)
{
    struct fixture *f = *state;
    size_t len = 0;

    memset(f->raw, 'a', 8192);
    assert_int_equal(frame_encode(f->codec, f->raw, 8192, f->stored, &len, NULL), 0);
    assert_int_equal(frame_decode(f->codec, f->stored, len, f->back, 4096, NULL), ERR_CORRUPT);
    assert_int_equal(frame_decode(f->codec, f->stored, len, f->back, 8193, NULL), ERR_CORRUPT);
    assert_int_equal(frame_decode(f->codec, f->stored, len - 1, f->back, 8192, NULL), ERR_CORRUPT);
    assert_int_equal(frame_decode(f->codec, f->stored, len + 1, f->back, 8192, NULL), ERR_CORRUPT);
    assert_int_equal(frame_decode(f->codec, f->stored, 0, f->back, 8192, NULL), ERR_CORRUPT);
}

/* The oracle is zstd's own decoder. */
static void a_stored_page_is_a_frame_of_a_known_length(void **state)
{
    struct fixture *f = *state;

    for (uint32_t page_size = 512; page_size <= 65536; page_size *= 2) {
        const size_t len = frame_stored_page_len(page_size);

        random_bytes(f->raw, page_size);
        frame_encode_stored_page(f->raw, page_size, f->stored);
        assert_int_equal(ZSTD_getFrameContentSize(f->stored, len), page_size);
        assert_int_equal(ZSTD_findFrameCompressedSize(f->stored, len), len);
        assert_int_equal(ZSTD_decompress(f->back, page_size, f->stored, len), page_size);
        assert_memory_equal(f->raw, f->back, page_size);
        f->stored[len / 2] ^= 1;
        assert_true(ZSTD_isError(ZSTD_decompress(f->back, page_size, f->stored, len)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(content_of_every_size_comes_back),
        cmocka_unit_test(a_flipped_bit_in_any_byte_is_noticed),
        cmocka_unit_test(another_length_than_expected_is_refused),
        cmocka_unit_test(a_stored_page_is_a_frame_of_a_known_length),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
