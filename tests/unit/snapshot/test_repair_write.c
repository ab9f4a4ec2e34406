/* Goal: what was found becomes a pack that tells of its pages, of the pack that it repairs, and of
 * that one's backup; a failure leaves no object. */
#include "snapshot/repair_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "snapshot/pack_repair.h"
#include "snapshot/spool.h"
#include "tests/harness/restore_rig.h"
#include "tests/harness/test.h"

#define PAGE_SIZE 1024u
#define LOST      4096u

struct writing {
    struct restore_rig rig;
    struct repair_pages_options options;
    struct lost_pack packs[2];
    struct lost_page pages[LOST];
    const struct backup_record *users[2];
    struct repair_job job;
};

/* Every second page of the first backup; the last one was not found. */
static void writing_init(struct writing *writing)
{
    struct repair_job *job = &writing->job;
    const uint8_t *bytes;

    memset(writing, 0, sizeof(*writing));
    restore_rig_init(&writing->rig, PAGE_SIZE, 2);
    bytes = writing->rig.packs.backups[0].bytes;
    assert_true(writing->rig.packs.backups[0].len / PAGE_SIZE > 8);
    restore_rig_name(&writing->rig);
    writing->options.database = "app";
    writing->users[0] = restore_rig_backup(&writing->rig, 0);
    writing->packs[0].pages = writing->pages;
    *job = (struct repair_job){ .store = writing->rig.store,
                                .options = &writing->options,
                                .manifest = &writing->rig.packs.manifest,
                                .packs = writing->packs };
    job->survey.manifest = job->manifest;
    job->survey.users = writing->users;
    assert_int_equal(spool_new(NULL, 1u << 20, &job->raw, NULL), 0);
    for (uint32_t page = 1; page <= writing->users[0]->page_count; page += 2) {
        struct lost_page *lost = &writing->pages[writing->packs[0].count++];

        assert_true(writing->packs[0].count < LOST);
        lost->page_number = page;
        assert_int_equal(
            repair_offer(job, lost, bytes + (size_t)(page - 1) * PAGE_SIZE, PAGE_SIZE, NULL), 0);
        lost->proven = true;
    }
    writing->pages[writing->packs[0].count - 1].proven = false;
}

static void writing_dispose(struct writing *writing)
{
    spool_free(writing->job.raw);
    restore_rig_dispose(&writing->rig);
}

static void writes_what_was_found(void **state)
{
    struct repair_made made = { .page_count = 0 };
    struct writing writing;
    struct page_run *runs = NULL;
    size_t count = 0;
    bool any = false;

    (void)state;
    writing_init(&writing);
    assert_int_equal(repair_write(&writing.job, 0, &any, &made, NULL), 0);
    assert_true(any);
    assert_int_equal(made.page_count, writing.packs[0].count - 1);
    assert_int_equal(made.record.slot_count, made.page_count);
    assert_int_equal(made.record.map_len, 0);
    assert_string_equal(made.repairs, writing.users[0]->id);
    assert_int_equal(
        pack_runs_read(writing.rig.store, "app", &made.record, PAGE_SIZE, &runs, &count, NULL), 0);
    assert_int_equal(count, made.page_count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(runs[i].first_page, writing.pages[i].page_number);
    free(runs);
    assert_int_equal(repair_write(&writing.job, 1, &any, &made, NULL), 0);
    assert_false(any); /* of the other chain nothing was lost */
    writing_dispose(&writing);
}

static void a_dry_run_writes_nothing(void **state)
{
    struct repair_made made = { .page_count = 0 };
    struct writing writing;
    unsigned before;
    bool any = false;

    (void)state;
    writing_init(&writing);
    writing.options.dry_run = true;
    before = restore_rig_objects(&writing.rig);
    assert_int_equal(repair_write(&writing.job, 0, &any, &made, NULL), 0);
    assert_true(any);
    assert_int_equal(made.page_count, writing.packs[0].count - 1);
    assert_int_equal(restore_rig_objects(&writing.rig), before);
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
        struct repair_made made = { .page_count = 0 };
        bool any = false;

        writing.rig.counters.calls = 0;
        writing.rig.counters.fail_at = fail_at++;
        r = repair_write(&writing.job, 0, &any, &made, NULL);
        assert_int_equal(restore_rig_objects(&writing.rig), before + (r == 0));
    } while (r < 0);
    assert_true(fail_at > 2);
    writing_dispose(&writing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_what_was_found),
        cmocka_unit_test(a_dry_run_writes_nothing),
        cmocka_unit_test(leaves_no_object_when_a_call_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
