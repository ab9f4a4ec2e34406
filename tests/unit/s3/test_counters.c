/* Goal: every status has a place in the table of its own, or that of the rare ones, and sums lose
 * nothing. */
#include "s3/counters.h"

#include "tests/harness/test.h"

#include <stdio.h>
#include <string.h>

static void a_status_is_found_again_under_its_name(void **state)
{
    static const int statuses[] = { 200, 204, 206, 404, 412, 503 };

    (void)state;
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "%d", statuses[i]);
        assert_string_equal(s3_status_name(s3_status_index(statuses[i])), name);
    }
    assert_string_equal(s3_status_name(s3_status_index(0)), "none");
}

static void rare_statuses_share_a_place(void **state)
{
    static const int statuses[] = { -7, 1, 418, 599, 100000 };

    (void)state;
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
        assert_string_equal(s3_status_name(s3_status_index(statuses[i])), "other");
}

static void every_operation_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (unsigned a = 0; a < S3_OPERATION_COUNT; a++) {
        assert_non_null(s3_operation_name((enum s3_operation)a));
        for (unsigned b = 0; b < a; b++) {
            assert_string_not_equal(s3_operation_name((enum s3_operation)a),
                                    s3_operation_name((enum s3_operation)b));
        }
    }
}

static void a_sum_has_every_field(void **state)
{
    struct s3_counters sum, more;
    const uint64_t *words = (const uint64_t *)&sum;

    (void)state;
    memset(&sum, 0, sizeof(sum));
    memset(&more, 1, sizeof(more));
    s3_counters_add(&sum, &more);
    s3_counters_add(&sum, &more);
    for (size_t i = 0; i < sizeof(sum) / sizeof(*words); i++)
        assert_int_equal(words[i], UINT64_C(0x0202020202020202));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_status_is_found_again_under_its_name),
        cmocka_unit_test(rare_statuses_share_a_place),
        cmocka_unit_test(every_operation_has_a_name_of_its_own),
        cmocka_unit_test(a_sum_has_every_field),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
