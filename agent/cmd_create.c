#include "agent/command.h"

#include "agent/backup_job.h"
#include "agent/console.h"
#include "agent/hints.h"
#include "agent/output.h"
#include "agent/progress_bar.h"
#include "agent/session.h"
#include "agent/store_choice.h"
#include "agent/text.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/parse.h"
#include "s3/counters.h"
#include "snapshot/catalog.h"
#include "snapshot/sqlite_db.h"
#include "store/object_store.h"
#include "store/s3_store.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
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

/* What had to be sent again, if anything: the backup's own size does not show it. */
static void describe_retries(const struct s3_counters *counters, struct buf *text)
{
    char sent[FORMAT_SIZE_SIZE];

    if (counters->retries == 0)
        return;
    format_size(counters->sent_bytes, sent);
    buf_addf(text, "%" PRIu64 " request%s had to be tried again; sent in all: %s\n",
             counters->retries, counters->retries == 1 ? "" : "s", sent);
}

static int print_created(struct session *session, const struct object_store *store,
                         const struct database *database, const struct backup_record *record,
                         bool unchanged, struct err *err)
{
    const char *store_name = session_store_name(session);
    struct s3_counters counters;
    struct buf text = BUF_INIT(TEXT_LEN_MAX);
    json_t *document;
    int r;

    s3_store_counters(store, &counters);
    if (session->json) {
        document = backup_json(record);
        (void)json_object_set_new(document, "database", json_string(database->name));
        (void)json_object_set_new(document, "store", text_json(store->url));
        (void)json_object_set_new(document, "store_name", store_json(session));
        (void)json_object_set_new(document, "unchanged", json_boolean(unchanged));
        (void)json_object_set_new(document, "sent_bytes",
                                  json_integer((json_int_t)counters.sent_bytes));
        (void)json_object_set_new(document, "retries", json_integer((json_int_t)counters.retries));
        return output_json(session->out, document, err);
    }
    if (store_name != NULL)
        buf_addf(&text, "%s in %s:\n", database->name, store_name);
    if (unchanged) {
        buf_addf(&text,
                 "nothing has changed since the last backup of '%s', so none was made "
                 "(--force makes one)\n",
                 database->name);
    }
    backup_table_format(&text, &record, 1, clock_now_ms(session->clock),
                        terminal_width(STDOUT_FILENO, SIZE_MAX));
    describe_retries(&counters, &text);
    r = output_text(session->out, &text, err);
    buf_dispose(&text);
    return r;
}

static struct backup_job job_of(const struct session *session, struct object_store *store,
                                const struct database *database)
{
    return (struct backup_job){
        .store = store,
        .database = database,
        .label = session->args->flags[FLAG_LABEL],
        .trigger = TRIGGER_MANUAL,
        .adopt = args_has(session->args, FLAG_ADOPT),
        .force = args_has(session->args, FLAG_FORCE),
        .full = args_has(session->args, FLAG_FULL),
        .prune = args_has(session->args, FLAG_PRUNE),
    };
}

static int back_up(struct session *session, struct object_store *store,
                   const struct database *database, struct err *err)
{
    struct backup_job job = job_of(session, store, database);
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

static int create_in_one(struct session *session, const struct database *database, struct err *err)
{
    struct object_store *store = NULL;
    int r;

    r = session_open_store(session, &store, err);
    if (r == 0) {
        r = args_has(session->args, FLAG_DRY_RUN) ? try_only(session, store, database, err)
                                                  : back_up(session, store, database, err);
    }
    object_store_free(store);
    return r;
}

/* One of several stores, in a thread of its own: none waits for one that does not answer. */
struct copy {
    struct session session;
    const struct database *database;
    struct object_store *store;
    struct backup_job_result result;
    int r; /* with err: what it failed with */
    struct err err;
    pthread_t thread;
    bool has_thread;
};

static void *make_copy(void *context)
{
    struct copy *copy = context;
    struct backup_job job;

    copy->r = session_open_store(&copy->session, &copy->store, &copy->err);
    if (copy->r == 0) {
        job = job_of(&copy->session, copy->store, copy->database);
        copy->r = backup_job_run(&copy->session, &job, &copy->result, &copy->err);
    }
    return NULL;
}

/* Signals are for this thread. */
static void make_copies(struct copy *copies, size_t count)
{
    sigset_t all, before;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    for (size_t i = 0; i < count; i++) {
        copies[i].has_thread = pthread_create(&copies[i].thread, NULL, make_copy, &copies[i]) == 0;
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    for (size_t i = 0; i < count; i++) {
        if (copies[i].has_thread) {
            (void)pthread_join(copies[i].thread, NULL);
        } else {
            (void)make_copy(&copies[i]);
        }
    }
}

/* Fails only with what concerns them all. */
static int report_copy(struct copy *copy, size_t *failed, struct err *err)
{
    struct session *session = &copy->session;
    int r = copy->r;

    if (r == 0) {
        r = print_created(session, copy->store, copy->database, &copy->result.record,
                          copy->result.report.unchanged, &copy->err);
    }
    if (r == ERR_CANCELED || r == ERR_NOMEM) {
        if (err != NULL)
            *err = copy->err;
        return r;
    }
    if (r < 0) {
        ++*failed;
        (void)err_wrap(&copy->err, r, "backup '%s' in '%s'", copy->database->name,
                       session_store_name(session));
        hints_add(&copy->err);
        console_error(session->console, &copy->err);
    }
    return 0;
}

static int create_in_all(struct session *session, const struct database *database,
                         const struct store_choice *choice, struct err *err)
{
    struct copy *copies = calloc(choice->count, sizeof(*copies));
    size_t failed = 0;
    int r = 0;

    if (copies == NULL)
        return err_nomem(err);
    for (size_t i = 0; i < choice->count; i++) {
        copies[i].session = *session;
        session_use_store(&copies[i].session, choice->items[i]);
        copies[i].database = database;
    }
    make_copies(copies, choice->count);
    for (size_t i = 0; i < choice->count; i++) {
        if (r == 0)
            r = report_copy(&copies[i], &failed, err);
        backup_record_dispose(&copies[i].result.record);
        object_store_free(copies[i].store);
    }
    if (r == 0 && failed > 0) {
        r = err_set(err, ERR_PARTIAL, "%zu of %zu stores have no new backup", failed,
                    choice->count);
    }
    free(copies);
    return r;
}

static int create_one_by_one(struct session *session, const struct database *database,
                             const struct store_choice *choice, struct err *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < choice->count; i++) {
        session_use_store(session, choice->items[i]);
        r = create_in_one(session, database, err);
    }
    return r;
}

int cmd_create(struct session *session, struct err *err)
{
    struct database database = { 0 };
    struct store_choice choice;
    int r;

    r = check_label(session->args->flags[FLAG_LABEL], err);
    if (r < 0)
        return r;
    r = session_find_database(session, DATABASE_NEED_FILE, &database, err);
    if (r < 0)
        return r;
    r = check_path(database.path, err);
    if (r == 0)
        r = store_choice_make(session, &choice, err);
    if (r == 0) {
        r = choice.count > 1 && !args_has(session->args, FLAG_DRY_RUN)
                ? create_in_all(session, &database, &choice, err)
                : create_one_by_one(session, &database, &choice, err);
    }
    if (r < 0)
        r = err_wrap(err, r, "backup '%s'", database.name);
    database_dispose(&database);
    return r;
}
