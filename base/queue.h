/*
 * queue.h - a bounded, blocking hand-over of pointers between threads.
 *
 * Order is kept.  Closing wakes everybody: pushes fail, pops drain what is left and then fail.
 */
#ifndef BASE_QUEUE_H
#define BASE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

struct err;
struct queue;

/* capacity in items, at least 1. */
int queue_new(size_t capacity, struct queue **ret_queue, struct err *err);
void queue_free(struct queue *queue); /* closed and empty, or the items leak; NULL is fine */
/* Wait for room.  false when closed: the item is still the caller's. */
bool queue_push(struct queue *queue, void *item);
/* Wait for an item.  false when closed and empty. */
bool queue_pop(struct queue *queue, void **ret_item);
bool queue_try_pop(struct queue *queue, void **ret_item);
void queue_close(struct queue *queue); /* may be repeated, from any thread */

#endif
