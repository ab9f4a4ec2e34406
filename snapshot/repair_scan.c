#include "snapshot/repair_internal.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "snapshot/frame.h"
#include "snapshot/source.h"
#include "snapshot/spool.h"

#include <stdlib.h>

struct scan {
    struct repair_job *job;
    uint32_t page_size;
    uint8_t *room;
    int result; /* of keeping what was found: the database is not to blame for that */
    struct err err;
};

static int offer(struct scan *scan, uint32_t page_number, const uint8_t *page)
{
    const struct pack_survey *survey = &scan->job->survey;
    int r = 0;

    for (size_t i = 0; r == 0 && i < survey->manifest->pack_count; i++) {
        struct lost_page *lost;

        if (scan->job->packs[i].count == 0 || survey->users[i]->page_size != scan->page_size)
            continue;
        lost = repair_find(&scan->job->packs[i], page_number);
        if (lost != NULL && !lost->found)
            r = repair_offer(scan->job, lost, page, scan->page_size, &scan->err);
    }
    return r;
}

static int give_room(void *context, uint8_t **ret_room, struct err *err)
{
    struct scan *scan = context;

    (void)err;
    *ret_room = scan->room;
    return 0;
}

static int take_group(void *context, uint32_t first_page, uint32_t page_count, struct err *err)
{
    struct scan *scan = context;

    for (uint32_t i = 0; scan->result == 0 && i < page_count; i++)
        scan->result = offer(scan, first_page + i, scan->room + (size_t)i * scan->page_size);
    return scan->result < 0 ? err_set(err, ERR_CANCELED, "what was found cannot be kept") : 0;
}

/* What is torn does not have the hash that is looked for, so a rollback journal's lock, which would
 * keep writers waiting for as long as the scan takes, is given up before it begins. */
static int scan_source(struct scan *scan, struct source *source, struct err *err)
{
    const struct source_visitor visitor = { give_room, take_group, scan, false };
    struct source_facts facts = { 0 };
    uint8_t *page_one = NULL;
    int r;

    r = source_begin(source, &facts, err);
    if (r < 0)
        return r;
    scan->page_size = facts.page_size;
    scan->room = malloc(FRAME_RAW_SIZE_MAX);
    page_one = malloc(facts.page_size);
    if (scan->room == NULL || page_one == NULL) {
        r = err_nomem(err);
    } else if (facts.wal) {
        r = source_scan(source, &facts, &visitor, page_one, err);
    } else {
        (void)source_end(source);
        r = source_scan_file(source, &facts, &visitor, page_one, err);
    }
    if (r == 0)
        scan->result = offer(scan, 1, page_one);
    free(page_one);
    free(scan->room);
    return r;
}

int repair_scan(struct repair_job *job, struct err *err)
{
    const struct source_options options = {
        .path = job->options->path,
        .busy_timeout_ms = job->options->busy_timeout_ms,
        .progress = job->options->progress,
        .cancel = job->options->cancel,
        .clock = job->options->clock != NULL ? job->options->clock : clock_system(),
    };
    struct scan scan = { .job = job };
    struct source *source = NULL;
    struct err why = { 0 };
    int r;

    r = source_open(&options, &source, &why);
    if (r == 0)
        r = scan_source(&scan, source, &why);
    source_close(source);
    if (scan.result < 0) {
        if (err != NULL)
            *err = scan.err;
        return scan.result;
    }
    if (r == ERR_CANCELED || r == ERR_NOMEM) {
        if (err != NULL)
            *err = why;
        return r;
    }
    if (r < 0)
        log_warn("not all of '%s' could be looked through for pages: %s", options.path, why.msg);
    return 0;
}
