#include "snapshot/repair.h"

#include "base/buf.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "snapshot/catalog.h"
#include "snapshot/pack_format.h"
#include "snapshot/pack_reader.h"
#include "snapshot/pack_repair.h"
#include "snapshot/page_map.h"
#include "store/object_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INFO_LEN_MAX  (1u << 20)
#define TABLE_LEN_MAX (1u << 30)
/* Generations that are tried, from the newest down, for pins and the like. */
#define GENERATIONS_TRIED 50u

/* What one pack says of itself, or the one that repairs it says of it. */
struct candidate {
    char id[UUID_TEXT_SIZE];
    uint64_t size;
    /* No packs: it could not be read; several: it repairs or replaces those after the first. */
    struct manifest alone;
    bool gone;  /* there is no such object, but another pack tells of it */
    bool added; /* to the manifest, or it needs no adding */
};

struct job {
    struct object_store *store;
    const struct repair_options *options;
    uint64_t newest; /* generation; 0: there is none */
    struct candidate *candidates;
    size_t count;
    struct manifest known; /* the newest that can be read; generation 0: none can */
    struct manifest packs; /* no backups, all packs: what page maps are checked against */
    struct manifest made;
};

static int add_candidate(struct job *job, const char *key, uint64_t size, struct err *err)
{
    const char *name = key + strlen(job->options->database) + strlen("/packs/");
    struct candidate *grown;

    if (strlen(name) != UUID_TEXT_SIZE - 1 + strlen(".zst"))
        return 0; /* none of ours */
    grown = realloc(job->candidates, (job->count + 1) * sizeof(*grown));
    if (grown == NULL)
        return err_nomem(err);
    job->candidates = grown;
    grown += job->count++;
    *grown = (struct candidate){ .size = size };
    memcpy(grown->id, name, UUID_TEXT_SIZE - 1);
    return 0;
}

static int see(void *context, const char *key, const struct object_info *info, struct err *err)
{
    struct job *job = context;
    const char *rest = key + strlen(job->options->database);
    uint64_t generation;

    if (strncmp(rest, "/packs/", 7) == 0)
        return add_candidate(job, key, info->size, err);
    if (catalog_manifest_key_parse(job->options->database, key, &generation) &&
        generation > job->newest)
        job->newest = generation;
    return 0;
}

static int list(struct job *job, struct err *err)
{
    char prefix[CATALOG_KEY_SIZE];
    int r;

    (void)snprintf(prefix, sizeof(prefix), "%s/", job->options->database);
    r = object_list(job->store, prefix, NULL, see, job, err);
    if (r < 0)
        return err_wrap(err, r, "list what is stored of '%s'", job->options->database);
    if (job->count > 0)
        return 0;
    return err_set(err, ERR_NOT_FOUND, "'%s' has no packs in '%s'", job->options->database,
                   job->store->url);
}

static int load_known(struct job *job, struct err *err)
{
    int r = 0;

    for (uint64_t g = job->newest; g > 0 && job->newest - g < GENERATIONS_TRIED; g--) {
        r = catalog_load_generation(job->store, job->options->database, g, &job->known, err);
        if (r == 0 || !pack_is_damage(r, err))
            return r;
        log_info("%s", err->msg);
        err_clear(err);
    }
    return 0;
}

static int get(struct job *job, const struct candidate *candidate, uint64_t offset, uint64_t len,
               struct buf *out, struct err *err)
{
    struct io_sink *sink = NULL;
    char key[CATALOG_KEY_SIZE];
    int r;

    buf_clear(out);
    r = catalog_pack_key(job->options->database, candidate->id, key, err);
    if (r == 0)
        r = buf_sink_new(out, &sink, err);
    if (r == 0)
        r = object_get(job->store, key, offset, len, sink, NULL, err);
    io_sink_free(sink);
    return r;
}

/* Where the last index block is, by the seek table. */
static int find_info(struct job *job, const struct candidate *candidate, uint64_t *ret_offset,
                     uint64_t *ret_len, struct err *err)
{
    struct buf table = BUF_INIT(TABLE_LEN_MAX);
    struct seek_entry *entries = NULL;
    uint32_t count = 0;
    uint64_t table_len = 0;
    int r = ERR_CORRUPT;

    if (candidate->size > SEEK_FOOTER_LEN)
        r = get(job, candidate, candidate->size - SEEK_FOOTER_LEN, SEEK_FOOTER_LEN, &table, err);
    if (r == 0)
        r = seek_table_footer((const uint8_t *)table.ptr, &table_len, err);
    if (r == 0 && table_len > candidate->size)
        r = err_set(err, ERR_CORRUPT, "a seek table that is longer than its pack");
    if (r == 0)
        r = get(job, candidate, candidate->size - table_len, table_len, &table, err);
    if (r == 0)
        r = seek_table_decode(table.ptr, table.len, &entries, &count, err);
    if (r == 0 && (count == 0 || entries[count - 1].stored_len > candidate->size - table_len))
        r = err_set(err, ERR_CORRUPT, "a seek table without an index");
    if (r == 0) {
        *ret_len = entries[count - 1].stored_len;
        *ret_offset = candidate->size - table_len - *ret_len;
    }
    free(entries);
    buf_dispose(&table);
    return r;
}

