#include "snapshot/verify.h"

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "snapshot/catalog.h"
#include "snapshot/pack_format.h"
#include "snapshot/pack_reader.h"
#include "snapshot/page_map.h"
#include "snapshot/progress.h"
#include "snapshot/restore.h"
#include "snapshot/row_count.h"
#include "snapshot/spool.h"
#include "snapshot/sqlite_db.h"
#include "snapshot/verify_pack.h"
#include "store/object_store.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SLOTS_MEMORY_MAX (8u << 20)

enum pack_state {
    PACK_MISSING,
    PACK_OTHER_SIZE,
    PACK_THERE
};

struct job {
    struct object_store *store;
    const struct manifest *manifest;
    const struct verify_options *options;
    const bool *selected;
    enum pack_state *states;   /* of each pack of the manifest */
    struct pack_check *checks; /* with read */
    struct spool *slots;
    struct progress_meter meter;
};

static bool is_selected(const struct job *job, size_t index)
{
    return job->selected == NULL || job->selected[index];
}

static int see_pack(void *context, const char *key, const struct object_info *info, struct err *err)
{
    struct job *job = context;
    char known[CATALOG_KEY_SIZE];

    (void)err;
    for (size_t i = 0; i < job->manifest->pack_count; i++) {
        const struct pack_record *pack = &job->manifest->packs[i];

        if (catalog_pack_key(job->manifest->database, pack->id, known, NULL) == 0 &&
            strcmp(known, key) == 0) {
            job->states[i] = info->size == pack->size ? PACK_THERE : PACK_OTHER_SIZE;
            return 0;
        }
    }
    return 0;
}

static int list_packs(struct job *job, struct err *err)
{
    char prefix[CATALOG_KEY_SIZE];
    int r;

    job->states = calloc(job->manifest->pack_count + 1, sizeof(*job->states));
    job->checks = calloc(job->manifest->pack_count + 1, sizeof(*job->checks));
    if (job->states == NULL || job->checks == NULL)
        return err_nomem(err);
    (void)snprintf(prefix, sizeof(prefix), "%s/packs/", job->manifest->database);
    r = object_list(job->store, prefix, NULL, see_pack, job, err);
    return r < 0 ? err_wrap(err, r, "list the packs of '%s'", job->manifest->database) : 0;
}

/* A backup that is looked at and refers to the pack; NULL when there is none. */
static const struct backup_record *user_of(const struct job *job, uint32_t pack)
{
    for (size_t i = 0; i < job->manifest->backup_count; i++) {
        if (is_selected(job, i) && pack_set_has(&job->manifest->backups[i].packs, pack))
            return &job->manifest->backups[i];
    }
    return NULL;
}

static int read_packs(struct job *job, struct err *err)
{
    struct pack_check_options options = {
        .store = job->store,
        .manifest = job->manifest,
        .sample_ppm = job->options->sample_ppm > 0 ? job->options->sample_ppm : VERIFY_SAMPLE_ALL,
        .sample_seed = job->options->sample_seed,
        .cancel = job->options->cancel,
    };
    int r;

    r = spool_new(job->options->spool_dir, SLOTS_MEMORY_MAX, &job->slots, err);
    options.slots = job->slots;
    job->meter =
        (struct progress_meter){ .progress = job->options->progress, .phase = PROGRESS_FETCH };
    for (size_t i = 0; i < job->manifest->pack_count; i++) {
        if (job->states[i] == PACK_THERE && user_of(job, (uint32_t)i) != NULL)
            job->meter.total += job->manifest->packs[i].size;
    }
    for (size_t i = 0; r == 0 && i < job->manifest->pack_count; i++) {
        const struct backup_record *user = user_of(job, (uint32_t)i);

        if (job->states[i] != PACK_THERE || user == NULL)
            continue;
        options.page_size = user->page_size;
        r = pack_check_run(&options, &job->manifest->packs[i], &job->checks[i], err);
        progress_meter_add(&job->meter, job->manifest->packs[i].size);
    }
    return r;
}

__attribute__((format(printf, 2, 3))) static void damage(struct verify_result *result,
                                                         const char *format, ...)
{
    va_list arguments;

    if (result->damaged)
        return;
    result->damaged = true;
    va_start(arguments, format);
    (void)vsnprintf(result->reason, sizeof(result->reason), format, arguments);
    va_end(arguments);
}

