/* Goal: the system's clock tells the time, and a sleep ends early when asked to. */
#include "base/clock.h"

#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "base/cancel.h"
#include "tests/harness/test.h"

static void tells_the_time_of_day(void **state)
{
    const int64_t seconds = (int64_t)time(NULL);

    (void)state;
    assert_in_range(clock_now_ms(clock_system()) / 1000, seconds, seconds + 2);
}

static void sleeps_at_least_as_long_as_asked(void **state)
{
    struct clock *clock = clock_system();
    const int64_t began = clock_mono_ms(clock);

    (void)state;
    clock_sleep_ms(clock, 30, NULL);
    assert_true(clock_mono_ms(clock) - began >= 29);
}

static void *cancel_soon(void *context)
{
    (void)usleep(30000);
    cancel_set(context, 0);
    return NULL;
}

static void a_sleep_ends_when_it_is_canceled(void **state)
{
    struct clock *clock = clock_system();
    const int64_t began = clock_mono_ms(clock);
    struct cancel cancel = CANCEL_INIT;
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, &cancel), 0);
    clock_sleep_ms(clock, 600000, &cancel);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(clock_mono_ms(clock) - began < 60000); /* not the ten minutes */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_the_time_of_day),
        cmocka_unit_test(sleeps_at_least_as_long_as_asked),
        cmocka_unit_test(a_sleep_ends_when_it_is_canceled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
