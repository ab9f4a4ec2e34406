#include "snapshot/capture.h"

#include "base/err.h"
#include "base/log.h"
#include "snapshot/frame.h"
#include "snapshot/hash_spool.h"
#include "snapshot/pipeline.h"
#include "snapshot/spool.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>

/* Changed groups that are kept in memory until the lock is gone. */
#define CHANGED_MEMORY_MAX (4u << 20)

/* One capture under way. */
struct run {
    const struct capture_options *options;
    struct capture *capture; /* the result so far */
    struct pipeline *pipeline;
    struct page_group *group; /* being filled */
};

/* The second pass. */
struct comparison {
    struct run *run;
    uint32_t known_pages; /* hashes there are from the first pass */
    uint8_t *room;        /* one group */
    struct page_hash *known;
    bool *changed; /* one for each group */
    uint32_t changed_count;
    struct spool *pages; /* the changed groups, raw, in order */
};

static uint32_t group_index(const struct source_facts *facts, uint32_t first_page)
{
    return (first_page - 2) / frame_slots(facts->page_size);
}

static uint32_t group_count(const struct source_facts *facts)
{
    return facts->page_count < 2 ? 0 : group_index(facts, facts->page_count) + 1;
}

/* The pipeline's output: one frame, in order. */
static int take_frame(void *context, const struct page_group *group, struct err *err)
{
    struct run *run = context;
    int r;

    r = pack_writer_add(run->capture->pack, group->stored, group->stored_len, group->page_count,
                        err);
    if (r < 0 || !group->hashed)
        return r;
    return hash_spool_put(run->capture->hashes, group->first_page, group->hashes, group->page_count,
                          err);
}

/* The scan's visitor: groups are filled in place. */
static int give_room(void *context, uint8_t **ret_room, struct err *err)
{
    struct run *run = context;
    int r;

    r = pipeline_acquire(run->pipeline, &run->group, err);
    if (r < 0)
        return r;
    *ret_room = run->group->raw;
    return 0;
}

static int take_group(void *context, uint32_t first_page, uint32_t page_count, struct err *err)
{
    struct run *run = context;

    (void)err;
    run->group->first_page = first_page;
    run->group->page_count = page_count;
    pipeline_submit(run->pipeline, run->group);
    return 0;
}

static int start_pack(struct run *run, bool hold, struct err *err)
{
    struct pack_writer_options options = run->options->pack;

    options.page_size = run->capture->facts.page_size;
    options.page_count = run->capture->facts.page_count;
    options.hold = hold;
    return pack_writer_new(&options, &run->capture->pack, err);
}

static int start_pipeline(struct run *run, struct err *err)
{
    struct pipeline_options options = {
        .thread_count = run->options->thread_count,
        .compression_level = run->options->compression_level,
        .page_size = run->capture->facts.page_size,
        .hash_seed = run->options->hash_seed,
        .output = take_frame,
        .context = run,
        .cancel = run->options->pack.cancel,
    };

    return pipeline_new(&options, &run->pipeline, err);
}

static int finish_pipeline(struct run *run, struct err *err)
{
    int r = pipeline_finish(run->pipeline, err);

    pipeline_free(run->pipeline);
    run->pipeline = NULL;
    return r;
}

/* Begin a pack and read the pages into it, in the way that scan does. */
static int fill_pack(struct run *run, bool hold,
                     int (*scan)(struct source *, const struct source_facts *,
                                 const struct source_visitor *, uint8_t *, struct err *),
                     struct err *err)
{
    struct source_visitor visitor = { .room = give_room, .group = take_group, .context = run };
    struct capture *capture = run->capture;
    int r;

    r = start_pack(run, hold, err);
    if (r < 0)
        return r;
    r = start_pipeline(run, err);
    if (r < 0)
        return r;
    r = scan(run->options->source, &capture->facts, &visitor, capture->page_one, err);
    /* Before the frames that are still under way: the lock is needed for reading only. */
    capture->lock_us = source_end(run->options->source);
    return r < 0 ? r : finish_pipeline(run, err);
}

