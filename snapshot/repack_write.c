#include "snapshot/repack.h"

#include "base/buf.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "snapshot/frame.h"
#include "snapshot/pack_reader.h"
#include "snapshot/pack_writer.h"
#include "snapshot/repack_source.h"
#include "snapshot/spool.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LEVEL        3
#define INFO_LEN_MAX (16u << 20)
/* Of all old packs together. */
#define SPANS_SIZE   (8u << 20)
#define SLOTS_MEMORY (8u << 20)

/* From some packs into one. */
struct copy {
    struct object_store *store;
    const struct manifest *manifest;
    const struct live_pages *live;
    const struct repack_group *group;
    const struct repack_options *options;
    uint32_t page_size;
    uint64_t wanted; /* pages */
    struct repack_source *sources[REPACK_GROUP_MAX];
    struct spool *slots; /* of the new pack: struct index_slot */
    struct frame_codec *codec;
    struct pack_writer *writer;
    uint8_t *raw, *stored; /* the frame that is being filled */
    uint32_t slot_count;   /* pages in it */
};

static void copy_dispose(struct copy *copy)
{
    for (size_t i = 0; i < copy->group->count; i++)
        repack_source_free(copy->sources[i]);
    pack_writer_free(copy->writer);
    frame_codec_free(copy->codec);
    spool_free(copy->slots);
    free(copy->raw);
    free(copy->stored);
}

static int flush_frame(struct copy *copy, struct err *err)
{
    size_t stored_len = 0;
    int r;

    if (copy->slot_count == 0)
        return 0;
    r = cancel_check(copy->options->cancel, err);
    if (r == 0) {
        r = frame_encode(copy->codec, copy->raw, (size_t)copy->slot_count * copy->page_size,
                         copy->stored, &stored_len, err);
    }
    if (r == 0)
        r = pack_writer_add(copy->writer, copy->stored, stored_len, copy->slot_count, err);
    copy->slot_count = 0;
    return r;
}

static int copy_page(struct copy *copy, struct repack_source *source, struct err *err)
{
    const struct index_slot *slot = repack_source_slot(source);
    const uint8_t *page = NULL;
    int r;

    r = repack_source_page(source, &page, err);
    if (r < 0)
        return r;
    memcpy(copy->raw + (size_t)copy->slot_count * copy->page_size, page, copy->page_size);
    r = spool_append(copy->slots, slot, sizeof(*slot), err);
    if (r == 0 && ++copy->slot_count == frame_slots(copy->page_size))
        r = flush_frame(copy, err);
    return r < 0 ? r : repack_source_next(source, err);
}

/* The source whose page has the lowest number; NULL at the end of all. */
static struct repack_source *lowest(const struct copy *copy)
{
    struct repack_source *found = NULL;

    for (size_t i = 0; i < copy->group->count; i++) {
        const struct index_slot *slot = repack_source_slot(copy->sources[i]);

        if (slot != NULL &&
            (found == NULL || slot->page_number < repack_source_slot(found)->page_number))
            found = copy->sources[i];
    }
    return found;
}

static int copy_pages(struct copy *copy, struct err *err)
{
    struct repack_source *source = lowest(copy);
    uint64_t count = 0;
    int r = 0;

    for (; r == 0 && source != NULL; source = lowest(copy), count++)
        r = copy_page(copy, source, err);
    if (r == 0)
        r = flush_frame(copy, err);
    if (r == 0 && count != copy->wanted) {
        r = err_set(err, ERR_CORRUPT, "%" PRIu64 " of %" PRIu64 " pages that are needed are there",
                    count, copy->wanted);
    }
    return r;
}

static bool is_replaced(const struct copy *copy, size_t index)
{
    const struct manifest *manifest = copy->manifest;

    for (size_t i = 0; i < copy->group->count; i++) {
        const size_t old = copy->group->packs[i];

        if (old == index ||
            strcmp(manifest->packs[index].repaired_by, manifest->packs[old].id) == 0)
            return true;
    }
    return false;
}

/* This pack, those that it replaces, and those that they replaced. */
static int encode_info(const struct copy *copy, const struct pack_record *record, struct buf *out,
                       struct err *err)
{
    const struct manifest *manifest = copy->manifest;
    struct clock *clock = copy->options->clock != NULL ? copy->options->clock : clock_system();
    struct manifest alone = {
        .generation = manifest->generation + 1,
        .written_at_ms = clock_now_ms(clock),
        .database = manifest->database,
        .page_hash_seed = manifest->page_hash_seed,
        .conditional_writes = manifest->conditional_writes,
        .packs = calloc(manifest->pack_count + 1, sizeof(*alone.packs)),
        .pack_count = 1,
    };
    int r;

