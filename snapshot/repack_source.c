#include "snapshot/repack_source.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "snapshot/frame.h"
#include "snapshot/manifest.h"
#include "snapshot/pack_reader.h"
#include "snapshot/spool.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct repack_source {
    struct repack_source_options options;
    const struct pack_record *pack;
    uint32_t page_size;
    struct spool *slots; /* struct index_slot */
    struct seek_entry *frames;
    uint32_t frame_count; /* index blocks are not counted */
    struct frame_codec *codec;

    struct index_slot slot; /* that is due */
    uint64_t slot_index;    /* of it, in the pack; the pack's slot_count at the end */
    uint32_t frame;         /* that it is in */
    uint64_t frame_offset, frame_slot;

    struct buf span; /* stored bytes from span_offset on */
    uint64_t span_offset;
    uint8_t *raw;       /* of frame raw_frame */
    uint32_t raw_frame; /* UINT32_MAX: none */
};

void repack_source_free(struct repack_source *source)
{
    if (source == NULL)
        return;
    spool_free(source->slots);
    free(source->frames);
    frame_codec_free(source->codec);
    buf_dispose(&source->span);
    free(source->raw);
    free(source);
}

static uint32_t slots_of(const struct repack_source *source, uint32_t frame)
{
    return source->frames[frame].raw_len / source->page_size;
}

/* The first needed slot from slot_index on. */
static int find(struct repack_source *source, struct err *err)
{
    for (; source->slot_index < source->pack->slot_count; source->slot_index++) {
        int r = spool_read(source->slots, source->slot_index * sizeof(source->slot), &source->slot,
                           sizeof(source->slot), err);

        if (r < 0)
            return r;
        if (live_pages_has(source->options.live, source->options.pack, source->slot.page_number))
            break;
    }
    while (source->frame < source->frame_count &&
           source->slot_index >= source->frame_slot + slots_of(source, source->frame)) {
        source->frame_slot += slots_of(source, source->frame);
        source->frame_offset += source->frames[source->frame].stored_len;
        source->frame++;
    }
    return 0;
}

static int open_index(struct repack_source *source, struct err *err)
{
    const struct repack_source_options *options = &source->options;
    const char *database = options->manifest->database;
    uint32_t count = 0;
    int r;

    r = spool_new(options->spool_dir, options->slots_memory, &source->slots, err);
    if (r == 0)
        r = pack_slots_read(options->store, database, source->pack, source->slots, err);
    if (r == 0) {
        r = pack_frames_read(options->store, database, source->pack, source->page_size,
                             &source->frames, &count, err);
    }
    while (r == 0 && source->frame_count < count && source->frames[source->frame_count].raw_len > 0)
        source->frame_count++;
    return r;
}

int repack_source_new(const struct repack_source_options *options,
                      struct repack_source **ret_source, struct err *err)
{
    struct repack_source *source = calloc(1, sizeof(*source));
    int r;

    if (source == NULL)
        return err_nomem(err);
    source->options = *options;
    source->pack = &options->manifest->packs[options->pack];
    source->page_size = options->live->packs[options->pack].page_size;
    source->span = (struct buf)BUF_INIT(options->span_size + FRAME_STORED_SIZE_MAX);
    source->raw_frame = UINT32_MAX;
    source->raw = malloc(FRAME_RAW_SIZE_MAX);
    r = source->raw == NULL ? err_nomem(err) : frame_codec_new(1, &source->codec, err);
    if (r == 0)
        r = open_index(source, err);
    if (r == 0)
        r = find(source, err);
    if (r < 0) {
        repack_source_free(source);
        return r;
    }
    *ret_source = source;
    return 0;
}

const struct index_slot *repack_source_slot(const struct repack_source *source)
{
    return source->slot_index < source->pack->slot_count ? &source->slot : NULL;
}

/* Whether a page of frames from there on is needed. */
static int is_needed(const struct repack_source *source, uint64_t first_slot, uint32_t count,
                     bool *ret_needed, struct err *err)
{
    int r = 0;

    *ret_needed = false;
    for (uint32_t i = 0; r == 0 && !*ret_needed && i < count; i++) {
        struct index_slot slot;

        r = spool_read(source->slots, (first_slot + i) * sizeof(slot), &slot, sizeof(slot), err);
        *ret_needed =
            r == 0 && live_pages_has(source->options.live, source->options.pack, slot.page_number);
    }
    return r;
}

/* From the frame that is due to the last needed one that fits: frames between them that nobody
 * needs come along, as a request costs more than they do. */
static int choose_span(const struct repack_source *source, uint64_t *ret_len, struct err *err)
{
    uint64_t slot = source->frame_slot, len = 0;

    for (uint32_t i = source->frame; i < source->frame_count; i++) {
        bool needed = false;
        int r = is_needed(source, slot, slots_of(source, i), &needed, err);

        if (r < 0)
            return r;
        len += source->frames[i].stored_len;
        slot += slots_of(source, i);
        if (i > source->frame && len > source->options.span_size)
            break;
        if (needed)
            *ret_len = len;
    }
    return 0;
}

static int fetch_span(struct repack_source *source, struct err *err)
{
    struct io_sink *sink = NULL;
    uint64_t len = 0;
    int r;

    buf_clear(&source->span);
    source->span_offset = source->frame_offset;
    r = choose_span(source, &len, err);
    if (r == 0)
        r = buf_sink_new(&source->span, &sink, err);
    if (r == 0) {
        r = pack_get(source->options.store, source->options.manifest->database, source->pack,
                     source->span_offset, len, sink, err);
    }
    if (r == 0)
        r = io_finish(sink, err);
    io_sink_free(sink);
    return r;
}

static int decode(struct repack_source *source, struct err *err)
{
    const struct seek_entry *frame = &source->frames[source->frame];
    int r = 0;

    if (source->span.len == 0 ||
        source->frame_offset + frame->stored_len > source->span_offset + source->span.len)
        r = fetch_span(source, err);
    if (r == 0) {
        r = frame_decode(source->codec,
                         source->span.ptr + (source->frame_offset - source->span_offset),
                         frame->stored_len, source->raw, frame->raw_len, err);
    }
    if (r == 0)
        source->raw_frame = source->frame;
    return r;
}

int repack_source_page(struct repack_source *source, const uint8_t **ret_page, struct err *err)
{
    const uint8_t *page;
    struct page_hash hash;
    int r = 0;

    if (source->raw_frame != source->frame)
        r = decode(source, err);
    if (r < 0)
        return err_wrap(err, r, "pack %s", source->pack->id);
    page = source->raw + (source->slot_index - source->frame_slot) * source->page_size;
    hash = page_hash(source->options.manifest->page_hash_seed, source->slot.page_number, page,
                     source->page_size);
    if (!page_hash_eq(hash, source->slot.hash)) {
        return err_set(err, ERR_CORRUPT, "pack %s: page %" PRIu32 " is damaged", source->pack->id,
                       source->slot.page_number);
    }
    *ret_page = page;
    return 0;
}

int repack_source_next(struct repack_source *source, struct err *err)
{
    source->slot_index++;
    return find(source, err);
}
