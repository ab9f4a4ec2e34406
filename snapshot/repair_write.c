#include "snapshot/repair_internal.h"

#include "base/buf.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "snapshot/frame.h"
#include "snapshot/pack_format.h"
#include "snapshot/pack_repair.h"
#include "snapshot/pack_writer.h"
#include "snapshot/spool.h"

#include <stdlib.h>
#include <string.h>

#define INFO_LEN_MAX     (1u << 20)
#define SLOTS_MEMORY_MAX (1u << 20)
#define LEVEL            3

/* One pack being written. */
struct output {
    struct repair_job *job;
    const struct pack_record *last; /* of the chain */
    uint32_t page_size;
    const struct lost_page **pages; /* by page number */
    size_t count;
    const struct page_map *map; /* NULL: none was lost */
    bool index_only;
    struct pack_writer *writer;
    struct spool *slots;
    struct frame_codec *codec;
    uint8_t *raw, *stored;
};

static int compare_pages(const void *a, const void *b)
{
    const struct lost_page *const *left = a, *const *right = b;

    return (*left)->page_number < (*right)->page_number ? -1 : 1;
}

static int add_pack(struct output *output, const struct lost_pack *pack, struct err *err)
{
    const struct lost_page **grown;

    if (pack->map.page_count > 0)
        output->map = &pack->map;
    output->index_only = output->index_only || pack->index_only;
    grown = realloc((void *)output->pages,
                    (output->count + pack->count + 1) * sizeof(const struct lost_page *));
    if (grown == NULL)
        return err_nomem(err);
    output->pages = grown;
    for (size_t i = 0; i < pack->count; i++) {
        if (pack->pages[i].proven)
            output->pages[output->count++] = &pack->pages[i];
    }
    return 0;
}

/* What the packs of one chain have lost, no page of which is in two of them. */
static int gather(struct output *output, struct err *err)
{
    const struct manifest *manifest = output->job->manifest;
    int r = 0;

    for (size_t i = 0; r == 0 && i < manifest->pack_count; i++) {
        const struct lost_pack *pack = &output->job->packs[i];

        if ((pack->count == 0 && pack->map.page_count == 0 && !pack->index_only) ||
            pack_repair_last(manifest, &manifest->packs[i]) != output->last)
            continue;
        output->page_size = output->job->survey.users[i]->page_size;
        r = add_pack(output, pack, err);
    }
    if (r == 0 && output->count > 0) {
        qsort((void *)output->pages, output->count, sizeof(const struct lost_page *),
              compare_pages);
    }
    return r;
}

static int write_frame(struct output *output, size_t first, uint32_t count, struct err *err)
{
    size_t stored_len = 0;
    int r;

    r = cancel_check(output->job->options->cancel, err);
    for (uint32_t i = 0; r == 0 && i < count; i++) {
        const struct lost_page *page = output->pages[first + i];
        struct index_slot slot;

        memset(&slot, 0, sizeof(slot)); /* the padding too, which goes into the spool */
        slot.page_number = page->page_number;
        slot.hash = page->hash;
        r = spool_append(output->slots, &slot, sizeof(slot), err);
        if (r == 0) {
            r = spool_read(output->job->raw, page->raw, output->raw + (size_t)i * output->page_size,
                           output->page_size, err);
        }
    }
    if (r == 0) {
        r = frame_encode(output->codec, output->raw, (size_t)count * output->page_size,
                         output->stored, &stored_len, err);
    }
    return r < 0 ? r : pack_writer_add(output->writer, output->stored, stored_len, count, err);
}

static int write_frames(struct output *output, struct err *err)
{
    const uint32_t most = frame_slots(output->page_size);
    int r = 0;

    for (size_t at = 0; r == 0 && at < output->count; at += most) {
        const size_t left = output->count - at;

        r = write_frame(output, at, left < most ? (uint32_t)left : most, err);
    }
    return r;
}

/* The last block tells of this pack, of the one that it repairs, and of the latter's backup: so a
 * lost manifest can be made again although that pack cannot be read. */
