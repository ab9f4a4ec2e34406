/* Goal: what is lost of a pack is told page by page, and nothing counts as found before something
 * proves it. */
#include "snapshot/repair_find.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "snapshot/repair_map.h"
#include "snapshot/spool.h"
#include "tests/harness/quiet_log.h"
#include "tests/harness/restore_rig.h"
#include "tests/harness/test.h"

#define BACKUPS 3

struct finding {
    struct restore_rig rig;
    struct repair_pages_options options;
    struct verify_options reading;
    struct repair_job job;
};

static void finding_init(struct finding *finding)
{
    memset(finding, 0, sizeof(*finding));
    restore_rig_init(&finding->rig, 1024, BACKUPS);
}

static const struct pack_record *pack_of(const struct finding *finding, size_t index)
{
    return manifest_find_pack(&finding->rig.packs.manifest, finding->rig.packs.backups[index].id);
}

/* What was lost of the backup's own pack. */
static struct lost_pack *find(struct finding *finding, size_t index)
{
    struct repair_job *job = &finding->job;

    finding->options.database = "app";
    finding->reading.read = true;
    *job = (struct repair_job){ .store = finding->rig.store,
                                .options = &finding->options,
                                .manifest = &finding->rig.packs.manifest };
    job->packs = calloc(job->manifest->pack_count, sizeof(*job->packs));
    assert_int_equal(spool_new(NULL, 1u << 20, &job->raw, NULL), 0);
    assert_int_equal(
        pack_survey_run(job->store, job->manifest, NULL, &finding->reading, &job->survey, NULL), 0);
    assert_int_equal(repair_find_maps(job, NULL), 0);
    assert_int_equal(repair_find_pages(job, NULL), 0);
    return &job->packs[pack_of(finding, index) - job->manifest->packs];
}

static void finding_dispose(struct finding *finding)
{
    struct repair_job *job = &finding->job;

    for (size_t i = 0; i < job->manifest->pack_count; i++) {
        page_map_dispose(&job->packs[i].map);
        free(job->packs[i].pages);
    }
    free(job->packs);
    free(job->stand_ins);
    spool_free(job->raw);
    pack_survey_dispose(&job->survey);
    restore_rig_dispose(&finding->rig);
}

static void finds_the_pages_of_a_damaged_frame_and_no_others(void **state)
{
    struct finding finding;
    struct lost_pack *lost;
    int64_t count = 0;

    (void)state;
    finding_init(&finding);
    restore_rig_flip(&finding.rig, 1, 50);
    lost = find(&finding, 1);
    assert_true(lost->count > 0 && lost->count <= pack_of(&finding, 1)->slot_count);
    for (size_t i = 0; i < lost->count; i++) {
        assert_true(lost->pages[i].known);
        assert_false(lost->pages[i].found);
        assert_ptr_equal(repair_find(lost, lost->pages[i].page_number), &lost->pages[i]);
    }
    assert_null(repair_find(lost, UINT32_MAX));
    assert_int_equal(finding.job.packs[0].count, 0);
    assert_int_equal(
        repair_count_lost(&finding.job, restore_rig_backup(&finding.rig, 1), &count, NULL), 0);
    assert_int_equal(count, lost->count);
    assert_int_equal(
        repair_count_lost(&finding.job, restore_rig_backup(&finding.rig, 0), &count, NULL), 0);
    assert_int_equal(count, 0);
    finding_dispose(&finding);
}

static void takes_only_the_page_whose_hash_is_known(void **state)
{
    static uint8_t wrong[1024];
    struct finding finding;
    struct lost_page *page;
    const uint8_t *right;

    (void)state;
    finding_init(&finding);
    restore_rig_flip(&finding.rig, 1, 50);
    page = &find(&finding, 1)->pages[0];
    right = finding.rig.packs.backups[1].bytes + (size_t)(page->page_number - 1) * 1024;
    assert_int_equal(repair_offer(&finding.job, page, wrong, 1024, NULL), 0);
    assert_false(page->found);
    assert_int_equal(repair_offer(&finding.job, page, right, 1024, NULL), 0);
    assert_true(page->found && page->proven);
    finding_dispose(&finding);
}

static void what_only_looks_right_is_not_proven(void **state)
{
    static uint8_t wrong[1024];
    struct finding finding;
    struct lost_pack *lost;

    (void)state;
    finding_init(&finding);
    restore_rig_flip(&finding.rig, 0, pack_of(&finding, 0)->hashes_offset + 30);
    lost = find(&finding, 0);
    assert_int_equal(lost->count, pack_of(&finding, 0)->slot_count);
    for (size_t i = 0; i < lost->count; i++)
        assert_true(lost->pages[i].found && !lost->pages[i].proven); /* by the frames */
    /* A page that the first backup has, and no other one. */
    for (size_t i = 0; i < lost->count; i++) {
        const struct page_run *run =
            page_map_find(&finding.rig.packs.backups[1].map, lost->pages[i].page_number);

        if (strcmp(finding.rig.packs.backups[1].map.pack_ids[run->pack],
                   finding.rig.packs.backups[0].id) == 0)
            continue;
        lost->pages[i].found = false;
        assert_int_equal(repair_offer(&finding.job, &lost->pages[i], wrong, 1024, NULL), 0);
        break;
    }
    assert_int_equal(repair_prove(&finding.job, NULL), 0);
    for (size_t i = 0; i < lost->count; i++) {
        const struct page_run *run =
            page_map_find(&finding.rig.packs.backups[1].map, lost->pages[i].page_number);
        const bool shared = strcmp(finding.rig.packs.backups[1].map.pack_ids[run->pack],
                                   finding.rig.packs.backups[0].id) == 0;

        assert_int_equal(lost->pages[i].proven, shared);
    }
    finding_dispose(&finding);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_pages_of_a_damaged_frame_and_no_others),
        cmocka_unit_test(takes_only_the_page_whose_hash_is_known),
        cmocka_unit_test(what_only_looks_right_is_not_proven),
    };

    log_set_sink(quiet_log, NULL, LOG_LEVEL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