static int read_candidate(struct job *job, struct candidate *candidate, struct err *err)
{
    struct buf block = BUF_INIT(INFO_LEN_MAX), payload = BUF_INIT(INFO_LEN_MAX);
    struct manifest *alone = &candidate->alone;
    uint64_t offset = 0, len = 0;
    size_t used = 0;
    int r;

    r = find_info(job, candidate, &offset, &len, err);
    if (r == 0)
        r = get(job, candidate, offset, len, &block, err);
    if (r == 0)
        r = index_block_decode(block.ptr, block.len, INDEX_INFO, &payload, &used, err);
    if (r == 0)
        r = manifest_parse_info(payload.ptr, payload.len, alone, err);
    if (r == 0 && (strcmp(alone->packs[0].id, candidate->id) != 0 ||
                   strcmp(alone->database, job->options->database) != 0))
        r = err_set(err, ERR_CORRUPT, "it is that of another backup");
    if (r == 0) { /* which the block itself could not know */
        alone->packs[0].size = candidate->size;
        if (alone->pack_count == 1)
            alone->backups[0].stored_bytes = candidate->size;
    } else {
        manifest_dispose(alone);
    }
    buf_dispose(&block);
    buf_dispose(&payload);
    return r;
}

static int read_each(struct job *job, struct err *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < job->count; i++) {
        struct candidate *candidate = &job->candidates[i];

        r = cancel_check(job->options->cancel, err);
        if (r == 0)
            r = read_candidate(job, candidate, err);
        if (pack_is_damage(r, err)) {
            log_warn("pack %s does not tell of its backup: %s", candidate->id, err->msg);
            err_clear(err);
            r = 0;
        }
    }
    return r;
}

static struct candidate *find_candidate(struct job *job, const char *id)
{
    for (size_t i = 0; i < job->count; i++) {
        if (strcmp(job->candidates[i].id, id) == 0)
            return &job->candidates[i];
    }
    return NULL;
}

static void drop_backups(struct manifest *alone)
{
    for (size_t i = 0; i < alone->backup_count; i++)
        backup_record_dispose(&alone->backups[i]);
    alone->backup_count = 0;
}

/* A damaged pack is what the one that repairs it says, when it does not tell of itself; so is one
 * that was replaced. */
static int stand_in(struct job *job, struct manifest *repair, size_t index, struct err *err)
{
    const struct pack_record *old = &repair->packs[index];
    struct candidate *candidate = find_candidate(job, old->id);
    int r;

    if (candidate == NULL) { /* it is gone */
        char key[CATALOG_KEY_SIZE];

        r = catalog_pack_key(job->options->database, old->id, key, err);
        if (r == 0)
            r = add_candidate(job, key, old->size, err);
        if (r < 0)
            return r;
        candidate = &job->candidates[job->count - 1];
        candidate->gone = true;
    }
    if (candidate->alone.pack_count == 0) {
        candidate->alone.packs = malloc(sizeof(*candidate->alone.packs));
        if (candidate->alone.packs == NULL)
            return err_nomem(err);
        candidate->alone.packs[0] = *old;
        candidate->alone.pack_count = 1;
        candidate->alone.backups = repair->backups; /* which nobody else asks for */
        candidate->alone.backup_count = repair->backup_count;
        repair->backups = NULL;
        repair->backup_count = 0;
    }
    if (old->replaced_at_ms != 0) { /* only when its backup had expired */
        candidate->alone.packs[0].replaced_at_ms = old->replaced_at_ms;
        drop_backups(&candidate->alone);
    }
    /* Several repair it when a repair was killed before its commit: one after the other. */
    for (size_t n = 0; n < job->count && candidate != NULL; n++) {
        char *by = candidate->alone.packs[0].repaired_by;

        if (by[0] == '\0' || strcmp(by, repair->packs[0].id) == 0) {
            memcpy(by, repair->packs[0].id, UUID_TEXT_SIZE);
            break;
        }
        candidate = find_candidate(job, by);
    }
    return 0;
}

