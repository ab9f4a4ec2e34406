#include "tests/harness/pack_fixture.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "snapshot/frame.h"
#include "snapshot/pack_format.h"
#include "store/object_store.h"
#include "tests/harness/test.h"

#include <stdlib.h>
#include <string.h>

#define FILE_LEN_MAX (256u << 20)
#define SEED         UINT64_C(0x1122334455667788)
#define THIS_PACK    0 /* in places; the map gives it its number */
/* Few, so that small packs have several blocks. */
#define HASHES_BLOCK_SLOTS 100u

/* One pack while it is made. */
struct writer {
    struct pack_fixture *fixture;
    struct pack_fixture_backup *backup;
    const struct pack_fixture_backup *parent; /* NULL: full */
    struct pack_record pack;
    struct buf object;
    struct seek_entry *entries;
    uint32_t entry_count;
    struct index_slot *slots;
    uint32_t slot_count;
    uint32_t page_size, page_count, frame_pages;
    struct page_run *places; /* of each page by its number; page_count 0: not in this pack */
    struct frame_codec *codec;
};

void pack_fixture_init(struct pack_fixture *fixture, struct object_store *store)
{
    *fixture = (struct pack_fixture){ .store = store };
    assert_int_equal(manifest_new("app", &fixture->manifest, NULL), 0);
    fixture->manifest.page_hash_seed = SEED;
}

void pack_fixture_dispose(struct pack_fixture *fixture)
{
    for (size_t i = 0; i < fixture->count; i++) {
        free(fixture->backups[i].bytes);
        page_map_dispose(&fixture->backups[i].map);
    }
    manifest_dispose(&fixture->manifest);
}

void pack_fixture_key(const struct pack_fixture *fixture, const char *id,
                      char out[CATALOG_KEY_SIZE])
{
    assert_int_equal(catalog_pack_key(fixture->manifest.database, id, out, NULL), 0);
}

static const uint8_t *page_at(const struct writer *writer, uint32_t page_number)
{
    return writer->backup->bytes + (size_t)(page_number - 1) * writer->page_size;
}

static bool is_unchanged(const struct writer *writer, uint32_t page_number)
{
    size_t offset = (size_t)(page_number - 1) * writer->page_size;

    return writer->parent != NULL && offset + writer->page_size <= writer->parent->len &&
           memcmp(writer->parent->bytes + offset, page_at(writer, page_number),
                  writer->page_size) == 0;
}

static void add_entry(struct writer *writer, size_t stored_len, size_t raw_len)
{
    writer->entries[writer->entry_count++] =
        (struct seek_entry){ (uint32_t)stored_len, (uint32_t)raw_len };
}

/* One frame of the given pages, of which each is then found there. */
static void add_frame(struct writer *writer, const uint32_t *pages, uint32_t count)
{
    uint8_t *raw = malloc(FRAME_RAW_SIZE_MAX), *stored = malloc(FRAME_STORED_SIZE_MAX);
    size_t raw_len = (size_t)count * writer->page_size, stored_len = 0;

    assert_true(raw != NULL && stored != NULL && raw_len <= FRAME_RAW_SIZE_MAX);
    for (uint32_t i = 0; i < count; i++)
        memcpy(raw + (size_t)i * writer->page_size, page_at(writer, pages[i]), writer->page_size);
    if (pages[0] == 1 && writer->parent == NULL) {
        frame_encode_stored_page(raw, writer->page_size, stored);
        stored_len = frame_stored_page_len(writer->page_size);
    } else {
        assert_int_equal(frame_encode(writer->codec, raw, raw_len, stored, &stored_len, NULL), 0);
    }
    for (uint32_t i = 0; i < count; i++) {
        writer->slots[writer->slot_count + i] =
            (struct index_slot){ pages[i], page_hash(SEED, pages[i], page_at(writer, pages[i]),
                                                     writer->page_size) };
        writer->places[pages[i]] = (struct page_run){ .first_page = pages[i],
                                                      .page_count = 1,
                                                      .pack = THIS_PACK,
                                                      .frame_len = (uint32_t)stored_len,
                                                      .frame_offset = writer->object.len,
                                                      .slot = writer->slot_count + i,
                                                      .frame_slot = i,
                                                      .frame_slot_count = count };
    }
    buf_add(&writer->object, stored, stored_len);
    add_entry(writer, stored_len, raw_len);
    writer->slot_count += count;
    free(raw);
    free(stored);
}

