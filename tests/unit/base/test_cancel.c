/* Goal: once asked to stop, it stays asked, and says by which signal. */
#include "base/cancel.h"

#include <errno.h>
#include <signal.h>

#include "base/err.h"
#include "tests/harness/test.h"

static void is_set_once_and_for_all(void **state)
{
    struct cancel cancel = CANCEL_INIT;
    struct err err = { 0 };

    (void)state;
    assert_false(cancel_is_set(&cancel));
    assert_int_equal(cancel_check(&cancel, &err), 0);
    cancel_set(&cancel, SIGTERM);
    assert_true(cancel_is_set(&cancel));
    assert_int_equal(cancel_check(&cancel, &err), ERR_CANCELED);
    assert_int_equal(atomic_load(&cancel.signal_number), SIGTERM);
}

/* A handler may interrupt code that is about to look at errno. */
static void setting_it_leaves_errno_alone(void **state)
{
    struct cancel cancel = CANCEL_INIT;

    (void)state;
    errno = EBUSY;
    cancel_set(&cancel, SIGTERM);
    assert_int_equal(errno, EBUSY);
}

static void needs_no_signal_and_no_object(void **state)
{
    struct cancel cancel = CANCEL_INIT;

    (void)state;
    cancel_set(&cancel, 0);
    assert_true(cancel_is_set(&cancel));
    assert_false(cancel_is_set(NULL));
    assert_int_equal(cancel_check(NULL, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_set_once_and_for_all),
        cmocka_unit_test(setting_it_leaves_errno_alone),
        cmocka_unit_test(needs_no_signal_and_no_object),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
