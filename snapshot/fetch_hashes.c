#include "base/cancel.h"
#include "base/err.h"
#include "snapshot/crew.h"
#include "snapshot/fetch.h"
#include "snapshot/fetch_internal.h"
#include "snapshot/pack_format.h"
#include "snapshot/pack_reader.h"
#include "snapshot/spool.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Page hashes that are kept in memory: those of 1.3 GiB in pages of 4 KiB. */
#define SLOTS_MEMORY_MAX (8u << 20)

struct job {
    struct fetch *fetch;
    size_t *packs; /* those of the map whose slots are to be read */
    size_t pack_count;
    pthread_mutex_t lock; /* for next_spool */
    size_t next_spool;
};

static const struct pack_slots *find_slots(const struct fetch *fetch, const char *pack_id)
{
    for (size_t i = 0; fetch != NULL && i < fetch->map.pack_count; i++) {
        if (fetch->slots[i].spool != NULL && strcmp(fetch->map.pack_ids[i], pack_id) == 0)
            return &fetch->slots[i];
    }
    return NULL;
}

/* The packs that a run refers to, but for those that the sibling has read. */
static int choose_packs(struct job *job, struct err *err)
{
    struct fetch *fetch = job->fetch;
    bool *used = calloc(fetch->map.pack_count + 1, sizeof(*used));

    job->packs = calloc(fetch->map.pack_count + 1, sizeof(*job->packs));
    if (used == NULL || job->packs == NULL) {
        free(used);
        return err_nomem(err);
    }
    for (size_t i = 0; i < fetch->map.run_count; i++)
        used[fetch->map.runs[i].pack] = true;
    for (size_t i = 0; i < fetch->map.pack_count; i++) {
        const struct pack_slots *known = NULL;

        if (used[i])
            known = find_slots(fetch->sibling, fetch->map.pack_ids[i]);
        if (known != NULL) {
            fetch->slots[i] = *known;
        } else if (used[i]) {
            job->packs[job->pack_count++] = i;
        }
    }
    free(used);
    return 0;
}

static int read_pack(struct fetch *fetch, size_t index, struct spool *spool, struct err *err)
{
    const struct pack_record *pack =
        manifest_find_pack(fetch->manifest, fetch->map.pack_ids[index]);
    int r;

    assert(pack != NULL); /* pack_map_read() has looked */
    r = cancel_check(fetch->options.cancel, err);
    if (r < 0)
        return r;
    fetch->slots[index] =
        (struct pack_slots){ spool, spool_size(spool) / sizeof(struct index_slot) };
    fetch->fetched_bytes += pack->hashes_len;
    return pack_slots_read(fetch->store, fetch->manifest->database, pack, spool, err);
}

/* A spool has one writer, so each thread has a spool. */
static int read_packs(void *context, struct crew *crew, struct err *err)
{
    struct job *job = context;
    struct spool *spool;
    size_t task = 0;
    int r = 0;

    (void)pthread_mutex_lock(&job->lock);
    spool = job->fetch->spools[job->next_spool++];
    (void)pthread_mutex_unlock(&job->lock);
    while (r == 0 && crew_take(crew, &task))
        r = read_pack(job->fetch, job->packs[task], spool, err);
    return r;
}

static int make_spools(struct fetch *fetch, size_t count, struct err *err)
{
    int r = 0;

    fetch->spools = calloc(count, sizeof(struct spool *));
    if (fetch->spools == NULL)
        return err_nomem(err);
    while (r == 0 && fetch->spool_count < count) {
        r = spool_new(fetch->options.spool_dir, SLOTS_MEMORY_MAX / count,
                      &fetch->spools[fetch->spool_count], err);
        if (r == 0)
            fetch->spool_count++;
    }
    return r;
}

int fetch_hashes_read(struct fetch *fetch, struct err *err)
{
    struct job job = { .fetch = fetch, .lock = PTHREAD_MUTEX_INITIALIZER };
    size_t count;
    int r;

    fetch->slots = calloc(fetch->map.pack_count + 1, sizeof(*fetch->slots));
    if (fetch->slots == NULL)
        return err_nomem(err);
    r = choose_packs(&job, err);
    if (r < 0)
        goto out;
    count = fetch_thread_count(fetch, job.pack_count);
    r = make_spools(fetch, count, err);
    if (r == 0)
        r = crew_run(count, job.pack_count, read_packs, &job, err);
out:
    free(job.packs);
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
