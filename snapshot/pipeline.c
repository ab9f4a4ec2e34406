#include "snapshot/pipeline.h"

#include "base/cancel.h"
#include "base/err.h"
#include "base/queue.h"
#include "snapshot/frame.h"

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

/* Beside the one that each compressor holds: one being filled, one being handed on, and two so that
 * nobody waits for a neighbour that is a little late. */
#define GROUPS_SPARE 4u
#define GROUPS_MAX   (PIPELINE_THREADS_MAX + GROUPS_SPARE)

struct pipeline {
    struct pipeline_options options;
    struct page_group groups[GROUPS_MAX];
    unsigned group_count;
    struct queue *free_groups;
    struct queue *work;
    pthread_t threads[PIPELINE_THREADS_MAX];
    unsigned threads_running;
    uint64_t submitted; /* the submitter's own count */

    pthread_mutex_t lock; /* guards everything below */
    /* Encoded and not yet handed on, at sequence % group_count: the groups in flight never span
     * more sequence numbers than there are groups. */
    struct page_group *ready[GROUPS_MAX];
    uint64_t delivered; /* sequence number of the next group to hand on */
    int failed;         /* the first failure, with its text */
    struct err err;
};

static void fail(struct pipeline *pipeline, int code, const struct err *err)
{
    (void)pthread_mutex_lock(&pipeline->lock);
    if (pipeline->failed == 0) {
        pipeline->failed = code;
        pipeline->err = *err;
    }
    (void)pthread_mutex_unlock(&pipeline->lock);
}

static int failure(struct pipeline *pipeline, struct err *err)
{
    int code;

    (void)pthread_mutex_lock(&pipeline->lock);
    code = pipeline->failed;
    if (code < 0 && err != NULL)
        *err = pipeline->err;
    (void)pthread_mutex_unlock(&pipeline->lock);
    return code;
}

/* Hand on every frame whose turn has come.  Only one thread is at it: while it is, the slot whose
 * turn it is stays empty for all others, and it looks again under the lock before it leaves, so it
 * sees what they have put there meanwhile. */
static void deliver(struct pipeline *pipeline, struct page_group *group)
{
    (void)pthread_mutex_lock(&pipeline->lock);
    pipeline->ready[group->sequence % pipeline->group_count] = group;
    for (;;) {
        struct page_group **slot = &pipeline->ready[pipeline->delivered % pipeline->group_count];
        struct page_group *next = *slot;
        struct err err = { 0 };
        bool skip = pipeline->failed < 0;
        int r = 0;

        if (next == NULL)
            break;
        *slot = NULL;
        (void)pthread_mutex_unlock(&pipeline->lock);
        if (!skip)
            r = pipeline->options.output(pipeline->options.context, next, &err);
        if (r < 0)
            fail(pipeline, r, &err);
        (void)pthread_mutex_lock(&pipeline->lock);
        pipeline->delivered++;
        (void)queue_push(pipeline->free_groups, next); /* has room for all: never waits */
    }
    (void)pthread_mutex_unlock(&pipeline->lock);
}

static int encode(const struct pipeline *pipeline, struct frame_codec *codec,
                  struct page_group *group, struct err *err)
{
    const enum pipeline_work work = pipeline->options.work;
    size_t page_size = pipeline->options.page_size;
    int r;

    r = cancel_check(pipeline->options.cancel, err);
    if (r < 0 || group->stored_len > 0)
        return r;
    for (uint32_t i = 0; work != PIPELINE_ENCODE && i < group->page_count; i++) {
        group->hashes[i] = page_hash(pipeline->options.hash_seed, group->first_page + i,
                                     group->raw + i * page_size, page_size);
    }
    group->hashed = work != PIPELINE_ENCODE;
    if (work == PIPELINE_HASH)
        return 0;
    return frame_encode(codec, group->raw, group->page_count * page_size, group->stored,
                        &group->stored_len, err);
}

static void *compressor(void *argument)
{
    struct pipeline *pipeline = argument;
    struct frame_codec *codec = NULL;
    struct err err = { 0 };
    void *item;
    int r;

    r = frame_codec_new(pipeline->options.compression_level, &codec, &err);
    if (r < 0)
        fail(pipeline, r, &err);
    while (queue_pop(pipeline->work, &item)) {
        struct page_group *group = item;

        if (failure(pipeline, NULL) == 0) {
            r = encode(pipeline, codec, group, &err);
            if (r < 0)
                fail(pipeline, r, &err);
        }
        deliver(pipeline, group);
    }
    frame_codec_free(codec);
    return NULL;
}

