/* Goal: a new pack has the needed pages of several old ones and no others, and tells of them; a
 * failure leaves no object. */
#include "snapshot/repack.h"

#include "base/err.h"
#include "snapshot/pack_repair.h"
#include "snapshot/page_map.h"
#include "tests/harness/repack_rig.h"
#include "tests/harness/test.h"

#include <stdlib.h>
#include <string.h>

struct writing {
    struct restore_rig rig;
    struct live_pages live;
    struct repack_options options;
    struct repack_group group;
    struct pack_record record;
};

/* The packs of the expired backups. */
static void writing_init(struct writing *writing)
{
    memset(writing, 0, sizeof(*writing));
    repack_rig_init(&writing->rig);
    writing->options.database = "app";
    assert_int_equal(live_pages_read(writing->rig.store, &writing->rig.packs.manifest, NULL,
                                     &writing->live, NULL),
                     0);
    for (size_t i = 0; i < 2; i++)
        writing->group.packs[writing->group.count++] = i;
}

static void writing_dispose(struct writing *writing)
{
    live_pages_dispose(&writing->live);
    restore_rig_dispose(&writing->rig);
}

static int run(struct writing *writing, struct err *err)
{
    return repack_write(writing->rig.store, &writing->rig.packs.manifest, &writing->live,
                        &writing->group, &writing->options, &writing->record, err);
}

static void has_the_needed_pages_of_all(void **state)
{
    struct page_run *runs = NULL;
    struct writing writing;
    size_t count = 0;
    uint64_t pages = 0;

    (void)state;
    writing_init(&writing);
    assert_int_equal(run(&writing, NULL), 0);
    assert_int_equal(pack_runs_read(writing.rig.store, "app", &writing.record, REPACK_RIG_PAGE,
                                    &runs, &count, NULL),
                     0);
    for (size_t i = 0; i < count; i++) {
        for (uint32_t k = 0; k < runs[i].page_count; k++, pages++) {
            assert_true(live_pages_has(&writing.live, 0, runs[i].first_page + k) ||
                        live_pages_has(&writing.live, 1, runs[i].first_page + k));
        }
    }
    assert_int_equal(pages, writing.live.packs[0].page_count + writing.live.packs[1].page_count);
    assert_int_equal(writing.record.slot_count, pages);
    assert_int_equal(writing.record.map_len, 0);
    free(runs);
    writing_dispose(&writing);
}

static void has_the_map_that_is_needed(void **state)
{
    struct writing writing;

    (void)state;
    writing_init(&writing);
    writing.live.packs[0].needs_map = true;
    assert_int_equal(run(&writing, NULL), 0);
    assert_true(writing.record.map_len > 0);
    writing_dispose(&writing);
}

/* The pages of a pack that are thought to be needed, and are not in it. */
static void a_page_that_is_not_there_is_an_error(void **state)
{
    struct writing writing;
    struct err err = { 0 };

    (void)state;
    writing_init(&writing);
    writing.live.packs[0].page_count++;
    assert_int_equal(run(&writing, &err), ERR_CORRUPT);
    writing_dispose(&writing);
}

static void leaves_no_object_when_a_call_fails(void **state)
{
    struct writing writing;
    unsigned fail_at = 1, before;
    int r;

    (void)state;
    writing_init(&writing);
    before = restore_rig_objects(&writing.rig);
    do {
        writing.rig.counters.calls = 0;
        writing.rig.counters.fail_at = fail_at++;
        r = run(&writing, NULL);
        assert_int_equal(restore_rig_objects(&writing.rig), before + (r == 0));
    } while (r < 0);
    assert_true(fail_at > 4);
    writing_dispose(&writing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_the_needed_pages_of_all),
        cmocka_unit_test(has_the_map_that_is_needed),
        cmocka_unit_test(a_page_that_is_not_there_is_an_error),
        cmocka_unit_test(leaves_no_object_when_a_call_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
