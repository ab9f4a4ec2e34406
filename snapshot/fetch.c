#include "snapshot/fetch.h"

#include "base/cancel.h"
#include "base/err.h"
#include "base/file.h"
#include "base/io.h"
#include "snapshot/crew.h"
#include "snapshot/fetch_internal.h"
#include "snapshot/fetch_plan.h"
#include "snapshot/frame.h"
#include "snapshot/pack_format.h"
#include "snapshot/pack_reader.h"
#include "snapshot/pack_repair.h"
#include "snapshot/progress.h"
#include "store/object_store.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

size_t fetch_thread_count(const struct fetch *fetch, size_t task_count)
{
    size_t count = fetch->options.thread_count;

    if (count == 0)
        count = fetch->store->download_concurrency;
    if (count == 0)
        count = STORE_CONCURRENCY_DEFAULT;
    if (count > FETCH_THREADS_MAX)
        count = FETCH_THREADS_MAX;
    if (count > task_count)
        count = task_count;
    return count > 0 ? count : 1;
}

int fetch_wrap(const struct fetch *fetch, int r, struct err *err)
{
    return r < 0 && r != ERR_CANCELED ? err_wrap(err, r, "backup %.8s", fetch->backup->id) : r;
}

/* The page map, and the one that it differs from: pack_map_read() has read them. */
static void count_index(struct fetch *fetch)
{
    const struct pack_record *pack = manifest_find_pack(fetch->manifest, fetch->backup->id);

    const char *base_id = pack_repair_map_base(fetch->manifest, pack);

    fetch->fetched_bytes += pack_repair_map_holder(fetch->manifest, pack)->map_len;
    if (base_id[0] != '\0')
        fetch->fetched_bytes += manifest_find_pack(fetch->manifest, base_id)->map_len;
}

struct fetch_tally fetch_tally(const struct fetch *fetch)
{
    return (struct fetch_tally){ fetch->copied_bytes, fetch->fetched_bytes };
}

/* blank says what to fetch, and from where. */
static int open_fetch(const struct fetch *blank, struct fetch **ret_fetch, struct err *err)
{
    struct fetch *fetch = malloc(sizeof(*fetch));
    int r;

    if (fetch == NULL)
        return err_nomem(err);
    *fetch = *blank;
    r = pack_map_read(fetch->store, fetch->manifest, fetch->backup, &fetch->map, err);
    if (r == 0) {
        count_index(fetch);
        r = fetch_hashes_read(fetch, err);
    }
    if (r < 0) {
        r = fetch_wrap(fetch, r, err);
        fetch_close(fetch);
        return r;
    }
    *ret_fetch = fetch;
    return 0;
}

int fetch_open(struct object_store *store, const struct manifest *manifest,
               const struct backup_record *backup, const struct fetch_options *options,
               struct fetch **ret_fetch, struct err *err)
{
    const struct fetch blank = {
        .store = store,
        .manifest = manifest,
        .backup = backup,
        .options = *options,
    };

    return open_fetch(&blank, ret_fetch, err);
}

int fetch_open_beside(const struct fetch *sibling, const struct backup_record *backup,
                      struct fetch **ret_fetch, struct err *err)
{
    const struct fetch blank = {
        .store = sibling->store,
        .manifest = sibling->manifest,
        .backup = backup,
        .options = sibling->options,
        .sibling = sibling,
    };

    return open_fetch(&blank, ret_fetch, err);
}

void fetch_close(struct fetch *fetch)
{
    if (fetch == NULL)
        return;
    page_map_dispose(&fetch->map);
    fetch_hashes_free(fetch);
    free(fetch->copied);
    free(fetch);
}

int fetch_get(struct fetch *fetch, uint32_t pack, uint64_t offset, uint64_t len,
              struct io_sink *sink, struct err *err)
{
    const struct pack_record *record =
        manifest_find_pack(fetch->manifest, fetch->map.pack_ids[pack]);

    assert(record != NULL); /* pack_map_read() has looked */
    fetch->fetched_bytes += len;
    return pack_get(fetch->store, fetch->manifest->database, record, offset, len, sink, err);
}

int fetch_check_sum(const struct fetch *fetch, struct page_hash sum, struct err *err)
{
    if (page_hash_eq(sum, fetch->backup->database_hash))
        return 0;
    return err_set(err, ERR_CORRUPT, "the pages do not make up the database hash");
}

