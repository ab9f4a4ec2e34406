/* Goal: pages are written again where that frees packs, and only there. */
#include "snapshot/rewrite.h"

#include "snapshot/parent.h"
#include "tests/harness/test.h"

#include <stdlib.h>
#include <string.h>

/* Packs called A, B, ... with so many slots, of which so many are in use. */
static void make(struct parent *parent, struct manifest *manifest, const uint32_t (*packs)[2],
                 size_t count)
{
    uint32_t page = 1;

    *parent = (struct parent)PARENT_INIT;
    *manifest = (struct manifest)MANIFEST_INIT;
    manifest->packs = calloc(count, sizeof(*manifest->packs));
    assert_non_null(manifest->packs);
    for (size_t i = 0; i < count; i++) {
        struct page_run run = { .first_page = page, .page_count = packs[i][1], .frame_len = 1 };

        (void)memset(manifest->packs[i].id, 'A' + (int)i, 1);
        manifest->packs[i].slot_count = packs[i][0];
        run.frame_slot_count = packs[i][0];
        assert_int_equal(page_map_add_pack(&parent->map, manifest->packs[i].id, &run.pack, NULL),
                         0);
        assert_int_equal(page_map_add_run(&parent->map, &run, NULL), 0);
        page += packs[i][1];
    }
    manifest->pack_count = count;
}

static uint32_t count_rewritten(const uint8_t *rewrite, uint32_t from, uint32_t to)
{
    uint32_t count = 0;

    for (uint32_t page = from; rewrite != NULL && page <= to; page++)
        count += rewrite[page / 8] >> page % 8 & 1;
    return count;
}

static void writes_again_what_is_sparse_within_a_tenth_of_the_pages(void **state)
{
    /* Of 1,000 pages at most 100 are written again: the sparsest first. */
    static const uint32_t packs[][2] = {
        { 2000, 820 }, { 100, 60 }, { 1000, 50 }, { 800, 40 }, { 150, 30 }
    };
    struct manifest manifest;
    struct parent parent;
    const struct rewrite_bases none = { NULL, 0 };
    struct rewrite rewrite = REWRITE_INIT;

    (void)state;
    make(&parent, &manifest, packs, 5);
    assert_int_equal(rewrite_choose(&parent, &manifest, &none, &rewrite, NULL), 0);
    assert_int_equal(count_rewritten(rewrite.pages, 1, 820 + 60), 0);
    assert_int_equal(count_rewritten(rewrite.pages, 881, 970), 90);
    assert_int_equal(count_rewritten(rewrite.pages, 971, 1000), 0);
    rewrite_dispose(&rewrite);
    for (size_t i = 0; i < manifest.pack_count; i++) /* all of it is in use */
        manifest.packs[i].slot_count = packs[i][1];
    assert_int_equal(rewrite_choose(&parent, &manifest, &none, &rewrite, NULL), 0);
    assert_null(rewrite.pages);
    manifest_dispose(&manifest);
    parent_dispose(&parent);
}

/* The backup at index needs the first pack_count packs. */
static void add_backup(struct manifest *manifest, size_t index, uint32_t pack_count)
{
    assert_int_equal(pack_set_append(&manifest->backups[index].packs, 0, pack_count, NULL), 0);
    manifest->backup_count = index + 1;
}

/* A full backup A, two days B and C, and the hours D, E, F of the third. */
static const uint32_t days[][2] = { { 1000, 790 }, { 90, 60 }, { 100, 60 },
                                    { 40, 30 },    { 40, 20 }, { 40, 40 } };

static void make_days(struct parent *parent, struct manifest *manifest)
{
    make(parent, manifest, days, 6);
    manifest->backups = calloc(3, sizeof(*manifest->backups));
    assert_non_null(manifest->backups);
    add_backup(manifest, 0, 1);
    add_backup(manifest, 1, 2);
    add_backup(manifest, 2, 3);
}

