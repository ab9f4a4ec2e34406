/* Goal: the pages that differ between two backups are counted without fetching one, whatever packs
 * they lie in. */
#include "base/err.h"
#include "snapshot/diff_internal.h"
#include "snapshot/fetch.h"
#include "tests/harness/restore_rig.h"
#include "tests/harness/test.h"

#include <stdlib.h>
#include <string.h>

static struct fetch *open_fetch(struct restore_rig *rig, size_t index)
{
    const struct fetch_options options = { 0 };
    struct fetch *fetch = NULL;

    assert_int_equal(fetch_open(rig->store, &rig->packs.manifest, restore_rig_backup(rig, index),
                                &options, &fetch, NULL),
                     0);
    return fetch;
}

/* By the bytes of both. */
static struct diff_pages expected(const struct restore_rig *rig, size_t from, size_t to,
                                  size_t page_size)
{
    const struct pack_fixture_backup *old = &rig->packs.backups[from];
    const struct pack_fixture_backup *new = &rig->packs.backups[to];
    size_t len = old->len < new->len ? old->len : new->len;
    struct diff_pages pages = { .added = (new->len - len) / page_size,
                                .removed = (old->len - len) / page_size };

    for (size_t offset = 0; offset < len; offset += page_size)
        pages.changed += memcmp(old->bytes + offset, new->bytes + offset, page_size) != 0;
    pages.bytes = (pages.changed + pages.added) * page_size;
    return pages;
}

static void check(struct restore_rig *rig, size_t from, size_t to, size_t page_size)
{
    struct fetch *old = open_fetch(rig, from), *new = open_fetch(rig, to);
    struct diff_pages wanted = expected(rig, from, to, page_size), pages = { 0 };
    unsigned calls = atomic_load(&rig->counters.calls);

    assert_int_equal(diff_pages(old, new, &pages, NULL), 0);
    assert_int_equal(pages.changed, wanted.changed);
    assert_int_equal(pages.added, wanted.added);
    assert_int_equal(pages.removed, wanted.removed);
    assert_int_equal(pages.bytes, wanted.bytes);
    assert_int_equal(atomic_load(&rig->counters.calls), calls);
    fetch_close(old);
    fetch_close(new);
}

/* Also a full one, which has all pages in another pack; one that has grown, and one that shrank. */
static void counts_what_differs_between_any_two(void **state)
{
    static const unsigned page_sizes[] = { 512, 4096, 65536 };
    const struct pack_fixture_options full = { .frame_pages = 3 };
    const struct pack_fixture_options incremental = { .incremental = true };

    (void)state;
    for (size_t i = 0; i < sizeof(page_sizes) / sizeof(page_sizes[0]); i++) {
        struct restore_rig rig;
        sqlite3 *db;

        restore_rig_init(&rig, page_sizes[i], 3);
        (void)pack_fixture_add(&rig.packs, rig.source.path, &full);
        db = sqlite_fixture_open(&rig.source);
        sqlite_fixture_exec(db, "CREATE TABLE more AS SELECT randomblob(1000) FROM t LIMIT 300");
        (void)pack_fixture_add(&rig.packs, rig.source.path, &incremental);
        sqlite_fixture_exec(db, "DROP TABLE more; DELETE FROM t WHERE id % 2; VACUUM");
        (void)pack_fixture_add(&rig.packs, rig.source.path, &incremental);
        (void)sqlite3_close(db);
        for (size_t from = 0; from < rig.packs.count; from++) {
            for (size_t to = 0; to < rig.packs.count; to++)
                check(&rig, from, to, page_sizes[i]);
        }
        restore_rig_dispose(&rig);
    }
}

static void takes_all_pages_of_another_size_for_others(void **state)
{
    struct restore_rig small, large;
    struct diff_pages pages = { 0 };
    struct fetch *old, *new;

    (void)state;
    restore_rig_init(&small, 1024, 1);
    restore_rig_init(&large, 4096, 1);
    old = open_fetch(&small, 0);
    new = open_fetch(&large, 0);
    assert_int_equal(diff_pages(old, new, &pages, NULL), 0);
    assert_int_equal(pages.changed, large.packs.backups[0].len / 4096);
    assert_int_equal(pages.added, 0);
    assert_int_equal(pages.removed, small.packs.backups[0].len / 1024 - pages.changed);
    assert_int_equal(pages.bytes, large.packs.backups[0].len);
    fetch_close(old);
    fetch_close(new);
    restore_rig_dispose(&small);
    restore_rig_dispose(&large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_what_differs_between_any_two),
        cmocka_unit_test(takes_all_pages_of_another_size_for_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
