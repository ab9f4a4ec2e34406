/* Goal: ids are UUIDs of version 4, and no two are alike. */
#include "base/random.h"

#include <string.h>

#include "tests/harness/test.h"

static void ids_have_the_form_of_version_4(void **state)
{
    char id[UUID_TEXT_SIZE];

    (void)state;
    for (int n = 0; n < 1000; n++) {
        uuid_v4(id);
        assert_int_equal(strlen(id), 36);
        for (size_t i = 0; i < 36; i++) {
            if (i == 8 || i == 13 || i == 18 || i == 23) {
                assert_int_equal(id[i], '-');
            } else {
                assert_non_null(strchr("0123456789abcdef", id[i]));
            }
        }
        assert_int_equal(id[14], '4');
        assert_non_null(strchr("89ab", id[19]));
    }
}

static void every_bit_of_a_number_is_used(void **state)
{
    uint64_t ones = 0, zeros = 0;
    char a[UUID_TEXT_SIZE], b[UUID_TEXT_SIZE];

    (void)state;
    for (int n = 0; n < 200; n++) { /* a bit misses one side once in 2^199 */
        const uint64_t value = random_u64();

        ones |= value;
        zeros |= ~value;
    }
    assert_true(ones == UINT64_MAX && zeros == UINT64_MAX);
    uuid_v4(a);
    uuid_v4(b);
    assert_string_not_equal(a, b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_have_the_form_of_version_4),
        cmocka_unit_test(every_bit_of_a_number_is_used),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