static void merges_what_was_written_since_the_base(void **state)
{
    static const size_t newest[] = { 2 };
    const struct rewrite_bases bases = { newest, 1 };
    struct rewrite rewrite = REWRITE_INIT;
    struct manifest manifest;
    struct parent parent;

    (void)state;
    make_days(&parent, &manifest);
    manifest.packs[5].slot_count = 80; /* of 160 slots 90 are in use */
    assert_int_equal(rewrite_choose(&parent, &manifest, &bases, &rewrite, NULL), 0);
    assert_int_equal(rewrite.merged_count, 90);
    assert_int_equal(count_rewritten(rewrite.pages, 1, 910), 0);
    assert_int_equal(count_rewritten(rewrite.pages, 911, 1000), 90);
    rewrite_dispose(&rewrite);
    manifest_dispose(&manifest);
    parent_dispose(&parent);
}

static void merges_nothing_where_less_than_a_third_can_be_spared(void **state)
{
    static const size_t newest[] = { 2 };
    const struct rewrite_bases bases = { newest, 1 };
    struct rewrite rewrite = REWRITE_INIT;
    struct manifest manifest;
    struct parent parent;

    (void)state;
    make_days(&parent, &manifest); /* of 120 slots 90 are in use */
    assert_int_equal(rewrite_choose(&parent, &manifest, &bases, &rewrite, NULL), 0);
    assert_int_equal(rewrite.merged_count, 0);
    assert_null(rewrite.pages);
    manifest_dispose(&manifest);
    parent_dispose(&parent);
}

static void takes_the_first_base_that_will_do(void **state)
{
    static const size_t all[] = { 0, 1, 2 };
    const struct rewrite_bases bases = { all, 3 };
    struct rewrite rewrite = REWRITE_INIT;
    struct manifest manifest;
    struct parent parent;

    (void)state;
    make_days(&parent, &manifest);
    manifest.packs[2].slot_count = 400; /* of 610 slots 210 are in use, by all since the first */
    assert_int_equal(rewrite_choose(&parent, &manifest, &bases, &rewrite, NULL), 0);
    assert_int_equal(rewrite.merged_count, 210);
    assert_int_equal(rewrite.sparse_count, 0); /* it is merged already */
    assert_int_equal(count_rewritten(rewrite.pages, 1, 790), 0);
    rewrite_dispose(&rewrite);
    manifest.packs[2].slot_count = 500; /* as good as a full one: left alone, though it is sparse */
    assert_int_equal(rewrite_choose(&parent, &manifest, &bases, &rewrite, NULL), 0);
    assert_int_equal(rewrite.merged_count, 0);
    assert_int_equal(rewrite.sparse_count, 60);
    rewrite_dispose(&rewrite);
    manifest_dispose(&manifest);
    parent_dispose(&parent);
}

static void does_not_merge_half_of_the_database(void **state)
{
    static const uint32_t packs[][2] = { { 1000, 400 }, { 499, 300 }, { 499, 300 } };
    static const size_t first[] = { 0 };
    const struct rewrite_bases bases = { first, 1 };
    struct rewrite rewrite = REWRITE_INIT;
    struct manifest manifest;
    struct parent parent;

    (void)state;
    make(&parent, &manifest, packs, 3);
    manifest.backups = calloc(1, sizeof(*manifest.backups));
    assert_non_null(manifest.backups);
    add_backup(&manifest, 0, 1);
    assert_int_equal(rewrite_choose(&parent, &manifest, &bases, &rewrite, NULL), 0);
    assert_int_equal(rewrite.merged_count, 0);
    assert_null(rewrite.pages);
    manifest_dispose(&manifest);
    parent_dispose(&parent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_again_what_is_sparse_within_a_tenth_of_the_pages),
        cmocka_unit_test(merges_what_was_written_since_the_base),
        cmocka_unit_test(merges_nothing_where_less_than_a_third_can_be_spared),
        cmocka_unit_test(takes_the_first_base_that_will_do),
        cmocka_unit_test(does_not_merge_half_of_the_database),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
