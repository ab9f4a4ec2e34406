/* Goal: ids are UUIDs of version 4, and no two are alike. */
#include "base/random.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

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

static void do_nothing(int signal_number)
{
    (void)signal_number;
}

/* A signal ends getrandom(2) early, with what it has by then. */
static void a_long_request_is_filled_in_spite_of_signals(void **state)
{
    const struct itimerval often = { { 0, 1000 }, { 0, 1000 } }, never = { 0 };
    const struct sigaction action = { .sa_handler = do_nothing };
    const size_t len = (size_t)32 << 20, end = 64;
    uint8_t *bytes = calloc(1, len), any = 0;

    (void)state;
    assert_non_null(bytes);
    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
    random_bytes(bytes, len);
    assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
    for (size_t i = len - end; i < len; i++)
        any |= bytes[i];
    free(bytes);
    assert_int_not_equal(any, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_have_the_form_of_version_4),
        cmocka_unit_test(every_bit_of_a_number_is_used),
        cmocka_unit_test(a_long_request_is_filled_in_spite_of_signals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
