/* Goal: exactly the needed pages of a pack come, in order, as they were; damage is noticed. */
#include "snapshot/repack_source.h"

#include "base/err.h"
#include "tests/harness/repack_rig.h"
#include "tests/harness/test.h"

#include <string.h>

struct sourcing {
    struct restore_rig rig;
    struct live_pages live;
    struct repack_source_options options;
};

static void sourcing_init(struct sourcing *sourcing, size_t pack, size_t span_size)
{
    memset(sourcing, 0, sizeof(*sourcing));
    repack_rig_init(&sourcing->rig);
    assert_int_equal(live_pages_read(sourcing->rig.store, &sourcing->rig.packs.manifest, NULL,
                                     &sourcing->live, NULL),
                     0);
    sourcing->options = (struct repack_source_options){
        .store = sourcing->rig.store,
        .manifest = &sourcing->rig.packs.manifest,
        .live = &sourcing->live,
        .pack = pack,
        .span_size = span_size,
        .slots_memory = 1u << 20,
    };
    atomic_store(&sourcing->rig.counters.gets, 0);
}

static void sourcing_dispose(struct sourcing *sourcing)
{
    live_pages_dispose(&sourcing->live);
    restore_rig_dispose(&sourcing->rig);
}

/* Pack i is that of backup i. */
static int read_all(struct sourcing *sourcing, uint64_t *ret_count, struct err *err)
{
    const size_t pack = sourcing->options.pack;
    const uint8_t *bytes = sourcing->rig.packs.backups[pack].bytes;
    struct repack_source *source = NULL;
    const struct index_slot *slot;
    uint32_t last = 0;
    int r;

    *ret_count = 0;
    r = repack_source_new(&sourcing->options, &source, err);
    if (r < 0)
        return r;
    while (r == 0 && (slot = repack_source_slot(source)) != NULL) {
        const uint8_t *page = NULL;

        assert_true(slot->page_number > last);
        assert_true(live_pages_has(&sourcing->live, pack, slot->page_number));
        last = slot->page_number;
        r = repack_source_page(source, &page, err);
        if (r < 0)
            break;
        assert_memory_equal(page, bytes + (size_t)(last - 1) * REPACK_RIG_PAGE, REPACK_RIG_PAGE);
        ++*ret_count;
        r = repack_source_next(source, err);
    }
    repack_source_free(source);
    return r;
}

static void every_needed_page_comes_once(void **state)
{
    (void)state;
    for (size_t pack = 0; pack < REPACK_RIG_BACKUPS; pack++) {
        struct sourcing sourcing;
        uint64_t count = 0;

        sourcing_init(&sourcing, pack, 1u << 20);
        if (sourcing.live.packs[pack].page_count > 0) {
            assert_int_equal(read_all(&sourcing, &count, NULL), 0);
            assert_int_equal(count, sourcing.live.packs[pack].page_count);
        }
        sourcing_dispose(&sourcing);
    }
}

static void frames_share_requests_as_far_as_a_span_goes(void **state)
{
    struct sourcing sourcing;
    uint64_t count = 0;
    unsigned few;

    (void)state;
    sourcing_init(&sourcing, 0, 1u << 20);
    assert_int_equal(read_all(&sourcing, &count, NULL), 0);
    few = sourcing.rig.counters.gets;
    sourcing.rig.counters.gets = 0;
    sourcing.options.span_size = 1;
    assert_int_equal(read_all(&sourcing, &count, NULL), 0);
    assert_int_equal(count, sourcing.live.packs[0].page_count);
    assert_true(sourcing.rig.counters.gets > few);
    sourcing_dispose(&sourcing);
}

static void a_damaged_frame_is_noticed(void **state)
{
    struct sourcing sourcing;
    struct err err = { 0 };
    uint64_t count = 0;

    (void)state;
    sourcing_init(&sourcing, 0, 1u << 20);
    restore_rig_flip(&sourcing.rig, 0, sourcing.rig.packs.manifest.packs[0].hashes_offset / 2);
    assert_int_equal(read_all(&sourcing, &count, &err), ERR_CORRUPT);
    sourcing_dispose(&sourcing);
}

static void a_failure_is_reported(void **state)
{
    struct sourcing sourcing;
    unsigned fail_at = 1;
    int r;

    (void)state;
    sourcing_init(&sourcing, 0, 1u << 20);
    do {
        uint64_t count = 0;

        sourcing.rig.counters.calls = 0;
        sourcing.rig.counters.fail_at = fail_at++;
        r = read_all(&sourcing, &count, NULL);
        assert_true(r == 0 || r == ERR_SERVER);
    } while (r < 0);
    assert_true(fail_at > 3);
    sourcing_dispose(&sourcing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_needed_page_comes_once),
        cmocka_unit_test(frames_share_requests_as_far_as_a_span_goes),
        cmocka_unit_test(a_damaged_frame_is_noticed),
        cmocka_unit_test(a_failure_is_reported),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
