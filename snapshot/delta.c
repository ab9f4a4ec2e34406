#include "snapshot/delta.h"

#include "base/err.h"
#include "snapshot/frame.h"
#include "snapshot/hash_spool.h"
#include "snapshot/pack_writer.h"
#include "snapshot/parent.h"
#include "snapshot/pipeline.h"
#include "snapshot/spool.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* What an hour changes mostly fits here and never touches a disk. */
#define RAW_MEMORY_MAX   (8u << 20)
#define PAGES_MEMORY_MAX (1u << 20)

/* One scan under way. */
struct scan {
    const struct delta_options *options;
    struct delta *delta;
    struct pipeline *pipeline;
    struct page_group *group; /* being filled */
    struct page_hash *known;  /* the parent's hashes of one group */
    atomic_bool too_many;
};

static bool is_wanted(const struct scan *scan, uint32_t page)
{
    const uint8_t *rewrite = scan->options->rewrite;

    return rewrite != NULL && page <= scan->options->parent->map.page_count &&
           (rewrite[page / 8] >> page % 8 & 1) != 0;
}

static int set_aside(struct delta *delta, uint32_t page, const uint8_t *raw, struct err *err)
{
    int r;

    delta->page_count++;
    r = spool_append(delta->pages, &page, sizeof(page), err);
    return r < 0 ? r : spool_append(delta->raw, raw, delta->facts.page_size, err);
}

static int look_at_page(struct scan *scan, uint32_t page, const uint8_t *raw, struct page_hash hash,
                        const struct page_hash *known, struct err *err)
{
    struct delta *delta = scan->delta;
    const bool changed = known == NULL || !page_hash_eq(hash, *known);

    page_hash_xor(&delta->sum, hash);
    if (!changed && !is_wanted(scan, page))
        return 0;
    if (changed) {
        delta->changed_count++;
        if (delta->changed_count >= delta->facts.page_count - delta->changed_count)
            scan->too_many = true;
    }
    return set_aside(delta, page, raw, err);
}

/* The pipeline's output: one group, hashed, in order. */
static int take_hashed(void *context, const struct page_group *group, struct err *err)
{
    struct scan *scan = context;
    struct delta *delta = scan->delta;
    const uint32_t parent_pages = scan->options->parent->map.page_count;
    uint32_t known_count = 0;
    int r;

    if (scan->too_many)
        return 0;
    if (group->first_page <= parent_pages) {
        known_count = parent_pages - group->first_page + 1;
        if (known_count > group->page_count)
            known_count = group->page_count;
        r = hash_spool_get(scan->options->parent->hashes, group->first_page, scan->known,
                           known_count, err);
        if (r < 0)
            return r;
    }
    r = hash_spool_put(delta->hashes, group->first_page, group->hashes, group->page_count, err);
    for (uint32_t i = 0; r == 0 && i < group->page_count; i++) {
        r = look_at_page(scan, group->first_page + i,
                         group->raw + (size_t)i * delta->facts.page_size, group->hashes[i],
                         i < known_count ? &scan->known[i] : NULL, err);
    }
    return r;
}

static int give_room(void *context, uint8_t **ret_room, struct err *err)
{
    struct scan *scan = context;
    int r;

    if (scan->too_many) /* ends the scan; delta_scan() knows better */
        return err_set(err, ERR_CANCELED, "half of the pages have changed");
    r = pipeline_acquire(scan->pipeline, &scan->group, err);
    if (r == 0)
        *ret_room = scan->group->raw;
    return r;
}

static int take_group(void *context, uint32_t first_page, uint32_t page_count, struct err *err)
{
    struct scan *scan = context;

    (void)err;
    scan->group->first_page = first_page;
    scan->group->page_count = page_count;
    pipeline_submit(scan->pipeline, scan->group);
    return 0;
}

/* Page 1 is known last and stands first: its place was kept free. */
static int take_page_one(struct scan *scan, const uint8_t *page_one, struct err *err)
{
    struct delta *delta = scan->delta;
    const struct page_hash hash =
        page_hash(scan->options->hash_seed, 1, page_one, delta->facts.page_size);
    struct page_hash known = { 0, 0 };
    int r;

    r = hash_spool_put(delta->hashes, 1, &hash, 1, err);
    if (r == 0)
        r = spool_write(delta->raw, 0, page_one, delta->facts.page_size, err);
    if (r == 0)
        r = hash_spool_get(scan->options->parent->hashes, 1, &known, 1, err);
    if (r < 0)
        return r;
    page_hash_xor(&delta->sum, hash);
    if (!page_hash_eq(hash, known))
        delta->changed_count++;
    delta->page_count++; /* always: it changes with nearly every commit, and is but one page */
    return 0;
}

static int keep_place_of_page_one(struct scan *scan, const uint8_t *zeros, struct err *err)
{
    const uint32_t page = 1;
    int r;

    r = spool_append(scan->delta->pages, &page, sizeof(page), err);
    return r < 0 ? r : spool_append(scan->delta->raw, zeros, scan->delta->facts.page_size, err);
}

