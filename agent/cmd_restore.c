#include "agent/command.h"

#include "agent/choice.h"
#include "agent/console.h"
#include "agent/output.h"
#include "agent/progress_bar.h"
#include "agent/prompt.h"
#include "agent/restore_missing.h"
#include "agent/session.h"
#include "agent/store_choice.h"
#include "agent/text.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/parse.h"
#include "snapshot/catalog.h"
#include "snapshot/restore.h"
#include "store/object_store.h"
#include "store/version_store.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUSY_TIMEOUT_MS   30000
#define TEXT_LEN_MAX      (64u << 10)
#define PROGRESS_WHAT_LEN 160

/* One restore: of what, over what, and how. */
struct restore {
    struct session *session;
    struct choice choice;
    struct database database;
    struct object_store *store;
    struct manifest manifest;
    const struct backup_record *backup;
    const char *target; /* borrowed: --output, or the database's path */
    enum restore_method method;
};

static int check_args(const struct args *args, struct choice *ret_choice, struct err *err)
{
    const struct choice choice = {
        .backup = args->positional_count > 1 ? args->positionals[1] : NULL,
        .at = args->flags[FLAG_AT],
        .undo = args_has(args, FLAG_UNDO),
    };
    const int count = (choice.backup != NULL) + (choice.at != NULL) + choice.undo;

    if (count != 1) {
        (void)err_set(err, ERR_CONFIG, count == 0 ? "which backup?" : "more than one backup given");
        err_hint(err, "give one of: BACKUP (an id, or 'latest'), --at TIME, --undo");
        return ERR_CONFIG;
    }
    if (args_has(args, FLAG_SWAP) && args_has(args, FLAG_OUTPUT))
        return err_set(err, ERR_CONFIG, "--swap has no meaning with --output: the file is new");
    *ret_choice = choice;
    return 0;
}

/* The way back, as a command that can be typed: with what this one was told on its command line. */
static void add_undo_command(struct buf *out, const struct session *session)
{
    const struct args *args = session->args;
    const char *store = args->options.values[OPTION_URL].text;

    buf_add_text(out, "holdfast restore ");
    text_shell_quote(out, args->positionals[0]);
    buf_add_text(out, " --undo");
    if (args_has(args, FLAG_NAME)) {
        buf_add_text(out, " --name ");
        text_shell_quote(out, args->flags[FLAG_NAME]);
    }
    if (store != NULL) {
        buf_add_text(out, " --store ");
        text_shell_quote(out, store);
    }
    if (args_has(args, FLAG_CONFIG)) {
        buf_add_text(out, " --config ");
        text_shell_quote(out, args->flags[FLAG_CONFIG]);
    }
}

static const char *method_name(enum restore_method method)
{
    switch (method) {
    case RESTORE_LIVE:
        return "live";
    case RESTORE_SWAP:
        return "swap";
    case RESTORE_AUTO:
        break;
    }
    return "new-file";
}

static json_t *result_json(const struct restore *restore, const struct restore_result *result)
{
    const bool dry_run = result == NULL;
    json_t *document = json_pack(
        "{sb ss so so so ss}", "dry_run", (int)dry_run, "database", restore->database.name, "store",
        text_json(restore->store->url), "path", text_json(restore->target), "backup",
        backup_json(restore->backup), "method", method_name(restore->method));

    if (dry_run || document == NULL)
        return document;
    (void)json_object_set_new(document, "undo_id",
                              text_json(result->undo_id[0] != '\0' ? result->undo_id : NULL));
    (void)json_object_set_new(document, "kept_path", text_json(result->kept_path));
    (void)json_object_set_new(document, "locked_us", json_integer((json_int_t)result->publish_us));
    tally_json(document, &result->tally);
    return document;
}

static void add_way_back(struct buf *text, const struct restore *restore,
                         const struct restore_result *result)
{
    if (result->undo_id[0] != '\0') {
        buf_addf(text, "what was there is backup %.8s; to take this back:\n  ", result->undo_id);
        add_undo_command(text, restore->session);
        buf_add_char(text, '\n');
    }
    if (result->kept_path != NULL) {
        buf_add_text(text, "what was there could not be read; it is kept as '");
        text_escape(text, result->kept_path);
        buf_add_text(text, "'\n");
    }
}

static int print_restored(const struct restore *restore, const struct restore_result *result,
                          struct err *err)
{
    struct session *session = restore->session;
    struct buf text = BUF_INIT(TEXT_LEN_MAX);
    char locked[FORMAT_TIME_SIZE];
    int r;

