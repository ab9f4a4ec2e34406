/* Goal: the system's clock tells the time, and a sleep ends early when asked to. */
#include "base/clock.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>
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

static struct cancel by_signal = CANCEL_INIT;

static void on_alarm(int signal_number)
{
    cancel_set(&by_signal, signal_number);
}

static void a_sleep_ends_when_a_signal_cancels_it(void **state)
{
    const struct sigaction action = { .sa_handler = on_alarm };
    const struct itimerval soon = { .it_value = { .tv_usec = 30000 } };
    struct clock *clock = clock_system();
    const int64_t began = clock_mono_ms(clock);

    (void)state;
    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
    clock_sleep_ms(clock, 600000, &by_signal);
    assert_true(clock_mono_ms(clock) - began < 60000);
    clock_sleep_ms(clock, INT64_MAX, &by_signal); /* canceled before: not at all */
}

/* An idle agent waits for hours. */
static void a_sleep_that_can_be_canceled_wakes_nobody_meanwhile(void **state)
{
    const struct cancel cancel = CANCEL_INIT;
    struct clock *clock = clock_system();
    const int64_t began = clock_mono_ms(clock);
    struct rusage before, after;

    (void)state;
    assert_int_equal(getrusage(RUSAGE_THREAD, &before), 0);
    clock_sleep_ms(clock, 300, &cancel);
    assert_int_equal(getrusage(RUSAGE_THREAD, &after), 0);
    assert_true(clock_mono_ms(clock) - began >= 299);
    assert_true(after.ru_nvcsw - before.ru_nvcsw < 10); /* times that it went to sleep */
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
        cmocka_unit_test(a_sleep_ends_when_a_signal_cancels_it),
        cmocka_unit_test(a_sleep_that_can_be_canceled_wakes_nobody_meanwhile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
