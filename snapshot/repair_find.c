#include "snapshot/repair_find.h"

#include "base/buf.h"
#include "base/cancel.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "snapshot/catalog.h"
#include "snapshot/frame.h"
#include "snapshot/pack_format.h"
#include "snapshot/repair_map.h"
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

/* --- Pages that are lost -----------------------------------------------------------------------*/

/* Whether something of the pack's pages cannot be read. */
static bool is_bad(const struct repair_job *job, size_t index, const struct page_run *run)
{
    char why[PACK_WHY_SIZE];

    return pack_survey_is_bad(&job->survey, index, run->frame_offset, why);
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
        if (repair_index_is_lost(job, index))
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
        r = repair_get_there(job, key, run->frame_offset, &bytes, &why);
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
        if (r == 0 && repair_index_is_lost(job, index) && job->survey.states[index] != PACK_MISSING)
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
