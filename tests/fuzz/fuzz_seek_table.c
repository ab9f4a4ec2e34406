/* Goal: a hostile seek table is refused, or is byte for byte the one that we would write. */
#include "snapshot/pack_format.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct buf again = BUF_INIT(len + 1);
    struct seek_entry *entries = NULL;
    uint64_t table_len = 0;
    uint32_t count = 0;
    int r;

    if (len >= SEEK_FOOTER_LEN)
        (void)seek_table_footer(data + len - SEEK_FOOTER_LEN, &table_len, NULL);
    if (seek_table_decode(data, len, &entries, &count, NULL) == 0) {
        assert(table_len == len);
        r = seek_table_encode(entries, count, &again, NULL);
        assert(r == 0 && again.len == len && memcmp(again.ptr, data, len) == 0);
    } else {
        assert(entries == NULL);
    }
    free(entries);
    buf_dispose(&again);
    return 0;
}