int frame_reader_init(struct frame_reader *reader, const struct fetch *fetch, struct err *err)
{
    *reader = (struct frame_reader){ .fetch = fetch };
    reader->stored = malloc(FRAME_STORED_SIZE_MAX);
    reader->raw = malloc(FRAME_RAW_SIZE_MAX);
    reader->slots = calloc(frame_slots(PAGE_SIZE_MIN), sizeof(*reader->slots));
    if (reader->stored == NULL || reader->raw == NULL || reader->slots == NULL)
        return err_nomem(err);
    return frame_codec_new(1, &reader->codec, err);
}

void frame_reader_dispose(struct frame_reader *reader)
{
    frame_codec_free(reader->codec);
    free(reader->stored);
    free(reader->raw);
    free(reader->slots);
    *reader = (struct frame_reader){ 0 };
}

static int wrap_frame(const struct fetch *fetch, const struct page_run *run, int r, struct err *err)
{
    return err_wrap(err, r, "pack %s: frame at byte %" PRIu64, fetch->map.pack_ids[run->pack],
                    run->frame_offset);
}

int frame_reader_decode(struct frame_reader *reader, const struct page_run *run, const void *stored,
                        struct err *err)
{
    int r = frame_decode(reader->codec, stored, run->frame_len, reader->raw,
                         (size_t)run->frame_slot_count * reader->fetch->backup->page_size, err);

    return r < 0 ? wrap_frame(reader->fetch, run, r, err) : 0;
}

int frame_reader_verify(struct frame_reader *reader, const struct page_run *run, const uint8_t *raw,
                        const uint8_t **ret_pages, struct err *err)
{
    const struct fetch *fetch = reader->fetch;
    uint32_t page_size = fetch->backup->page_size;
    const uint8_t *pages = raw + (size_t)run->frame_slot * page_size;
    int r;

    r = fetch_hashes_get(fetch, run, reader->slots, err);
    if (r < 0)
        return r;
    for (uint32_t i = 0; i < run->page_count; i++) {
        const struct index_slot *slot = &reader->slots[i];
        uint32_t page_number = run->first_page + i;
        struct page_hash hash = page_hash(fetch->manifest->page_hash_seed, page_number,
                                          pages + (size_t)i * page_size, page_size);

        if (slot->page_number != page_number || !page_hash_eq(slot->hash, hash)) {
            r = slot->page_number != page_number
                    ? err_set(err, ERR_CORRUPT,
                              "slot %" PRIu64 " holds page %" PRIu32 ", not page %" PRIu32,
                              run->slot + i, slot->page_number, page_number)
                    : err_set(err, ERR_CORRUPT, "page %" PRIu32 " differs from its hash",
                              page_number);
            return wrap_frame(fetch, run, r, err);
        }
        page_hash_xor(&reader->sum, hash);
    }
    *ret_pages = pages;
    return 0;
}

/* What the threads of one fetch_to_file() share. */
struct job {
    struct fetch *fetch;
    struct fetch_plan plan;
    int fd;
    const char *name;
    pthread_mutex_t lock; /* for all below */
    struct progress_meter meter;
    struct page_hash sum;
};

/* One range as it arrives: a sink of stored bytes, cut into frames. */
struct range_sink {
    struct io_sink sink;
    struct job *job;
    struct crew *crew;
    struct frame_reader *reader;
    uint64_t offset; /* in the pack, of the next byte */
    size_t next_run; /* of the plan: the first one in the frame that is due */
    size_t end_run;
    size_t stored_len; /* bytes of the due frame that have come */
};

/* Count what is done, and stop when another thread has failed. */
static int tell(struct job *job, struct crew *crew, uint64_t byte_count, struct err *err)
{
    int r;

    (void)pthread_mutex_lock(&job->lock);
    progress_meter_add(&job->meter, byte_count);
    (void)pthread_mutex_unlock(&job->lock);
    r = cancel_check(job->fetch->options.cancel, err);
    return r < 0 ? r : crew_check(crew, err);
}

