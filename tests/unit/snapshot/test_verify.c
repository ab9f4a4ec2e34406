/* Goal: verify names exactly the backups that are affected, whichever object is gone, cut short, or
 * has one bit flipped in any of its parts. */
#include "snapshot/verify.h"

#include "base/err.h"
#include "base/random.h"
#include "snapshot/fetch.h"
#include "snapshot/restore.h"
#include "store/object_store.h"
#include "tests/harness/restore_rig.h"
#include "tests/harness/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BACKUPS 5

/* Which backups a fetch, which knows nothing of verify, gives no right bytes of; as a bit each. */
static unsigned broken(const struct restore_rig *rig)
{
    unsigned found = 0;

    for (size_t i = 0; i < BACKUPS; i++) {
        const struct fetch_options options = { .thread_count = 1 };
        const char *path = restore_rig_path(rig->work, "fetched");
        struct fetch *fetch = NULL;
        int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        int r;

        assert_true(fd >= 0);
        r = fetch_open(rig->store, &rig->packs.manifest, restore_rig_backup(rig, i), &options,
                       &fetch, NULL);
        if (r == 0)
            r = fetch_to_file(fetch, fd, path, NULL);
        fetch_close(fetch);
        (void)close(fd);
        if (r == 0) /* never handed over as good */
            assert_true(restore_rig_same(rig, path, i));
        found |= r < 0 ? 1u << i : 0;
        assert_int_equal(unlink(path), 0);
    }
    return found;
}

/* Those that verify says are damaged. */
static unsigned named(const struct restore_rig *rig, const struct verify_options *options)
{
    struct verify_result results[BACKUPS];
    size_t count = 0;
    struct err err = { 0 };
    unsigned found = 0;

    assert_int_equal(
        verify_run(rig->store, &rig->packs.manifest, NULL, options, results, &count, &err), 0);
    assert_int_equal(count, BACKUPS);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < BACKUPS; k++) {
            if (!results[i].damaged || strcmp(results[i].id, restore_rig_backup(rig, k)->id) != 0)
                continue;
            found |= 1u << k;
            assert_true(results[i].reason[0] != '\0');
        }
    }
    return found;
}

static const struct verify_options plain = { 0 }, reading = { .read = true },
                                   restoring = { .restore = true };

static void finds_nothing_wrong_with_what_is_whole(void **state)
{
    const struct verify_options sampling = { .read = true, .sample_ppm = 50000, .sample_seed = 7 };
    struct restore_rig rig;

    (void)state;
    restore_rig_init(&rig, 1024, BACKUPS);
    assert_int_equal(named(&rig, &plain), 0);
    assert_int_equal(named(&rig, &reading), 0);
    assert_int_equal(named(&rig, &sampling), 0);
    restore_rig_dispose(&rig);
}

static void names_those_that_need_an_object_that_is_gone_or_cut_short(void **state)
{
    (void)state;
    for (size_t i = 0; i < (size_t)BACKUPS * 2; i++) {
        struct restore_rig rig;
        const struct pack_record *pack;
        char key[CATALOG_KEY_SIZE];
        const char *keys[] = { key };

        restore_rig_init(&rig, 1024, BACKUPS);
        pack = manifest_find_pack(&rig.packs.manifest, restore_rig_backup(&rig, i / 2)->id);
        if (i % 2 == 0) {
            pack_fixture_key(&rig.packs, pack->id, key);
            assert_int_equal(object_delete(rig.store, keys, 1, NULL), 0);
        } else {
            restore_rig_cut(&rig, i / 2, pack->size - 1);
        }
        assert_int_equal(named(&rig, &plain), broken(&rig));
        assert_int_equal(named(&rig, &reading), broken(&rig));
        assert_true(broken(&rig) & 1u << i / 2);
        restore_rig_dispose(&rig);
    }
}

/* Flip one bit of pack i: what verify then names is what a fetch cannot have.  What stands behind
 * the map is not needed to restore, but to rebuild a lost manifest: whether a bit there means
 * something is verify's to say, of its own backup alone.  @return whether anything was named. */
