#include "snapshot/repair_find.h"

#include "base/buf.h"
#include "base/cancel.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "snapshot/catalog.h"
#include "snapshot/frame.h"
#include "snapshot/pack_format.h"
#include "snapshot/pack_repair.h"
#include "snapshot/spool.h"
#include "store/object_store.h"

#include <stdlib.h>
#include <string.h>

static int compare_pages(const void *a, const void *b)
{
    const struct lost_page *left = a, *right = b;

    return left->page_number < right->page_number ? -1 : left->page_number > right->page_number;
}

struct lost_page *repair_find(const struct lost_pack *pack, uint32_t page_number)
{
    const struct lost_page key = { .page_number = page_number };

    return pack->count == 0 ? NULL
                            : bsearch(&key, pack->pages, pack->count, sizeof(key), compare_pages);
}

int repair_offer(struct repair_job *job, struct lost_page *lost, const void *page,
                 uint32_t page_size, struct err *err)
{
    const struct page_hash hash =
        page_hash(job->manifest->page_hash_seed, lost->page_number, page, page_size);
    const uint64_t at = spool_size(job->raw);
    int r;

    if (lost->known && !page_hash_eq(hash, lost->hash))
        return 0;
    r = spool_append(job->raw, page, page_size, err);
    if (r < 0)
        return r;
    lost->found = true;
    lost->proven = lost->known;
    lost->hash = hash;
    lost->raw = at;
    return 0;
}

/* --- Page maps that are lost -------------------------------------------------------------------*/

static int add_run(struct page_map *map, struct page_run run, uint32_t page_count, struct err *err)
{
    if (run.page_count > page_count - map->page_count)
        run.page_count = page_count - map->page_count;
    run.first_page = map->page_count + 1;
    run.slot = map->page_count;
    return page_map_add_run(map, &run, err);
}

/* The bytes at an offset of an object, whatever its size is now; fewer where it ends. */
static int get_there(struct repair_job *job, const char *key, uint64_t offset, struct buf *out,
                     struct err *err)
{
    struct io_sink *sink = NULL;
    struct object_info info = { 0 };
    uint64_t len = FRAME_STORED_SIZE_MAX;
    int r;

    buf_clear(out);
    r = object_head(job->store, key, &info, err);
    if (r == 0 && info.size <= offset)
        return err_set(err, ERR_CORRUPT, "it ends");
    if (r == 0 && len > info.size - offset)
        len = info.size - offset;
    if (r == 0)
        r = buf_sink_new(out, &sink, err);
    if (r == 0)
        r = object_get(job->store, key, offset, len, sink, NULL, err);
    io_sink_free(sink);
    return r;
}

/* Frame after frame from the beginning of a full backup's pack, as far as there are any. */
static int walk(struct repair_job *job, const struct pack_record *pack, uint32_t page_size,
                uint32_t page_count, struct page_map *map, struct err *err)
{
    struct buf bytes = BUF_INIT(FRAME_STORED_SIZE_MAX);
    struct page_run run = { .first_page = 0 };
    char key[CATALOG_KEY_SIZE];
    int r;

    r = catalog_pack_key(job->manifest->database, pack->id, key, err);
    while (r == 0 && map->page_count < page_count) {
        size_t stored_len = 0, raw_len = 0;

        r = cancel_check(job->options->cancel, err);
        if (r == 0)
            r = get_there(job, key, run.frame_offset, &bytes, err);
        if (r == 0)
            r = frame_lengths(bytes.ptr, bytes.len, &stored_len, &raw_len, err);
        if (r == 0 && (raw_len < page_size || raw_len % page_size != 0))
            r = err_set(err, ERR_CORRUPT, "a frame of %zu bytes", raw_len);
        if (r < 0)
            break;
        run.frame_len = (uint32_t)stored_len;
        run.frame_slot_count = run.page_count = (uint32_t)(raw_len / page_size);
        r = add_run(map, run, page_count, err);
        run.frame_offset += stored_len;
    }
    buf_dispose(&bytes);
    return r;
}

