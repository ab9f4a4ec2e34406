/* Goal: every page's hash comes back, in chunks of any size, after being replaced too. */
#include "snapshot/hash_spool.h"

#include "tests/harness/test.h"

#include <stdlib.h>

#define PAGES 100000u /* more than stays in memory */

static struct page_hash expected(uint32_t page_number, uint64_t generation)
{
    return (struct page_hash){ page_number * UINT64_C(0x9E3779B97F4A7C15), generation };
}

static void put(struct hash_spool *hashes, uint32_t first_page, uint32_t count, uint64_t generation)
{
    struct page_hash *chunk = calloc(count, sizeof(*chunk));

    assert_non_null(chunk);
    for (uint32_t i = 0; i < count; i++)
        chunk[i] = expected(first_page + i, generation);
    assert_int_equal(hash_spool_put(hashes, first_page, chunk, count, NULL), 0);
    free(chunk);
}

static void gives_back_what_was_put_last(void **state)
{
    struct hash_spool *hashes = NULL;
    struct page_hash *found = calloc(PAGES, sizeof(*found));

    (void)state;
    assert_non_null(found);
    assert_int_equal(hash_spool_new(NULL, &hashes, NULL), 0);
    assert_int_equal(hash_spool_get(hashes, 1, found, 1, NULL), 0);
    assert_true(page_hash_eq(found[0], (struct page_hash){ 0, 0 }));
    for (uint32_t page = 2; page <= PAGES; page += 64) {
        uint32_t left = PAGES + 1 - page;

        put(hashes, page, left < 64 ? left : 64, 1);
    }
    put(hashes, 1, 1, 2); /* page 1 comes last */
    put(hashes, 5000, 700, 2);

    assert_int_equal(hash_spool_get(hashes, 1, found, PAGES, NULL), 0);
    for (uint32_t page = 1; page <= PAGES; page++) {
        uint64_t generation = page == 1 || (page >= 5000 && page < 5700) ? 2 : 1;

        assert_true(page_hash_eq(found[page - 1], expected(page, generation)));
    }
    hash_spool_free(hashes);
    free(found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_back_what_was_put_last),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