static int apply_repairs(struct job *job, struct err *err)
{
    const size_t count = job->count;
    int r = 0;

    for (size_t i = 0; r == 0 && i < count; i++) {
        struct manifest alone = job->candidates[i].alone; /* they may move */

        for (size_t k = 1; r == 0 && k < alone.pack_count; k++)
            r = stand_in(job, &alone, k, err);
        job->candidates[i].alone = alone;
    }
    return r;
}

/* The packs that there are.  Those that have no backup, because they repair others or it has
 * expired, are in the manifest from the start. */
static int name_packs(struct job *job, struct err *err)
{
    struct pack_record *packs = calloc(job->count + 1, sizeof(*packs));
    struct pack_record *loose = calloc(job->count + 1, sizeof(*loose));

    job->packs.packs = packs;
    job->made.packs = loose;
    if (packs == NULL || loose == NULL)
        return err_nomem(err);
    for (size_t i = 0; i < job->count; i++) {
        struct candidate *candidate = &job->candidates[i];

        if (candidate->alone.pack_count == 0)
            continue;
        packs[job->packs.pack_count++] = candidate->alone.packs[0];
        if (candidate->alone.pack_count > 1 || candidate->alone.backup_count == 0) {
            loose[job->made.pack_count++] = candidate->alone.packs[0];
            candidate->added = true;
        }
    }
    return 0;
}

/* Expired long ago: not in a manifest that lists newer ones. */
static bool has_expired(const struct job *job, const struct backup_record *backup)
{
    const struct manifest *known = &job->known;
    const struct backup_record *found = NULL;

    return known->backup_count > 0 &&
           backup->created_at_ms < known->backups[known->backup_count - 1].created_at_ms &&
           manifest_find_backup(known, backup->id, &found, NULL) < 0;
}

static void take_over(const struct job *job, struct backup_record *record)
{
    const struct backup_record *found = NULL;

    if (job->known.backup_count == 0 ||
        manifest_find_backup(&job->known, record->id, &found, NULL) < 0)
        return;
    record->pinned = found->pinned;
    record->guarded = found->guarded;
    record->damaged = found->damaged;
    record->verified_at_ms = found->verified_at_ms;
    record->num_rows = found->num_rows;
}

static struct pack_record *find_record(struct manifest *manifest, const char *id)
{
    for (size_t i = 0; i < manifest->pack_count; i++) {
        if (strcmp(manifest->packs[i].id, id) == 0)
            return &manifest->packs[i];
    }
    return NULL;
}

/* A backup may have pages in a pack that was replaced which were not taken over: because it had
 * expired, or because the replacing was never completed.  In the latter case the pack is there, and
 * is to stay. */
static int check_replaced(struct job *job, const struct backup_record *record, struct err *err)
{
    struct page_map map = PAGE_MAP_INIT;
    int r;

    r = pack_map_read(job->store, &job->packs, record, &map, err);
    for (size_t i = 0; r == 0 && i < map.run_count; i++) {
        const char *id = map.pack_ids[map.runs[i].pack];
        struct pack_record *pack = find_record(&job->packs, id);
        struct pack_record *loose = find_record(&job->made, id);

        const struct candidate *candidate = find_candidate(job, id);

        if (pack == NULL || pack->replaced_at_ms == 0)
            continue;
        if (candidate == NULL || candidate->gone) {
            r = err_set(err, ERR_CORRUPT, "page %" PRIu32 " is no longer stored",
                        map.runs[i].first_page);
            break;
        }
        pack->replaced_at_ms = 0;
        if (loose != NULL)
            loose->replaced_at_ms = 0;
    }
    page_map_dispose(&map);
    return r;
}

static bool has_replaced(struct job *job, const struct page_map *map)
{
    for (size_t i = 0; i < map->pack_count; i++) {
        const struct pack_record *pack = find_record(&job->packs, map->pack_ids[i]);

        if (pack != NULL && pack->replaced_at_ms != 0)
            return true;
    }
    return false;
}

/* Add one backup whose other packs are all in the manifest already; ERR_NOT_FOUND when they are
 * not. */
