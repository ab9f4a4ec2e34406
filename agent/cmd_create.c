#include "agent/command.h"

#include "agent/backup_job.h"
#include "agent/console.h"
#include "agent/output.h"
#include "agent/progress_bar.h"
#include "agent/session.h"
#include "agent/text.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/parse.h"
#include "snapshot/catalog.h"
#include "snapshot/sqlite_db.h"
#include "store/object_store.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LABEL_LEN_MAX     1024
#define TEXT_LEN_MAX      (64u << 10)
#define PROGRESS_WHAT_LEN 160

static int check_label(const char *label, struct err *err)
{
    if (label == NULL)
        return 0;
    if (strlen(label) > LABEL_LEN_MAX)
        return err_set(err, ERR_CONFIG, "--label is longer than %d bytes", LABEL_LEN_MAX);
    if (!text_is_utf8(label))
        return err_set(err, ERR_CONFIG, "--label is not UTF-8");
    return 0;
}

/* A manifest is JSON, and names the resolved path: better refused now than after the scan. */
static int check_path(const char *path, struct err *err)
{
    char *resolved = realpath(path, NULL);
    const bool good = text_is_utf8(path) && (resolved == NULL || text_is_utf8(resolved));

    free(resolved);
    if (good)
        return 0;
    (void)err_set(err, ERR_CONFIG, "the database's path is not UTF-8, and no manifest can name it");
    err_hint(err, "give the file, or the directory that it is in, another name");
    return ERR_CONFIG;
}

static int print_created(struct session *session, const struct object_store *store,
                         const struct database *database, const struct backup_record *record,
                         bool unchanged, struct err *err)
{
    struct buf text = BUF_INIT(TEXT_LEN_MAX);
    json_t *document;
    int r;

    if (session->json) {
        document = backup_json(record);
        (void)json_object_set_new(document, "database", json_string(database->name));
        (void)json_object_set_new(document, "store", text_json(store->url));
        (void)json_object_set_new(document, "unchanged", json_boolean(unchanged));
        return output_json(session->out, document, err);
    }
    if (unchanged) {
        buf_addf(&text,
                 "nothing has changed since the last backup of '%s', so none was made "
                 "(--force makes one)\n",
                 database->name);
    }
    backup_table_format(&text, &record, 1, clock_now_ms(session->clock),
                        terminal_width(STDOUT_FILENO, SIZE_MAX));
    r = output_text(session->out, &text, err);
    buf_dispose(&text);
    return r;
}

static int back_up(struct session *session, struct object_store *store,
                   const struct database *database, struct err *err)
{
    struct backup_job job = {
        .store = store,
        .database = database,
        .label = session->args->flags[FLAG_LABEL],
        .trigger = TRIGGER_MANUAL,
        .adopt = args_has(session->args, FLAG_ADOPT),
        .force = args_has(session->args, FLAG_FORCE),
        .full = args_has(session->args, FLAG_FULL),
        .prune = args_has(session->args, FLAG_PRUNE),
    };
    struct progress_bar *bar = NULL;
    struct backup_job_result result = { .report = { .unchanged = false } };
    char what[PROGRESS_WHAT_LEN];
    int r;

    (void)snprintf(what, sizeof(what), "backup '%s'", database->name);
    r = progress_bar_start(session->console, what, &bar, err);
    if (r < 0)
        return r;
    job.progress = progress_bar_progress(bar);
    r = backup_job_run(session, &job, &result, err);
    progress_bar_stop(bar);
    if (r == 0)
        r = print_created(session, store, database, &result.record, result.report.unchanged, err);
    backup_record_dispose(&result.record);
    return r;
}

static int print_plan(struct session *session, const struct object_store *store,
                      const struct database *database, uint64_t size, struct err *err)
{
    struct buf text = BUF_INIT(TEXT_LEN_MAX);
    char size_text[FORMAT_SIZE_SIZE];
    int r;

    if (session->json) {
        return output_json(session->out,
                           json_pack("{sb ss so so sI}", "dry_run", 1, "database", database->name,
                                     "store", text_json(store->url), "path",
                                     text_json(database->path), "size", (json_int_t)size),
                           err);
    }
    format_size(size, size_text);
    buf_add_text(&text, "would back up '");
    text_escape(&text, database->path);
    buf_addf(&text, "' (%s) as '%s' to %s\n", size_text, database->name, store->url);
    r = output_text(session->out, &text, err);
    buf_dispose(&text);
    return r;
}

/* The database can be read, and the store be reached. */
static int try_only(struct session *session, struct object_store *store,
                    const struct database *database, struct err *err)
{
    const struct sqlite_db_options options = {
        .busy_timeout_ms = (int64_t)settings_number(&session->settings, OPTION_BUSY_TIMEOUT, 0),
        .cancel = session->cancel,
    };
    struct manifest manifest = MANIFEST_INIT;
    int64_t page_size = 0, page_count = 0;
    sqlite3 *db = NULL;
    int r;

    r = sqlite_db_open(database->path, &options, &db, err);
    if (r == 0)
        r = sqlite_db_get_int(db, "PRAGMA page_size", &page_size, err);
    if (r == 0)
        r = sqlite_db_get_int(db, "PRAGMA page_count", &page_count, err);
    sqlite_db_close(db);
    if (r == 0)
        r = catalog_load(store, database->name, true, &manifest, err);
    manifest_dispose(&manifest);
    return r < 0 ? r
                 : print_plan(session, store, database, (uint64_t)(page_size * page_count), err);
}

int cmd_create(struct session *session, struct err *err)
{
    struct object_store *store = NULL;
    struct database database = { 0 };
    int r;

    r = check_label(session->args->flags[FLAG_LABEL], err);
    if (r < 0)
        return r;
    r = session_find_database(session, DATABASE_NEED_FILE, &database, err);
    if (r < 0)
        return r;
    r = check_path(database.path, err);
    if (r == 0)
        r = session_open_store(session, &store, err);
    if (r == 0) {
        r = args_has(session->args, FLAG_DRY_RUN) ? try_only(session, store, &database, err)
                                                  : back_up(session, store, &database, err);
    }
    if (r < 0)
        r = err_wrap(err, r, "backup '%s'", database.name);
    object_store_free(store);
    database_dispose(&database);
    return r;
}
