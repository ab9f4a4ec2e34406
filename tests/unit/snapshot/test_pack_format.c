/* Goal: index blocks and the seek table come back as written, zstd skips them, damage is noticed.
 */
#include "snapshot/pack_format.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/random.h"
#include "tests/harness/test.h"

#define PAYLOAD "what a block holds, which compresses: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void a_block_comes_back_and_zstd_skips_it(void **state)
{
    struct buf block = BUF_INIT(1000), payload = BUF_INIT(1000);
    uint64_t total = 0;
    size_t len = 0;
    char out[10];

    (void)state;
    assert_int_equal(index_block_encode(INDEX_INFO, PAYLOAD, strlen(PAYLOAD), &block, NULL), 0);
    assert_int_equal(index_block_len(block.ptr, 8, &total, NULL), 0);
    assert_int_equal(total, block.len);
    assert_int_equal(index_block_decode(block.ptr, block.len, INDEX_INFO, &payload, &len, NULL), 0);
    assert_string_equal(payload.ptr, PAYLOAD);
    assert_int_equal(len, block.len);
    assert_int_equal(ZSTD_decompress(out, sizeof(out), block.ptr, block.len), 0); /* nothing */
    buf_dispose(&block);
    buf_dispose(&payload);
}

static void payloads_that_do_not_compress_and_empty_ones_too(void **state)
{
    static const size_t sizes[] = { 0, 1, 300000 };
    uint8_t *data = malloc(300000);

    (void)state;
    assert_non_null(data);
    random_bytes(data, 300000);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct buf block = BUF_INIT(400000), payload = BUF_INIT(400000);
        size_t len = 0;

        assert_int_equal(index_block_encode(INDEX_MAP, data, sizes[i], &block, NULL), 0);
        assert_int_equal(index_block_decode(block.ptr, block.len, INDEX_MAP, &payload, &len, NULL),
                         0);
        assert_int_equal(payload.len, sizes[i]);
        if (sizes[i] > 0)
            assert_memory_equal(payload.ptr, data, sizes[i]);
        buf_dispose(&block);
        buf_dispose(&payload);
    }
    free(data);
}

static void any_damage_to_a_block_is_noticed(void **state)
{
    struct buf block = BUF_INIT(1000);

    (void)state;
    assert_int_equal(index_block_encode(INDEX_HASHES, PAYLOAD, strlen(PAYLOAD), &block, NULL), 0);
    for (size_t i = 0; i < block.len * 8; i++) {
        struct buf payload = BUF_INIT(100000);
        size_t len = 0;

        block.ptr[i / 8] = (char)(block.ptr[i / 8] ^ 1 << (i % 8));
        assert_true(index_block_decode(block.ptr, block.len, INDEX_HASHES, &payload, &len, NULL) <
                    0);
        block.ptr[i / 8] = (char)(block.ptr[i / 8] ^ 1 << (i % 8));
        buf_dispose(&payload);
    }
    for (size_t cut = 0; cut < block.len; cut++) {
        struct buf payload = BUF_INIT(100000);
        size_t len = 0;

        assert_int_equal(index_block_decode(block.ptr, cut, INDEX_HASHES, &payload, &len, NULL),
                         ERR_CORRUPT);
        buf_dispose(&payload);
    }
    buf_dispose(&block);
}

static void a_block_of_another_type_is_refused(void **state)
{
    struct buf block = BUF_INIT(1000), payload = BUF_INIT(1000), small = BUF_INIT(10);
    size_t len = 0;

    (void)state;
    assert_int_equal(index_block_encode(INDEX_MAP, PAYLOAD, strlen(PAYLOAD), &block, NULL), 0);
    assert_int_equal(index_block_decode(block.ptr, block.len, INDEX_INFO, &payload, &len, NULL),
                     ERR_CORRUPT);
    assert_int_equal(index_block_decode(block.ptr, block.len, INDEX_MAP, &small, &len, NULL),
                     ERR_LIMIT); /* the caller's bound on memory holds */
    buf_dispose(&block);
    buf_dispose(&payload);
    buf_dispose(&small);
}

