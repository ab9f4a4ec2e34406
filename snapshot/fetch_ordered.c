#include "base/buf.h"
#include "base/cancel.h"
#include "base/err.h"
#include "base/io.h"
#include "snapshot/fetch.h"
#include "snapshot/fetch_internal.h"
#include "snapshot/fetch_plan.h"
#include "snapshot/frame.h"
#include "snapshot/progress.h"
#include "store/object_store.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Page order jumps from pack to pack, each of which is read forwards.  So each has a window on what
 * comes next in it; the least recently used one goes when all of them become too large, and is read
 * again should it be needed. */
#define WINDOW_SIZE_MAX  (UINT64_C(8) << 20)
#define WINDOWS_SIZE_MAX (UINT64_C(24) << 20)
/* Decoded frames that are kept, because runs of several packs alternate. */
#define FRAME_CACHE_COUNT 16u

struct window {
    struct buf bytes;
    uint64_t offset; /* in the pack */
    uint64_t used;   /* when: a count of uses */
};

struct cached_frame {
    const struct page_run *run; /* any one of the frame; NULL: free */
    uint8_t *raw;               /* within the cache */
    uint64_t used;
};

struct ordered {
    struct fetch *fetch;
    struct fetch_plan plan;
    struct frame_reader reader;
    struct window *windows; /* one a pack of the map */
    uint64_t windows_size;
    struct cached_frame frames[FRAME_CACHE_COUNT];
    uint8_t *cache; /* room for all of them */
    uint64_t use_count;
};

static int ordered_init(struct ordered *ordered, struct fetch *fetch, struct err *err)
{
    int r;

    *ordered = (struct ordered){ .fetch = fetch };
    r = frame_reader_init(&ordered->reader, fetch, err);
    if (r < 0)
        return r;
    ordered->windows = calloc(fetch->map.pack_count + 1, sizeof(*ordered->windows));
    if (ordered->windows == NULL)
        return err_nomem(err);
    for (size_t i = 0; i < fetch->map.pack_count; i++)
        ordered->windows[i].bytes = (struct buf)BUF_INIT(WINDOW_SIZE_MAX);
    ordered->cache = malloc((size_t)FRAME_CACHE_COUNT * FRAME_RAW_SIZE_MAX);
    if (ordered->cache == NULL)
        return err_nomem(err);
    for (size_t i = 0; i < FRAME_CACHE_COUNT; i++)
        ordered->frames[i].raw = ordered->cache + i * FRAME_RAW_SIZE_MAX;
    return fetch_plan_make(&fetch->map, NULL, &ordered->plan, err);
}

static void ordered_dispose(struct ordered *ordered)
{
    for (size_t i = 0; ordered->windows != NULL && i < ordered->fetch->map.pack_count; i++)
        buf_dispose(&ordered->windows[i].bytes);
    free(ordered->cache);
    free(ordered->windows);
    fetch_plan_dispose(&ordered->plan);
    frame_reader_dispose(&ordered->reader);
}

/* The bytes to read at once, from the frame of run on: frames that are wanted next in its pack. */
static uint64_t window_len(const struct ordered *ordered, const struct page_run *run)
{
    const struct fetch_plan *plan = &ordered->plan;
    uint64_t len_max = WINDOWS_SIZE_MAX / ordered->fetch->map.pack_count, len = run->frame_len;

    if (len_max > WINDOW_SIZE_MAX)
        len_max = WINDOW_SIZE_MAX;
    for (size_t i = fetch_plan_find(plan, run) + 1; i < plan->run_count; i++) {
        const struct page_run *next = plan->runs[i];

        if (next->pack != run->pack ||
            next->frame_offset + next->frame_len > run->frame_offset + len_max ||
            next->frame_offset > run->frame_offset + len + FETCH_GAP_SIZE_MAX)
            break;
        len = next->frame_offset + next->frame_len - run->frame_offset;
    }
    return len;
}

static void window_close(struct ordered *ordered, struct window *window)
{
    ordered->windows_size -= window->bytes.len;
    buf_dispose(&window->bytes);
}

static void make_room(struct ordered *ordered, uint64_t len)
{
    while (ordered->windows_size > 0 && ordered->windows_size + len > WINDOWS_SIZE_MAX) {
        struct window *oldest = NULL;

        for (size_t i = 0; i < ordered->fetch->map.pack_count; i++) {
            struct window *window = &ordered->windows[i];

            if (window->bytes.len > 0 && (oldest == NULL || window->used < oldest->used))
                oldest = window;
        }
        assert(oldest != NULL); /* windows_size counts what they hold */
        window_close(ordered, oldest);
    }
}

