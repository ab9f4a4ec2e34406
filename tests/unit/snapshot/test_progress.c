/* Goal: progress is told seldom enough to cost nothing, and always at the end. */
#include "snapshot/progress.h"

#include "tests/harness/test.h"

#include <stddef.h>

struct told {
    unsigned calls;
    enum progress_phase phase;
    uint64_t done, total;
};

static void tell(void *context, enum progress_phase phase, uint64_t done, uint64_t total)
{
    struct told *told = context;

    told->calls++;
    told->phase = phase;
    told->done = done;
    told->total = total;
}

static void does_nothing_without_a_listener(void **state)
{
    const struct progress unset = { NULL, NULL };
    struct progress_meter meter = { .total = 1 };

    (void)state;
    progress_update(NULL, PROGRESS_READ, 1, 2);
    progress_update(&unset, PROGRESS_READ, 1, 2);
    progress_meter_add(&meter, 1);
    assert_int_equal(meter.done, 1);
}

static void tells_the_first_and_the_last_of_many_steps(void **state)
{
    struct told told = { 0 };
    const struct progress progress = { tell, &told };
    struct progress_meter meter = { .progress = &progress, .phase = PROGRESS_FETCH, .total = 1000 };

    (void)state;
    progress_meter_add(&meter, 1);
    assert_int_equal(told.calls, 1);
    for (unsigned i = 1; i < 999; i++)
        progress_meter_add(&meter, 1);
    assert_in_range(told.calls, 1, 20); /* a thousand steps, far less than a second */
    progress_meter_add(&meter, 1);
    assert_int_equal(told.phase, PROGRESS_FETCH);
    assert_int_equal(told.done, 1000);
    assert_int_equal(told.total, 1000);
}

static void names_every_phase(void **state)
{
    (void)state;
    assert_string_equal(progress_phase_name(PROGRESS_READ), "read");
    assert_string_equal(progress_phase_name(PROGRESS_UPLOAD), "upload");
    assert_string_equal(progress_phase_name(PROGRESS_FETCH), "fetch");
    assert_string_equal(progress_phase_name(PROGRESS_CHECK), "check");
    assert_string_equal(progress_phase_name(PROGRESS_PUBLISH), "publish");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(does_nothing_without_a_listener),
        cmocka_unit_test(tells_the_first_and_the_last_of_many_steps),
        cmocka_unit_test(names_every_phase),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
