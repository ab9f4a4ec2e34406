/* Goal: a set of packs holds what was put into it, and still does when packs before, in and after
 * it are gone. */
#include "snapshot/pack_set.h"

#include <stdlib.h>
#include <string.h>

#include "tests/harness/test.h"

#define PACKS 40u

static void random_flags(unsigned *seed, bool *flags)
{
    const int share = rand_r(seed) % 5;

    for (size_t i = 0; i < PACKS; i++)
        flags[i] = rand_r(seed) % 4 < share;
}

static void assert_holds(const struct pack_set *set, const bool *flags, size_t count)
{
    size_t size = 0;

    for (size_t i = 0; i < count; i++) {
        assert_int_equal(pack_set_has(set, (uint32_t)i), flags[i]);
        size += flags[i];
    }
    assert_int_equal(pack_set_size(set), size);
    for (size_t i = 1; i < set->range_count; i++) /* the ranges lie apart */
        assert_true(set->ranges[i].first > set->ranges[i - 1].first + set->ranges[i - 1].count);
}

static void holds_what_was_put_into_it(void **state)
{
    unsigned seed = 1;

    (void)state;
    for (int i = 0; i < 300; i++) {
        struct pack_set set = PACK_SET_INIT, copy = PACK_SET_INIT;
        bool flags[PACKS], again[PACKS] = { false };

        random_flags(&seed, flags);
        assert_int_equal(pack_set_from_flags(flags, PACKS, &set, NULL), 0);
        assert_holds(&set, flags, PACKS);
        assert_int_equal(pack_set_copy(&set, &copy, NULL), 0);
        pack_set_dispose(&set);
        pack_set_to_flags(&copy, again);
        assert_memory_equal(flags, again, sizeof(flags));
        assert_int_equal(pack_set_append(&copy, PACKS + 1, 2, NULL), 0); /* a copy grows too */
        assert_true(pack_set_has(&copy, PACKS + 2));
        assert_false(pack_set_has(&copy, PACKS));
        pack_set_dispose(&copy);
        pack_set_dispose(&copy);
    }
}

static void neighbours_become_one_range(void **state)
{
    struct pack_set set = PACK_SET_INIT;

    (void)state;
    assert_int_equal(pack_set_append(&set, 3, 2, NULL), 0);
    assert_int_equal(pack_set_append(&set, 5, 1, NULL), 0);
    assert_int_equal(set.range_count, 1);
    assert_int_equal(set.ranges[0].count, 3);
    pack_set_dispose(&set);
}

static void follows_its_packs_when_others_go(void **state)
{
    unsigned seed = 2;

    (void)state;
    for (int i = 0; i < 300; i++) {
        struct pack_set set = PACK_SET_INIT;
        bool flags[PACKS], gone[PACKS], expected[PACKS] = { false };
        uint32_t kept_before[PACKS + 1], kept = 0;

        random_flags(&seed, flags);
        random_flags(&seed, gone);
        assert_int_equal(pack_set_from_flags(flags, PACKS, &set, NULL), 0);
        for (uint32_t k = 0; k < PACKS; k++) {
            kept_before[k] = kept;
            if (!gone[k])
                expected[kept++] = flags[k];
        }
        kept_before[PACKS] = kept;
        pack_set_renumber(&set, kept_before);
        assert_holds(&set, expected, kept);
        pack_set_dispose(&set);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_what_was_put_into_it),
        cmocka_unit_test(neighbours_become_one_range),
        cmocka_unit_test(follows_its_packs_when_others_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
