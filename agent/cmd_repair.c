#include "agent/command.h"

#include "agent/output.h"
#include "agent/progress_bar.h"
#include "agent/session.h"
#include "agent/store_choice.h"
#include "agent/text.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "snapshot/catalog.h"
#include "snapshot/repair.h"
#include "snapshot/repair_pages.h"
#include "store/object_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define TEXT_LEN_MAX (16u << 20)
#define WHAT_LEN     160

/* One repair under way. */
struct repair {
    struct session *session;
    struct object_store *store;
    const struct database *database;
    bool dry_run;
    struct repair_report manifest;
    bool looked; /* at the pages too */
    struct repair_pages_report pages;
};

static const struct backup_record *find(const struct manifest *manifest, const char *id)
{
    const struct backup_record *backup = NULL;

    (void)manifest_find_backup(manifest, id, &backup, NULL);
    return backup;
}

static void result_text(const struct repair *repair, const struct manifest *manifest,
                        const struct verify_result *result, struct buf *out)
{
    const struct backup_record *backup = find(manifest, result->id);

    buf_add_text(out, result->damaged ? "damaged  " : "mended   ");
    if (backup != NULL) {
        backup_describe(out, backup, clock_now_ms(repair->session->clock));
    } else {
        buf_addf(out, "%.8s", result->id);
    }
    if (result->damaged && result->lost_pages < 0) {
        buf_add_text(out, ": its page map is lost");
    } else if (result->damaged && result->lost_pages > 0) {
        buf_addf(out, ": %" PRId64 " pages are lost", result->lost_pages);
    }
    if (result->damaged && result->reason[0] != '\0')
        buf_addf(out, ": %s", result->reason);
    buf_add_char(out, '\n');
}

static void report_text(const struct repair *repair, const struct manifest *manifest,
                        struct buf *out)
{
    const struct repair_pages_report *pages = &repair->pages;

    if (repair->manifest.needed) {
        buf_addf(out, "%s manifest of %zu backups, made of their packs\n",
                 repair->dry_run ? "would write a" : "wrote a", repair->manifest.backup_count);
        if (repair->manifest.lost_count > 0) {
            buf_addf(out, "%zu packs could not be used: see the warnings\n",
                     repair->manifest.lost_count);
        }
    }
    if (!repair->looked)
        return;
    for (size_t i = 0; i < pages->count; i++)
        result_text(repair, manifest, &pages->results[i], out);
    if (pages->count == 0) {
        buf_addf(out, "%zu backups looked at, none damaged%s\n", pages->backup_count,
                 repair->manifest.needed ? "" : "; nothing was done");
        return;
    }
    buf_addf(out, "%s%zu of %zu damaged backups mended: %" PRIu64 " pages in %zu new packs\n",
             repair->dry_run ? "would be done: " : "", pages->count - pages->damaged_count,
             pages->count, pages->page_count, pages->pack_count);
}

static json_t *report_json(const struct repair *repair)
{
    const struct repair_pages_report *pages = &repair->pages;
    json_t *backups = json_array();

    for (size_t i = 0; i < pages->count; i++) {
        const struct verify_result *result = &pages->results[i];

        (void)json_array_append_new(
            backups,
            json_pack("{ss sb so sI}", "id", result->id, "damaged", (int)result->damaged, "reason",
                      result->reason[0] != '\0' && result->damaged ? text_json(result->reason)
                                                                   : json_null(),
                      "lost_pages", (json_int_t)result->lost_pages));
    }
    return json_pack(
        "{sb ss sb sI sI sI so sI sI sI}", "dry_run", (int)repair->dry_run, "database",
        repair->database->name, "needed", (int)repair->manifest.needed, "backup_count",
        (json_int_t)repair->manifest.backup_count, "lost_count",
        (json_int_t)repair->manifest.lost_count, "generation",
        (json_int_t)(pages->generation > 0 ? pages->generation : repair->manifest.generation),
        "backups", backups, "damaged_count", (json_int_t)pages->damaged_count, "packs",
        (json_int_t)pages->pack_count, "pages", (json_int_t)pages->page_count);
}

static int print_report(const struct repair *repair, struct err *err)
{
    struct buf text = BUF_INIT(TEXT_LEN_MAX);
    struct manifest manifest = MANIFEST_INIT;
    int r = 0;

    if (repair->session->json)
        return output_json(repair->session->out, report_json(repair), err);
    if (repair->pages.count > 0)
        r = catalog_load(repair->store, repair->database->name, false, &manifest, err);
    if (r == 0) {
        report_text(repair, &manifest, &text);
        r = output_text(repair->session->out, &text, err);
    }
    manifest_dispose(&manifest);
    buf_dispose(&text);
    return r;
}

/* The database itself is a source of pages only where there is one. */
static const char *live_path(const struct database *database)
{
    return database->path != NULL && access(database->path, F_OK) == 0 ? database->path : NULL;
}

static int repair_pages(struct repair *repair, struct err *err)
{
    const struct session *session = repair->session;
    struct repair_pages_options options = {
        .database = repair->database->name,
        .path = live_path(repair->database),
        .dry_run = repair->dry_run,
        .busy_timeout_ms = (int64_t)settings_number(&session->settings, OPTION_BUSY_TIMEOUT, 0),
        .spool_dir = settings_text(&session->settings, OPTION_SPOOL_DIR),
        .cancel = session->cancel,
        .clock = session->clock,
    };
    struct progress_bar *bar = NULL;
    char what[WHAT_LEN];
    int r;

    (void)snprintf(what, sizeof(what), "repair '%s'", repair->database->name);
    r = progress_bar_start(session->console, what, &bar, err);
    if (r < 0)
        return r;
    options.progress = progress_bar_progress(bar);
    r = repair_pages_run(repair->store, &options, &repair->pages, err);
    progress_bar_stop(bar);
    repair->looked = r == 0;
    return r;
}

static int run(struct repair *repair, struct err *err)
{
    const struct repair_options options = {
        .database = repair->database->name,
        .from_packs = args_has(repair->session->args, FLAG_FROM_PACKS),
        .dry_run = repair->dry_run,
        .clock = repair->session->clock,
        .cancel = repair->session->cancel,
    };
    int r;

    r = repair_run(repair->store, &options, &repair->manifest, err);
    /* Of a manifest that a dry run has not written nothing more can be said. */
    if (r == 0 && !(repair->manifest.needed && repair->dry_run))
        r = repair_pages(repair, err);
    if (r == 0)
        r = print_report(repair, err);
    if (r == 0 && repair->pages.damaged_count > 0) {
        r = err_set(err, ERR_CORRUPT, "%zu of %zu backups are damaged", repair->pages.damaged_count,
                    repair->pages.backup_count);
        err_hint(err, "'holdfast create --full' makes one that needs no other; the rest can "
                      "still be restored");
    }
    return r;
}

int cmd_repair(struct session *session, struct err *err)
{
    struct repair repair = { .session = session, .dry_run = args_has(session->args, FLAG_DRY_RUN) };
    struct database database = { 0 };
    int r;

    r = session_find_database(session, DATABASE_NEED_NAME, &database, err);
    if (r < 0)
        return r;
    repair.database = &database;
    r = store_choice_use_first(session, err);
    if (r == 0)
        r = session_open_store(session, &repair.store, err);
    if (r == 0)
        r = run(&repair, err);
    if (r < 0)
        r = err_wrap(err, r, "repair '%s'", database.name);
    repair_pages_report_dispose(&repair.pages);
    object_store_free(repair.store);
    database_dispose(&database);
    return r;
}
