#include "snapshot/pack_upload.h"

#include "base/cancel.h"
#include "base/err.h"
#include "base/io.h"
#include "snapshot/progress.h"
#include "snapshot/spool.h"
#include "store/object_store.h"

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct pack_upload {
    struct pack_upload_options options;
    char *key;
    struct object_upload *object; /* NULL until the pack is larger than one part */
    bool direct;                  /* the spool is the object's own file */
    pthread_t threads[STORE_CONCURRENCY_MAX];
    unsigned threads_running;

    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t changed;
    unsigned part_next;  /* index of the next part to send; the first is sent at the end */
    unsigned part_ready; /* parts below this one may be sent */
    bool complete;       /* part_ready will not grow any more */
    bool first_taken;    /* by the sender that found no other part left */
    uint64_t size;       /* of the object; known when complete */
    uint64_t sent;       /* bytes, for progress */
    int failed;          /* the first failure, with its text */
    struct err err;
};

int pack_upload_new(const struct pack_upload_options *options, struct pack_upload **ret_upload,
                    struct err *err)
{
    struct pack_upload *upload;

    assert(options->part_size > 0);
    upload = calloc(1, sizeof(*upload));
    if (upload == NULL)
        return err_nomem(err);
    upload->key = strdup(options->key);
    if (upload->key == NULL) {
        free(upload);
        return err_nomem(err);
    }
    upload->options = *options;
    upload->options.key = upload->key;
    upload->part_next = 1;
    upload->part_ready = 1;
    (void)pthread_mutex_init(&upload->lock, NULL);
    (void)pthread_cond_init(&upload->changed, NULL);
    *ret_upload = upload;
    return 0;
}

static void fail(struct pack_upload *upload, int code, const struct err *err)
{
    (void)pthread_mutex_lock(&upload->lock);
    if (upload->failed == 0) {
        upload->failed = code;
        upload->err = *err;
    }
    (void)pthread_cond_broadcast(&upload->changed);
    (void)pthread_mutex_unlock(&upload->lock);
}

static int failure(struct pack_upload *upload, struct err *err)
{
    int code;

    (void)pthread_mutex_lock(&upload->lock);
    code = upload->failed;
    if (code < 0 && err != NULL)
        *err = upload->err;
    (void)pthread_mutex_unlock(&upload->lock);
    return code;
}

static void count_sent(struct pack_upload *upload, uint64_t len)
{
    uint64_t sent, total;

    (void)pthread_mutex_lock(&upload->lock);
    upload->sent += len;
    sent = upload->sent;
    total = upload->size;
    (void)pthread_mutex_unlock(&upload->lock);
    progress_update(upload->options.progress, PROGRESS_UPLOAD, sent, total);
}

static int send_part(struct pack_upload *upload, unsigned part_index, uint64_t len, struct err *err)
{
    uint64_t offset = part_index * upload->options.part_size;
    struct io_source *body = NULL;
    int r;

    r = cancel_check(upload->options.cancel, err);
    if (r < 0)
        return r;
    r = spool_source(upload->options.spool, offset, len, &body, err);
    if (r < 0)
        return r;
    r = upload->object->ops->part(upload->object, part_index, body, err);
    io_source_free(body);
    if (r < 0)
        return err_wrap(err, r, "send part %u of '%s'", part_index + 1, upload->key);
    spool_release(upload->options.spool, offset, len);
    count_sent(upload, len);
    return 0;
}

/* Take the next part that may be sent; false when there will be none. */
static bool next_part(struct pack_upload *upload, unsigned *ret_part, uint64_t *ret_len)
{
    bool found = false;

    (void)pthread_mutex_lock(&upload->lock);
    while (upload->failed == 0 && !upload->complete && upload->part_next >= upload->part_ready)
        (void)pthread_cond_wait(&upload->changed, &upload->lock);
    if (upload->failed == 0 && upload->part_next < upload->part_ready) {
        uint64_t offset = upload->part_next * upload->options.part_size;

        *ret_part = upload->part_next++;
        *ret_len = upload->options.part_size;
        if (upload->complete && upload->size - offset < *ret_len)
            *ret_len = upload->size - offset;
        found = true;
    } else if (upload->failed == 0 && !upload->first_taken) {
        upload->first_taken = found = true;
        *ret_part = 0;
        *ret_len = upload->options.part_size; /* there is a second one */
    }
    (void)pthread_mutex_unlock(&upload->lock);
    return found;
}

