/* Goal: a hostile manifest is refused with a message, or comes back the same through its own JSON.
 */
#include "snapshot/manifest.h"

#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(const struct manifest *manifest)
{
    for (size_t i = 0; i < manifest->backup_count; i++) {
        const struct backup_record *backup = &manifest->backups[i];

        assert(page_size_is_valid(backup->page_size) && backup->page_count > 0);
        assert(backup->size == (uint64_t)backup->page_size * backup->page_count);
        assert(i == 0 || backup->created_at_ms >= manifest->backups[i - 1].created_at_ms);
        assert(manifest_find_pack(manifest, backup->id) != NULL);
        for (size_t k = 0; k < backup->packs.range_count; k++) {
            const struct pack_range *range = &backup->packs.ranges[k];

            assert(range->count > 0 && range->first < manifest->pack_count &&
                   range->count <= manifest->pack_count - range->first);
        }
    }
    for (size_t i = 0; i < manifest->pack_count; i++) {
        const struct pack_record *pack = &manifest->packs[i];

        assert(pack->hashes_offset + pack->hashes_len <= pack->size);
        assert(pack->map_offset + pack->map_len <= pack->size);
        assert(pack->map_base[0] == '\0' || manifest_find_pack(manifest, pack->map_base) != NULL);
    }
}

/* Its JSON parses, and gives the same JSON again. */
static void go_round(const struct manifest *manifest)
{
    struct buf once = BUF_INIT(MANIFEST_LEN_MAX), twice = BUF_INIT(MANIFEST_LEN_MAX);
    struct manifest again = MANIFEST_INIT;
    struct err err = { 0 };
    int r;

    r = manifest_encode(manifest, &once, &err);
    assert(r == 0);
    r = manifest_parse(once.ptr, once.len, &again, &err);
    assert(r == 0);
    r = manifest_encode(&again, &twice, &err);
    assert(r == 0 && once.len == twice.len && memcmp(once.ptr, twice.ptr, once.len) == 0);
    manifest_dispose(&again);
    buf_dispose(&once);
    buf_dispose(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct manifest manifest = MANIFEST_INIT;
    struct err err = { 0 };
    const int r = manifest_parse(data, len, &manifest, &err);

    if (r < 0) {
        assert(err.code == r && err.msg[0] != '\0' && strchr(err.msg, '\n') == NULL);
        return 0;
    }
    check(&manifest);
    go_round(&manifest);
    manifest_dispose(&manifest);
    return 0;
}