/* Pages of which only their slots are known are said to be in a frame that cannot be one. */
static int fill_up(const struct pack_record *pack, uint32_t page_size, uint32_t page_count,
                   struct page_map *map, struct err *err)
{
    struct page_run run = {
        .page_count = frame_slots(page_size),
        .frame_slot_count = frame_slots(page_size),
        .frame_offset = pack->size - 1,
        .frame_len = 1,
    };
    int r = 0;

    while (r == 0 && map->page_count < page_count)
        r = add_run(map, run, page_count, err);
    return r;
}

/* A full backup's pack has every page in order, so how long its frames are says all. */
static int rebuild_map(struct repair_job *job, const struct backup_record *backup,
                       const struct pack_record *pack, struct page_map *map, struct err *err)
{
    struct err why = { 0 };
    uint32_t index = 0;
    int r;

    r = page_map_add_pack(map, pack->id, &index, err);
    if (r < 0)
        return r;
    r = walk(job, pack, backup->page_size, backup->page_count, map, &why);
    if (pack_is_damage(r, &why)) {
        log_info("pack %s: %s: its map is made up from there on", pack->id, why.msg);
        r = 0;
    } else if (r < 0 && err != NULL) {
        *err = why;
    }
    return r < 0 ? r : fill_up(pack, backup->page_size, backup->page_count, map, err);
}

static bool is_map_lost(struct repair_job *job, const struct backup_record *backup, int *ret_r,
                        struct err *err)
{
    struct page_map map = PAGE_MAP_INIT;
    struct err why = { 0 };
    int r = pack_map_read(job->store, job->manifest, backup, &map, &why);

    page_map_dispose(&map);
    *ret_r = r < 0 && !pack_is_damage(r, &why) ? r : 0;
    if (*ret_r < 0 && err != NULL)
        *err = why;
    return pack_is_damage(r, &why);
}

int repair_find_maps(struct repair_job *job, struct err *err)
{
    const struct manifest *manifest = job->manifest;
    int r = 0;

    job->stand_ins = calloc(manifest->backup_count + 1, sizeof(*job->stand_ins));
    if (job->stand_ins == NULL)
        return err_nomem(err);
    for (size_t i = 0; r == 0 && i < manifest->backup_count; i++) {
        const struct backup_record *backup = &manifest->backups[i];
        const size_t index = pack_survey_find(&job->survey, backup->id);
        struct lost_pack *lost = &job->packs[index];

        if (backup->kind != BACKUP_FULL ||
            backup->size != (uint64_t)backup->page_size * backup->page_count ||
            manifest->packs[index].slot_count != backup->page_count ||
            !is_map_lost(job, backup, &r, err))
            continue;
        r = rebuild_map(job, backup, &manifest->packs[index], &lost->map, err);
        if (r == 0) {
            struct pack_map_stand_in *item = &job->stand_ins[job->stand_in_count++];

            memcpy(item->id, backup->id, sizeof(item->id));
            item->map = &lost->map;
        }
    }
    return r;
}

int repair_read_map(struct repair_job *job, const struct backup_record *backup,
                    struct page_map *ret_map, bool *ret_lost, struct err *err)
{
    const struct pack_map_options options = { job->stand_ins, job->stand_in_count, false };
    struct err why = { 0 };
    int r;

    r = cancel_check(job->options->cancel, &why);
    if (r == 0)
        r = pack_map_read_with(job->store, job->manifest, backup, &options, ret_map, &why);
    *ret_lost = pack_is_damage(r, &why);
    if (*ret_lost) {
        log_info("backup %.8s: %s", backup->id, why.msg);
        return 0;
    }
    if (r < 0 && err != NULL)
        *err = why;
    return r;
}

/* --- Pages that are lost -----------------------------------------------------------------------*/

/* Whether something of the pack's pages cannot be read. */
static bool is_bad(const struct repair_job *job, size_t index, const struct page_run *run)
{
    char why[PACK_WHY_SIZE];

    return pack_survey_is_bad(&job->survey, index, run->frame_offset, why);
}

static bool is_index_lost(const struct repair_job *job, size_t index)
{
    char why[PACK_WHY_SIZE];

    return pack_survey_is_lost(&job->survey, index, why);
}