static void *sender(void *argument)
{
    struct pack_upload *upload = argument;
    struct err err = { 0 };
    unsigned part;
    uint64_t len;
    int r;

    while (next_part(upload, &part, &len)) {
        r = send_part(upload, part, len, &err);
        if (r < 0)
            fail(upload, r, &err);
    }
    return NULL;
}

static void threads_join(struct pack_upload *upload)
{
    while (upload->threads_running > 0)
        (void)pthread_join(upload->threads[--upload->threads_running], NULL);
}

void pack_upload_free(struct pack_upload *upload)
{
    static const struct err abandoned = { .code = ERR_CANCELED };

    if (upload == NULL)
        return;
    fail(upload, ERR_CANCELED, &abandoned); /* so that no further part is begun */
    threads_join(upload);
    object_upload_free(upload->object);
    (void)pthread_cond_destroy(&upload->changed);
    (void)pthread_mutex_destroy(&upload->lock);
    free(upload->key);
    free(upload);
}

static int threads_start(struct pack_upload *upload, struct err *err)
{
    unsigned thread_count = upload->options.store->upload_concurrency;

    if (thread_count == 0)
        thread_count = STORE_CONCURRENCY_DEFAULT;
    if (thread_count > STORE_CONCURRENCY_MAX)
        thread_count = STORE_CONCURRENCY_MAX;
    while (upload->threads_running < thread_count) {
        if (pthread_create(&upload->threads[upload->threads_running], NULL, sender, upload) != 0)
            return err_set(err, ERR_NOMEM, "cannot start a thread to upload");
        upload->threads_running++;
    }
    return 0;
}

int pack_upload_reserve(struct pack_upload *upload, uint64_t size, struct err *err)
{
    int fd, r;

    if (upload->object != NULL || size <= upload->options.part_size)
        return 0;
    r = object_upload_new(upload->options.store, upload->key, upload->options.part_size,
                          &upload->object, err);
    if (r < 0)
        return r;
    fd = upload->object->ops->direct_fd(upload->object);
    upload->direct = fd >= 0;
    r = spool_to_file(upload->options.spool, fd, err);
    if (r < 0 || upload->direct)
        return r;
    return threads_start(upload, err);
}

int pack_upload_advance(struct pack_upload *upload, uint64_t size, struct err *err)
{
    int r;

    if (upload->object == NULL)
        return 0;
    if (upload->direct) {
        progress_update(upload->options.progress, PROGRESS_UPLOAD, size, 0);
        return 0;
    }
    r = failure(upload, err);
    if (r < 0)
        return r;
    (void)pthread_mutex_lock(&upload->lock);
    if (size / upload->options.part_size > upload->part_ready) {
        upload->part_ready = (unsigned)(size / upload->options.part_size);
        (void)pthread_cond_broadcast(&upload->changed);
    }
    (void)pthread_mutex_unlock(&upload->lock);
    return 0;
}

static int put_whole(struct pack_upload *upload, uint64_t size, struct err *err)
{
    struct io_source *body = NULL;
    int r;

    r = spool_source(upload->options.spool, 0, size, &body, err);
    if (r < 0)
        return r;
    r = object_put(upload->options.store, upload->key, body, OBJECT_PUT_PLAIN, err);
    io_source_free(body);
    return r;
}

static int send_rest(struct pack_upload *upload, uint64_t size, struct err *err)
{
    uint64_t part_size = upload->options.part_size;

    (void)pthread_mutex_lock(&upload->lock);
    upload->size = size;
    upload->complete = true;
    upload->part_ready = (unsigned)((size + part_size - 1) / part_size);
    (void)pthread_cond_broadcast(&upload->changed);
    (void)pthread_mutex_unlock(&upload->lock);
    threads_join(upload);
    return failure(upload, err);
}

int pack_upload_finish(struct pack_upload *upload, struct err *err)
{
    uint64_t size = spool_size(upload->options.spool);
    int r = 0;

    if (upload->object == NULL) {
        r = put_whole(upload, size, err);
    } else if (!upload->direct) {
        r = send_rest(upload, size, err);
    }
    if (r == 0 && upload->object != NULL)
        r = upload->object->ops->finish(upload->object, size, err);
    if (r < 0)
        return r;
    progress_update(upload->options.progress, PROGRESS_UPLOAD, size, size);
    return 0;
}
