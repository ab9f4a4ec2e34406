#include "snapshot/pack_reader.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "snapshot/frame.h"
#include "snapshot/pack_format.h"
#include "snapshot/pack_repair.h"
#include "snapshot/page_map.h"
#include "snapshot/spool.h"
#include "store/object_store.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_HEAD_LEN 8u /* what index_block_len() needs */
/* Stored bytes of one block of hashes: 20 a slot when nothing could be compressed, and headers. */
#define HASHES_STORED_MAX (INDEX_BLOCK_SLOTS_MAX * (4u + PAGE_HASH_SIZE) + 4096u)

#define TABLE_LEN_MAX (1u << 30)

bool pack_is_damage(int r, const struct err *why)
{
    if (why != NULL && why->http_status != 0)
        return r == ERR_CORRUPT || (r == ERR_NOT_FOUND && !object_store_is_missing(why));
    return r == ERR_CORRUPT || r == ERR_NOT_FOUND || r == ERR_UNSUPPORTED;
}

int pack_get(struct object_store *store, const char *database, const struct pack_record *pack,
             uint64_t offset, uint64_t len, struct io_sink *sink, struct err *err)
{
    struct object_info info = { 0 };
    char key[CATALOG_KEY_SIZE];
    int r;

    r = catalog_pack_key(database, pack->id, key, err);
    if (r == 0)
        r = object_get(store, key, offset, len, sink, &info, err);
    if (r == 0 && info.size != pack->size) {
        r = err_set(err, ERR_CORRUPT, "'%s' has %" PRIu64 " bytes, not %" PRIu64, key, info.size,
                    pack->size);
    }
    return r;
}

int pack_map_payload_read(struct object_store *store, const char *database,
                          const struct pack_record *pack, struct buf *ret_payload, struct err *err)
{
    struct buf stored = BUF_INIT(pack->map_len);
    struct io_sink *sink = NULL;
    size_t used = 0;
    int r;

    r = buf_sink_new(&stored, &sink, err);
    if (r < 0)
        goto out;
    r = pack_get(store, database, pack, pack->map_offset, pack->map_len, sink, err);
    if (r == 0)
        r = io_finish(sink, err);
    if (r == 0)
        r = index_block_decode(stored.ptr, stored.len, INDEX_MAP, ret_payload, &used, err);
    if (r == 0 && used != stored.len)
        r = err_set(err, ERR_CORRUPT, "%zu bytes follow the page map", stored.len - used);
out:
    io_sink_free(sink);
    buf_dispose(&stored);
    return r;
}

/* NULL, and ERR_CORRUPT recorded, when the manifest does not have it or cannot be right about it.
 */
static const struct pack_record *need_pack(const struct manifest *manifest, const char *id,
                                           struct err *err)
{
    const struct pack_record *pack = manifest_find_pack(manifest, id);

    if (pack == NULL) {
        (void)err_set(err, ERR_CORRUPT, "the manifest does not name pack %s", id);
        return NULL;
    }
    if (pack->map_len > pack->size || pack->map_offset > pack->size - pack->map_len ||
        pack->hashes_len > pack->size || pack->hashes_offset > pack->size - pack->hashes_len) {
        (void)err_set(err, ERR_CORRUPT, "the index of pack %s is past its end", id);
        return NULL;
    }
    return pack;
}

static int check_run(const struct page_run *run, const struct pack_record *pack, uint32_t page_size,
                     struct err *err)
{
    if (run->frame_slot_count == 0 || run->frame_slot_count > frame_slots(page_size) ||
        run->frame_len == 0 || run->frame_len > FRAME_STORED_SIZE_MAX ||
        run->frame_offset > pack->size || run->frame_len > pack->size - run->frame_offset) {
        return err_set(err, ERR_CORRUPT,
                       "page %" PRIu32 " is said to be in a frame of %" PRIu32 " bytes at byte "
                       "%" PRIu64 " of pack %s",
                       run->first_page, run->frame_len, run->frame_offset, pack->id);
    }
    if (run->page_count > run->frame_slot_count ||
        run->frame_slot > run->frame_slot_count - run->page_count || run->slot > pack->slot_count ||
        run->page_count > pack->slot_count - run->slot) {
        return err_set(err, ERR_CORRUPT,
                       "page %" PRIu32 " is said to be in slot %" PRIu64 " of pack %s",
                       run->first_page, run->slot, pack->id);
    }
    return 0;
}

