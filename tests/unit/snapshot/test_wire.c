/* Goal: integers come back as they were written, and damaged ones are noticed. */
#include "snapshot/wire.h"

#include <string.h>

#include "base/buf.h"
#include "tests/harness/test.h"

static void fixed_integers_are_little_endian(void **state)
{
    uint8_t bytes[8];

    (void)state;
    wire_put_u64(bytes, UINT64_C(0x8877665544332211));
    assert_memory_equal(bytes, "\x11\x22\x33\x44\x55\x66\x77\x88", 8);
    assert_true(wire_get_u64(bytes) == UINT64_C(0x8877665544332211));
    wire_put_u32(bytes, 0xdeadbeef);
    assert_true(wire_get_u32(bytes) == 0xdeadbeef);
}

static void varints_of_every_length_come_back(void **state)
{
    (void)state;
    for (unsigned shift = 0; shift < 64; shift++) {
        for (int delta = -1; delta <= 1; delta++) {
            const uint64_t value = (UINT64_C(1) << shift) + (uint64_t)delta;
            struct buf buf = BUF_INIT(10);
            struct wire_reader reader;

            wire_add_varint(&buf, value);
            assert_int_equal(buf_check(&buf, NULL), 0);
            reader =
                (struct wire_reader){ (uint8_t *)buf.ptr, (uint8_t *)buf.ptr + buf.len, false };
            assert_true(wire_read_varint(&reader, UINT64_MAX) == value);
            assert_false(reader.failed);
            assert_int_equal(wire_left(&reader), 0);
            buf_dispose(&buf);
        }
    }
}

static void what_is_cut_off_or_too_large_fails_for_good(void **state)
{
    static const struct {
        const char *name, *bytes;
        size_t len;
        uint64_t max;
    } cases[] = {
        { "nothing", "", 0, UINT64_MAX },
        { "cut off", "\x80", 1, UINT64_MAX },
        { "past the maximum", "\x05", 1, 4 },
        { "more than 64 bits", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10, UINT64_MAX },
        { "eleven bytes", "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11, UINT64_MAX },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const uint8_t *data = (const uint8_t *)cases[i].bytes;
        struct wire_reader reader = { data, data + cases[i].len, false };

        print_message("  %s\n", cases[i].name);
        assert_true(wire_read_varint(&reader, cases[i].max) == 0);
        assert_true(reader.failed);
        assert_null(wire_read_bytes(&reader, 0));
        assert_true(wire_read_varint(&reader, UINT64_MAX) == 0);
    }
}

static void bytes_are_given_in_place(void **state)
{
    const uint8_t data[] = { 1, 2, 3 };
    struct wire_reader reader = { data, data + 3, false };

    (void)state;
    assert_ptr_equal(wire_read_bytes(&reader, 2), data);
    assert_null(wire_read_bytes(&reader, 2));
    assert_true(reader.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fixed_integers_are_little_endian),
        cmocka_unit_test(varints_of_every_length_come_back),
        cmocka_unit_test(what_is_cut_off_or_too_large_fails_for_good),
        cmocka_unit_test(bytes_are_given_in_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