int repair_slot(const struct repair_job *job, size_t index, uint64_t slot,
                struct index_slot *ret_slot, struct err *err)
{
    return spool_read(job->survey.slots,
                      (job->survey.checks[index].first_slot + slot) * sizeof(*ret_slot), ret_slot,
                      sizeof(*ret_slot), err);
}

static int note_run(struct repair_job *job, size_t index, const struct page_run *run,
                    struct err *err)
{
    const uint64_t count = job->manifest->packs[index].slot_count;
    struct lost_pack *pack = &job->packs[index];
    int r = 0;

    if (pack->pages == NULL) {
        pack->pages = calloc(count + 1, sizeof(*pack->pages));
        if (pack->pages == NULL)
            return err_nomem(err);
        pack->count = count;
    }
    for (uint32_t i = 0; r == 0 && i < run->page_count; i++) {
        struct lost_page *page = &pack->pages[run->slot + i];
        struct index_slot slot;

        if (page->page_number != 0)
            continue;
        page->page_number = run->first_page + i;
        if (is_index_lost(job, index))
            continue;
        r = repair_slot(job, index, run->slot + i, &slot, err);
        page->known = r == 0 && slot.page_number == page->page_number;
        page->hash = slot.hash;
    }
    return r;
}

/* Where only the index of a pack is lost, its frames may still hold what they should. */
static int salvage(struct repair_job *job, size_t index, const struct page_run *run,
                   struct frame_codec *codec, uint8_t *raw, struct err *err)
{
    const struct pack_record *pack = &job->manifest->packs[index];
    const uint32_t page_size = job->survey.users[index]->page_size;
    struct lost_page *pages = &job->packs[index].pages[run->slot];
    struct buf bytes = BUF_INIT(FRAME_STORED_SIZE_MAX);
    struct err why = { 0 };
    char key[CATALOG_KEY_SIZE];
    int r = 0;

    if (run->frame_len <= 1 || pages[0].found)
        return 0;
    r = catalog_pack_key(job->manifest->database, pack->id, key, &why);
    if (r == 0)
        r = get_there(job, key, run->frame_offset, &bytes, &why);
    if (r == 0 && bytes.len < run->frame_len)
        r = err_set(&why, ERR_CORRUPT, "it ends");
    if (r == 0) {
        r = frame_decode(codec, bytes.ptr, run->frame_len, raw,
                         (size_t)run->frame_slot_count * page_size, &why);
    }
    buf_dispose(&bytes);
    if (pack_is_damage(r, &why))
        return 0;
    if (r < 0 && err != NULL)
        *err = why;
    for (uint32_t i = 0; r == 0 && i < run->page_count; i++) {
        if (!pages[i].found && pages[i].page_number == run->first_page + i) {
            r = repair_offer(job, &pages[i], raw + (size_t)(run->frame_slot + i) * page_size,
                             page_size, err);
        }
    }
    return r;
}

static int collect_backup(struct repair_job *job, const struct page_map *map,
                          struct frame_codec *codec, uint8_t *raw, struct err *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < map->run_count; i++) {
        const struct page_run *run = &map->runs[i];
        const size_t index = pack_survey_find(&job->survey, map->pack_ids[run->pack]);

        if (!is_bad(job, index, run))
            continue;
        r = note_run(job, index, run, err);
        if (r == 0 && is_index_lost(job, index) && job->survey.states[index] != PACK_MISSING)
            r = salvage(job, index, run, codec, raw, err);
    }
    return r;
}

static void compact(struct lost_pack *pack)
{
    size_t count = 0;

    for (size_t i = 0; i < pack->count; i++) {
        if (pack->pages[i].page_number != 0)
            pack->pages[count++] = pack->pages[i];
    }
    pack->count = count;
    if (count > 0)
        qsort(pack->pages, count, sizeof(*pack->pages), compare_pages);
}