/* packs has room for those of the map, found as runs refer to them. */
static int check_runs(const struct manifest *manifest, const struct page_map *map,
                      uint32_t page_size, const struct pack_record **packs, struct err *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < map->run_count; i++) {
        const struct page_run *run = &map->runs[i];

        if (packs[run->pack] == NULL)
            packs[run->pack] = need_pack(manifest, map->pack_ids[run->pack], err);
        if (packs[run->pack] == NULL)
            return ERR_CORRUPT;
        r = check_run(run, packs[run->pack], page_size, err);
    }
    return r;
}

static int check_size(const struct backup_record *backup, const struct page_map *map,
                      struct err *err)
{
    if (!page_size_is_valid(backup->page_size) ||
        backup->size != (uint64_t)backup->page_size * backup->page_count) {
        return err_set(err, ERR_CORRUPT, "%" PRIu32 " pages of %" PRIu32 " bytes are not %" PRIu64,
                       backup->page_count, backup->page_size, backup->size);
    }
    if (map->page_count != backup->page_count) {
        return err_set(err, ERR_CORRUPT, "the page map has %" PRIu32 " pages, not %" PRIu32,
                       map->page_count, backup->page_count);
    }
    return 0;
}

static int check_places(const struct manifest *manifest, const struct backup_record *backup,
                        const struct page_map *map, struct err *err)
{
    const struct pack_record **packs;
    int r;

    packs = calloc(map->pack_count + 1, sizeof(const struct pack_record *));
    if (packs == NULL)
        return err_nomem(err);
    r = check_runs(manifest, map, backup->page_size, packs, err);
    free((void *)packs);
    return r;
}

/* Where a map comes from. */
struct map_source {
    struct object_store *store;
    const struct manifest *manifest;
    struct pack_map_options options;
};

static const struct page_map *find_stand_in(const struct map_source *source, const char *id)
{
    for (size_t i = 0; i < source->options.stand_in_count; i++) {
        if (strcmp(source->options.stand_ins[i].id, id) == 0)
            return source->options.stand_ins[i].map;
    }
    return NULL;
}

static int read_map(const struct map_source *source, const struct pack_record *pack,
                    const struct page_map *base, struct page_map *ret_map, struct err *err)
{
    const struct pack_record *holder = pack_repair_map_holder(source->manifest, pack);
    const struct page_map *stand_in = find_stand_in(source, pack->id);
    struct buf payload = BUF_INIT(INDEX_BLOCK_RAW_MAX);
    int r;

    if (stand_in != NULL)
        return page_map_extend(ret_map, stand_in, stand_in->page_count, err);
    r = pack_map_payload_read(source->store, source->manifest->database, holder, &payload, err);
    if (r == 0)
        r = page_map_decode(payload.ptr, payload.len, base, ret_map, err);
    buf_dispose(&payload);
    return r < 0 ? err_wrap(err, r, "page map in pack %s", holder->id) : 0;
}

/* The whole map that the pack's is a difference from; base stays empty where there is none. */
static int read_base(const struct map_source *source, const struct pack_record *pack,
                     struct page_map *base, struct err *err)
{
    const char *base_id = pack_repair_map_base(source->manifest, pack);
    const struct pack_record *base_pack;

    if (base_id[0] == '\0' || find_stand_in(source, pack->id) != NULL)
        return 0;
    base_pack = need_pack(source->manifest, base_id, err);
    if (base_pack == NULL)
        return ERR_CORRUPT;
    if (pack_repair_map_base(source->manifest, base_pack)[0] != '\0' &&
        find_stand_in(source, base_pack->id) == NULL)
        return err_set(err, ERR_CORRUPT, "pack %s has no whole page map", base_pack->id);
    return read_map(source, base_pack, NULL, base, err);
}

static int read_maps(const struct map_source *source, const struct backup_record *backup,
                     struct page_map *map, struct page_map *base, struct err *err)
{
    const struct manifest *manifest = source->manifest;
    const struct pack_record *pack = need_pack(manifest, backup->id, err);
    int r;

    if (pack == NULL)
        return ERR_CORRUPT;
    r = read_base(source, pack, base, err);
    if (r == 0)
        r = read_map(source, pack, base->page_count > 0 ? base : NULL, map, err);
    if (r == 0)
        r = check_size(backup, map, err);
    if (r == 0 && !source->options.as_stored)
        r = pack_repair_apply(source->store, manifest, backup->page_size, map, err);
    return r < 0 ? r : check_places(manifest, backup, map, err);
}

static int read_all(const struct map_source *source, const struct backup_record *backup,
                    struct page_map *ret_map, struct page_map *ret_base, struct err *err)
{
    struct page_map base = PAGE_MAP_INIT, map = PAGE_MAP_INIT;
    int r;

