#include "base/queue.h"

#include <assert.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/err.h"

struct queue {
    pthread_mutex_t mutex;
    pthread_cond_t changed; /* an item came, room came, or it was closed */
    bool closed;
    size_t capacity, first, count;
    void *items[];
};

int queue_new(size_t capacity, struct queue **ret_queue, struct err *err)
{
    struct queue *queue;

    assert(capacity > 0 && capacity < SIZE_MAX / sizeof(queue->items[0]) / 2);
    queue = calloc(1, sizeof(*queue) + capacity * sizeof(queue->items[0]));
    if (queue == NULL)
        return err_nomem(err);
    queue->capacity = capacity;
    (void)pthread_mutex_init(&queue->mutex, NULL); /* with default attributes neither can fail */
    (void)pthread_cond_init(&queue->changed, NULL);
    *ret_queue = queue;
    return 0;
}

void queue_free(struct queue *queue)
{
    if (queue == NULL)
        return;
    (void)pthread_cond_destroy(&queue->changed);
    (void)pthread_mutex_destroy(&queue->mutex);
    free(queue);
}

bool queue_push(struct queue *queue, void *item)
{
    bool pushed = false;

    (void)pthread_mutex_lock(&queue->mutex);
    while (!queue->closed && queue->count == queue->capacity)
        (void)pthread_cond_wait(&queue->changed, &queue->mutex);
    if (!queue->closed) {
        queue->items[(queue->first + queue->count) % queue->capacity] = item;
        queue->count++;
        pushed = true;
        (void)pthread_cond_broadcast(&queue->changed);
    }
    (void)pthread_mutex_unlock(&queue->mutex);
    return pushed;
}

/* With the mutex held. */
static bool take(struct queue *queue, void **ret_item)
{
    if (queue->count == 0)
        return false;
    *ret_item = queue->items[queue->first];
    queue->first = (queue->first + 1) % queue->capacity;
    queue->count--;
    (void)pthread_cond_broadcast(&queue->changed);
    return true;
}

bool queue_pop(struct queue *queue, void **ret_item)
{
    bool popped;

    (void)pthread_mutex_lock(&queue->mutex);
    while (queue->count == 0 && !queue->closed)
        (void)pthread_cond_wait(&queue->changed, &queue->mutex);
    popped = take(queue, ret_item);
    (void)pthread_mutex_unlock(&queue->mutex);
    return popped;
}

bool queue_try_pop(struct queue *queue, void **ret_item)
{
    bool popped;

    (void)pthread_mutex_lock(&queue->mutex);
    popped = take(queue, ret_item);
    (void)pthread_mutex_unlock(&queue->mutex);
    return popped;
}

void queue_close(struct queue *queue)
{
    (void)pthread_mutex_lock(&queue->mutex);
    queue->closed = true;
    (void)pthread_cond_broadcast(&queue->changed);
    (void)pthread_mutex_unlock(&queue->mutex);
}