static int capture_one_pass(struct run *run, struct err *err)
{
    int r;

    r = source_begin(run->options->source, &run->capture->facts, err);
    return r < 0 ? r : fill_pack(run, false, source_scan, err);
}

static int comparison_room(void *context, uint8_t **ret_room, struct err *err)
{
    struct comparison *comparison = context;

    (void)err;
    *ret_room = comparison->room;
    return 0;
}

/* Whether the group in the room is what the first pass has made a frame of. */
static int is_unchanged(struct comparison *comparison, uint32_t first_page, uint32_t page_count,
                        bool *ret_unchanged, struct err *err)
{
    const struct source_facts *facts = &comparison->run->capture->facts;
    uint64_t seed = comparison->run->options->hash_seed;
    uint32_t known_last = first_page + frame_slots(facts->page_size) - 1;
    int r;

    *ret_unchanged = false;
    if (known_last > comparison->known_pages)
        known_last = comparison->known_pages;
    if (first_page + page_count - 1 != known_last)
        return 0; /* the frame would end elsewhere */
    r = hash_spool_get(comparison->run->capture->hashes, first_page, comparison->known, page_count,
                       err);
    if (r < 0)
        return r;
    for (uint32_t i = 0; i < page_count; i++) {
        const uint8_t *page = comparison->room + (size_t)i * facts->page_size;

        if (!page_hash_eq(page_hash(seed, first_page + i, page, facts->page_size),
                          comparison->known[i]))
            return 0;
    }
    *ret_unchanged = true;
    return 0;
}

static int compare_group(void *context, uint32_t first_page, uint32_t page_count, struct err *err)
{
    struct comparison *comparison = context;
    const struct source_facts *facts = &comparison->run->capture->facts;
    bool unchanged;
    int r;

    r = is_unchanged(comparison, first_page, page_count, &unchanged, err);
    if (r < 0 || unchanged)
        return r;
    comparison->changed[group_index(facts, first_page)] = true;
    comparison->changed_count++;
    return spool_append(comparison->pages, comparison->room, (size_t)page_count * facts->page_size,
                        err);
}

static void comparison_dispose(struct comparison *comparison)
{
    free(comparison->room);
    free(comparison->known);
    free(comparison->changed);
    spool_free(comparison->pages);
}

static int comparison_init(struct comparison *comparison, struct run *run, uint32_t known_pages,
                           struct err *err)
{
    const struct source_facts *facts = &run->capture->facts;

    *comparison = (struct comparison){ .run = run, .known_pages = known_pages };
    comparison->room = malloc(FRAME_RAW_SIZE_MAX);
    comparison->known = calloc(frame_slots(facts->page_size), sizeof(*comparison->known));
    comparison->changed = calloc(group_count(facts) + 1, sizeof(*comparison->changed));
    if (comparison->room == NULL || comparison->known == NULL || comparison->changed == NULL)
        return err_nomem(err);
    return spool_new(run->options->pack.spool_dir, CHANGED_MEMORY_MAX, &comparison->pages, err);
}

/* Give the pipeline one group of the moment: the frame of the first pass, or the changed pages. */
static int submit_again(struct run *run, struct comparison *comparison, struct pack_writer *old,
                        uint32_t index, uint64_t *offset, struct err *err)
{
    const struct source_facts *facts = &run->capture->facts;
    uint32_t slots = frame_slots(facts->page_size);
    uint32_t first_page = 2 + index * slots;
    uint32_t left = facts->page_count + 1 - first_page;
    struct page_group *group;
    int r;

    r = pipeline_acquire(run->pipeline, &group, err);
    if (r < 0)
        return r;
    group->first_page = first_page;
    group->page_count = left < slots ? left : slots;
    if (first_page <= comparison->known_pages) { /* there is an old frame: use it, or skip it */
        r = pack_writer_take_back(old, group->stored, &group->stored_len, err);
        if (r < 0)
            return r;
    }
    if (comparison->changed[index]) {
        size_t len = (size_t)group->page_count * facts->page_size;

        group->stored_len = 0;
        r = spool_read(comparison->pages, *offset, group->raw, len, err);
        if (r < 0)
            return r;
        *offset += len;
    }
    pipeline_submit(run->pipeline, group);
    return 0;
}