static int encode_info(const struct output *output, const struct pack_record *pack, struct buf *out,
                       struct err *err)
{
    const struct manifest *manifest = output->job->manifest;
    struct pack_record packs[2] = { *pack, *output->last };
    const struct backup_record *backup = NULL;
    struct backup_record record = { .id = "" };
    struct clock *clock = output->job->options->clock;
    struct manifest alone = {
        .generation = manifest->generation + 1,
        .written_at_ms = clock_now_ms(clock != NULL ? clock : clock_system()),
        .database = manifest->database,
        .page_hash_seed = manifest->page_hash_seed,
        .conditional_writes = manifest->conditional_writes,
        .backups = &record,
        .packs = packs,
        .pack_count = 2,
    };
    int r = 0;

    memcpy(alone.writer, pack->id, sizeof(alone.writer));
    memcpy(packs[1].repaired_by, pack->id, sizeof(pack->id));
    if (manifest_find_backup(manifest, output->last->id, &backup, NULL) == 0) {
        r = backup_record_copy(backup, &record, err);
        pack_set_dispose(&record.packs);
        if (r == 0)
            r = pack_set_append(&record.packs, 1, 1, err);
        alone.backup_count = 1;
    }
    if (r == 0)
        r = manifest_encode(&alone, out, err);
    backup_record_dispose(&record);
    return r;
}

static int write_index(struct output *output, struct pack_record *record, struct err *err)
{
    struct buf map = BUF_INIT(INDEX_BLOCK_RAW_MAX), info = BUF_INIT(INFO_LEN_MAX);
    int r = 0;

    if (output->map != NULL)
        r = page_map_encode(output->map, NULL, &map, err);
    if (r == 0) {
        r = pack_writer_add_repair_index(output->writer, output->slots, buf_str(&map), record, err);
    }
    if (r == 0)
        r = encode_info(output, record, &info, err);
    if (r == 0)
        r = pack_writer_finish(output->writer, buf_str(&info), &record->size, err);
    buf_dispose(&map);
    buf_dispose(&info);
    return r;
}

static int write_pack(struct output *output, struct pack_record *record, struct err *err)
{
    const struct repair_pages_options *options = output->job->options;
    char id[UUID_TEXT_SIZE];
    const struct pack_writer_options writer = {
        .store = output->job->store,
        .database = options->database,
        .id = id,
        .page_size = output->page_size,
        .page_count = (uint32_t)output->count,
        .incremental = true,
        .spool_dir = options->spool_dir,
        .progress = options->progress,
        .cancel = options->cancel,
    };
    int r;

    uuid_v4(id);
    output->raw = malloc(FRAME_RAW_SIZE_MAX);
    output->stored = malloc(FRAME_STORED_SIZE_MAX);
    if (output->raw == NULL || output->stored == NULL)
        return err_nomem(err);
    r = frame_codec_new(LEVEL, &output->codec, err);
    if (r == 0)
        r = spool_new(options->spool_dir, SLOTS_MEMORY_MAX, &output->slots, err);
    if (r == 0)
        r = pack_writer_new(&writer, &output->writer, err);
    if (r == 0)
        r = write_frames(output, err);
    return r < 0 ? r : write_index(output, record, err);
}

int repair_write(struct repair_job *job, size_t last, bool *ret_any, struct repair_made *ret_made,
                 struct err *err)
{
    struct output output = { .job = job, .last = &job->manifest->packs[last] };
    struct repair_made made = { .page_count = 0 };
    bool any = false;
    int r;

    r = gather(&output, err);
    if (r == 0) {
        any = output.count > 0 || output.map != NULL || output.index_only;
        memcpy(made.repairs, output.last->id, sizeof(made.repairs));
        made.page_count = output.count;
        if (any && !job->options->dry_run)
            r = write_pack(&output, &made.record, err);
    }
    pack_writer_free(output.writer);
    frame_codec_free(output.codec);
    spool_free(output.slots);
    free((void *)output.pages);
    free(output.raw);
    free(output.stored);
    if (r < 0)
        return err_wrap(err, r, "write what repairs pack %s", output.last->id);
    *ret_made = made;
    *ret_any = any;
    return 0;
}
