#include "snapshot/verify.h"

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "snapshot/catalog.h"
#include "snapshot/pack_format.h"
#include "snapshot/pack_reader.h"
#include "snapshot/pack_repair.h"
#include "snapshot/pack_survey.h"
#include "snapshot/page_map.h"
#include "snapshot/restore.h"
#include "snapshot/row_count.h"
#include "snapshot/spool.h"
#include "snapshot/sqlite_db.h"
#include "store/object_store.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct job {
    struct object_store *store;
    const struct manifest *manifest;
    const struct verify_options *options;
    const struct pack_survey *survey;
};

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

/* The pack that the backup's own map is in, or the one that this is a difference from, unless a
 * copy of the map was made. */
static void check_map_pack(const struct job *job, const char *id, struct verify_result *result)
{
    const size_t index = pack_survey_find(job->survey, id);
    const struct pack_record *pack = &job->manifest->packs[index];
    char why[PACK_WHY_SIZE];

    if (index < job->manifest->pack_count && pack->repaired_by[0] == '\0' &&
        job->survey->states[index] != PACK_THERE && pack_survey_is_lost(job->survey, index, why)) {
        damage(result, "%s", why);
        result->lost_pages = -1;
    }
}

/* What is damaged of the backup's own pack although restoring does not need it: a lost manifest
 * could not be made again of it.  What repairs the pack tells that too. */
static void check_own(const struct job *job, const char *id, struct verify_result *result)
{
    const size_t index = pack_survey_find(job->survey, id);

    if (index < job->manifest->pack_count && job->manifest->packs[index].repaired_by[0] == '\0' &&
        job->survey->checks[index].own_reason[0] != '\0')
        damage(result, "pack %s: %s", id, job->survey->checks[index].own_reason);
}

/* The slots of a run whose frame is whole: do they hold its pages? */
static int check_slots(const struct job *job, const struct page_run *run, size_t index,
                       struct page_hash *sum, struct verify_result *result, struct err *err)
{
    const struct pack_survey *survey = job->survey;

    for (uint32_t i = 0; i < run->page_count; i++) {
        struct index_slot slot;
        int r = spool_read(survey->slots,
                           (survey->checks[index].first_slot + run->slot + i) * sizeof(slot), &slot,
                           sizeof(slot), err);

        if (r < 0)
            return r;
        if (slot.page_number != run->first_page + i) {
            damage(result, "pack %s: a slot holds another page", job->manifest->packs[index].id);
            result->lost_pages++;
        }
        page_hash_xor(sum, slot.hash);
    }
    return 0;
}

static int check_pages(const struct job *job, const struct backup_record *backup,
                       const struct page_map *map, struct verify_result *result, struct err *err)
{
    size_t *packs = calloc(map->pack_count + 1, sizeof(*packs));
    struct page_hash sum = { 0, 0 };
    char why[PACK_WHY_SIZE];
    int r = 0;

    if (packs == NULL)
        return err_nomem(err);
    for (size_t i = 0; i < map->pack_count; i++)
        packs[i] = pack_survey_find(job->survey, map->pack_ids[i]);
    for (size_t i = 0; r == 0 && i < map->run_count; i++) {
        const struct page_run *run = &map->runs[i];

        if (pack_survey_is_bad(job->survey, packs[run->pack], run->frame_offset, why)) {
            damage(result, "%s: page %" PRIu32, why, run->first_page);
            result->lost_pages += run->page_count;
        } else if (job->options->read) {
            r = check_slots(job, run, packs[run->pack], &sum, result, err);
        }
    }
    if (r == 0 && job->options->read && !result->damaged &&
        !page_hash_eq(sum, backup->database_hash))
        damage(result, "the pages do not make up the database hash");
    free(packs);
    return r;
}

/* Damage for what says that the store holds something else; everything else is a failure. */
static int judge(int r, struct verify_result *result, struct err *err)
{
    if (!pack_is_damage(r, err))
        return r;
    damage(result, "%.500s", err->msg);
    err_clear(err);
    return 0;
}

