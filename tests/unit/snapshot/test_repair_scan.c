/* Goal: of a live database exactly the pages are kept that may be the lost ones; one that cannot be
 * read gives none, and is no failure. */
#include "snapshot/repair_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "snapshot/spool.h"
#include "tests/harness/quiet_log.h"
#include "tests/harness/restore_rig.h"
#include "tests/harness/test.h"

#define PAGE_SIZE 1024u

static void scan(struct restore_rig *rig, const char *path, struct lost_page *pages, size_t count,
                 struct spool **ret_raw)
{
    const struct repair_pages_options options = { .path = path, .busy_timeout_ms = 100 };
    struct lost_pack packs[2] = { { .pages = pages, .count = count } };
    const struct backup_record *users[2] = { restore_rig_backup(rig, 0), NULL };
    struct repair_job job = { .store = rig->store,
                              .options = &options,
                              .manifest = &rig->packs.manifest,
                              .packs = packs,
                              .survey = { .manifest = &rig->packs.manifest, .users = users } };

    assert_int_equal(rig->packs.manifest.pack_count, 2);
    assert_int_equal(spool_new(NULL, 1u << 20, &job.raw, NULL), 0);
    assert_int_equal(repair_scan(&job, NULL), 0);
    *ret_raw = job.raw;
}

static void keeps_what_may_be_lost(void **state)
{
    struct lost_page pages[] = { { .page_number = 1 },
                                 { .page_number = 3, .known = true },
                                 { .page_number = 5, .known = true },
                                 { .page_number = 1000000 } };
    struct spool *raw = NULL;
    struct restore_rig rig;
    const uint8_t *bytes;
    uint8_t page[PAGE_SIZE];

    (void)state;
    restore_rig_init(&rig, PAGE_SIZE, 2);
    bytes = rig.packs.backups[1].bytes; /* as the database is */
    pages[2].hash =
        page_hash(rig.packs.manifest.page_hash_seed, 5, bytes + (size_t)4 * PAGE_SIZE, PAGE_SIZE);
    scan(&rig, rig.source.path, pages, 4, &raw);
    assert_true(pages[0].found && !pages[0].proven);
    assert_false(pages[1].found); /* it has another hash */
    assert_true(pages[2].found && pages[2].proven);
    assert_false(pages[3].found);
    assert_int_equal(spool_size(raw), 2 * PAGE_SIZE);
    assert_int_equal(spool_read(raw, pages[2].raw, page, PAGE_SIZE, NULL), 0);
    assert_memory_equal(page, bytes + (size_t)4 * PAGE_SIZE, PAGE_SIZE);
    assert_int_equal(spool_read(raw, pages[0].raw, page, PAGE_SIZE, NULL), 0);
    assert_memory_equal(page, bytes, PAGE_SIZE);
    spool_free(raw);
    restore_rig_dispose(&rig);
}

static void what_is_no_database_gives_nothing(void **state)
{
    const char *const names[] = { "absent.db", "." };
    struct restore_rig rig;

    (void)state;
    restore_rig_init(&rig, PAGE_SIZE, 2);
    for (size_t i = 0; i < 2; i++) {
        struct lost_page page = { .page_number = 1 };
        struct spool *raw = NULL;

        scan(&rig, restore_rig_path(rig.work, names[i]), &page, 1, &raw);
        assert_false(page.found);
        spool_free(raw);
    }
    restore_rig_dispose(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_what_may_be_lost),
        cmocka_unit_test(what_is_no_database_gives_nothing),
    };

    log_set_sink(quiet_log, NULL, LOG_LEVEL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
