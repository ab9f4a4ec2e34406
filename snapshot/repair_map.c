#include "snapshot/repair_map.h"

#include "base/buf.h"
#include "base/cancel.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "snapshot/catalog.h"
#include "snapshot/frame.h"
#include "snapshot/pack_format.h"
#include "snapshot/pack_reader.h"
#include "snapshot/pack_repair.h"
#include "snapshot/spool.h"
#include "store/object_store.h"

#include <stdlib.h>
#include <string.h>

int repair_get_there(struct repair_job *job, const char *key, uint64_t offset, struct buf *out,
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

int repair_slot(const struct repair_job *job, size_t index, uint64_t slot,
                struct index_slot *ret_slot, struct err *err)
{
    return spool_read(job->survey.slots,
                      (job->survey.checks[index].first_slot + slot) * sizeof(*ret_slot), ret_slot,
                      sizeof(*ret_slot), err);
}

bool repair_index_is_lost(const struct repair_job *job, size_t index)
{
    char why[PACK_WHY_SIZE];

    return pack_survey_is_lost(&job->survey, index, why);
}

/* --- Of a full backup --------------------------------------------------------------------------*/

static int add_run(struct page_map *map, struct page_run run, uint32_t page_count, struct err *err)
{
    if (run.page_count > page_count - map->page_count)
        run.page_count = page_count - map->page_count;
    run.first_page = map->page_count + 1;
    run.slot = map->page_count;
    return page_map_add_run(map, &run, err);
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
            r = repair_get_there(job, key, run.frame_offset, &bytes, err);
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
static int rebuild_full(struct repair_job *job, const struct backup_record *backup,
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

/* --- Of an incremental backup ------------------------------------------------------------------*/

/* The runs of a pack, and how far they have been looked through. */
struct pack_runs {
    struct page_run *runs; /* in page order */
    size_t count, at;
};

struct overlay {
    struct repair_job *job;
    const struct backup_record *backup;
    struct pack_runs *packs; /* of each pack of the manifest */
    uint32_t *holders;       /* of each page: 1 + the index of the newest pack that has it; or 0 */
};

/* The packs come oldest first, so the last one that has a page is the newest. */
static void hold(struct overlay *overlay, uint32_t index)
{
    const struct pack_runs *pack = &overlay->packs[index];

    for (size_t i = 0; i < pack->count; i++) {
        for (uint32_t k = 0; k < pack->runs[i].page_count; k++) {
            const uint32_t page = pack->runs[i].first_page + k;

            if (page <= overlay->backup->page_count)
                overlay->holders[page - 1] = index + 1;
        }
    }
}

static int read_runs(struct overlay *overlay, uint32_t index, struct err *err)
{
    const struct manifest *manifest = overlay->job->manifest;
    struct pack_runs *pack = &overlay->packs[index];
    struct err why = { 0 };
    int r;

    if (repair_index_is_lost(overlay->job, index))
        return 0;
    r = cancel_check(overlay->job->options->cancel, &why);
    if (r == 0) {
        r = pack_runs_read(overlay->job->store, manifest->database, &manifest->packs[index],
                           overlay->backup->page_size, &pack->runs, &pack->count, &why);
    }
    if (pack_is_damage(r, &why))
        return 0;
    if (r < 0 && err != NULL)
        *err = why;
    return r;
}

static int add_page(struct overlay *overlay, uint32_t page, struct page_map *map, struct err *err)
{
    const uint32_t index = overlay->holders[page - 1] - 1;
    struct pack_runs *pack = &overlay->packs[index];
    const struct page_run *run;
    struct page_run one;
    uint32_t offset;
    int r;

    while (pack->runs[pack->at].first_page + pack->runs[pack->at].page_count <= page)
        pack->at++;
    run = &pack->runs[pack->at];
    offset = page - run->first_page;
    one = *run;
    one.first_page = page;
    one.page_count = 1;
    one.slot += offset;
    one.frame_slot += offset;
    r = page_map_add_pack(map, overlay->job->manifest->packs[index].id, &one.pack, err);
    return r < 0 ? r : page_map_add_run(map, &one, err);
}

/* The pages of the map make up the backup's database hash. */
static int is_right(struct overlay *overlay, const struct page_map *map, bool *ret_right,
                    struct err *err)
{
    struct page_hash sum = { 0, 0 };
    int r = 0;

    for (size_t i = 0; r == 0 && i < map->run_count; i++) {
        const struct page_run *run = &map->runs[i];
        const size_t index = pack_survey_find(&overlay->job->survey, map->pack_ids[run->pack]);

        for (uint32_t k = 0; r == 0 && k < run->page_count; k++) {
            struct index_slot slot;

            r = repair_slot(overlay->job, index, run->slot + k, &slot, err);
            if (r == 0)
                page_hash_xor(&sum, slot.hash);
        }
    }
    *ret_right = r == 0 && page_hash_eq(sum, overlay->backup->database_hash);
    return r;
}

static int lay_over(struct overlay *overlay, struct page_map *map, bool *ret_right, struct err *err)
{
    const struct pack_set *set = &overlay->backup->packs;
    int r = 0;

    for (size_t i = 0; r == 0 && i < set->range_count; i++) {
        for (uint32_t k = 0; r == 0 && k < set->ranges[i].count; k++) {
            const uint32_t index = set->ranges[i].first + k;

            r = read_runs(overlay, index, err);
            if (r == 0)
                hold(overlay, index);
        }
    }
    for (uint32_t page = 1; r == 0 && page <= overlay->backup->page_count; page++) {
        if (overlay->holders[page - 1] == 0) /* in a pack whose index is lost */
            return 0;
        r = add_page(overlay, page, map, err);
    }
    return r < 0 ? r : is_right(overlay, map, ret_right, err);
}

/* A page of an incremental backup is in the newest of its packs that has one of that number.  That
 * is so where nothing unusual happened, and the database hash proves it. */
static int rebuild_incremental(struct repair_job *job, const struct backup_record *backup,
                               struct page_map *ret_map, bool *ret_right, struct err *err)
{
    struct overlay overlay = {
        .job = job,
        .backup = backup,
        .packs = calloc(job->manifest->pack_count + 1, sizeof(*overlay.packs)),
        .holders = calloc((size_t)backup->page_count + 1, sizeof(*overlay.holders)),
    };
    struct page_map map = PAGE_MAP_INIT;
    int r;

    *ret_right = false;
    r = overlay.packs == NULL || overlay.holders == NULL ? err_nomem(err)
                                                         : lay_over(&overlay, &map, ret_right, err);
    for (size_t i = 0; overlay.packs != NULL && i < job->manifest->pack_count; i++)
        free(overlay.packs[i].runs);
    free(overlay.packs);
    free(overlay.holders);
    if (r == 0 && *ret_right) {
        *ret_map = map;
        return 0;
    }
    page_map_dispose(&map);
    if (r == 0)
        log_info("backup %.8s: its page map cannot be made again of its packs", backup->id);
    return r;
}

/* --- All of them -------------------------------------------------------------------------------*/

static bool is_whole_pack(const struct repair_job *job, const struct backup_record *backup,
                          size_t index)
{
    return backup->kind == BACKUP_FULL &&
           backup->size == (uint64_t)backup->page_size * backup->page_count &&
           job->manifest->packs[index].slot_count == backup->page_count;
}

static int find_map(struct repair_job *job, const struct backup_record *backup, struct err *err)
{
    const size_t index = pack_survey_find(&job->survey, backup->id);
    struct lost_pack *lost = &job->packs[index];
    struct page_map map = PAGE_MAP_INIT;
    bool is_lost = false, is_made = true;
    int r;

    r = repair_read_map(job, backup, &map, &is_lost, err);
    page_map_dispose(&map);
    if (r < 0 || !is_lost)
        return r;
    if (is_whole_pack(job, backup, index)) {
        r = rebuild_full(job, backup, &job->manifest->packs[index], &lost->map, err);
    } else {
        r = rebuild_incremental(job, backup, &lost->map, &is_made, err);
    }
    if (r == 0 && is_made) {
        struct pack_map_stand_in *item = &job->stand_ins[job->stand_in_count++];

        memcpy(item->id, backup->id, sizeof(item->id));
        item->map = &lost->map;
    }
    return r;
}

/* Oldest first: a map that others are a difference from is there before them. */
int repair_find_maps(struct repair_job *job, struct err *err)
{
    const struct manifest *manifest = job->manifest;
    int r = 0;

    job->stand_ins = calloc(manifest->backup_count + 1, sizeof(*job->stand_ins));
    if (job->stand_ins == NULL)
        return err_nomem(err);
    for (size_t i = 0; r == 0 && i < manifest->backup_count; i++)
        r = find_map(job, &manifest->backups[i], err);
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