    if (session->json)
        return output_json(session->out, result_json(restore, result), err);
    buf_add_text(&text, "restored '");
    text_escape(&text, restore->target);
    buf_add_text(&text, "' to backup ");
    backup_describe(&text, restore->backup, clock_now_ms(session->clock));
    if (restore->method == RESTORE_AUTO) {
        buf_add_text(&text, ", as a new file\n");
    } else {
        format_duration((int64_t)(result->publish_us / 1000), locked);
        buf_addf(&text, ", %s (locked for %s)",
                 restore->method == RESTORE_LIVE ? "live" : "by exchanging the file", locked);
        tally_describe(&text, &result->tally);
        buf_add_char(&text, '\n');
    }
    add_way_back(&text, restore, result);
    r = output_text(session->out, &text, err);
    buf_dispose(&text);
    return r;
}

/* "overwrite '/data/app.db', live, with backup 1b4e28ba of ...": what is asked, and foretold. */
static void add_plan(struct buf *text, const struct restore *restore)
{
    const struct session *session = restore->session;

    if (restore->method == RESTORE_AUTO) {
        buf_add_text(text, "create '");
    } else if (restore->method == RESTORE_LIVE) {
        buf_add_text(text, "overwrite the live database '");
    } else {
        buf_add_text(text, "exchange the file '");
    }
    buf_add_text(text, restore->target);
    buf_add_text(text, restore->method == RESTORE_AUTO ? "' from backup " : "' with backup ");
    backup_describe(text, restore->backup, clock_now_ms(session->clock));
    if (restore->method != RESTORE_AUTO) {
        buf_add_text(text, args_has(session->args, FLAG_NO_UNDO)
                               ? ", without keeping what is there"
                               : ", keeping what is there for --undo");
    }
}

static int print_plan(const struct restore *restore, struct err *err)
{
    struct session *session = restore->session;
    struct buf plan = BUF_INIT(TEXT_LEN_MAX);
    struct buf text = BUF_INIT(TEXT_LEN_MAX);
    int r;

    if (session->json)
        return output_json(session->out, result_json(restore, NULL), err);
    add_plan(&plan, restore);
    buf_add_text(&text, "would ");
    text_escape(&text, plan.ptr);
    buf_add_char(&text, '\n');
    r = output_text(session->out, &text, err);
    buf_dispose(&plan);
    buf_dispose(&text);
    return r;
}

static int ask(const struct restore *restore, struct err *err)
{
    const struct session *session = restore->session;
    struct buf question = BUF_INIT(TEXT_LEN_MAX);
    int r;

    if (restore->method == RESTORE_AUTO || args_has(session->args, FLAG_YES))
        return 0;
    add_plan(&question, restore);
    buf_add_char(&question, '?');
    r = buf_check(&question, err);
    if (r == 0) {
        question.ptr[0] = question.ptr[0] == 'o' ? 'O' : 'E'; /* overwrite, exchange */
        r = prompt_confirm(session->console, STDIN_FILENO, question.ptr, session->cancel, err);
    }
    buf_dispose(&question);
    return r;
}

static struct restore_options make_options(const struct restore *restore)
{
    const struct session *session = restore->session;
    const struct args *args = session->args;

    return (struct restore_options){
        .database = restore->database.name,
        .path = restore->target,
        .method = args_has(args, FLAG_SWAP) ? RESTORE_SWAP : RESTORE_AUTO,
        .no_undo = args_has(args, FLAG_NO_UNDO),
        .undo_store = version_store_present(restore->store),
        .adopt = args_has(args, FLAG_ADOPT),
        .busy_timeout_ms = (int64_t)settings_number(&session->settings, OPTION_BUSY_TIMEOUT, 0),
        .fetch = { .spool_dir = settings_text(&session->settings, OPTION_SPOOL_DIR),
                   .cancel = session->cancel },
        .clock = session->clock,
    };
}

static int put_back(struct restore *restore, struct restore_options *options, struct err *err)
{
    struct session *session = restore->session;
    struct restore_result result = { 0 };
    struct progress_bar *bar = NULL;
    struct lock lock = LOCK_INIT;
    char what[PROGRESS_WHAT_LEN];
    int r;

    (void)snprintf(what, sizeof(what), "restore '%s'", restore->database.name);
    r = session_lock(session, restore->database.name, BUSY_TIMEOUT_MS, &lock, err);
    if (r < 0)
        return r;
    r = progress_bar_start(session->console, what, &bar, err);
    if (r == 0) {
        options->fetch.progress = progress_bar_progress(bar);
        r = restore_run(restore->store, &restore->manifest, restore->backup, options, &result, err);
        progress_bar_stop(bar);
    }
    lock_release(&lock);
    if (r == 0) {
        restore->method = result.method;
        r = print_restored(restore, &result, err);
    }
    restore_result_dispose(&result);
    return r;
}

