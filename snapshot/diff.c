#include "snapshot/diff.h"

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "snapshot/diff_internal.h"
#include "snapshot/fetch.h"
#include "snapshot/progress.h"
#include "snapshot/seed.h"
#include "snapshot/stage.h"

#include <stdlib.h>

/* One comparison under way. */
struct job {
    const struct diff_options *options;
    struct fetch *from, *to;
    struct stage from_stage, to_stage;
    struct diff_result result;
};

void diff_texts_dispose(struct diff_texts *texts)
{
    for (size_t i = 0; i < texts->count; i++)
        free(texts->texts[i]);
    free(texts->texts);
}

void diff_table_dispose(struct diff_table *table)
{
    free(table->name);
    free(table->reason);
    free(table->key);
    for (size_t i = 0; i < DIFF_ROWS_COUNT; i++)
        diff_texts_dispose(&table->row_keys[i]);
    diff_texts_dispose(&table->columns_added);
    diff_texts_dispose(&table->columns_removed);
}

void diff_result_dispose(struct diff_result *result)
{
    for (size_t i = 0; i < result->table_count; i++)
        diff_table_dispose(&result->tables[i]);
    free(result->tables);
    *result = (struct diff_result){ 0 };
}

/* In a directory for files that wait, where there is room; what is left by a killed run goes when
 * the next one comes. */
static int make_stage(const char *spool_dir, uint64_t size, struct stage *stage, struct err *err)
{
    const char *dirs[] = { spool_dir, secure_getenv("TMPDIR"), "/var/tmp", "/tmp" };
    struct err why = { 0 };
    int r = ERR_IO;

    for (size_t i = 0; r < 0 && i < sizeof(dirs) / sizeof(dirs[0]); i++) {
        char *path = dirs[i] != NULL ? path_join(dirs[i], "diff") : NULL;

        if (path == NULL)
            continue;
        r = stage_new(path, stage, &why);
        if (r == 0)
            r = stage_reserve(stage, size, 0, &why);
        if (r < 0)
            stage_dispose(stage);
        if (r < 0 && dirs[i] == spool_dir)
            log_warn("the spool's directory cannot be used: %s", why.msg);
        free(path);
    }
    if (r < 0 && err != NULL)
        *err = why;
    return r;
}

static int fetch_both(struct job *job, struct err *err)
{
    const struct diff_options *options = job->options;
    const struct seed seed = { .path = job->from_stage.path };
    int r;

    r = fetch_to_file(job->from, job->from_stage.fd, job->from_stage.path, err);
    if (r == 0 && options->from->page_size == options->to->page_size)
        r = seed_copy(job->to, &seed, job->to_stage.fd, job->to_stage.path, err);
    if (r == 0)
        r = fetch_to_file(job->to, job->to_stage.fd, job->to_stage.path, err);
    return r;
}

static int compare_tables(struct job *job, struct err *err)
{
    const struct diff_options *options = job->options;
    const char *dir = options->fetch.spool_dir;
    struct diff_tables_options tables = {
        .row_keys_max = options->row_keys_max,
        .cancel = options->fetch.cancel,
    };
    int r;

    r = make_stage(dir, options->from->size, &job->from_stage, err);
    if (r == 0)
        r = make_stage(dir, options->to->size, &job->to_stage, err);
    if (r == 0)
        r = fetch_both(job, err);
    if (r < 0)
        return r;
    progress_update(options->fetch.progress, PROGRESS_CHECK, 0, 0);
    tables.from_path = job->from_stage.path;
    tables.to_path = job->to_stage.path;
    return diff_tables(&tables, &job->result, err);
}

static bool is_same(const struct job *job)
{
    const struct diff_pages *pages = &job->result.pages;

    return pages->changed == 0 && pages->added == 0 && pages->removed == 0;
}

static int compare(struct job *job, struct object_store *store, struct err *err)
{
    const struct diff_options *options = job->options;
    int r;

    r = fetch_open(store, options->manifest, options->from, &options->fetch, &job->from, err);
    if (r == 0)
        r = fetch_open_beside(job->from, options->to, &job->to, err);
    if (r == 0)
        r = diff_pages(job->from, job->to, &job->result.pages, err);
    if (r < 0 || options->pages_only)
        return r;
    job->result.has_tables = true;
    if (!is_same(job))
        return compare_tables(job, err);
    job->result.same_table_count = options->to->num_tables;
    return 0;
}

static struct fetch_tally add_tallies(const struct fetch *a, const struct fetch *b)
{
    const struct fetch_tally left = fetch_tally(a), right = fetch_tally(b);

    return (struct fetch_tally){ left.copied_bytes + right.copied_bytes,
                                 left.fetched_bytes + right.fetched_bytes };
}

int diff_backups(struct object_store *store, const struct diff_options *options,
                 struct diff_result *ret_result, struct err *err)
{
    struct job job = { .options = options, .from_stage = STAGE_INIT, .to_stage = STAGE_INIT };
    int r;

    r = compare(&job, store, err);
    if (r == 0)
        job.result.tally = add_tallies(job.from, job.to);
    fetch_close(job.to);
    fetch_close(job.from);
    stage_dispose(&job.from_stage);
    stage_dispose(&job.to_stage);
    if (r < 0) {
        diff_result_dispose(&job.result);
        return r;
    }
    *ret_result = job.result;
    return 0;
}