static void check_objects(const struct job *job, const struct backup_record *backup,
                          struct verify_result *result)
{
    for (uint32_t i = 0; i < job->manifest->pack_count; i++) {
        const struct pack_record *pack = &job->manifest->packs[i];

        if (!pack_set_has(&backup->packs, i))
            continue;
        if (job->states[i] == PACK_MISSING) {
            damage(result, "pack %s is missing", pack->id);
        } else if (job->states[i] == PACK_OTHER_SIZE) {
            damage(result, "pack %s has another size", pack->id);
        } else if (strcmp(pack->id, backup->id) == 0 && job->checks[i].reason[0] != '\0') {
            damage(result, "pack %s: %s", pack->id, job->checks[i].reason);
        } else if (strcmp(pack->id, backup->id) == 0 && job->checks[i].own_reason[0] != '\0') {
            damage(result, "pack %s: %s", pack->id, job->checks[i].own_reason);
        }
    }
}

static uint32_t pack_index(const struct manifest *manifest, const char *id)
{
    uint32_t i = 0;

    while (i < manifest->pack_count && strcmp(manifest->packs[i].id, id) != 0)
        i++;
    return i;
}

/* One run of the map: is its frame whole, and do its slots hold its pages? */
static int check_run(const struct job *job, const struct page_map *map, const struct page_run *run,
                     const uint32_t *packs, struct page_hash *sum, struct verify_result *result,
                     struct err *err)
{
    const uint32_t index = packs[run->pack];
    const struct pack_check *check = &job->checks[index];
    const char *id = map->pack_ids[run->pack];

    if (check->reason[0] != '\0') {
        damage(result, "pack %s: %s", id, check->reason);
        return 0;
    }
    if (pack_check_is_bad_frame(check, run->frame_offset)) {
        damage(result, "pack %s: frame at byte %" PRIu64 " is damaged: page %" PRIu32, id,
               run->frame_offset, run->first_page);
        return 0;
    }
    for (uint32_t i = 0; i < run->page_count; i++) {
        struct index_slot slot;
        int r = spool_read(job->slots, (check->first_slot + run->slot + i) * sizeof(slot), &slot,
                           sizeof(slot), err);

        if (r < 0)
            return r;
        if (slot.page_number != run->first_page + i)
            damage(result, "pack %s: a slot holds another page", id);
        page_hash_xor(sum, slot.hash);
    }
    return 0;
}

static int check_pages(const struct job *job, const struct backup_record *backup,
                       const struct page_map *map, struct verify_result *result, struct err *err)
{
    uint32_t *packs = calloc(map->pack_count + 1, sizeof(*packs));
    struct page_hash sum = { 0, 0 };
    int r = 0;

    if (packs == NULL)
        return err_nomem(err);
    for (size_t i = 0; i < map->pack_count; i++)
        packs[i] = pack_index(job->manifest, map->pack_ids[i]);
    for (size_t i = 0; r == 0 && !result->damaged && i < map->run_count; i++)
        r = check_run(job, map, &map->runs[i], packs, &sum, result, err);
    if (r == 0 && !page_hash_eq(sum, backup->database_hash))
        damage(result, "the pages do not make up the database hash");
    free(packs);
    return r;
}

/* Damage for what says that the store holds something else; everything else is a failure. */
static int judge(int r, struct verify_result *result, struct err *err)
{
    if (r == ERR_CORRUPT || r == ERR_NOT_FOUND || r == ERR_UNSUPPORTED) {
        damage(result, "%.500s", err->msg);
        err_clear(err);
        return 0;
    }
    return r;
}

static int check_map(const struct job *job, const struct backup_record *backup,
                     struct verify_result *result, struct err *err)
{
    struct page_map map = PAGE_MAP_INIT;
    int r;

    r = judge(pack_map_read(job->store, job->manifest, backup, &map, err), result, err);
    if (r == 0 && !result->damaged && job->options->read)
        r = check_pages(job, backup, &map, result, err);
    page_map_dispose(&map);
    return r;
}

static int count_tables(const char *path, const struct backup_record *backup,
                        struct verify_result *result, struct err *err)
{
    sqlite3 *db = NULL;
    int64_t tables = 0;
    int r;

    r = sqlite_db_open_own(path, &db, err);
    if (r == 0)
        r = row_count(db, &tables, &result->num_rows, err);
    if (r == 0 && tables != backup->num_tables) {
        damage(result, "%" PRId64 " tables came back of %" PRIu32, tables, backup->num_tables);
    }
    if (r == 0 && backup->num_rows >= 0 && result->num_rows >= 0 &&
        result->num_rows != backup->num_rows) {
        damage(result, "%" PRId64 " rows came back of %" PRId64, result->num_rows,
               backup->num_rows);
    }
    (void)sqlite3_close(db);
    return r;
}

