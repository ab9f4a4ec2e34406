/* Goal: no error leaves its reader without advice, and the better advice stays. */
#include "tests/harness/test.h"

#include "agent/hints.h"
#include "base/err.h"

#include <errno.h>

static void advises_on_every_kind_of_error(void **state)
{
    (void)state;
    for (int code = ERR_UNSUPPORTED; code <= ERR_NOMEM; code++) {
        struct err err;

        (void)err_set(&err, code, "x");
        hints_add(&err);
        if (code == ERR_CANCELED || code == ERR_REFUSED) { /* it was wanted; the guard explains */
            assert_string_equal(err.hint, "");
        } else {
            assert_string_not_equal(err.hint, "");
        }
    }
}

static void keeps_the_advice_of_who_knows_better(void **state)
{
    struct err err;

    (void)state;
    (void)err_set(&err, ERR_IO, "x");
    err_hint(&err, "better");
    hints_add(&err);
    assert_string_equal(err.hint, "better");
}

static void knows_a_reader_that_went_away(void **state)
{
    struct err err;

    (void)state;
    errno = EPIPE;
    (void)err_set_errno(&err, "write 'standard output'");
    hints_add(&err);
    assert_string_equal(err.hint, "the program that was to read this has ended");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(advises_on_every_kind_of_error),
        cmocka_unit_test(keeps_the_advice_of_who_knows_better),
        cmocka_unit_test(knows_a_reader_that_went_away),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