static int add(struct job *job, struct candidate *candidate, struct err *err)
{
    struct backup_record *record = &candidate->alone.backups[0];
    const struct pack_record *pack = &candidate->alone.packs[0];
    const struct pack_map_options as_stored = { NULL, 0, true };
    const char *base_id = pack_repair_map_base(&job->packs, pack);
    struct page_map map = PAGE_MAP_INIT;
    char(*ids)[UUID_TEXT_SIZE] = NULL;
    size_t count = 0;
    int r;

    r = pack_map_read_with(job->store, &job->packs, record, &as_stored, &map, err);
    if (r < 0)
        return r;
    if (has_replaced(job, &map))
        r = check_replaced(job, record, err);
    ids = calloc(map.pack_count + 1, sizeof(*ids));
    if (r == 0 && ids == NULL)
        r = err_nomem(err);
    if (r < 0) {
        free(ids);
        page_map_dispose(&map);
        return r;
    }
    for (size_t i = 0; i < map.pack_count; i++) {
        if (strcmp(map.pack_ids[i], record->id) != 0)
            memcpy(ids[count++], map.pack_ids[i], UUID_TEXT_SIZE);
    }
    if (base_id[0] != '\0')
        memcpy(ids[count++], base_id, UUID_TEXT_SIZE);
    take_over(job, record);
    r = manifest_add_backup(&job->made, record, pack, (const char(*)[UUID_TEXT_SIZE])ids, count,
                            err);
    candidate->added = r == 0;
    free(ids);
    page_map_dispose(&map);
    return r;
}

/* Round after round, for a backup comes after those whose packs it needs. */
static int add_all(struct job *job, struct err *err)
{
    bool progress = true;

    while (progress) {
        progress = false;
        for (size_t i = 0; i < job->count; i++) {
            struct candidate *candidate = &job->candidates[i];
            int r;

            if (candidate->added || candidate->alone.backup_count == 0)
                continue; /* or it does not tell */
            r = add(job, candidate, err);
            if (r < 0 && !pack_is_damage(r, err))
                return r;
            if (r < 0)
                err_clear(err);
            progress = progress || r == 0;
        }
    }
    return 0;
}

/* Those that had expired are needed above, for their packs; now they go. */
static void remove_expired(struct job *job)
{
    for (size_t i = job->made.backup_count; i > 0; i--) {
        if (has_expired(job, &job->made.backups[i - 1]))
            manifest_remove_backup(&job->made, i - 1);
    }
}

static int begin(struct job *job, struct err *err)
{
    const struct manifest *like = &job->known;
    int r;

    for (size_t i = 0; like->generation == 0 && i < job->count; i++) {
        if (job->candidates[i].alone.generation > 0)
            like = &job->candidates[i].alone;
    }
    if (like->generation == 0) {
        return err_set(err, ERR_CORRUPT, "no pack of '%s' tells of its backup",
                       job->options->database);
    }
    r = manifest_new(job->options->database, &job->made, err);
    job->made.generation = job->newest;
    job->made.page_hash_seed = like->page_hash_seed;
    job->made.conditional_writes = like->conditional_writes;
    job->packs.page_hash_seed = like->page_hash_seed;
    job->packs.database = job->made.database; /* borrowed */
    return r;
}

static int keep_as_it_is(void *context, struct manifest *manifest, struct err *err)
{
    (void)context;
    (void)manifest;
    (void)err;
    return 0;
}

static int rebuild(struct job *job, struct repair_report *report, struct err *err)
{
    const struct catalog_commit_options commit = { .clock = job->options->clock,
                                                   .cancel = job->options->cancel };
    int r;

    r = read_each(job, err);
    if (r == 0)
        r = begin(job, err);
    if (r == 0)
        r = apply_repairs(job, err);
    if (r == 0)
        r = name_packs(job, err);
    if (r == 0)
        r = add_all(job, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < job->count; i++)
        report->lost_count += !job->candidates[i].added;
    remove_expired(job);
    report->backup_count = job->made.backup_count;
    if (job->options->dry_run)
        return 0;
    r = catalog_commit(job->store, &job->made, keep_as_it_is, NULL, &commit, err);
    report->generation = job->made.generation;
    return r;
}

int repair_run(struct object_store *store, const struct repair_options *options,
               struct repair_report *ret_report, struct err *err)
{
    struct job job = { .store = store, .options = options };
    struct repair_report report = { 0 };
    struct err unread = { 0 };
    int r;

    if (err == NULL)
        err = &unread;
    r = list(&job, err);
    if (r == 0)
        r = load_known(&job, err);
    if (r < 0)
        goto out;
    report.needed = options->from_packs || job.newest == 0 || job.known.generation != job.newest;
    if (report.needed) {
        r = rebuild(&job, &report, err);
    } else {
        report.backup_count = job.known.backup_count;
    }
out:
    for (size_t i = 0; i < job.count; i++)
        manifest_dispose(&job.candidates[i].alone);
    free(job.candidates);
    free(job.packs.packs);
    manifest_dispose(&job.known);
    manifest_dispose(&job.made);
    if (r == 0)
        *ret_report = report;
    return r;
}