static void slots_with_gaps_between_their_pages_come_back(void **state)
{
    static struct index_slot slots[INDEX_BLOCK_SLOTS_MAX], back[INDEX_BLOCK_SLOTS_MAX];
    static const uint32_t counts[] = { 1, 2, 1000, INDEX_BLOCK_SLOTS_MAX };

    (void)state;
    for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
        struct buf payload = BUF_INIT(4 << 20);
        uint64_t first = 0;
        uint32_t page = 0, count = 0;

        for (uint32_t i = 0; i < counts[c]; i++) {
            page += random_u64() % 4 == 0 ? 1 + (uint32_t)(random_u64() % 60000) : 1;
            slots[i] = (struct index_slot){ page, { random_u64(), random_u64() } };
        }
        assert_int_equal(index_hashes_encode(UINT64_C(1) << 40, slots, counts[c], &payload, NULL),
                         0);
        assert_int_equal(index_hashes_decode(payload.ptr, payload.len, &first, back, &count, NULL),
                         0);
        assert_true(first == UINT64_C(1) << 40);
        assert_int_equal(count, counts[c]);
        for (uint32_t i = 0; i < count; i++) {
            assert_int_equal(back[i].page_number, slots[i].page_number);
            assert_true(page_hash_eq(back[i].hash, slots[i].hash));
        }
        assert_int_equal(
            index_hashes_decode(payload.ptr, payload.len - 1, &first, back, &count, NULL),
            ERR_CORRUPT);
        buf_dispose(&payload);
    }
}

static void slots_that_cannot_be_are_refused(void **state)
{
    static struct index_slot slots[INDEX_BLOCK_SLOTS_MAX];
    static const struct {
        const char *name, *bytes;
        size_t len;
    } cases[] = {
        { "empty", "", 0 },
        { "no slots", "\x00\x00", 2 },
        { "page 0",
          "\x00\x01\x00\x01"
          "0123456789abcdef",
          20 },
        { "a run of none",
          "\x00\x01\x01\x00"
          "0123456789abcdef",
          20 },
        { "a run longer than the block",
          "\x00\x01\x01\x02"
          "0123456789abcdef",
          20 },
        { "more slots than a block has", "\x00\x81\x80\x04", 4 },
        { "a hash too many",
          "\x00\x01\x01\x01"
          "0123456789abcdef0123456789abcdef",
          36 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t first;
        uint32_t count;

        print_message("  %s\n", cases[i].name);
        assert_int_equal(
            index_hashes_decode(cases[i].bytes, cases[i].len, &first, slots, &count, NULL),
            ERR_CORRUPT);
    }
}

static void the_seek_table_is_that_of_the_seekable_format(void **state)
{
    const struct seek_entry entries[] = { { 100, 4096 }, { 65536, 262144 }, { 33, 0 } };
    struct seek_entry *back = NULL;
    struct buf table = BUF_INIT(1000);
    uint64_t len = 0;
    uint32_t count = 0;

    (void)state;
    assert_int_equal(seek_table_encode(entries, 3, &table, NULL), 0);
    assert_int_equal(table.len, 8 + 3 * 8 + 9);
    assert_memory_equal(table.ptr, "\x5e\x2a\x4d\x18\x21\x00\x00\x00", 8);
    assert_memory_equal(table.ptr + table.len - 9, "\x03\x00\x00\x00\x00\xb1\xea\x92\x8f", 9);
    assert_int_equal(
        seek_table_footer((uint8_t *)table.ptr + table.len - SEEK_FOOTER_LEN, &len, NULL), 0);
    assert_int_equal(len, table.len);
    assert_int_equal(seek_table_decode(table.ptr, table.len, &back, &count, NULL), 0);
    assert_int_equal(count, 3);
    assert_memory_equal(back, entries, sizeof(entries));
    free(back);
    back = NULL;
    for (size_t cut = 0; cut < table.len; cut++) {
        assert_int_equal(
            seek_table_decode(table.ptr + cut, table.len - cut - 1, &back, &count, NULL),
            ERR_CORRUPT);
    }
    assert_null(back);
    buf_dispose(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_comes_back_and_zstd_skips_it),
        cmocka_unit_test(payloads_that_do_not_compress_and_empty_ones_too),
        cmocka_unit_test(any_damage_to_a_block_is_noticed),
        cmocka_unit_test(a_block_of_another_type_is_refused),
        cmocka_unit_test(slots_with_gaps_between_their_pages_come_back),
        cmocka_unit_test(slots_that_cannot_be_are_refused),
        cmocka_unit_test(the_seek_table_is_that_of_the_seekable_format),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