static bool flip(struct restore_rig *rig, size_t i, uint64_t at, uint64_t map_end)
{
    unsigned expected, found;

    restore_rig_flip(rig, i, at);
    expected = broken(rig);
    found = named(rig, &reading);
    if (at >= map_end)
        expected |= found & 1u << i;
    if (found != expected) {
        fail_msg("pack %zu, byte %llu: %x instead of %x", i, (unsigned long long)at, found,
                 expected);
    }
    restore_rig_flip(rig, i, at);
    return found != 0;
}

/* A few bits of every part of every pack. */
static void names_those_that_a_flipped_bit_affects(void **state)
{
    struct restore_rig rig;
    unsigned flips = 0, affecting = 0;

    (void)state;
    restore_rig_init(&rig, 1024, BACKUPS);
    for (size_t i = 0; i < BACKUPS; i++) {
        const struct pack_record *pack =
            manifest_find_pack(&rig.packs.manifest, restore_rig_backup(&rig, i)->id);
        const uint64_t hashes = pack->hashes_offset, map = pack->map_offset;
        const uint64_t map_end = map + pack->map_len;
        /* Frames: magic, descriptor and sizes, data, checksum; hashes; map; info, seek table. */
        const uint64_t parts[] = { 0,   4,        12,      hashes - 4,     hashes,    hashes + 24,
                                   map, map + 24, map_end, pack->size - 9, pack->size };

        for (size_t k = 0; k + 1 < sizeof(parts) / sizeof(parts[0]); k++) {
            for (int n = 0; n < 4; n++, flips++) {
                const uint64_t len = parts[k + 1] - parts[k];

                affecting += flip(&rig, i, parts[k] + random_u64() % len, map_end);
            }
        }
    }
    assert_int_equal(named(&rig, &reading), 0);
    assert_true(affecting > flips / 2);
    restore_rig_dispose(&rig);
}

static void restores_and_counts(void **state)
{
    struct verify_result results[BACKUPS];
    struct restore_rig rig;
    size_t count = 0;

    (void)state;
    restore_rig_init(&rig, 1024, BACKUPS);
    for (size_t i = 0; i < BACKUPS; i++) {
        rig.packs.manifest.backups[i].num_tables = SQLITE_FIXTURE_TABLES;
        rig.packs.manifest.backups[i].num_rows = -1;
    }
    rig.packs.manifest.backups[1].num_tables = SQLITE_FIXTURE_TABLES + 1;
    rig.packs.manifest.backups[2].num_rows = 3;
    assert_int_equal(
        verify_run(rig.store, &rig.packs.manifest, NULL, &restoring, results, &count, NULL), 0);
    for (size_t i = 0; i < count; i++) {
        const struct backup_record *backup = &rig.packs.manifest.backups[count - 1 - i];

        assert_string_equal(results[i].id, backup->id);
        assert_int_equal(results[i].damaged,
                         backup->num_rows == 3 || backup->num_tables != SQLITE_FIXTURE_TABLES);
        assert_true(results[i].num_rows > 0);
    }
    restore_rig_dispose(&rig);
}

static void fails_with_the_store(void **state)
{
    struct restore_rig rig;
    unsigned fail_at = 1;
    int r;

    (void)state;
    restore_rig_init(&rig, 1024, BACKUPS);
    do { /* fail call 1, 2, ...: it is never taken for damage */
        struct verify_result results[BACKUPS];
        size_t count = 0;
        struct err err = { 0 };

        rig.counters.calls = 0;
        rig.counters.fail_at = fail_at++;
        r = verify_run(rig.store, &rig.packs.manifest, NULL, &reading, results, &count, &err);
        if (r < 0)
            assert_int_equal(r, ERR_SERVER);
        for (size_t i = 0; r == 0 && i < count; i++)
            assert_false(results[i].damaged);
    } while (r < 0);
    assert_true(fail_at > 10);
    restore_rig_dispose(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_nothing_wrong_with_what_is_whole),
        cmocka_unit_test(names_those_that_need_an_object_that_is_gone_or_cut_short),
        cmocka_unit_test(names_those_that_a_flipped_bit_affects),
        cmocka_unit_test(restores_and_counts),
        cmocka_unit_test(fails_with_the_store),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
