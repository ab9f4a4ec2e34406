/* Goal: items cross threads in order, never more than the capacity, none lost when it closes. */
#include "base/queue.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

#include "tests/harness/test.h"

#define ITEM_COUNT 20000

static void *push_all(void *context)
{
    static char items[ITEM_COUNT];

    for (int i = 0; i < ITEM_COUNT; i++)
        assert_true(queue_push(context, &items[i]));
    queue_close(context);
    return NULL;
}

static void keeps_the_order_between_threads(void **state)
{
    struct queue *queue = NULL;
    pthread_t thread;
    char *last = NULL;
    void *item;
    int count = 0;

    (void)state;
    assert_int_equal(queue_new(3, &queue, NULL), 0);
    assert_int_equal(pthread_create(&thread, NULL, push_all, queue), 0);
    while (queue_pop(queue, &item)) {
        assert_true(last == NULL || (char *)item == last + 1);
        last = item;
        count++;
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(count, ITEM_COUNT);
    queue_free(queue);
}

struct counted {
    struct queue *queue;
    atomic_int pushed;
};

static void *count_pushes(void *context)
{
    struct counted *counted = context;

    for (int i = 0; i < ITEM_COUNT; i++) {
        atomic_fetch_add(&counted->pushed, 1); /* before: one more than can be in the queue */
        assert_true(queue_push(counted->queue, counted));
    }
    queue_close(counted->queue);
    return NULL;
}

static void holds_no_more_than_its_capacity(void **state)
{
    struct counted counted = { 0 };
    pthread_t thread;
    void *item;
    int popped = 0;

    (void)state;
    assert_int_equal(queue_new(3, &counted.queue, NULL), 0);
    assert_int_equal(pthread_create(&thread, NULL, count_pushes, &counted), 0);
    while (queue_pop(counted.queue, &item)) {
        popped++;
        assert_true(atomic_load(&counted.pushed) <= popped + 3 + 1);
        if (popped % 100 == 0)
            (void)sched_yield(); /* time to push too much */
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(popped, ITEM_COUNT);
    queue_free(counted.queue);
}

static void a_closed_one_takes_nothing_and_gives_what_is_left(void **state)
{
    struct queue *queue = NULL;
    int a = 1;
    void *item = NULL;

    (void)state;
    assert_int_equal(queue_new(2, &queue, NULL), 0);
    assert_false(queue_try_pop(queue, &item));
    assert_true(queue_push(queue, &a));
    queue_close(queue);
    queue_close(queue);
    assert_false(queue_push(queue, &a));
    assert_true(queue_try_pop(queue, &item));
    assert_ptr_equal(item, &a);
    assert_false(queue_pop(queue, &item));
    queue_free(queue);
    queue_free(NULL);
}

static void *push_one_too_many(void *context)
{
    static char item;

    return queue_push(context, &item) ? &item : NULL;
}

static void closing_wakes_who_waits_for_room(void **state)
{
    struct queue *queue = NULL;
    pthread_t thread;
    void *result = &thread, *item;
    int a = 1;

    (void)state;
    assert_int_equal(queue_new(1, &queue, NULL), 0);
    assert_true(queue_push(queue, &a));
    assert_int_equal(pthread_create(&thread, NULL, push_one_too_many, queue), 0);
    (void)usleep(20000); /* for it to begin to wait */
    queue_close(queue);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_null(result);
    assert_true(queue_pop(queue, &item));
    queue_free(queue);
}

static void *pop_nothing(void *context)
{
    void *item = NULL;

    return queue_pop(context, &item) ? item : NULL;
}

static void closing_wakes_who_waits_for_an_item(void **state)
{
    struct queue *queue = NULL;
    pthread_t thread;
    void *result = &thread;

    (void)state;
    assert_int_equal(queue_new(1, &queue, NULL), 0);
    assert_int_equal(pthread_create(&thread, NULL, pop_nothing, queue), 0);
    (void)usleep(20000); /* for it to begin to wait */
    queue_close(queue);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_null(result);
    queue_free(queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_the_order_between_threads),
        cmocka_unit_test(holds_no_more_than_its_capacity),
        cmocka_unit_test(a_closed_one_takes_nothing_and_gives_what_is_left),
        cmocka_unit_test(closing_wakes_who_waits_for_room),
        cmocka_unit_test(closing_wakes_who_waits_for_an_item),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