static int start_pipeline(const struct delta_options *options, const struct source_facts *facts,
                          enum pipeline_work work, pipeline_output_fn output, void *context,
                          struct pipeline **ret_pipeline, struct err *err)
{
    const struct pipeline_options pipeline_options = {
        .work = work,
        .thread_count = options->thread_count,
        .compression_level = options->compression_level,
        .page_size = facts->page_size,
        .hash_seed = options->hash_seed,
        .output = output,
        .context = context,
        .cancel = options->cancel,
    };

    return pipeline_new(&pipeline_options, ret_pipeline, err);
}

static int read_pages(struct scan *scan, uint8_t *page_one, struct err *err)
{
    const struct source_visitor visitor = { .room = give_room,
                                            .group = take_group,
                                            .context = scan };
    const struct source_facts *facts = &scan->delta->facts;
    struct source *source = scan->options->source;
    int r;

    r = start_pipeline(scan->options, facts, PIPELINE_HASH, take_hashed, scan, &scan->pipeline,
                       err);
    if (r < 0)
        return r;
    /* In rollback mode the file is the whole truth under the lock, and is read faster. */
    r = facts->wal ? source_scan(source, facts, &visitor, page_one, err)
                   : source_scan_file(source, facts, &visitor, page_one, err);
    scan->delta->lock_us = source_end(source);
    return r < 0 ? r : pipeline_finish(scan->pipeline, err);
}

static int run_scan(struct scan *scan, uint8_t *page_one, struct err *err)
{
    const struct delta_options *options = scan->options;
    struct delta *delta = scan->delta;
    int r;

    r = source_begin(options->source, &delta->facts, err);
    if (r < 0)
        return r;
    if (delta->facts.page_size != options->parent->page_size) {
        delta->too_many = true;
        return 0;
    }
    scan->known = calloc(frame_slots(delta->facts.page_size), sizeof(*scan->known));
    if (scan->known == NULL)
        return err_nomem(err);
    r = keep_place_of_page_one(scan, page_one, err);
    if (r == 0)
        r = read_pages(scan, page_one, err);
    if (scan->too_many && (r == 0 || r == ERR_CANCELED)) {
        err_clear(err);
        delta->too_many = true;
        return 0;
    }
    return r < 0 ? r : take_page_one(scan, page_one, err);
}

int delta_scan(const struct delta_options *options, struct delta *ret_delta, struct err *err)
{
    struct delta delta = DELTA_INIT;
    struct scan scan = { .options = options, .delta = &delta };
    uint8_t *page_one = calloc(1, PAGE_SIZE_MAX);
    int r = 0;

    if (page_one == NULL)
        return err_nomem(err);
    r = hash_spool_new(options->spool_dir, &delta.hashes, err);
    if (r == 0)
        r = spool_new(options->spool_dir, PAGES_MEMORY_MAX, &delta.pages, err);
    if (r == 0)
        r = spool_new(options->spool_dir, RAW_MEMORY_MAX, &delta.raw, err);
    if (r == 0)
        r = run_scan(&scan, page_one, err);
    (void)source_end(options->source);
    pipeline_free(scan.pipeline);
    free(scan.known);
    free(page_one);
    if (r < 0) {
        delta_dispose(&delta);
        return r;
    }
    *ret_delta = delta;
    return 0;
}

void delta_dispose(struct delta *delta)
{
    hash_spool_free(delta->hashes);
    spool_free(delta->pages);
    spool_free(delta->raw);
    *delta = (struct delta)DELTA_INIT;
}

/* The pipeline's output: one frame, in order. */
static int take_frame(void *context, const struct page_group *group, struct err *err)
{
    return pack_writer_add(context, group->stored, group->stored_len, group->page_count, err);
}

int delta_write(const struct delta_options *options, struct delta *delta, struct pack_writer *pack,
                struct err *err)
{
    const uint32_t page_size = delta->facts.page_size, slots = frame_slots(page_size);
    struct pipeline *pipeline = NULL;
    int r;

    r = start_pipeline(options, &delta->facts, PIPELINE_ENCODE, take_frame, pack, &pipeline, err);
    for (uint32_t done = 0; r == 0 && done < delta->page_count;) {
        const uint32_t left = delta->page_count - done, count = left < slots ? left : slots;
        const uint64_t offset = (uint64_t)done * page_size;
        struct page_group *group;

        r = pipeline_acquire(pipeline, &group, err);
        if (r < 0)
            break;
        r = spool_read(delta->raw, offset, group->raw, (size_t)count * page_size, err);
        spool_release(delta->raw, offset, (uint64_t)count * page_size);
        group->first_page = 1; /* means nothing here */
        group->page_count = count;
        if (r == 0)
            pipeline_submit(pipeline, group);
        done += count;
    }
    if (r == 0)
        r = pipeline_finish(pipeline, err);
    pipeline_free(pipeline);
    return r;
}
