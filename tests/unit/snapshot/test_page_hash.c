/* Goal: the hash is the one that docs/format.md states, and the sum over pages is order-free. */
#include "snapshot/page_hash.h"

#include <string.h>

#include "tests/harness/test.h"

/* xxhsum -H2 prints 3258ca92e0a00944b2987a9d949e807c, the highest byte first. */
#define XXHSUM_512_ZEROS "7c809e949d7a98b24409a0e092ca5832"

/* The oracle is the hash's own command, `head -c 512 /dev/zero | xxhsum -H2`, whose seed is 0. */
static void agrees_with_the_published_hash_when_seed_and_number_cancel(void **state)
{
    const uint8_t zeros[512] = { 0 };
    char text[PAGE_HASH_TEXT_SIZE];

    (void)state;
    page_hash_format(page_hash(UINT64_MAX, 1, zeros, sizeof(zeros)), text);
    assert_string_equal(text, XXHSUM_512_ZEROS);
}

static void depends_on_seed_number_and_content(void **state)
{
    uint8_t page[512] = { 0 };
    const struct page_hash hash = page_hash(7, 3, page, sizeof(page));

    (void)state;
    assert_false(page_hash_eq(hash, page_hash(8, 3, page, sizeof(page))));
    assert_false(page_hash_eq(hash, page_hash(7, 4, page, sizeof(page))));
    assert_true(page_hash_eq(hash, page_hash(6, 4, page, sizeof(page)))); /* seed + number */
    page[511] = 1;
    assert_false(page_hash_eq(hash, page_hash(7, 3, page, sizeof(page))));
}

static void the_sum_takes_a_page_in_and_out_again(void **state)
{
    const uint8_t page[512] = { 1 };
    const struct page_hash a = page_hash(1, 1, page, sizeof(page));
    const struct page_hash b = page_hash(1, 2, page, sizeof(page));
    struct page_hash ab = { 0, 0 }, ba = { 0, 0 };

    (void)state;
    page_hash_xor(&ab, a);
    page_hash_xor(&ab, b);
    page_hash_xor(&ba, b);
    page_hash_xor(&ba, a);
    assert_true(page_hash_eq(ab, ba));
    page_hash_xor(&ab, b);
    assert_true(page_hash_eq(ab, a));
}

static void text_and_bytes_go_both_ways(void **state)
{
    const struct page_hash hash = { UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908) };
    struct page_hash back = { 0, 0 };
    uint8_t bytes[PAGE_HASH_SIZE];
    char text[PAGE_HASH_TEXT_SIZE];

    (void)state;
    page_hash_encode(hash, bytes);
    for (uint8_t i = 0; i < PAGE_HASH_SIZE; i++)
        assert_int_equal(bytes[i], i);
    assert_true(page_hash_eq(page_hash_decode(bytes), hash));
    page_hash_format(hash, text);
    assert_string_equal(text, "000102030405060708090a0b0c0d0e0f");
    assert_true(page_hash_parse(text, &back));
    assert_true(page_hash_eq(back, hash));
    assert_false(page_hash_parse("00", &back));
    assert_false(page_hash_parse("x00102030405060708090a0b0c0d0e0f", &back));
}

static void page_sizes_are_sqlites(void **state)
{
    (void)state;
    for (uint64_t size = 0; size <= 70000; size++) {
        const bool valid = size == 512 || size == 1024 || size == 2048 || size == 4096 ||
                           size == 8192 || size == 16384 || size == 32768 || size == 65536;

        assert_int_equal(page_size_is_valid(size), valid);
    }
    assert_false(page_size_is_valid(UINT64_C(1) << 33));
    assert_int_equal(page_lock_byte(4096), 262145);
    assert_int_equal(page_lock_byte(65536), 16385);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_published_hash_when_seed_and_number_cancel),
        cmocka_unit_test(depends_on_seed_number_and_content),
        cmocka_unit_test(the_sum_takes_a_page_in_and_out_again),
        cmocka_unit_test(text_and_bytes_go_both_ways),
        cmocka_unit_test(page_sizes_are_sqlites),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