    if (alone.packs == NULL)
        return err_nomem(err);
    memcpy(alone.writer, record->id, sizeof(alone.writer));
    alone.packs[0] = *record;
    for (size_t i = 0; i < manifest->pack_count; i++) {
        struct pack_record *old = &alone.packs[alone.pack_count];

        if (!is_replaced(copy, i))
            continue;
        *old = manifest->packs[i];
        memcpy(old->repaired_by, record->id, sizeof(old->repaired_by));
        old->replaced_at_ms = alone.written_at_ms;
        alone.pack_count++;
    }
    r = manifest_encode(&alone, out, err);
    free(alone.packs);
    return r;
}

static int read_map(const struct copy *copy, struct buf *map, struct err *err)
{
    for (size_t i = 0; i < copy->group->count; i++) {
        const size_t pack = copy->group->packs[i];

        if (copy->live->packs[pack].needs_map) {
            return pack_map_payload_read(copy->store, copy->manifest->database,
                                         &copy->manifest->packs[pack], map, err);
        }
    }
    return 0;
}

static int write_index(struct copy *copy, struct pack_record *record, struct err *err)
{
    struct buf map = BUF_INIT(INDEX_BLOCK_RAW_MAX), info = BUF_INIT(INFO_LEN_MAX);
    int r;

    r = read_map(copy, &map, err);
    if (r == 0)
        r = pack_writer_add_repair_index(copy->writer, copy->slots, buf_str(&map), record, err);
    if (r == 0)
        r = encode_info(copy, record, &info, err);
    if (r == 0)
        r = pack_writer_finish(copy->writer, buf_str(&info), &record->size, err);
    buf_dispose(&map);
    buf_dispose(&info);
    return r;
}

static int open_sources(struct copy *copy, struct err *err)
{
    struct repack_source_options options = {
        .store = copy->store,
        .manifest = copy->manifest,
        .live = copy->live,
        .span_size = SPANS_SIZE / copy->group->count,
        .spool_dir = copy->options->spool_dir,
        .slots_memory = SLOTS_MEMORY / copy->group->count,
    };
    int r = 0;

    for (size_t i = 0; r == 0 && i < copy->group->count; i++) {
        const struct live_pack *pack = &copy->live->packs[copy->group->packs[i]];

        options.pack = copy->group->packs[i];
        copy->wanted += pack->page_count;
        copy->page_size = pack->page_size;
        r = repack_source_new(&options, &copy->sources[i], err);
    }
    return r;
}

static int open_writer(struct copy *copy, const char *id, struct err *err)
{
    const struct pack_writer_options writer = {
        .store = copy->store,
        .database = copy->options->database,
        .id = id,
        .page_size = copy->page_size,
        .page_count = (uint32_t)copy->wanted,
        .incremental = true,
        .spool_dir = copy->options->spool_dir,
        .cancel = copy->options->cancel,
    };
    int r;

    copy->raw = malloc(FRAME_RAW_SIZE_MAX);
    copy->stored = malloc(FRAME_STORED_SIZE_MAX);
    if (copy->raw == NULL || copy->stored == NULL)
        return err_nomem(err);
    r = frame_codec_new(LEVEL, &copy->codec, err);
    if (r == 0)
        r = spool_new(copy->options->spool_dir, SLOTS_MEMORY, &copy->slots, err);
    return r < 0 ? r : pack_writer_new(&writer, &copy->writer, err);
}

int repack_write(struct object_store *store, const struct manifest *manifest,
                 const struct live_pages *live, const struct repack_group *group,
                 const struct repack_options *options, struct pack_record *ret_record,
                 struct err *err)
{
    struct copy copy = {
        .store = store,
        .manifest = manifest,
        .live = live,
        .group = group,
        .options = options,
    };
    struct pack_record record = { .id = "" };
    char id[UUID_TEXT_SIZE];
    int r;

    uuid_v4(id);
    r = open_sources(&copy, err);
    if (r == 0)
        r = open_writer(&copy, id, err);
    if (r == 0)
        r = copy_pages(&copy, err);
    if (r == 0)
        r = write_index(&copy, &record, err);
    copy_dispose(&copy);
    if (r < 0)
        return err_wrap(err, r, "write pages of packs anew");
    *ret_record = record;
    return 0;
}
