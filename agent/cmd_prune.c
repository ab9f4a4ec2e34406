#include "agent/command.h"

#include "agent/each_database.h"
#include "agent/output.h"
#include "agent/retention_policy.h"
#include "agent/session.h"
#include "agent/text.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/parse.h"
#include "retention/prune.h"
#include "store/object_store.h"

#define TEXT_LEN_MAX (16u << 20)
#define REASONS_MAX  256

static json_t *backups_json(const struct prune_report *report)
{
    json_t *backups = json_array();

    for (size_t i = report->backup_count; i > 0; i--) {
        const struct prune_backup *item = &report->backups[i - 1];
        struct buf reasons = BUF_INIT(REASONS_MAX);
        json_t *document = backup_json(&item->backup);

        retention_reasons_format(item->reasons, &reasons);
        (void)json_object_set_new(document, "keep", json_boolean(item->reasons != 0));
        (void)json_object_set_new(document, "reasons", json_string(reasons.ptr));
        (void)json_array_append_new(backups, document);
        buf_dispose(&reasons);
    }
    return backups;
}

static json_t *report_json(const struct session *session, const struct object_store *store,
                           const struct database *database, const struct prune_report *report)
{
    const bool dry_run = args_has(session->args, FLAG_DRY_RUN);

    const size_t *objects = report->objects;

    return json_pack(
        "{sb ss so so sI s{sI sI sI sI sI sI} s{sI sI} sI sI s{sI sI} sI}", "dry_run", (int)dry_run,
        "database", database->name, "store", text_json(store->url), "backups", backups_json(report),
        "expired", (json_int_t)report->expired_count, "deleted", "packs",
        (json_int_t)objects[SWEEP_PACK], "leftovers", (json_int_t)objects[SWEEP_LEFTOVER],
        "generations", (json_int_t)objects[SWEEP_GENERATION], "probes",
        (json_int_t)objects[SWEEP_PROBE], "uploads", (json_int_t)report->uploads, "bytes",
        (json_int_t)report->bytes, "rewritten", "packs", (json_int_t)report->repacked.pack_count,
        "bytes", (json_int_t)report->repacked.bytes, "waiting", (json_int_t)report->waiting,
        "missing", (json_int_t)report->missing, "locked", "objects", (json_int_t)report->locked,
        "bytes", (json_int_t)report->locked_bytes, "denied", (json_int_t)report->denied);
}

static void report_text(const struct session *session, const struct prune_report *report,
                        struct buf *out)
{
    const bool dry_run = args_has(session->args, FLAG_DRY_RUN);
    const int64_t now_ms = clock_now_ms(session->clock);
    char size[FORMAT_SIZE_SIZE];

    for (size_t i = report->backup_count; i > 0; i--) {
        const struct prune_backup *item = &report->backups[i - 1];

        buf_add_text(out, item->reasons != 0 ? "keep    " : "remove  ");
        backup_describe(out, &item->backup, now_ms);
        if (item->reasons != 0) {
            buf_add_text(out, ": ");
            retention_reasons_format(item->reasons, out);
        }
        buf_add_char(out, '\n');
    }
    format_size(report->bytes, size);
    buf_addf(out,
             "%s%zu of %zu backups removed; deleted: %zu packs, %zu leftovers, %zu old manifests",
             dry_run ? "would be done: " : "", report->expired_count, report->backup_count,
             report->objects[SWEEP_PACK],
             report->objects[SWEEP_LEFTOVER] + report->objects[SWEEP_PROBE] + report->uploads,
             report->objects[SWEEP_GENERATION]);
    buf_addf(out, ", %s", size);
    if (report->repacked.pack_count > 0) {
        format_size(report->repacked.bytes, size);
        buf_addf(out, "; %zu packs written anew, which frees %s", report->repacked.pack_count,
                 size);
    }
    if (report->locked > 0) {
        format_size(report->locked_bytes, size);
        buf_addf(out, "; %zu of these are locked: hidden, %s stored until their time",
                 report->locked, size);
    }
    if (report->waiting > 0)
        buf_addf(out, "; %zu packs wait for their time", report->waiting);
    buf_add_char(out, '\n');
}

static int print_report(struct session *session, const struct object_store *store,
                        const struct database *database, const struct prune_report *report,
                        struct err *err)
{
    struct buf text = BUF_INIT(TEXT_LEN_MAX);
    int r;

    if (session->json)
        return output_json(session->out, report_json(session, store, database, report), err);
    report_text(session, report, &text);
    r = output_text(session->out, &text, err);
    buf_dispose(&text);
    return r;
}

static int prune(struct session *session, struct object_store *store,
                 const struct database *database, struct err *err)
{
    struct retention_policy policy;
    struct prune_options options = {
        .database = database->name,
        .policy = &policy,
        .grace_ms = prune_grace_from_settings(&session->settings),
        .repack = true,
        .max_unused = max_unused_from_settings(&session->settings),
        .spool_dir = settings_text(&session->settings, OPTION_SPOOL_DIR),
        .dry_run = args_has(session->args, FLAG_DRY_RUN),
        .clock = session->clock,
        .cancel = session->cancel,
    };
    struct prune_report report = { 0 };
    int r;

    r = retention_policy_from_settings(&session->settings, &policy, err);
    if (r == 0)
        r = prune_run(store, &options, &report, err);
    if (r == 0)
        r = print_report(session, store, database, &report, err);
    if (r == 0 && report.missing > 0) {
        r = err_set(err, ERR_CORRUPT, "%zu packs that backups need are missing in the store",
                    report.missing);
        err_hint(err, "'holdfast verify %s' tells which backups are affected", database->name);
    }
    prune_report_dispose(&report);
    return r;
}

int cmd_prune(struct session *session, struct err *err)
{
    return each_database(session, "prune", prune, err);
}