static const char *scratch_dir(const struct job *job)
{
    const char *dir = job->options->spool_dir;

    if (dir == NULL)
        dir = getenv("TMPDIR"); /* NOLINT(concurrency-mt-unsafe): nobody sets it */
    return dir != NULL && dir[0] != '\0' ? dir : "/var/tmp";
}

static int restore_backup(const struct job *job, const struct backup_record *backup,
                          struct verify_result *result, struct err *err)
{
    struct download_options options = {
        .overwrite = true,
        .fetch = { .spool_dir = job->options->spool_dir,
                   .progress = job->options->progress,
                   .cancel = job->options->cancel },
    };
    char *path = NULL;
    int fd = -1, r;

    r = file_temp_named(scratch_dir(job), "holdfast-verify-", &fd, &path, err);
    if (r < 0)
        return r;
    (void)close(fd);
    options.path = path;
    r = download_to_file(job->store, job->manifest, backup, &options, NULL, err);
    if (r == 0)
        r = count_tables(path, backup, result, err);
    (void)unlink(path);
    free(path);
    return judge(r, result, err);
}

static int check_backup(const struct job *job, const struct backup_record *backup,
                        struct verify_result *result, struct err *err)
{
    int r;

    *result = (struct verify_result){ .num_rows = -1 };
    memcpy(result->id, backup->id, sizeof(result->id));
    r = cancel_check(job->options->cancel, err);
    if (r < 0)
        return r;
    check_objects(job, backup, result);
    if (!result->damaged)
        r = check_map(job, backup, result, err);
    if (r == 0 && !result->damaged && job->options->restore)
        r = restore_backup(job, backup, result, err);
    return r < 0 ? err_wrap(err, r, "verify backup %.8s", backup->id) : 0;
}

int verify_run(struct object_store *store, const struct manifest *manifest, const bool *selected,
               const struct verify_options *options, struct verify_result *results,
               size_t *ret_count, struct err *err)
{
    struct job job = {
        .store = store, .manifest = manifest, .options = options, .selected = selected
    };
    struct err unread = { 0 };
    size_t count = 0;
    int r;

    if (err == NULL)
        err = &unread;
    r = list_packs(&job, err);
    if (r == 0 && options->read)
        r = read_packs(&job, err);
    for (size_t i = manifest->backup_count; r == 0 && i > 0; i--) {
        if (is_selected(&job, i - 1))
            r = check_backup(&job, &manifest->backups[i - 1], &results[count++], err);
    }
    for (size_t i = 0; job.checks != NULL && i < manifest->pack_count; i++)
        pack_check_dispose(&job.checks[i]);
    free(job.checks);
    free(job.states);
    spool_free(job.slots);
    if (r == 0)
        *ret_count = count;
    return r;
}

struct findings {
    const struct verify_result *results;
    size_t count;
    bool proves; /* that a backup is whole */
    int64_t now_ms;
};

static int write_down(void *context, struct manifest *manifest, struct err *err)
{
    const struct findings *findings = context;

    (void)err;
    for (size_t i = 0; i < manifest->backup_count; i++) {
        struct backup_record *backup = &manifest->backups[i];

        for (size_t k = 0; k < findings->count; k++) {
            const struct verify_result *result = &findings->results[k];

            if (strcmp(result->id, backup->id) != 0)
                continue;
            if (result->damaged) {
                backup->damaged = true;
            } else if (findings->proves) {
                backup->damaged = false;
                backup->verified_at_ms = findings->now_ms;
                if (backup->num_rows < 0)
                    backup->num_rows = result->num_rows;
            }
        }
    }
    return 0;
}

int verify_commit(struct object_store *store, struct manifest *manifest,
                  const struct verify_result *results, size_t count,
                  const struct verify_options *options, struct err *err)
{
    struct clock *clock = options->clock != NULL ? options->clock : clock_system();
    const struct catalog_commit_options commit = { .clock = clock, .cancel = options->cancel };
    const bool all_of_it = options->sample_ppm == 0 || options->sample_ppm >= VERIFY_SAMPLE_ALL;
    struct findings findings = {
        .results = results,
        .count = count,
        .proves = options->restore || (options->read && all_of_it),
        .now_ms = clock_now_ms(clock),
    };
    bool news = findings.proves && count > 0;

    for (size_t i = 0; i < count; i++)
        news = news || results[i].damaged;
    return news ? catalog_commit(store, manifest, write_down, &findings, &commit, err) : 0;
}
