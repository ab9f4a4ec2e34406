/* Goal: the page hashes of many packs are read side by side, and each page finds its own. */
#include "base/err.h"
#include "snapshot/fetch.h"
#include "snapshot/fetch_internal.h"
#include "snapshot/frame.h"
#include "snapshot/pack_format.h"
#include "store/object_store.h"
#include "tests/harness/restore_rig.h"
#include "tests/harness/test.h"

#define BACKUPS PACK_FIXTURE_BACKUPS_MAX

static void check_run(const struct restore_rig *rig, const struct fetch *fetch, size_t index,
                      const struct page_run *run)
{
    struct index_slot slots[FRAME_RAW_SIZE_MAX / PAGE_SIZE_MIN];
    uint32_t page_size = fetch->backup->page_size;

    assert_int_equal(fetch_hashes_get(fetch, run, slots, NULL), 0);
    for (uint32_t i = 0; i < run->page_count; i++) {
        uint32_t page = run->first_page + i;
        const uint8_t *bytes = rig->packs.backups[index].bytes + (size_t)(page - 1) * page_size;

        assert_int_equal(slots[i].page_number, page);
        assert_true(page_hash_eq(
            slots[i].hash, page_hash(fetch->manifest->page_hash_seed, page, bytes, page_size)));
    }
}

static void finds_the_hash_of_every_page(void **state)
{
    struct restore_rig rig;

    (void)state;
    restore_rig_init(&rig, 1024, BACKUPS);
    for (unsigned threads = 1; threads < 12; threads += 5) {
        const struct fetch_options options = { .thread_count = threads };

        for (size_t index = 0; index < BACKUPS; index++) {
            struct fetch *fetch = NULL;

            assert_int_equal(fetch_open(rig.store, &rig.packs.manifest,
                                        restore_rig_backup(&rig, index), &options, &fetch, NULL),
                             0);
            for (size_t i = 0; i < fetch->map.run_count; i++)
                check_run(&rig, fetch, index, &fetch->map.runs[i]);
            fetch_close(fetch);
        }
    }
    restore_rig_dispose(&rig);
}

static void reads_nothing_that_a_sibling_has_read(void **state)
{
    const struct fetch_options options = { .thread_count = 2 };
    struct restore_rig rig;

    (void)state;
    restore_rig_init(&rig, 1024, 5);
    for (size_t first = 0; first < 5; first++) {
        for (size_t second = 0; second < 5; second++) {
            struct fetch *sibling = NULL, *fetch = NULL;
            size_t maps = second % 2 == 1 ? 2 : 1; /* every second one is a difference */
            size_t new_packs = second > first ? second - first : 0;

            assert_int_equal(fetch_open(rig.store, &rig.packs.manifest,
                                        restore_rig_backup(&rig, first), &options, &sibling, NULL),
                             0);
            atomic_store(&rig.counters.calls, 0);
            assert_int_equal(
                fetch_open_beside(sibling, restore_rig_backup(&rig, second), &fetch, NULL), 0);
            assert_int_equal(atomic_load(&rig.counters.calls), maps + new_packs);
            for (size_t i = 0; i < fetch->map.run_count; i++)
                check_run(&rig, fetch, second, &fetch->map.runs[i]);
            fetch_close(fetch);
            fetch_close(sibling);
        }
    }
    restore_rig_dispose(&rig);
}

/* A map may name packs that its runs do not refer to, and that are long gone. */
static void asks_for_no_pack_that_holds_none_of_the_pages(void **state)
{
    const struct fetch_options options = { .thread_count = 2 };
    struct fetch *fetch = NULL, other;
    struct restore_rig rig;
    uint32_t index = 0;

    (void)state;
    restore_rig_init(&rig, 1024, 2);
    assert_int_equal(fetch_open(rig.store, &rig.packs.manifest, restore_rig_backup(&rig, 1),
                                &options, &fetch, NULL),
                     0);
    assert_int_equal(
        page_map_add_pack(&fetch->map, "1b4e28ba-2fa1-41d2-883f-0016d3cca427", &index, NULL), 0);
    assert_int_equal(index, 2);
    other = (struct fetch){ .store = fetch->store,
                            .manifest = fetch->manifest,
                            .backup = fetch->backup,
                            .map = fetch->map };
    atomic_store(&rig.counters.calls, 0);
    assert_int_equal(fetch_hashes_read(&other, NULL), 0);
    assert_int_equal(atomic_load(&rig.counters.calls), 2);
    for (size_t i = 0; i < other.map.run_count; i++)
        check_run(&rig, &other, 1, &other.map.runs[i]);
    fetch_hashes_free(&other);
    fetch_close(fetch);
    restore_rig_dispose(&rig);
}

static unsigned open_max(struct restore_rig *rig, unsigned threads)
{
    const struct fetch_options options = { .thread_count = threads };
    struct fetch *fetch = NULL;

    atomic_store(&rig->counters.gets_open_max, 0);
    assert_int_equal(fetch_open(rig->store, &rig->packs.manifest,
                                restore_rig_backup(rig, BACKUPS - 1), &options, &fetch, NULL),
                     0);
    assert_int_equal(fetch->map.pack_count, BACKUPS);
    fetch_close(fetch);
    return atomic_exchange(&rig->counters.gets_open_max, 0);
}

static void asks_for_several_packs_at_a_time_but_not_for_more_than_wanted(void **state)
{
    struct restore_rig rig;

    (void)state;
    restore_rig_init(&rig, 1024, BACKUPS);
    atomic_store(&rig.counters.get_delay_ms, 30);
    assert_int_equal(open_max(&rig, 1), 1);
    assert_in_range(open_max(&rig, 0), 2, STORE_CONCURRENCY_DEFAULT);
    assert_in_range(open_max(&rig, 20), STORE_CONCURRENCY_DEFAULT + 1, BACKUPS);
    rig.store->download_concurrency = 1; /* counts where the caller leaves it to the store */
    assert_int_equal(open_max(&rig, 0), 1);
    restore_rig_dispose(&rig);
}

static void fails_when_any_call_of_the_store_fails(void **state)
{
    const struct fetch_options options = { .thread_count = 3 };
    struct restore_rig rig;
    unsigned n = 0;
    int r;

    (void)state;
    restore_rig_init(&rig, 1024, 5);
    do {
        struct fetch *fetch = NULL;
        struct err err = { 0 };

        atomic_store(&rig.counters.calls, 0);
        atomic_store(&rig.counters.fail_at, ++n);
        r = fetch_open(rig.store, &rig.packs.manifest, restore_rig_backup(&rig, 4), &options,
                       &fetch, &err);
        assert_int_equal(r, r == 0 ? 0 : ERR_SERVER);
        assert_int_equal(err.code, r);
        fetch_close(fetch);
    } while (r != 0);
    assert_int_equal(n - 1, 1 + 5); /* the map, which is whole, and the hashes of each pack */
    restore_rig_dispose(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_hash_of_every_page),
        cmocka_unit_test(reads_nothing_that_a_sibling_has_read),
        cmocka_unit_test(asks_for_no_pack_that_holds_none_of_the_pages),
        cmocka_unit_test(asks_for_several_packs_at_a_time_but_not_for_more_than_wanted),
        cmocka_unit_test(fails_when_any_call_of_the_store_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
