#include "tests/harness/manifest_fixture.h"

#include <stdio.h>

#include "snapshot/manifest.h"
#include "tests/harness/test.h"

void manifest_fixture_add(struct manifest *manifest, const char *id, int64_t created_at_ms)
{
    char label[] = "label", host[] = "host", path[] = "/data/app.db";
    struct backup_record backup = {
        .created_at_ms = created_at_ms,
        .label = label,
        .size = UINT64_C(4096) * 10,
        .page_size = 4096,
        .page_count = 10,
        .num_tables = 3,
        .num_rows = -1,
        .stored_bytes = 5000,
        .changed_pages = 10,
        .database_hash = { UINT64_C(0x8899aabbccddeeff), 1 },
        .host = host,
        .path = path,
    };
    struct pack_record pack = {
        .size = 5000,
        .slot_count = 10,
        .hashes_offset = 4000,
        .hashes_len = 500,
        .map_offset = 4500,
        .map_len = 100,
    };

    (void)snprintf(backup.id, sizeof(backup.id), "%s", id);
    (void)snprintf(pack.id, sizeof(pack.id), "%s", id);
    assert_int_equal(manifest_add_backup(manifest, &backup, &pack, NULL, 0, NULL), 0);
}