    r = read_maps(source, backup, &map, &base, err);
    if (r < 0) {
        page_map_dispose(&base);
        page_map_dispose(&map);
        return r;
    }
    *ret_map = map;
    *ret_base = base;
    return 0;
}

int pack_map_read_with_base(struct object_store *store, const struct manifest *manifest,
                            const struct backup_record *backup, struct page_map *ret_map,
                            struct page_map *ret_base, struct err *err)
{
    const struct map_source source = { store, manifest, { NULL, 0, false } };

    return read_all(&source, backup, ret_map, ret_base, err);
}

int pack_map_read_with(struct object_store *store, const struct manifest *manifest,
                       const struct backup_record *backup, const struct pack_map_options *options,
                       struct page_map *ret_map, struct err *err)
{
    const struct map_source source = { store, manifest, *options };
    struct page_map base;
    int r;

    r = read_all(&source, backup, ret_map, &base, err);
    if (r == 0)
        page_map_dispose(&base);
    return r;
}

int pack_map_read(struct object_store *store, const struct manifest *manifest,
                  const struct backup_record *backup, struct page_map *ret_map, struct err *err)
{
    static const struct pack_map_options plain = { NULL, 0, false };

    return pack_map_read_with(store, manifest, backup, &plain, ret_map, err);
}

/* Takes the stored blocks as they arrive, one at a time. */
struct slots_sink {
    struct io_sink sink;
    const struct pack_record *pack;
    struct spool *to;
    struct buf stored, payload;
    uint64_t block_len; /* 0: not known yet */
    uint64_t slot_count;
    uint32_t last_page;
    struct index_slot *slots;
};

static int check_slots(struct slots_sink *sink, uint64_t first_slot, uint32_t slot_count,
                       struct err *err)
{
    if (first_slot != sink->slot_count || slot_count > sink->pack->slot_count - first_slot) {
        return err_set(
            err, ERR_CORRUPT,
            "slots %" PRIu64 " to %" PRIu64 " where slot %" PRIu64 " of %" PRIu64 " is due",
            first_slot, first_slot + slot_count, sink->slot_count, sink->pack->slot_count);
    }
    for (uint32_t i = 0; i < slot_count; i++) {
        if (sink->slots[i].page_number <= sink->last_page) {
            return err_set(err, ERR_CORRUPT, "page %" PRIu32 " follows page %" PRIu32,
                           sink->slots[i].page_number, sink->last_page);
        }
        sink->last_page = sink->slots[i].page_number;
    }
    return 0;
}

static int take_block(struct slots_sink *sink, struct err *err)
{
    uint64_t first_slot = 0;
    uint32_t slot_count = 0;
    size_t used = 0;
    int r;

    buf_clear(&sink->payload);
    r = index_block_decode(sink->stored.ptr, sink->stored.len, INDEX_HASHES, &sink->payload, &used,
                           err);
    if (r < 0)
        return r;
    r = index_hashes_decode(sink->payload.ptr, sink->payload.len, &first_slot, sink->slots,
                            &slot_count, err);
    if (r < 0)
        return r;
    r = check_slots(sink, first_slot, slot_count, err);
    if (r < 0)
        return r;
    sink->slot_count += slot_count;
    sink->block_len = 0;
    buf_clear(&sink->stored);
    return spool_append(sink->to, sink->slots, slot_count * sizeof(*sink->slots), err);
}

static int slots_sink_write(struct io_sink *base, const void *data, size_t len, struct err *err)
{
    struct slots_sink *sink = (struct slots_sink *)base;
    const uint8_t *from = data;
    int r = 0;

    while (r == 0 && len > 0) {
        uint64_t due = sink->block_len > 0 ? sink->block_len : BLOCK_HEAD_LEN;
        size_t n = due - sink->stored.len < len ? (size_t)(due - sink->stored.len) : len;

        buf_add(&sink->stored, from, n);
        from += n;
        len -= n;
        r = buf_check(&sink->stored, err);
        if (r < 0 || sink->stored.len < due)
            continue;
        if (sink->block_len > 0) {
            r = take_block(sink, err);
            continue;
        }
        r = index_block_len(sink->stored.ptr, sink->stored.len, &sink->block_len, err);
        if (r == 0 && (sink->block_len <= BLOCK_HEAD_LEN || sink->block_len > HASHES_STORED_MAX))
            r = err_set(err, ERR_CORRUPT, "a block of %" PRIu64 " bytes", sink->block_len);
    }
    return r;
}