static int check_map(const struct job *job, const struct backup_record *backup,
                     struct verify_result *result, struct err *err)
{
    struct page_map map = PAGE_MAP_INIT;
    int r;

    r = judge(pack_map_read(job->store, job->manifest, backup, &map, err), result, err);
    if (result->damaged)
        result->lost_pages = -1;
    if (r == 0 && !result->damaged)
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
    struct clock *clock = job->options->clock != NULL ? job->options->clock : clock_system();
    const int64_t begin_ms = clock_mono_ms(clock);
    char *path = NULL;
    int fd = -1, r;

    r = file_temp_named(scratch_dir(job), "holdfast-verify-", &fd, &path, err);
    if (r < 0)
        return r;
    (void)close(fd);
    options.path = path;
    r = download_to_file(job->store, job->manifest, backup, &options, NULL, err);
    result->restore_ms = clock_mono_ms(clock) - begin_ms;
    if (r == 0)
        r = count_tables(path, backup, result, err);
    (void)unlink(path);
    free(path);
    return judge(r, result, err);
}

static int check_backup(const struct job *job, const struct backup_record *backup,
                        struct verify_result *result, struct err *err)
{
    const struct pack_record *own;
    const char *base_id;
    int r;

    *result = (struct verify_result){ .num_rows = -1 };
    memcpy(result->id, backup->id, sizeof(result->id));
    r = cancel_check(job->options->cancel, err);
    if (r < 0)
        return r;
    own = manifest_find_pack(job->manifest, backup->id);
    check_map_pack(job, backup->id, result);
    base_id = own != NULL ? pack_repair_map_base(job->manifest, own) : "";
    if (base_id[0] != '\0')
        check_map_pack(job, base_id, result);
    if (!result->damaged)
        r = check_map(job, backup, result, err);
    if (r == 0)
        check_own(job, backup->id, result);
    if (r == 0 && !result->damaged && job->options->restore)
        r = restore_backup(job, backup, result, err);
    return r < 0 ? err_wrap(err, r, "verify backup %.8s", backup->id) : 0;
}

int verify_surveyed(const struct pack_survey *survey, const bool *selected,
                    struct verify_result *results, size_t *ret_count, struct err *err)
{
    const struct job job = { survey->store, survey->manifest, survey->options, survey };
    struct err unread = { 0 };
    size_t count = 0;
    int r = 0;

    if (err == NULL)
        err = &unread;
    for (size_t i = job.manifest->backup_count; r == 0 && i > 0; i--) {
        if (selected == NULL || selected[i - 1])
            r = check_backup(&job, &job.manifest->backups[i - 1], &results[count++], err);
    }
    if (r == 0)
        *ret_count = count;
    return r;
}

int verify_run(struct object_store *store, const struct manifest *manifest, const bool *selected,
               const struct verify_options *options, struct verify_result *results,
               size_t *ret_count, struct err *err)
{
    struct pack_survey survey = { 0 };
    int r;

    r = pack_survey_run(store, manifest, selected, options, &survey, err);
    if (r == 0)
        r = verify_surveyed(&survey, selected, results, ret_count, err);
    pack_survey_dispose(&survey);
    return r;
}

struct findings {
    const struct verify_result *results;
    size_t count;
    bool proves;
    int64_t now_ms;
};

void verify_write_down(struct manifest *manifest, const struct verify_result *results, size_t count,
                       bool proves, int64_t now_ms)
{
    for (size_t i = 0; i < manifest->backup_count; i++) {
        struct backup_record *backup = &manifest->backups[i];

        for (size_t k = 0; k < count; k++) {
            if (strcmp(results[k].id, backup->id) != 0)
                continue;
            if (results[k].damaged) {
                backup->damaged = true;
            } else if (proves) {
                backup->damaged = false;
                backup->verified_at_ms = now_ms;
                if (backup->num_rows < 0)
                    backup->num_rows = results[k].num_rows;
            }
        }
    }
}

static int write_down(void *context, struct manifest *manifest, struct err *err)
{
    const struct findings *findings = context;

    (void)err;
    verify_write_down(manifest, findings->results, findings->count, findings->proves,
                      findings->now_ms);
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