static int groups_new(struct pipeline *pipeline, struct err *err)
{
    size_t slots = frame_slots(pipeline->options.page_size);

    for (unsigned i = 0; i < pipeline->group_count; i++) {
        struct page_group *group = &pipeline->groups[i];

        group->raw = malloc(FRAME_RAW_SIZE_MAX);
        group->stored = malloc(FRAME_STORED_SIZE_MAX);
        group->hashes = calloc(slots, sizeof(*group->hashes));
        if (group->raw == NULL || group->stored == NULL || group->hashes == NULL)
            return err_nomem(err);
        (void)queue_push(pipeline->free_groups, group);
    }
    return 0;
}

static int threads_start(struct pipeline *pipeline, struct err *err)
{
    while (pipeline->threads_running < pipeline->options.thread_count) {
        int rc = pthread_create(&pipeline->threads[pipeline->threads_running], NULL, compressor,
                                pipeline);

        if (rc != 0)
            return err_set(err, ERR_NOMEM, "cannot start a thread to compress");
        pipeline->threads_running++;
    }
    return 0;
}

int pipeline_new(const struct pipeline_options *options, struct pipeline **ret_pipeline,
                 struct err *err)
{
    struct pipeline *pipeline;
    int r;

    assert(options->thread_count >= 1 && options->thread_count <= PIPELINE_THREADS_MAX);
    assert(page_size_is_valid(options->page_size));
    pipeline = calloc(1, sizeof(*pipeline));
    if (pipeline == NULL)
        return err_nomem(err);
    pipeline->options = *options;
    pipeline->group_count = options->thread_count + GROUPS_SPARE;
    (void)pthread_mutex_init(&pipeline->lock, NULL);

    r = queue_new(pipeline->group_count, &pipeline->free_groups, err);
    if (r < 0)
        goto out;
    r = queue_new(pipeline->group_count, &pipeline->work, err);
    if (r < 0)
        goto out;
    r = groups_new(pipeline, err);
    if (r < 0)
        goto out;
    r = threads_start(pipeline, err);
out:
    if (r < 0) {
        pipeline_free(pipeline);
        return r;
    }
    *ret_pipeline = pipeline;
    return 0;
}

static void threads_join(struct pipeline *pipeline)
{
    if (pipeline->work != NULL)
        queue_close(pipeline->work);
    while (pipeline->threads_running > 0)
        (void)pthread_join(pipeline->threads[--pipeline->threads_running], NULL);
}

void pipeline_free(struct pipeline *pipeline)
{
    static const struct err abandoned = { .code = ERR_CANCELED };

    if (pipeline == NULL)
        return;
    fail(pipeline, ERR_CANCELED, &abandoned); /* so that what is queued is dropped */
    threads_join(pipeline);
    for (unsigned i = 0; i < pipeline->group_count; i++) {
        free(pipeline->groups[i].raw);
        free(pipeline->groups[i].stored);
        free(pipeline->groups[i].hashes);
    }
    queue_free(pipeline->free_groups);
    queue_free(pipeline->work);
    (void)pthread_mutex_destroy(&pipeline->lock);
    free(pipeline);
}

int pipeline_acquire(struct pipeline *pipeline, struct page_group **ret_group, struct err *err)
{
    struct page_group *group;
    void *item;
    int r;

    r = failure(pipeline, err);
    if (r < 0)
        return r;
    /* Never closed: the compressors give every group back, after a failure too. */
    if (!queue_pop(pipeline->free_groups, &item))
        return err_set(err, ERR_CANCELED, "the pipeline is closed");
    group = item;
    group->stored_len = 0;
    group->hashed = false;
    *ret_group = group;
    return 0;
}

void pipeline_submit(struct pipeline *pipeline, struct page_group *group)
{
    group->sequence = pipeline->submitted++;
    (void)queue_push(pipeline->work, group); /* has room for all: never waits */
}

int pipeline_finish(struct pipeline *pipeline, struct err *err)
{
    threads_join(pipeline);
    return failure(pipeline, err);
}