static void add_frames(struct writer *writer)
{
    uint32_t *pages = malloc(frame_slots(PAGE_SIZE_MIN) * sizeof(*pages));
    uint32_t count = 0;

    assert_non_null(pages);
    for (uint32_t page = 1; page <= writer->page_count; page++) {
        if (!is_unchanged(writer, page))
            pages[count++] = page;
        if (count == writer->frame_pages || (count > 0 && page == writer->page_count) ||
            (page == 1 && writer->parent == NULL)) {
            add_frame(writer, pages, count);
            count = 0;
        }
    }
    free(pages);
}

static void add_block(struct writer *writer, enum index_type type, const struct buf *payload)
{
    size_t start = writer->object.len;

    assert_int_equal(index_block_encode(type, payload->ptr, payload->len, &writer->object, NULL),
                     0);
    add_entry(writer, writer->object.len - start, 0);
}

static void add_hashes(struct writer *writer)
{
    writer->pack.hashes_offset = writer->object.len;
    for (uint32_t first = 0; first < writer->slot_count; first += HASHES_BLOCK_SLOTS) {
        struct buf payload = BUF_INIT(FILE_LEN_MAX);
        uint32_t left = writer->slot_count - first;

        assert_int_equal(index_hashes_encode(first, writer->slots + first,
                                             left < HASHES_BLOCK_SLOTS ? left : HASHES_BLOCK_SLOTS,
                                             &payload, NULL),
                         0);
        add_block(writer, INDEX_HASHES, &payload);
        buf_dispose(&payload);
    }
    writer->pack.hashes_len = writer->object.len - writer->pack.hashes_offset;
}

/* Page by page, from this pack or from where the parent has it. */
static void make_map(struct writer *writer)
{
    struct page_map *map = &writer->backup->map;

    for (uint32_t page = 1; page <= writer->page_count; page++) {
        struct page_run run = writer->places[page];
        const char *pack_id = writer->backup->id;

        if (run.page_count == 0) {
            const struct page_run *old = page_map_find(&writer->parent->map, page);
            uint32_t skip = page - old->first_page;

            run = *old;
            pack_id = writer->parent->map.pack_ids[old->pack];
            run.first_page = page;
            run.page_count = 1;
            run.slot += skip;
            run.frame_slot += skip;
        }
        assert_int_equal(page_map_add_pack(map, pack_id, &run.pack, NULL), 0);
        assert_int_equal(page_map_add_run(map, &run, NULL), 0);
    }
}

static const struct pack_fixture_backup *last_whole(const struct pack_fixture *fixture)
{
    size_t i = fixture->count;

    do {
        i--;
    } while (!fixture->backups[i].map_is_whole);
    return &fixture->backups[i];
}

static void add_map(struct writer *writer, bool difference)
{
    const struct pack_fixture_backup *base = difference ? last_whole(writer->fixture) : NULL;
    struct buf payload = BUF_INIT(FILE_LEN_MAX);

    make_map(writer);
    writer->backup->map_is_whole = !difference;
    if (base != NULL)
        memcpy(writer->pack.map_base, base->id, sizeof(base->id));
    assert_int_equal(
        page_map_encode(&writer->backup->map, base != NULL ? &base->map : NULL, &payload, NULL), 0);
    writer->pack.map_offset = writer->object.len;
    add_block(writer, INDEX_MAP, &payload);
    writer->pack.map_len = writer->object.len - writer->pack.map_offset;
    buf_dispose(&payload);
}

static struct backup_record make_record(const struct writer *writer)
{
    struct backup_record record = { .num_rows = -1 };

    memcpy(record.id, writer->backup->id, sizeof(record.id));
    record.created_at_ms = 1000 + (int64_t)writer->fixture->count;
    record.kind = writer->parent != NULL ? BACKUP_INCREMENTAL : BACKUP_FULL;
    record.size = writer->backup->len;
    record.page_size = writer->page_size;
    record.page_count = writer->page_count;
    record.stored_bytes = writer->pack.size;
    record.changed_pages = writer->slot_count;
    for (uint32_t page = 1; page <= writer->page_count; page++) {
        page_hash_xor(&record.database_hash,
                      page_hash(SEED, page, page_at(writer, page), writer->page_size));
    }
    return record;
}

/* A manifest of this backup alone. */
static void add_info(struct writer *writer)
{
    struct backup_record record = make_record(writer);
    struct manifest alone = writer->fixture->manifest;
    struct pack_range own = { 0, 1 };
    struct buf info = BUF_INIT(FILE_LEN_MAX);
    char host[] = "host", path[] = "/data/app.db";

    record.host = host;
    record.path = path;
    record.packs = (struct pack_set){ &own, 1, 1 };
    memcpy(alone.writer, record.id, sizeof(alone.writer));
    alone.generation = 1;
    alone.backups = &record;
    alone.packs = &writer->pack;
    alone.backup_count = alone.pack_count = 1;
    assert_int_equal(manifest_encode(&alone, &info, NULL), 0);
    add_block(writer, INDEX_INFO, &info);
    buf_dispose(&info);
}

