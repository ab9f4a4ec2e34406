#include "base/cancel.h"
#include "base/err.h"
#include "snapshot/crew.h"
#include "snapshot/fetch.h"
#include "snapshot/fetch_internal.h"
#include "snapshot/pack_format.h"
#include "snapshot/pack_reader.h"
#include "snapshot/spool.h"

#include <pthread.h>
#include <stdlib.h>

/* Page hashes that are kept in memory: those of 1.3 GiB in pages of 4 KiB. */
#define SLOTS_MEMORY_MAX (8u << 20)

struct job {
    struct fetch *fetch;
    pthread_mutex_t lock; /* for next_spool */
    size_t next_spool;
};

static int read_pack(struct fetch *fetch, size_t index, struct spool *spool, struct err *err)
{
    const struct pack_record *pack =
        manifest_find_pack(fetch->manifest, fetch->map.pack_ids[index]);
    int r;

    r = cancel_check(fetch->options.cancel, err);
    if (r < 0)
        return r;
    fetch->slots[index] =
        (struct pack_slots){ spool, spool_size(spool) / sizeof(struct index_slot) };
    if (pack == NULL) /* one that no run refers to need not be there */
        return 0;
    fetch->fetched_bytes += pack->hashes_len;
    return pack_slots_read(fetch->store, fetch->manifest->database, pack, spool, err);
}

/* A spool has one writer, so each thread has a spool. */
static int read_packs(void *context, struct crew *crew, struct err *err)
{
    struct job *job = context;
    struct spool *spool;
    size_t index = 0;
    int r = 0;

    (void)pthread_mutex_lock(&job->lock);
    spool = job->fetch->spools[job->next_spool++];
    (void)pthread_mutex_unlock(&job->lock);
    while (r == 0 && crew_take(crew, &index))
        r = read_pack(job->fetch, index, spool, err);
    return r;
}

int fetch_hashes_read(struct fetch *fetch, struct err *err)
{
    struct job job = { .fetch = fetch, .lock = PTHREAD_MUTEX_INITIALIZER };
    size_t count = fetch_thread_count(fetch, fetch->map.pack_count);
    int r = 0;

    fetch->slots = calloc(fetch->map.pack_count + 1, sizeof(*fetch->slots));
    fetch->spools = calloc(count, sizeof(struct spool *));
    if (fetch->slots == NULL || fetch->spools == NULL)
        return err_nomem(err);
    while (r == 0 && fetch->spool_count < count) {
        r = spool_new(fetch->options.spool_dir, SLOTS_MEMORY_MAX / count,
                      &fetch->spools[fetch->spool_count], err);
        if (r == 0)
            fetch->spool_count++;
    }
    if (r == 0)
        r = crew_run(count, fetch->map.pack_count, read_packs, &job, err);
    (void)pthread_mutex_destroy(&job.lock);
    return r;
}

void fetch_hashes_free(struct fetch *fetch)
{
    for (size_t i = 0; i < fetch->spool_count; i++)
        spool_free(fetch->spools[i]);
    free(fetch->spools);
    free(fetch->slots);
}

int fetch_hashes_get(const struct fetch *fetch, const struct page_run *run,
                     struct index_slot *slots, struct err *err)
{
    const struct pack_slots *pack = &fetch->slots[run->pack];

    /* From many threads: nothing is written to a spool after fetch_open(). */
    return spool_read(pack->spool, (pack->first + run->slot) * sizeof(*slots), slots,
                      run->page_count * sizeof(*slots), err);
}