/* The due frame is complete: every run that lies in it goes to the file. */
static int take_frame(struct range_sink *sink, const void *stored, struct err *err)
{
    struct job *job = sink->job;
    uint32_t page_size = job->fetch->backup->page_size;
    const struct page_run *frame = job->plan.runs[sink->next_run];
    uint64_t byte_count = 0;
    int r;

    r = frame_reader_decode(sink->reader, frame, stored, err);
    if (r < 0)
        return r;
    while (sink->next_run < sink->end_run) {
        const struct page_run *run = job->plan.runs[sink->next_run];
        const uint8_t *pages = NULL;
        size_t len = (size_t)run->page_count * page_size;

        if (run->frame_offset != frame->frame_offset)
            break;
        r = frame_reader_verify(sink->reader, run, sink->reader->raw, &pages, err);
        if (r < 0)
            return r;
        r = file_pwrite_all(job->fd, pages, len, (uint64_t)(run->first_page - 1) * page_size,
                            job->name, err);
        if (r < 0)
            return r;
        byte_count += len;
        sink->next_run++;
    }
    return tell(job, sink->crew, byte_count, err);
}

static size_t min_len(uint64_t a, size_t b)
{
    return a < b ? (size_t)a : b;
}

static int range_sink_write(struct io_sink *base, const void *data, size_t len, struct err *err)
{
    struct range_sink *sink = (struct range_sink *)base;
    const uint8_t *from = data;
    size_t n;
    int r = 0;

    while (r == 0 && len > 0 && sink->next_run < sink->end_run) {
        const struct page_run *run = sink->job->plan.runs[sink->next_run];

        if (sink->offset < run->frame_offset) { /* a gap */
            n = min_len(run->frame_offset - sink->offset, len);
        } else {
            n = min_len(run->frame_len - sink->stored_len, len);
            memcpy(sink->reader->stored + sink->stored_len, from, n);
            sink->stored_len += n;
        }
        from += n;
        len -= n;
        sink->offset += n;
        if (sink->stored_len == run->frame_len) {
            r = take_frame(sink, sink->reader->stored, err);
            sink->stored_len = 0;
        }
    }
    return r;
}

static int fetch_one_range(struct job *job, struct crew *crew, struct frame_reader *reader,
                           const struct fetch_range *range, struct err *err)
{
    static const struct io_sink_ops ops = { .name = "frames", .write = range_sink_write };
    struct range_sink sink = {
        .sink = { &ops },
        .job = job,
        .crew = crew,
        .reader = reader,
        .offset = range->offset,
        .next_run = range->first_run,
        .end_run = range->first_run + range->run_count,
    };
    int r;

    r = fetch_get(job->fetch, range->pack, range->offset, range->len, &sink.sink, err);
    if (r == 0 && sink.next_run < sink.end_run) {
        r = err_set(err, ERR_CORRUPT, "pack %s: it ended at byte %" PRIu64 " of a range",
                    job->fetch->map.pack_ids[range->pack], sink.offset);
    }
    return r;
}

static int fetch_ranges(void *context, struct crew *crew, struct err *err)
{
    struct job *job = context;
    struct frame_reader reader;
    size_t index = 0;
    int r;

    r = frame_reader_init(&reader, job->fetch, err);
    while (r == 0 && crew_take(crew, &index))
        r = fetch_one_range(job, crew, &reader, &job->plan.ranges[index], err);
    (void)pthread_mutex_lock(&job->lock);
    page_hash_xor(&job->sum, reader.sum);
    (void)pthread_mutex_unlock(&job->lock);
    frame_reader_dispose(&reader);
    return r;
}

int fetch_to_file(struct fetch *fetch, int fd, const char *name, struct err *err)
{
    struct job job = {
        .fetch = fetch,
        .fd = fd,
        .name = name,
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .meter = { .progress = fetch->options.progress,
                   .phase = PROGRESS_FETCH,
                   .total = fetch->backup->size },
        .sum = fetch->copied_sum,
    };
    int r;

    r = fetch_plan_make(&fetch->map, fetch->copied, &job.plan, err);
    if (r < 0)
        return fetch_wrap(fetch, r, err);
    progress_meter_add(&job.meter, fetch->copied_bytes);
    r = crew_run(fetch_thread_count(fetch, job.plan.range_count), job.plan.range_count,
                 fetch_ranges, &job, err);
    fetch_plan_dispose(&job.plan);
    (void)pthread_mutex_destroy(&job.lock);
    if (r == 0)
        r = fetch_check_sum(fetch, job.sum, err);
    return fetch_wrap(fetch, r, err);
}
