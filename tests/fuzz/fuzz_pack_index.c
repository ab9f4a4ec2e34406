/* Goal: hostile index blocks are refused, within the memory that the reader allows them. */
#include "snapshot/pack_format.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/buf.h"

#define PAYLOAD_LEN_MAX (2u << 20) /* what a whole block of hashes needs, and no more */
#define HEADER_LEN      24u        /* of the skippable frame and of the block */
#define CHECKSUM_LEN    8u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct index_slot slots[INDEX_BLOCK_SLOTS_MAX], back[INDEX_BLOCK_SLOTS_MAX];

/* As the payload of an INDEX_HASHES block: what is accepted is what its encoder writes. */
static void read_hashes(const void *payload, size_t len)
{
    struct buf again = BUF_INIT(PAYLOAD_LEN_MAX);
    uint64_t first = 0, first_back = 0;
    uint32_t count = 0, count_back = 0;
    int r;

    if (index_hashes_decode(payload, len, &first, slots, &count, NULL) == 0) {
        assert(count > 0 && count <= INDEX_BLOCK_SLOTS_MAX);
        for (uint32_t i = 0; i < count; i++)
            assert(slots[i].page_number > (i > 0 ? slots[i - 1].page_number : 0));
        r = index_hashes_encode(first, slots, count, &again, NULL);
        assert(r == 0);
        r = index_hashes_decode(again.ptr, again.len, &first_back, back, &count_back, NULL);
        assert(r == 0 && first == first_back && count == count_back);
        for (uint32_t i = 0; i < count; i++) {
            assert(slots[i].page_number == back[i].page_number &&
                   page_hash_eq(slots[i].hash, back[i].hash));
        }
    }
    buf_dispose(&again);
}

static void read_block(const void *block, size_t len)
{
    for (int type = INDEX_HASHES; type <= INDEX_INFO; type++) {
        struct buf payload = BUF_INIT(PAYLOAD_LEN_MAX);
        size_t stored_len = 0;

        if (index_block_decode(block, len, (enum index_type)type, &payload, &stored_len, NULL) ==
            0) {
            assert(stored_len <= len && payload.len <= PAYLOAD_LEN_MAX);
            if (type == INDEX_HASHES)
                read_hashes(payload.ptr, payload.len);
        }
        buf_dispose(&payload);
    }
}

/* The input as a block; as a block whose checksum is right, without which nothing gets far; and as
 * the payload of one. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    read_block(data, len);
    if (len >= HEADER_LEN + CHECKSUM_LEN) {
        uint8_t *block = malloc(len);
        const uint64_t checksum = XXH64(data + 8, len - 8 - CHECKSUM_LEN, 0);

        assert(block != NULL);
        memcpy(block, data, len);
        for (unsigned i = 0; i < CHECKSUM_LEN; i++)
            block[len - CHECKSUM_LEN + i] = (uint8_t)(checksum >> (8 * i));
        read_block(block, len);
        free(block);
    }
    read_hashes(data, len);
    return 0;
}