static int window_open(struct ordered *ordered, const struct page_run *run, struct err *err)
{
    struct window *window = &ordered->windows[run->pack];
    uint64_t len = window_len(ordered, run);
    struct io_sink *sink = NULL;
    int r;

    window_close(ordered, window);
    make_room(ordered, len);
    window->offset = run->frame_offset;
    (void)buf_reserve(&window->bytes, len); /* no more than that, and at once */
    r = buf_sink_new(&window->bytes, &sink, err);
    if (r == 0)
        r = fetch_get(ordered->fetch, run->pack, window->offset, len, sink, err);
    if (r == 0)
        r = io_finish(sink, err);
    io_sink_free(sink);
    if (r == 0 && window->bytes.len != len) {
        r = err_set(err, ERR_CORRUPT, "pack %s: %zu bytes came where %" PRIu64 " were asked for",
                    ordered->fetch->map.pack_ids[run->pack], window->bytes.len, len);
    }
    ordered->windows_size += window->bytes.len;
    return r;
}

static int get_stored(struct ordered *ordered, const struct page_run *run, const void **ret_stored,
                      struct err *err)
{
    struct window *window = &ordered->windows[run->pack];
    int r;

    if (run->frame_offset < window->offset ||
        run->frame_offset + run->frame_len > window->offset + window->bytes.len) {
        r = window_open(ordered, run, err);
        if (r < 0)
            return r;
    }
    window->used = ++ordered->use_count;
    *ret_stored = window->bytes.ptr + (run->frame_offset - window->offset);
    return 0;
}

/* The decoded frame of run, from the cache or into it. */
static int get_frame(struct ordered *ordered, const struct page_run *run, const uint8_t **ret_raw,
                     struct err *err)
{
    struct cached_frame *frame = &ordered->frames[0];
    const void *stored = NULL;
    int r;

    for (size_t i = 0; i < FRAME_CACHE_COUNT; i++) {
        struct cached_frame *other = &ordered->frames[i];

        if (other->run != NULL && other->run->pack == run->pack &&
            other->run->frame_offset == run->frame_offset) {
            other->used = ++ordered->use_count;
            *ret_raw = other->raw;
            return 0;
        }
        if (other->used < frame->used)
            frame = other;
    }
    r = get_stored(ordered, run, &stored, err);
    if (r == 0)
        r = frame_reader_decode(&ordered->reader, run, stored, err);
    if (r < 0)
        return r;
    memcpy(frame->raw, ordered->reader.raw,
           (size_t)run->frame_slot_count * ordered->fetch->backup->page_size);
    frame->run = run;
    frame->used = ++ordered->use_count;
    *ret_raw = frame->raw;
    return 0;
}

static int write_run(struct ordered *ordered, const struct page_run *run, struct io_sink *sink,
                     struct err *err)
{
    const uint8_t *raw = NULL, *pages = NULL;
    int r;

    r = get_frame(ordered, run, &raw, err);
    if (r == 0)
        r = frame_reader_verify(&ordered->reader, run, raw, &pages, err);
    if (r == 0)
        r = io_write(sink, pages, (size_t)run->page_count * ordered->fetch->backup->page_size, err);
    return r;
}

int fetch_to_sink(struct fetch *fetch, struct io_sink *sink, struct err *err)
{
    struct progress_meter meter = { .progress = fetch->options.progress,
                                    .phase = PROGRESS_FETCH,
                                    .total = fetch->backup->size };
    struct ordered ordered;
    int r;

    r = ordered_init(&ordered, fetch, err);
    for (size_t i = 0; r == 0 && i < fetch->map.run_count; i++) {
        const struct page_run *run = &fetch->map.runs[i];

        r = cancel_check(fetch->options.cancel, err);
        if (r == 0)
            r = write_run(&ordered, run, sink, err);
        if (r == 0)
            progress_meter_add(&meter, (uint64_t)run->page_count * fetch->backup->page_size);
    }
    if (r == 0)
        r = fetch_check_sum(fetch, ordered.reader.sum, err);
    ordered_dispose(&ordered);
    return fetch_wrap(fetch, r, err);
}