int repair_find_pages(struct repair_job *job, struct err *err)
{
    const struct manifest *manifest = job->manifest;
    struct frame_codec *codec = NULL;
    uint8_t *raw = malloc(FRAME_RAW_SIZE_MAX);
    int r;

    r = raw == NULL ? err_nomem(err) : frame_codec_new(1, &codec, err);
    for (size_t i = 0; r == 0 && i < manifest->backup_count; i++) {
        struct page_map map = PAGE_MAP_INIT;
        bool lost = false;

        r = repair_read_map(job, &manifest->backups[i], &map, &lost, err);
        if (r == 0 && !lost)
            r = collect_backup(job, &map, codec, raw, err);
        page_map_dispose(&map);
    }
    for (size_t i = 0; i < manifest->pack_count; i++)
        compact(&job->packs[i]);
    frame_codec_free(codec);
    free(raw);
    return r;
}

/* --- Whether what was found is what was lost ---------------------------------------------------*/

/* XOR the hashes of a run's pages into sum; false when one of them is not to be had. */
static int add_hashes(struct repair_job *job, size_t index, const struct page_run *run,
                      struct page_hash *sum, bool *ret_all, struct err *err)
{
    const bool bad = is_bad(job, index, run);
    int r = 0;

    for (uint32_t i = 0; r == 0 && i < run->page_count; i++) {
        struct index_slot slot;
        const struct lost_page *lost;

        if (!bad) {
            r = repair_slot(job, index, run->slot + i, &slot, err);
            page_hash_xor(sum, slot.hash);
            continue;
        }
        lost = repair_find(&job->packs[index], run->first_page + i);
        if (lost == NULL || (!lost->known && !lost->found)) {
            *ret_all = false;
            return 0;
        }
        page_hash_xor(sum, lost->hash);
    }
    return r;
}

static void set_proven(struct repair_job *job, const struct page_map *map)
{
    for (size_t i = 0; i < map->run_count; i++) {
        const struct page_run *run = &map->runs[i];
        const size_t index = pack_survey_find(&job->survey, map->pack_ids[run->pack]);

        if (!is_bad(job, index, run))
            continue;
        for (uint32_t k = 0; k < run->page_count; k++) {
            struct lost_page *lost = repair_find(&job->packs[index], run->first_page + k);

            lost->proven = lost->found;
        }
    }
}

static int prove_backup(struct repair_job *job, const struct backup_record *backup,
                        const struct page_map *map, struct err *err)
{
    struct page_hash sum = { 0, 0 };
    bool all = true;
    int r = 0;

    for (size_t i = 0; r == 0 && all && i < map->run_count; i++) {
        const struct page_run *run = &map->runs[i];

        r = add_hashes(job, pack_survey_find(&job->survey, map->pack_ids[run->pack]), run, &sum,
                       &all, err);
    }
    if (r == 0 && all && page_hash_eq(sum, backup->database_hash))
        set_proven(job, map);
    return r;
}

int repair_prove(struct repair_job *job, struct err *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < job->manifest->backup_count; i++) {
        const struct backup_record *backup = &job->manifest->backups[i];
        struct page_map map = PAGE_MAP_INIT;
        bool lost = false;

        r = repair_read_map(job, backup, &map, &lost, err);
        if (r == 0 && !lost)
            r = prove_backup(job, backup, &map, err);
        page_map_dispose(&map);
    }
    return r;
}

int repair_count_lost(struct repair_job *job, const struct backup_record *backup,
                      int64_t *ret_count, struct err *err)
{
    struct page_map map = PAGE_MAP_INIT;
    bool lost = false;
    int64_t count = 0;
    int r;

    r = repair_read_map(job, backup, &map, &lost, err);
    for (size_t i = 0; r == 0 && i < map.run_count; i++) {
        const struct page_run *run = &map.runs[i];
        const size_t index = pack_survey_find(&job->survey, map.pack_ids[run->pack]);

        for (uint32_t k = 0; k < run->page_count && is_bad(job, index, run); k++) {
            const struct lost_page *page = repair_find(&job->packs[index], run->first_page + k);

            count += page == NULL || !page->proven;
        }
    }
    page_map_dispose(&map);
    if (r == 0)
        *ret_count = lost ? -1 : count;
    return r;
}
