#include "agent/command.h"

#include "agent/output.h"
#include "agent/session.h"
#include "base/buf.h"
#include "base/err.h"
#include "snapshot/repair.h"
#include "store/object_store.h"

#define TEXT_LEN_MAX 4096

static void report_text(const struct repair_options *options, const struct repair_report *report,
                        struct buf *out)
{
    if (!report->needed) {
        buf_addf(out, "the manifest can be read: %zu backups; nothing was done\n",
                 report->backup_count);
        return;
    }
    buf_addf(out, "%s manifest of %zu backups, made of their packs\n",
             options->dry_run ? "would write a" : "wrote a", report->backup_count);
    if (report->lost_count > 0)
        buf_addf(out, "%zu packs could not be used: see the warnings\n", report->lost_count);
}

static int print_report(struct session *session, const struct database *database,
                        const struct repair_options *options, const struct repair_report *report,
                        struct err *err)
{
    struct buf text = BUF_INIT(TEXT_LEN_MAX);
    int r;

    if (session->json) {
        return output_json(session->out,
                           json_pack("{sb ss sb sI sI sI}", "dry_run", (int)options->dry_run,
                                     "database", database->name, "needed", (int)report->needed,
                                     "backup_count", (json_int_t)report->backup_count, "lost_count",
                                     (json_int_t)report->lost_count, "generation",
                                     (json_int_t)report->generation),
                           err);
    }
    report_text(options, report, &text);
    r = output_text(session->out, &text, err);
    buf_dispose(&text);
    return r;
}

int cmd_repair(struct session *session, struct err *err)
{
    struct object_store *store = NULL;
    struct database database = { 0 };
    struct repair_report report = { 0 };
    struct repair_options options = {
        .from_packs = args_has(session->args, FLAG_FROM_PACKS),
        .dry_run = args_has(session->args, FLAG_DRY_RUN),
        .clock = session->clock,
        .cancel = session->cancel,
    };
    int r;

    r = session_find_database(session, DATABASE_NEED_NAME, &database, err);
    if (r < 0)
        return r;
    options.database = database.name;
    r = session_open_store(session, &store, err);
    if (r == 0)
        r = repair_run(store, &options, &report, err);
    if (r == 0)
        r = print_report(session, &database, &options, &report, err);
    if (r < 0)
        r = err_wrap(err, r, "repair '%s'", database.name);
    object_store_free(store);
    database_dispose(&database);
    return r;
}
