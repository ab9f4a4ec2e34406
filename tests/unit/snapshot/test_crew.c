/* Goal: every task is taken once, by as many threads as wanted; the first failure ends the work and
 * is the one that is reported. */
#include "snapshot/crew.h"

#include "base/err.h"
#include "tests/harness/test.h"

#include <stdatomic.h>

#define TASKS 200u

struct tally {
    atomic_uint taken[TASKS];
    atomic_uint threads;
    size_t fail_at; /* TASKS: never */
};

static int work(void *context, struct crew *crew, struct err *err)
{
    struct tally *tally = context;
    size_t task = 0;

    (void)atomic_fetch_add(&tally->threads, 1);
    while (crew_take(crew, &task)) {
        (void)atomic_fetch_add(&tally->taken[task], 1);
        if (task == tally->fail_at)
            return err_set(err, ERR_IO, "task %zu", task);
    }
    return 0;
}

static void gives_every_task_to_one_thread(void **state)
{
    (void)state;
    for (size_t threads = 0; threads <= CREW_THREADS_MAX + 1; threads += 3) {
        struct tally tally = { .fail_at = TASKS };
        unsigned expected = threads == 0 ? 1 : (unsigned)threads;

        assert_int_equal(crew_run(threads, TASKS, work, &tally, NULL), 0);
        for (size_t i = 0; i < TASKS; i++)
            assert_int_equal(atomic_load(&tally.taken[i]), 1);
        assert_int_equal(atomic_load(&tally.threads),
                         expected < CREW_THREADS_MAX ? expected : CREW_THREADS_MAX);
    }
}

static void starts_no_thread_that_has_no_task(void **state)
{
    (void)state;
    for (unsigned tasks = 0; tasks < 4; tasks++) {
        struct tally tally = { .fail_at = TASKS };

        assert_int_equal(crew_run(8, tasks, work, &tally, NULL), 0);
        assert_int_equal(atomic_load(&tally.threads), tasks > 0 ? tasks : 1);
    }
}

static void reports_the_failure_and_takes_nothing_more(void **state)
{
    struct tally tally = { .fail_at = 5 };
    struct err err = { 0 };

    (void)state;
    assert_int_equal(crew_run(1, TASKS, work, &tally, &err), ERR_IO);
    assert_string_equal(err.msg, "task 5");
    assert_int_equal(atomic_load(&tally.taken[5]), 1);
    assert_int_equal(atomic_load(&tally.taken[6]), 0);
    assert_int_equal(crew_run(1, TASKS, work, &tally, NULL), ERR_IO);
}

/* Goes on until it is told that another one has failed. */
static int work_until_told(void *context, struct crew *crew, struct err *err)
{
    size_t task = 0;
    int r = 0;

    (void)context;
    if (crew_take(crew, &task) && task == 0)
        return err_set(err, ERR_SERVER, "the cause");
    while (r == 0)
        r = crew_check(crew, err);
    return r;
}

static void tells_the_others_and_reports_the_cause(void **state)
{
    struct err err = { 0 };

    (void)state;
    assert_int_equal(crew_run(4, 4, work_until_told, NULL, &err), ERR_SERVER);
    assert_string_equal(err.msg, "the cause");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_every_task_to_one_thread),
        cmocka_unit_test(starts_no_thread_that_has_no_task),
        cmocka_unit_test(reports_the_failure_and_takes_nothing_more),
        cmocka_unit_test(tells_the_others_and_reports_the_cause),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
