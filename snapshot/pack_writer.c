#include "snapshot/pack_writer.h"

#include "base/err.h"
#include "snapshot/frame.h"
#include "snapshot/hash_spool.h"
#include "snapshot/pack_format.h"
#include "snapshot/pack_upload.h"
#include "snapshot/page_map.h"
#include "snapshot/parent.h"
#include "snapshot/spool.h"
#include "store/object_store.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A pack of one part usually fits here and never touches a disk. */
#define SPOOL_MEMORY_MAX (8u << 20)
/* Bytes that the index and the seek table take for a page at most. */
#define INDEX_SIZE_PER_PAGE 64u
/* What a database may grow by between the first look at it and its snapshot. */
#define GROWTH_SIZE (64u << 20)

#define HASHES_CHUNK  256u /* read from the hash spool at a time */
#define BLOCK_LEN_MAX (INDEX_BLOCK_RAW_MAX + 4096)

struct pack_writer {
    char id[UUID_TEXT_SIZE];
    uint32_t page_size;
    bool held;
    struct spool *spool;
    struct pack_upload *upload;
    struct seek_entry *entries; /* one a frame, index blocks included: 8 bytes for 256 KiB */
    uint32_t entry_count, entry_size;
    uint32_t page_count; /* in the frames so far, page 1 included */
    struct pack_record record;
    struct page_map map;
    uint32_t taken_back;        /* the next frame that take_back returns, and... */
    uint64_t taken_back_offset; /* ...where it is */
};

static int add_entry(struct pack_writer *writer, uint64_t stored_len, uint64_t raw_len,
                     struct err *err)
{
    if (writer->entry_count == writer->entry_size) {
        uint32_t size = writer->entry_size > 0 ? writer->entry_size * 2 : 1024;
        struct seek_entry *entries = realloc(writer->entries, size * sizeof(*entries));

        if (entries == NULL)
            return err_nomem(err);
        writer->entries = entries;
        writer->entry_size = size;
    }
    if (stored_len > UINT32_MAX)
        return err_set(err, ERR_LIMIT, "an index block of more than 4 GiB");
    writer->entries[writer->entry_count++] = (struct seek_entry){
        .stored_len = (uint32_t)stored_len,
        .raw_len = (uint32_t)raw_len,
    };
    return 0;
}

static int append(struct pack_writer *writer, const void *data, size_t len, struct err *err)
{
    int r;

    r = pack_upload_reserve(writer->upload, spool_size(writer->spool) + len, err);
    if (r < 0)
        return r;
    r = spool_append(writer->spool, data, len, err);
    if (r < 0 || writer->held)
        return r;
    return pack_upload_advance(writer->upload, spool_size(writer->spool), err);
}

/* No pack of these pages can be larger. */
static uint64_t pack_size_max(const struct pack_writer_options *options)
{
    uint64_t raw = (uint64_t)options->page_size * options->page_count;
    uint64_t frames = raw / FRAME_RAW_SIZE + 2;

    return raw + raw / 4 + frames * (FRAME_STORED_SIZE_MAX - FRAME_RAW_SIZE) +
           (uint64_t)options->page_count * INDEX_SIZE_PER_PAGE + GROWTH_SIZE;
}

static int upload_new(struct pack_writer *writer, const struct pack_writer_options *options,
                      struct err *err)
{
    char key[CATALOG_KEY_SIZE];
    struct pack_upload_options upload_options = {
        .store = options->store,
        .key = key,
        .spool = writer->spool,
        .progress = options->progress,
        .cancel = options->cancel,
    };
    int r;

    r = catalog_pack_key(options->database, options->id, key, err);
    if (r < 0)
        return r;
    r = object_part_size(options->store, pack_size_max(options), options->part_size,
                         &upload_options.part_size, err);
    if (r < 0)
        return r;
    return pack_upload_new(&upload_options, &writer->upload, err);
}

static int reserve_page_one(struct pack_writer *writer, struct err *err)
{
    size_t len = frame_stored_page_len(writer->page_size);
    void *zeros = calloc(1, len);
    int r;

    if (zeros == NULL)
        return err_nomem(err);
    r = append(writer, zeros, len, err);
    free(zeros);
    if (r < 0)
        return r;
    writer->page_count = 1;
    return add_entry(writer, len, writer->page_size, err);
}

int pack_writer_new(const struct pack_writer_options *options, struct pack_writer **ret_writer,
                    struct err *err)
{
    struct pack_writer *writer = calloc(1, sizeof(*writer));
    int r;