static int slots_sink_finish(struct io_sink *base, struct err *err)
{
    struct slots_sink *sink = (struct slots_sink *)base;

    if (sink->stored.len > 0 || sink->slot_count != sink->pack->slot_count) {
        return err_set(err, ERR_CORRUPT, "they end after %" PRIu64 " of %" PRIu64 " slots",
                       sink->slot_count, sink->pack->slot_count);
    }
    return 0;
}

int pack_slots_read(struct object_store *store, const char *database,
                    const struct pack_record *pack, struct spool *to, struct err *err)
{
    static const struct io_sink_ops ops = {
        .name = "slots",
        .write = slots_sink_write,
        .finish = slots_sink_finish,
    };
    struct slots_sink sink = {
        .sink = { &ops },
        .pack = pack,
        .to = to,
        .stored = BUF_INIT(HASHES_STORED_MAX),
        .payload = BUF_INIT(HASHES_STORED_MAX),
        /* Zeroed: the padding between the members goes into the spool too. */
        .slots = calloc(INDEX_BLOCK_SLOTS_MAX, sizeof(struct index_slot)),
    };
    int r;

    if (pack->slot_count == 0 && pack->hashes_len == 0) { /* which no range can say */
        free(sink.slots);
        return 0;
    }
    if (sink.slots == NULL)
        return err_nomem(err);
    r = pack_get(store, database, pack, pack->hashes_offset, pack->hashes_len, &sink.sink, err);
    if (r == 0)
        r = io_finish(&sink.sink, err);
    free(sink.slots);
    buf_dispose(&sink.stored);
    buf_dispose(&sink.payload);
    return r < 0 ? err_wrap(err, r, "page hashes of pack %s", pack->id) : 0;
}

/* A range of a pack, all of which is kept. */
static int get_bytes(struct object_store *store, const char *database,
                     const struct pack_record *pack, uint64_t offset, struct buf *out,
                     struct err *err)
{
    struct io_sink *sink = NULL;
    int r;

    buf_clear(out);
    r = buf_sink_new(out, &sink, err);
    if (r == 0)
        r = pack_get(store, database, pack, offset, pack->size - offset, sink, err);
    io_sink_free(sink);
    return r;
}

static int get_table(struct object_store *store, const char *database,
                     const struct pack_record *pack, struct buf *table, struct err *err)
{
    const uint64_t index_end = pack->map_offset + pack->map_len;
    uint64_t len = 0;
    int r;

    if (pack->size - index_end <= SEEK_FOOTER_LEN)
        return err_set(err, ERR_CORRUPT, "no room for a seek table");
    r = get_bytes(store, database, pack, pack->size - SEEK_FOOTER_LEN, table, err);
    if (r == 0)
        r = seek_table_footer((const uint8_t *)table->ptr, &len, err);
    if (r == 0 && len > pack->size - index_end)
        r = err_set(err, ERR_CORRUPT, "a seek table that is longer than it can be");
    return r < 0 ? r : get_bytes(store, database, pack, pack->size - len, table, err);
}

static int check_frames(const struct pack_record *pack, const struct seek_entry *entries,
                        uint32_t count, uint64_t table_len, uint32_t page_size, struct err *err)
{
    uint64_t at = 0, raw_size = 0;

    for (uint32_t i = 0; i < count; i++) {
        if ((entries[i].raw_len == 0) != (at >= pack->hashes_offset) ||
            entries[i].raw_len % page_size != 0)
            return err_set(err, ERR_CORRUPT, "a seek table with other frames");
        at += entries[i].stored_len;
        raw_size += entries[i].raw_len;
    }
    if (at + table_len != pack->size || raw_size != pack->slot_count * page_size)
        return err_set(err, ERR_CORRUPT, "a seek table that does not add up to the pack");
    return 0;
}

int pack_frames_read(struct object_store *store, const char *database,
                     const struct pack_record *pack, uint32_t page_size,
                     struct seek_entry **ret_entries, uint32_t *ret_count, struct err *err)
{
    struct buf table = BUF_INIT(TABLE_LEN_MAX);
    struct seek_entry *entries = NULL;
    uint32_t count = 0;
    int r;

    r = get_table(store, database, pack, &table, err);
    if (r == 0)
        r = seek_table_decode(table.ptr, table.len, &entries, &count, err);
    if (r == 0)
        r = check_frames(pack, entries, count, table.len, page_size, err);
    buf_dispose(&table);
    if (r < 0) {
        free(entries);
        return r;
    }
    *ret_entries = entries;
    *ret_count = count;
    return 0;
}