/* Pages moved while the first pass read them: put a second pack together, of its frames and of
 * those that have to be made again. */
static int rebuild_pack(struct run *run, struct comparison *comparison, struct err *err)
{
    struct pack_writer *old = run->capture->pack;
    uint32_t count = group_count(&run->capture->facts);
    uint64_t offset = 0;
    int r;

    run->capture->pack = NULL;
    r = start_pack(run, false, err);
    if (r == 0)
        r = start_pipeline(run, err);
    for (uint32_t i = 0; i < count && r == 0; i++)
        r = submit_again(run, comparison, old, i, &offset, err);
    if (r == 0)
        r = finish_pipeline(run, err);
    run->capture->discarded_spool_max = pack_writer_spool_max(old);
    pack_writer_free(old);
    return r;
}

/* Under the lock: read again, compare.  After it: mend. */
static int verify_pack(struct run *run, const struct source_facts *first, struct err *err)
{
    struct capture *capture = run->capture;
    struct comparison comparison;
    struct source_visitor visitor = {
        .room = comparison_room,
        .group = compare_group,
        .context = &comparison,
        .quiet = true,
    };
    int r;

    r = comparison_init(&comparison, run, first->page_count, err);
    if (r == 0) {
        r = source_scan_file(run->options->source, &capture->facts, &visitor, capture->page_one,
                             err);
    }
    capture->lock_us = source_end(run->options->source);
    if (r < 0)
        goto out;
    log_debug("%" PRIu32 " of %" PRIu32 " groups changed while they were read",
              comparison.changed_count, group_count(&capture->facts));
    if (comparison.changed_count == 0 && capture->facts.page_count == first->page_count) {
        r = pack_writer_release(capture->pack, err);
    } else {
        r = rebuild_pack(run, &comparison, err);
    }
out:
    comparison_dispose(&comparison);
    return r;
}

/* Throw away what a first pass has read. */
static int start_over(struct run *run, struct err *err)
{
    log_debug("the database changed its page size or journal mode meanwhile: reading it again");
    (void)source_end(run->options->source);
    pack_writer_free(run->capture->pack);
    run->capture->pack = NULL;
    return capture_one_pass(run, err);
}

static int capture_two_passes(struct run *run, struct err *err)
{
    struct source_facts first = run->capture->facts;
    int r;

    r = fill_pack(run, true, source_scan_file, err);
    if (r < 0)
        return r;
    r = source_begin(run->options->source, &run->capture->facts, err);
    if (r < 0)
        return r;
    if (run->capture->facts.wal || run->capture->facts.page_size != first.page_size)
        return start_over(run, err);
    return verify_pack(run, &first, err);
}

int capture_run(const struct capture_options *options, struct capture *ret_capture, struct err *err)
{
    struct capture capture = CAPTURE_INIT;
    struct run run = { .options = options, .capture = &capture };
    int r;

    capture.page_one = malloc(PAGE_SIZE_MAX);
    if (capture.page_one == NULL)
        return err_nomem(err);
    r = hash_spool_new(options->pack.spool_dir, &capture.hashes, err);
    if (r < 0)
        goto out;
    r = source_begin(options->source, &capture.facts, err);
    if (r < 0)
        goto out;
    if (capture.facts.wal ||
        (uint64_t)capture.facts.page_count * capture.facts.page_size <= CAPTURE_TWO_PASSES_SIZE) {
        r = fill_pack(&run, false, source_scan, err);
    } else {
        (void)source_end(options->source);
        r = capture_two_passes(&run, err);
    }
out:
    (void)source_end(options->source);
    pipeline_free(run.pipeline);
    if (r < 0) {
        capture_dispose(&capture);
        return r;
    }
    *ret_capture = capture;
    return 0;
}

void capture_dispose(struct capture *capture)
{
    pack_writer_free(capture->pack);
    hash_spool_free(capture->hashes);
    free(capture->page_one);
    *capture = (struct capture)CAPTURE_INIT;
}