static void put_object(struct writer *writer)
{
    char key[CATALOG_KEY_SIZE];

    memcpy(writer->pack.id, writer->backup->id, sizeof(writer->pack.id));
    writer->pack.size = writer->object.len;
    writer->pack.slot_count = writer->slot_count;
    add_info(writer);
    assert_int_equal(seek_table_encode(writer->entries, writer->entry_count, &writer->object, NULL),
                     0);
    writer->pack.size = writer->object.len;
    pack_fixture_key(writer->fixture, writer->backup->id, key);
    assert_int_equal(object_put_bytes(writer->fixture->store, key, writer->object.ptr,
                                      writer->object.len, OBJECT_PUT_PLAIN, NULL),
                     0);
}

/* It needs the packs of its map, and that of the map's base. */
static void add_to_manifest(struct manifest *manifest, const struct backup_record *record,
                            const struct pack_record *pack, const struct page_map *map)
{
    char ids[PACK_FIXTURE_BACKUPS_MAX + 1][UUID_TEXT_SIZE];
    size_t count = 0;

    for (size_t i = 0; i < map->pack_count; i++) {
        if (strcmp(map->pack_ids[i], record->id) != 0)
            memcpy(ids[count++], map->pack_ids[i], UUID_TEXT_SIZE);
    }
    if (pack->map_base[0] != '\0')
        memcpy(ids[count++], pack->map_base, UUID_TEXT_SIZE);
    assert_int_equal(manifest_add_backup(manifest, record, pack, (const char(*)[UUID_TEXT_SIZE])ids,
                                         count, NULL),
                     0);
}

static const struct backup_record *add_record(struct writer *writer)
{
    const struct backup_record record = make_record(writer);
    struct manifest *manifest = &writer->fixture->manifest;

    add_to_manifest(manifest, &record, &writer->pack, &writer->backup->map);
    return &manifest->backups[manifest->backup_count - 1];
}

static void read_database(struct writer *writer, const char *path)
{
    struct buf file = BUF_INIT(FILE_LEN_MAX);
    const uint8_t *head;

    assert_int_equal(file_read(path, &file, NULL), 0);
    writer->backup->len = file.len;
    writer->backup->bytes = (uint8_t *)buf_detach(&file);
    head = writer->backup->bytes;
    writer->page_size = (uint32_t)head[16] << 8 | head[17];
    if (writer->page_size == 1)
        writer->page_size = 65536; /* which two bytes cannot hold */
    writer->page_count = (uint32_t)(writer->backup->len / writer->page_size);
}

const struct backup_record *pack_fixture_add(struct pack_fixture *fixture, const char *path,
                                             const struct pack_fixture_options *options)
{
    struct writer writer = {
        .fixture = fixture,
        .backup = &fixture->backups[fixture->count],
        .parent = options->incremental ? &fixture->backups[fixture->count - 1] : NULL,
        .object = BUF_INIT(FILE_LEN_MAX),
    };
    const struct backup_record *record;

    assert_true(fixture->count < PACK_FIXTURE_BACKUPS_MAX);
    assert_true(fixture->count > 0 || !options->incremental);
    uuid_v4(writer.backup->id);
    read_database(&writer, path);
    writer.frame_pages =
        options->frame_pages > 0 ? options->frame_pages : frame_slots(writer.page_size);
    /* A frame a page, a block of hashes a page, and the last three blocks, at most. */
    writer.entries = calloc(2 * (size_t)writer.page_count + 3, sizeof(*writer.entries));
    writer.slots = calloc(writer.page_count, sizeof(*writer.slots));
    writer.places = calloc(writer.page_count + 1, sizeof(*writer.places));
    assert_true(writer.entries != NULL && writer.slots != NULL && writer.places != NULL);
    assert_int_equal(frame_codec_new(1, &writer.codec, NULL), 0);
    add_frames(&writer);
    add_hashes(&writer);
    add_map(&writer, options->map_difference);
    put_object(&writer);
    record = add_record(&writer);
    fixture->count++;
    frame_codec_free(writer.codec);
    buf_dispose(&writer.object);
    free(writer.entries);
    free(writer.slots);
    free(writer.places);
    return record;
}