    if (writer == NULL)
        return err_nomem(err);
    (void)snprintf(writer->id, sizeof(writer->id), "%s", options->id);
    writer->page_size = options->page_size;
    writer->held = options->hold;
    r = spool_new(options->spool_dir, SPOOL_MEMORY_MAX, &writer->spool, err);
    if (r < 0)
        goto out;
    r = upload_new(writer, options, err);
    if (r < 0)
        goto out;
    if (!options->incremental)
        r = reserve_page_one(writer, err);
out:
    if (r < 0) {
        pack_writer_free(writer);
        return r;
    }
    *ret_writer = writer;
    return 0;
}

void pack_writer_free(struct pack_writer *writer)
{
    if (writer == NULL)
        return;
    pack_upload_free(writer->upload); /* its threads read the spool */
    spool_free(writer->spool);
    page_map_dispose(&writer->map);
    free(writer->entries);
    free(writer);
}

int pack_writer_add(struct pack_writer *writer, const void *stored, size_t stored_len,
                    uint32_t page_count, struct err *err)
{
    int r;

    r = append(writer, stored, stored_len, err);
    if (r < 0)
        return r;
    writer->page_count += page_count;
    return add_entry(writer, stored_len, (uint64_t)page_count * writer->page_size, err);
}

int pack_writer_release(struct pack_writer *writer, struct err *err)
{
    writer->held = false;
    return pack_upload_advance(writer->upload, spool_size(writer->spool), err);
}

static int fill_in_page_one(struct pack_writer *writer, const void *page_one, struct err *err)
{
    size_t len = frame_stored_page_len(writer->page_size);
    void *stored = malloc(len);
    int r;

    if (stored == NULL)
        return err_nomem(err);
    frame_encode_stored_page(page_one, writer->page_size, stored);
    r = spool_write(writer->spool, 0, stored, len, err);
    free(stored);
    return r;
}

/* Encode payload as one block, add it, and say where it is. */
static int add_block(struct pack_writer *writer, enum index_type type, struct str payload,
                     uint64_t *ret_len, struct err *err)
{
    struct buf block = BUF_INIT(BLOCK_LEN_MAX);
    int r;

    r = index_block_encode(type, payload.ptr, payload.len, &block, err);
    if (r < 0)
        goto out;
    r = append(writer, block.ptr, block.len, err);
    if (r < 0)
        goto out;
    r = add_entry(writer, block.len, 0, err);
    *ret_len = block.len;
out:
    buf_dispose(&block);
    return r;
}

/* One block of hashes of count pages from first_page; slots is room for them. */
static int add_hashes_block(struct pack_writer *writer, struct hash_spool *hashes,
                            struct index_slot *slots, uint32_t first_page, uint32_t count,
                            struct err *err)
{
    struct buf payload = BUF_INIT(INDEX_BLOCK_RAW_MAX);
    uint64_t len = 0;
    int r;

    for (uint32_t i = 0; i < count; i += HASHES_CHUNK) {
        struct page_hash chunk[HASHES_CHUNK];
        uint32_t n = count - i < HASHES_CHUNK ? count - i : HASHES_CHUNK;

        r = hash_spool_get(hashes, first_page + i, chunk, n, err);
        if (r < 0)
            goto out;
        for (uint32_t j = 0; j < n; j++)
            slots[i + j] = (struct index_slot){ first_page + i + j, chunk[j] };
    }
    r = index_hashes_encode(first_page - 1, slots, count, &payload, err);
    if (r < 0)
        goto out;
    r = add_block(writer, INDEX_HASHES, buf_str(&payload), &len, err);
    writer->record.hashes_len += len;
out:
    buf_dispose(&payload);
    return r;
}

static int add_hashes(struct pack_writer *writer, struct hash_spool *hashes,
                      struct page_hash *ret_database_hash, struct err *err)
{
    struct index_slot *slots = calloc(INDEX_BLOCK_SLOTS_MAX, sizeof(*slots));
    struct page_hash sum = { 0 };
    int r = 0;

    if (slots == NULL)
        return err_nomem(err);
    writer->record.hashes_offset = spool_size(writer->spool);
    for (uint64_t page = 1; page <= writer->page_count && r == 0; page += INDEX_BLOCK_SLOTS_MAX) {
        uint64_t left = writer->page_count + 1 - page;
        uint32_t count = left < INDEX_BLOCK_SLOTS_MAX ? (uint32_t)left : INDEX_BLOCK_SLOTS_MAX;

        r = add_hashes_block(writer, hashes, slots, (uint32_t)page, count, err);
        for (uint32_t i = 0; i < count && r == 0; i++)
            page_hash_xor(&sum, slots[i].hash);
    }
    free(slots);
    if (r == 0)
        *ret_database_hash = sum;
    return r;
}

