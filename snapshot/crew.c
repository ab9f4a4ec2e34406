#include "snapshot/crew.h"

#include "base/err.h"

#include <pthread.h>

struct crew {
    crew_work_fn work;
    void *context;
    size_t task_count;
    pthread_mutex_t lock; /* for all below */
    size_t next_task;
    int result; /* of the first failure */
    struct err *err;
};

bool crew_take(struct crew *crew, size_t *ret_task)
{
    bool taken = false;

    (void)pthread_mutex_lock(&crew->lock);
    if (crew->result == 0 && crew->next_task < crew->task_count) {
        *ret_task = crew->next_task++;
        taken = true;
    }
    (void)pthread_mutex_unlock(&crew->lock);
    return taken;
}

int crew_check(struct crew *crew, struct err *err)
{
    int r;

    (void)pthread_mutex_lock(&crew->lock);
    r = crew->result;
    (void)pthread_mutex_unlock(&crew->lock);
    return r < 0 ? err_set(err, ERR_CANCELED, "another thread has failed") : 0;
}

static void *crew_thread(void *context)
{
    struct crew *crew = context;
    struct err err = { 0 };
    int r = crew->work(crew->context, crew, &err);

    (void)pthread_mutex_lock(&crew->lock);
    if (r < 0 && crew->result == 0) {
        crew->result = r;
        if (crew->err != NULL)
            *crew->err = err;
    }
    (void)pthread_mutex_unlock(&crew->lock);
    return NULL;
}

int crew_run(size_t thread_count, size_t task_count, crew_work_fn work, void *context,
             struct err *err)
{
    struct crew crew = {
        .work = work,
        .context = context,
        .task_count = task_count,
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .err = err,
    };
    pthread_t threads[CREW_THREADS_MAX];
    size_t started = 0;

    if (thread_count > CREW_THREADS_MAX)
        thread_count = CREW_THREADS_MAX;
    if (thread_count > task_count)
        thread_count = task_count;
    /* One fewer than wanted: the caller's works too. */
    while (started + 1 < thread_count &&
           pthread_create(&threads[started], NULL, crew_thread, &crew) == 0)
        started++;
    (void)crew_thread(&crew);
    for (size_t i = 0; i < started; i++)
        (void)pthread_join(threads[i], NULL);
    (void)pthread_mutex_destroy(&crew.lock);
    return crew.result;
}
