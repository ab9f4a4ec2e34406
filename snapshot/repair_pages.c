#include "snapshot/repair_pages.h"

#include "base/clock.h"
#include "base/err.h"
#include "snapshot/catalog.h"
#include "snapshot/pack_repair.h"
#include "snapshot/repair_find.h"
#include "snapshot/repair_map.h"
#include "snapshot/spool.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Pages that were found: those of a small damage do not touch a disk. */
#define RAW_MEMORY_MAX (8u << 20)

void repair_pages_report_dispose(struct repair_pages_report *report)
{
    free(report->results);
    *report = (struct repair_pages_report){ 0 };
}

static void job_dispose(struct repair_job *job)
{
    for (size_t i = 0; job->packs != NULL && i < job->manifest->pack_count; i++) {
        page_map_dispose(&job->packs[i].map);
        free(job->packs[i].pages);
    }
    free(job->packs);
    free(job->stand_ins);
    spool_free(job->raw);
    pack_survey_dispose(&job->survey);
}

/* A pack whose frames, hashes and map are whole, but not that which a lost manifest would be made
 * again of.  The seek table of one that repairs is needed, so there that is not all. */
static void find_index_only(struct repair_job *job)
{
    for (size_t i = 0; i < job->manifest->pack_count; i++) {
        job->packs[i].index_only = job->survey.users[i] != NULL &&
                                   job->survey.checks[i].own_reason[0] != '\0' &&
                                   job->manifest->packs[i].repaired_by[0] == '\0';
    }
}

static int find_all(struct repair_job *job, struct err *err)
{
    int r;

    job->packs = calloc(job->manifest->pack_count + 1, sizeof(*job->packs));
    if (job->packs == NULL)
        return err_nomem(err);
    r = spool_new(job->options->spool_dir, RAW_MEMORY_MAX, &job->raw, err);
    if (r == 0)
        r = repair_find_maps(job, err);
    if (r == 0)
        r = repair_find_pages(job, err);
    if (r == 0 && job->options->path != NULL)
        r = repair_scan(job, err);
    if (r == 0)
        r = repair_prove(job, err);
    if (r == 0)
        find_index_only(job);
    return r;
}

/* The packs that were written. */
struct made_list {
    struct repair_made *items;
    size_t count;
    const struct verify_result *results;
    size_t result_count;
    int64_t now_ms;
};

static int write_packs(struct repair_job *job, struct made_list *made,
                       struct repair_pages_report *report, struct err *err)
{
    const struct manifest *manifest = job->manifest;
    int r = 0;

    made->items = calloc(manifest->pack_count + 1, sizeof(*made->items));
    if (made->items == NULL)
        return err_nomem(err);
    for (size_t i = 0; r == 0 && i < manifest->pack_count; i++) {
        bool any = false;

        if (pack_repair_next(manifest, &manifest->packs[i]) != NULL)
            continue; /* its chain has a later one */
        r = repair_write(job, i, &any, &made->items[made->count], err);
        if (r == 0 && any) {
            report->page_count += made->items[made->count].page_count;
            made->count++;
        }
    }
    report->pack_count = made->count;
    return r;
}

/* Have the damaged pack's record name the new one.  A damaged pack that is no longer there needs no
 * repair, and where somebody else has repaired it too, ours comes after theirs. */
static int add_made(struct manifest *manifest, const struct repair_made *made, struct err *err)
{
    const struct pack_record *found = manifest_find_pack(manifest, made->repairs);
    struct pack_record *grown;
    size_t last;

    if (found == NULL || manifest_find_pack(manifest, made->record.id) != NULL)
        return 0;
    last = (size_t)(pack_repair_last(manifest, found) - manifest->packs);
    grown = realloc(manifest->packs, (manifest->pack_count + 1) * sizeof(*grown));
    if (grown == NULL)
        return err_nomem(err);
    manifest->packs = grown;
    grown[manifest->pack_count++] = made->record;
    memcpy(grown[last].repaired_by, made->record.id, sizeof(made->record.id));
    return 0;
}

static int change(void *context, struct manifest *manifest, struct err *err)
{
    const struct made_list *made = context;
    int r = 0;

    for (size_t i = 0; r == 0 && i < made->count; i++)
        r = add_made(manifest, &made->items[i], err);
    if (r == 0)
        verify_write_down(manifest, made->results, made->result_count, true, made->now_ms);
    return r;
}