/* A full backup's map has one run a frame. */
static int build_map(const struct pack_writer *writer, struct page_map *map, struct err *err)
{
    struct page_run run = { .first_page = 1 };
    int r;

    r = page_map_add_pack(map, writer->id, &run.pack, err);
    for (uint32_t i = 0; i < writer->entry_count && r == 0; i++) {
        const struct seek_entry *entry = &writer->entries[i];

        if (entry->raw_len == 0)
            break; /* the index begins */
        run.page_count = entry->raw_len / writer->page_size;
        run.frame_slot_count = run.page_count;
        run.frame_len = entry->stored_len;
        r = page_map_add_run(map, &run, err);
        run.first_page += run.page_count;
        run.slot += run.page_count;
        run.frame_offset += entry->stored_len;
    }
    return r;
}

static int add_map_block(struct pack_writer *writer, struct str payload, struct err *err)
{
    writer->record.map_offset = spool_size(writer->spool);
    return add_block(writer, INDEX_MAP, payload, &writer->record.map_len, err);
}

static int add_whole_map(struct pack_writer *writer, struct err *err)
{
    struct buf payload = BUF_INIT(INDEX_BLOCK_RAW_MAX);
    int r;

    r = page_map_encode(&writer->map, NULL, &payload, err);
    if (r == 0)
        r = add_map_block(writer, buf_str(&payload), err);
    buf_dispose(&payload);
    return r;
}

static void fill_record(struct pack_writer *writer, struct pack_record *ret_record)
{
    memcpy(writer->record.id, writer->id, sizeof(writer->record.id));
    writer->record.size = spool_size(writer->spool);
    writer->record.slot_count = writer->page_count;
    *ret_record = writer->record;
}

int pack_writer_add_index(struct pack_writer *writer, const struct pack_writer_index *index,
                          struct page_hash *ret_database_hash, struct pack_record *ret_record,
                          struct err *err)
{
    struct page_hash first = page_hash(index->hash_seed, 1, index->page_one, writer->page_size);
    int r;

    r = fill_in_page_one(writer, index->page_one, err);
    if (r < 0)
        return r;
    r = hash_spool_put(index->hashes, 1, &first, 1, err);
    if (r < 0)
        return r;
    r = add_hashes(writer, index->hashes, ret_database_hash, err);
    if (r < 0)
        return r;
    r = build_map(writer, &writer->map, err);
    if (r == 0)
        r = add_whole_map(writer, err);
    if (r == 0)
        fill_record(writer, ret_record);
    return r;
}

/* One block of hashes: those of slots from first_slot on. */
static int add_delta_hashes_block(struct pack_writer *writer, const struct pack_writer_delta *delta,
                                  struct index_slot *slots, uint32_t first_slot, struct err *err)
{
    struct buf payload = BUF_INIT(INDEX_BLOCK_RAW_MAX);
    const uint32_t left = writer->page_count - first_slot;
    const uint32_t count = left < INDEX_BLOCK_SLOTS_MAX ? left : INDEX_BLOCK_SLOTS_MAX;
    uint64_t len = 0;
    int r = 0;

    for (uint32_t i = 0; i < count && r == 0; i++) {
        uint32_t page = 0;

        r = spool_read(delta->pages, (uint64_t)(first_slot + i) * sizeof(page), &page, sizeof(page),
                       err);
        slots[i].page_number = page;
        if (r == 0)
            r = hash_spool_get(delta->hashes, page, &slots[i].hash, 1, err);
    }
    if (r == 0)
        r = index_hashes_encode(first_slot, slots, count, &payload, err);
    if (r == 0)
        r = add_block(writer, INDEX_HASHES, buf_str(&payload), &len, err);
    writer->record.hashes_len += len;
    buf_dispose(&payload);
    return r;
}

static int add_delta_hashes(struct pack_writer *writer, const struct pack_writer_delta *delta,
                            struct err *err)
{
    struct index_slot *slots = calloc(INDEX_BLOCK_SLOTS_MAX, sizeof(*slots));
    int r = 0;

    if (slots == NULL)
        return err_nomem(err);
    writer->record.hashes_offset = spool_size(writer->spool);
    for (uint64_t slot = 0; slot < writer->page_count && r == 0; slot += INDEX_BLOCK_SLOTS_MAX)
        r = add_delta_hashes_block(writer, delta, slots, (uint32_t)slot, err);
    free(slots);
    return r;
}

static bool names_pack(const struct page_map *map, const char *id)
{
    for (size_t i = 0; i < map->pack_count; i++) {
        if (strcmp(map->pack_ids[i], id) == 0)
            return true;
    }
    return false;
}

/* A difference while it is small, and while the base has pages that are in use: a pack that only
 * its map keeps alive would cost more than a map. */
