/* Goal: what an incremental backup goes back to is read from its packs as it is; and packs of which
 * little is in use are written again, within bounds. */
#include "snapshot/parent.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "snapshot/hash_spool.h"
#include "snapshot/page_hash.h"
#include "tests/harness/restore_rig.h"
#include "tests/harness/test.h"

#define BACKUPS 5

static void reads_map_and_hashes_from_the_packs(void **state)
{
    struct restore_rig rig;

    (void)state;
    restore_rig_init(&rig, 1024, BACKUPS);
    for (size_t i = 0; i < BACKUPS; i++) {
        const struct backup_record *backup = restore_rig_backup(&rig, i);
        const struct pack_fixture_backup *made = &rig.packs.backups[i];
        struct parent parent = PARENT_INIT;

        assert_int_equal(
            parent_read(rig.store, &rig.packs.manifest, backup, NULL, NULL, &parent, NULL), 0);
        assert_string_equal(parent.id, backup->id);
        assert_int_equal(parent.map.page_count, backup->page_count);
        assert_int_equal(parent.base.page_count > 0, !made->map_is_whole);
        for (uint32_t page = 1; page <= backup->page_count; page++) {
            const struct page_hash expected =
                page_hash(rig.packs.manifest.page_hash_seed, page,
                          made->bytes + (size_t)(page - 1) * 1024, 1024);
            struct page_hash hash;

            assert_int_equal(hash_spool_get(parent.hashes, page, &hash, 1, NULL), 0);
            assert_true(page_hash_eq(hash, expected));
        }
        parent_dispose(&parent);
        parent_dispose(&parent);
    }
    restore_rig_dispose(&rig);
}

static void fails_with_the_store_and_tells_damage(void **state)
{
    struct restore_rig rig;
    unsigned fail_at = 1;
    int r;

    (void)state;
    restore_rig_init(&rig, 1024, BACKUPS);
    do {
        struct parent parent = PARENT_INIT;

        rig.counters.calls = 0;
        rig.counters.fail_at = fail_at++;
        r = parent_read(rig.store, &rig.packs.manifest, restore_rig_backup(&rig, BACKUPS - 1), NULL,
                        NULL, &parent, NULL);
        if (r < 0)
            assert_int_equal(r, ERR_SERVER);
        parent_dispose(&parent);
    } while (r < 0);
    assert_true(fail_at > 4);
    rig.counters.fail_at = 0;
    for (size_t i = 0; i < BACKUPS; i++) {
        const struct pack_record *pack =
            manifest_find_pack(&rig.packs.manifest, restore_rig_backup(&rig, i)->id);
        struct parent parent = PARENT_INIT;

        restore_rig_flip(&rig, i, pack->hashes_offset + 30);
        assert_int_equal(parent_read(rig.store, &rig.packs.manifest,
                                     restore_rig_backup(&rig, BACKUPS - 1), NULL, NULL, &parent,
                                     NULL),
                         ERR_CORRUPT);
        restore_rig_flip(&rig, i, pack->hashes_offset + 30);
    }
    restore_rig_dispose(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_map_and_hashes_from_the_packs),
        cmocka_unit_test(fails_with_the_store_and_tells_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