/* The first store that has a backup.  One that does not answer ends it: what the next one has may
 * be older. */
static int load_from_any(struct restore *restore, bool *ret_none, struct err *err)
{
    struct store_choice choice;
    int r;

    r = store_choice_make(restore->session, &choice, err);
    *ret_none = true;
    for (size_t i = 0; r == 0 && *ret_none && i < choice.count; i++) {
        session_use_store(restore->session, choice.items[i]);
        object_store_free(restore->store);
        restore->store = NULL;
        *ret_none = false;
        r = session_open_store(restore->session, &restore->store, err);
        if (r == 0) {
            r = restore_missing_load(restore->store, restore->database.name, &restore->manifest,
                                     ret_none, err);
        }
    }
    return r;
}

/* ret_none: there is no backup at all yet, and with --if-missing that is well. */
static int find_backup(struct restore *restore, bool *ret_none, struct err *err)
{
    const bool if_missing = args_has(restore->session->args, FLAG_IF_MISSING);
    int r;

    if (if_missing) {
        r = load_from_any(restore, ret_none, err);
    } else {
        r = store_choice_use_first(restore->session, err);
        if (r == 0)
            r = session_open_store(restore->session, &restore->store, err);
        if (r < 0)
            return r;
        r = catalog_load(restore->store, restore->database.name, false, &restore->manifest, err);
    }
    if (r < 0 || *ret_none)
        return r;
    return choice_find(&restore->choice, &restore->manifest, clock_now_ms(restore->session->clock),
                       &restore->backup, err);
}

static int print_nothing_done(const struct restore *restore, bool no_backup, struct err *err)
{
    struct session *session = restore->session;
    struct buf text = BUF_INIT(TEXT_LEN_MAX);
    int r;

    if (session->json) {
        return output_json(session->out,
                           json_pack("{sb ss so so sn ss}", "dry_run", 0, "database",
                                     restore->database.name, "store", json_null(), "path",
                                     text_json(restore->target), "backup", "method", "none"),
                           err);
    }
    buf_add_char(&text, '\'');
    text_escape(&text, restore->target);
    buf_add_text(&text, no_backup ? "' is missing, and there is no backup of it yet\n"
                                  : "' exists: nothing to restore\n");
    r = output_text(session->out, &text, err);
    buf_dispose(&text);
    return r;
}

static int run(struct restore *restore, struct err *err)
{
    const struct args *args = restore->session->args;
    struct restore_options options;
    bool none = false;
    int r;

    r = find_backup(restore, &none, err);
    if (r < 0)
        return r;
    if (none)
        return print_nothing_done(restore, true, err);
    options = make_options(restore);
    r = restore_check(restore->backup, &options, &restore->method, err);
    if (r < 0)
        return r;
    if (args_has(args, FLAG_DRY_RUN))
        return print_plan(restore, err);
    r = ask(restore, err);
    return r < 0 ? r : put_back(restore, &options, err);
}

static bool exists(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

/* With --output or --if-missing a file that exists is left alone, whatever is in the store. */
static int run_unless_there(struct restore *restore, struct err *err)
{
    const struct args *args = restore->session->args;

    if (!exists(restore->target))
        return run(restore, err);
    if (args_has(args, FLAG_IF_MISSING))
        return print_nothing_done(restore, false, err);
    if (!args_has(args, FLAG_OUTPUT))
        return run(restore, err);
    (void)err_set(err, ERR_EXISTS, "'%s' exists, and --output makes a new file", restore->target);
    err_hint(err, "choose another name; without --output the database itself is restored");
    return ERR_EXISTS;
}

int cmd_restore(struct session *session, struct err *err)
{
    const char *output = session->args->flags[FLAG_OUTPUT];
    struct restore restore = { .session = session, .manifest = MANIFEST_INIT };
    int r;

    r = check_args(session->args, &restore.choice, err);
    if (r < 0)
        return r;
    r = session_find_database(session, output != NULL ? DATABASE_NEED_NAME : DATABASE_NEED_TARGET,
                              &restore.database, err);
    if (r < 0)
        return r;
    restore.target = output != NULL ? output : restore.database.path;
    r = run_unless_there(&restore, err);
    if (r < 0)
        r = err_wrap(err, r, "restore '%s'", restore.database.name);
    manifest_dispose(&restore.manifest);
    object_store_free(restore.store);
    database_dispose(&restore.database);
    return r;
}