/* Keep the results of the backups that were damaged; *ret_selected flags them in the manifest. */
static int keep_damaged(const struct manifest *manifest, struct verify_result *results,
                        size_t *count, bool **ret_selected, struct err *err)
{
    bool *selected = calloc(manifest->backup_count + 1, sizeof(*selected));
    size_t kept = 0;

    if (selected == NULL)
        return err_nomem(err);
    for (size_t i = 0; i < *count; i++) {
        const struct backup_record *backup = NULL;

        if (manifest_find_backup(manifest, results[i].id, &backup, NULL) < 0 ||
            (!results[i].damaged && !backup->damaged))
            continue;
        selected[backup - manifest->backups] = true;
        results[kept++] = results[i];
    }
    *count = kept;
    *ret_selected = selected;
    return 0;
}

/* What a repair would leave. */
static int foresee(struct repair_job *job, struct repair_pages_report *report, struct err *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < report->count; i++) {
        struct verify_result *result = &report->results[i];
        const struct backup_record *backup = NULL;

        r = manifest_find_backup(job->manifest, result->id, &backup, err);
        if (r == 0)
            r = repair_count_lost(job, backup, &result->lost_pages, err);
        result->damaged = result->lost_pages != 0;
    }
    return r;
}

static void count_damaged(struct repair_pages_report *report)
{
    report->damaged_count = 0;
    for (size_t i = 0; i < report->count; i++)
        report->damaged_count += report->results[i].damaged;
}

/* What was written is believed when it has been read. */
static int settle(struct repair_job *job, const bool *selected,
                  const struct verify_options *reading, struct repair_pages_report *report,
                  struct made_list *made, struct err *err)
{
    struct clock *clock = reading->clock != NULL ? reading->clock : clock_system();
    const struct catalog_commit_options commit = { .clock = clock, .cancel = reading->cancel };
    struct object_store *store = job->store;
    struct manifest *manifest = job->manifest;
    int r;

    made->now_ms = clock_now_ms(clock);
    r = change(made, manifest, err);
    if (r == 0) {
        r = verify_run(store, manifest, selected, reading, report->results, &report->count, err);
    }
    made->results = report->results;
    made->result_count = report->count;
    if (r == 0)
        r = catalog_commit(store, manifest, change, made, &commit, err);
    report->generation = manifest->generation;
    return r;
}

/* Look at everything, and write what can be found of what is lost. */
static int mend(struct repair_job *job, const struct verify_options *reading,
                struct repair_pages_report *report, bool **ret_selected, struct made_list *made,
                struct err *err)
{
    int r;

    r = pack_survey_run(job->store, job->manifest, NULL, reading, &job->survey, err);
    if (r == 0)
        r = verify_surveyed(&job->survey, NULL, report->results, &report->count, err);
    report->backup_count = report->count;
    if (r == 0)
        r = keep_damaged(job->manifest, report->results, &report->count, ret_selected, err);
    if (r < 0 || report->count == 0)
        return r;
    r = find_all(job, err);
    if (r == 0)
        r = write_packs(job, made, report, err);
    if (r == 0 && job->options->dry_run)
        r = foresee(job, report, err);
    return r;
}

int repair_pages_run(struct object_store *store, const struct repair_pages_options *options,
                     struct repair_pages_report *ret_report, struct err *err)
{
    const struct verify_options reading = { .read = true,
                                            .spool_dir = options->spool_dir,
                                            .progress = options->progress,
                                            .cancel = options->cancel,
                                            .clock = options->clock };
    struct manifest manifest = MANIFEST_INIT;
    struct repair_job job = { .store = store, .options = options, .manifest = &manifest };
    struct repair_pages_report report = { 0 };
    struct made_list made = { NULL, 0, NULL, 0, 0 };
    bool *selected = NULL;
    int r;

    r = catalog_load(store, options->database, false, &manifest, err);
    if (r < 0)
        return r;
    report.results = calloc(manifest.backup_count + 1, sizeof(*report.results));
    r = report.results == NULL ? err_nomem(err)
                               : mend(&job, &reading, &report, &selected, &made, err);
    job_dispose(&job);
    if (r == 0 && report.count > 0 && !options->dry_run)
        r = settle(&job, selected, &reading, &report, &made, err);
    free(made.items);
    free(selected);
    manifest_dispose(&manifest);
    if (r < 0) {
        repair_pages_report_dispose(&report);
        return r;
    }
    count_damaged(&report);
    *ret_report = report;
    return 0;
}