static int add_delta_map(struct pack_writer *writer, const struct parent *parent, struct err *err)
{
    const struct page_map *base = parent->base.page_count > 0 ? &parent->base : &parent->map;
    struct buf whole = BUF_INIT(INDEX_BLOCK_RAW_MAX), difference = BUF_INIT(INDEX_BLOCK_RAW_MAX);
    int r;

    r = page_map_encode(&writer->map, NULL, &whole, err);
    if (r == 0)
        r = page_map_encode(&writer->map, base, &difference, err);
    if (r < 0)
        goto out;
    if (names_pack(&writer->map, parent->base_id) && difference.len <= whole.len / 2) {
        memcpy(writer->record.map_base, parent->base_id, sizeof(writer->record.map_base));
        r = add_map_block(writer, buf_str(&difference), err);
    } else {
        r = add_map_block(writer, buf_str(&whole), err);
    }
out:
    buf_dispose(&whole);
    buf_dispose(&difference);
    return r;
}

int pack_writer_add_delta_index(struct pack_writer *writer, const struct pack_writer_delta *delta,
                                struct pack_record *ret_record, struct err *err)
{
    const struct parent_delta placed = {
        .id = writer->id,
        .page_count = delta->page_count,
        .pages = delta->pages,
        .frames = writer->entries,
        .frame_count = writer->entry_count,
    };
    int r;

    r = parent_extend_map(delta->parent, &placed, &writer->map, err);
    if (r == 0)
        r = add_delta_hashes(writer, delta, err);
    if (r == 0)
        r = add_delta_map(writer, delta->parent, err);
    if (r == 0)
        fill_record(writer, ret_record);
    return r;
}

static int add_repair_hashes(struct pack_writer *writer, struct spool *spool, struct err *err)
{
    struct index_slot *slots = calloc(INDEX_BLOCK_SLOTS_MAX, sizeof(*slots));
    int r = 0;

    if (slots == NULL)
        return err_nomem(err);
    for (uint32_t first = 0; r == 0 && first < writer->page_count;) {
        const uint32_t left = writer->page_count - first;
        const uint32_t count = left < INDEX_BLOCK_SLOTS_MAX ? left : INDEX_BLOCK_SLOTS_MAX;
        struct buf payload = BUF_INIT(INDEX_BLOCK_RAW_MAX);
        uint64_t len = 0;

        r = spool_read(spool, (uint64_t)first * sizeof(*slots), slots, count * sizeof(*slots), err);
        if (r == 0)
            r = index_hashes_encode(first, slots, count, &payload, err);
        if (r == 0)
            r = add_block(writer, INDEX_HASHES, buf_str(&payload), &len, err);
        writer->record.hashes_len += len;
        first += count;
        buf_dispose(&payload);
    }
    free(slots);
    return r;
}

int pack_writer_add_repair_index(struct pack_writer *writer, struct spool *slots, struct str map,
                                 struct pack_record *ret_record, struct err *err)
{
    int r;

    writer->record.hashes_offset = spool_size(writer->spool);
    r = add_repair_hashes(writer, slots, err);
    writer->record.map_offset = spool_size(writer->spool);
    if (r == 0 && map.len > 0)
        r = add_map_block(writer, map, err);
    if (r == 0)
        fill_record(writer, ret_record);
    return r;
}

const struct page_map *pack_writer_map(const struct pack_writer *writer)
{
    return &writer->map;
}

int pack_writer_finish(struct pack_writer *writer, struct str info, uint64_t *ret_size,
                       struct err *err)
{
    struct buf table = BUF_INIT(BLOCK_LEN_MAX);
    uint64_t info_len = 0;
    int r;

    r = add_block(writer, INDEX_INFO, info, &info_len, err);
    if (r < 0)
        goto out;
    r = seek_table_encode(writer->entries, writer->entry_count, &table, err);
    if (r < 0)
        goto out;
    r = append(writer, table.ptr, table.len, err);
    if (r < 0)
        goto out;
    r = pack_upload_finish(writer->upload, err);
    if (r < 0)
        goto out;
    *ret_size = spool_size(writer->spool);
out:
    buf_dispose(&table);
    return r;
}

int pack_writer_take_back(struct pack_writer *writer, void *stored, size_t *ret_stored_len,
                          struct err *err)
{
    uint64_t offset;
    size_t len;
    int r;

    if (writer->taken_back == 0) { /* that of page 1 holds nothing yet */
        writer->taken_back = 1;
        writer->taken_back_offset = writer->entries[0].stored_len;
    }
    assert(writer->taken_back < writer->entry_count);
    offset = writer->taken_back_offset;
    len = writer->entries[writer->taken_back].stored_len;
    r = spool_read(writer->spool, offset, stored, len, err);
    if (r < 0)
        return r;
    spool_release(writer->spool, offset, len);
    writer->taken_back++;
    writer->taken_back_offset += len;
    *ret_stored_len = len;
    return 0;
}

uint64_t pack_writer_spool_max(const struct pack_writer *writer)
{
    return spool_held_max(writer->spool);
}
