#include "agent/command.h"

#include "agent/choice.h"
#include "agent/console.h"
#include "agent/output.h"
#include "agent/progress_bar.h"
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

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_LEN_MAX      4096
#define TEXT_LEN_MAX      (64u << 10)
#define PROGRESS_WHAT_LEN 160

/* One download: of what, and to where. */
struct download {
    struct session *session;
    struct object_store *store;
    struct database database;
    struct manifest manifest;
    const struct backup_record *backup;
    char *path; /* NULL: standard output */
    struct fetch_tally tally;
};

static int check_stdout(const struct session *session, struct err *err)
{
    if (args_has(session->args, FLAG_SEED)) {
        (void)err_set(err, ERR_CONFIG, "--seed has no meaning with standard output");
        err_hint(err, "-o FILE: what is copied is written out of order");
        return ERR_CONFIG;
    }
    if (session->json) {
        return err_set(err, ERR_CONFIG,
                       "--json and the database cannot both be on standard output");
    }
    if (!isatty(STDOUT_FILENO))
        return 0;
    (void)err_set(err, ERR_REFUSED, "a database on a terminal is of no use");
    err_hint(err, "-o FILE, or send standard output somewhere");
    return ERR_REFUSED;
}

static int choose_path(struct download *download, struct err *err)
{
    const char *output = download->session->args->flags[FLAG_OUTPUT];
    struct buf path = BUF_INIT(PATH_LEN_MAX);
    int r;

    if (output != NULL && strcmp(output, "-") == 0)
        return check_stdout(download->session, err);
    if (output != NULL) {
        buf_add_text(&path, output);
    } else {
        buf_addf(&path, "%s.%.8s.sqlite3", download->database.name, download->backup->id);
    }
    r = buf_check(&path, err);
    if (r == 0) {
        download->path = buf_detach(&path);
        if (download->path == NULL)
            r = err_nomem(err);
    }
    buf_dispose(&path);
    return r;
}

/* Before anything is fetched; the download itself does not replace a file either. */
static int check_absent(const struct download *download, struct err *err)
{
    struct stat st;

    if (args_has(download->session->args, FLAG_FORCE) || lstat(download->path, &st) < 0)
        return 0;
    (void)err_set(err, ERR_EXISTS, "'%s' exists", download->path);
    err_hint(err, "--force replaces it, -o FILE writes elsewhere");
    return ERR_EXISTS;
}

static int print_result(const struct download *download, bool dry_run, struct err *err)
{
    struct session *session = download->session;
    const struct backup_record *backup = download->backup;
    struct buf text = BUF_INIT(TEXT_LEN_MAX);
    char size[FORMAT_SIZE_SIZE];
    int r;

    if (session->json) {
        json_t *document = backup_json(backup);

        (void)json_object_set_new(document, "database", json_string(download->database.name));
        (void)json_object_set_new(document, "store", text_json(download->store->url));
        (void)json_object_set_new(document, "output", text_json(download->path));
        (void)json_object_set_new(document, "dry_run", json_boolean(dry_run));
        if (!dry_run)
            tally_json(document, &download->tally);
        return output_json(session->out, document, err);
    }
    format_size(backup->size, size);
    buf_add_text(&text, dry_run ? "would write '" : "'");
    text_escape(&text, download->path != NULL ? download->path : "standard output");
    buf_addf(&text, "': %s, backup ", size);
    backup_describe(&text, backup, clock_now_ms(session->clock));
    buf_add_text(&text, dry_run ? "" : ", verified");
    if (args_has(session->args, FLAG_SEED) && !dry_run)
        tally_describe(&text, &download->tally);
    buf_add_char(&text, '\n');
    r = output_text(session->out, &text, err);
    buf_dispose(&text);
    return r;
}

static int fetch(struct download *download, const struct progress *progress, struct err *err)
{
    const struct session *session = download->session;
    const struct download_options options = {
        .path = download->path,
        .overwrite = args_has(session->args, FLAG_FORCE),
        .seed_path = session->args->flags[FLAG_SEED],
        .fetch = { .spool_dir = settings_text(&session->settings, OPTION_SPOOL_DIR),
                   .progress = progress,
                   .cancel = session->cancel },
    };

    if (download->path == NULL) {
        return download_to_fd(download->store, &download->manifest, download->backup, STDOUT_FILENO,
                              &options.fetch, err);
    }
    return download_to_file(download->store, &download->manifest, download->backup, &options,
                            &download->tally, err);
}

static int write_database(struct download *download, struct err *err)
{
    struct progress_bar *bar = NULL;
    char what[PROGRESS_WHAT_LEN];
    int r;

    if (args_has(download->session->args, FLAG_DRY_RUN))
        return print_result(download, true, err);
    (void)snprintf(what, sizeof(what), "download '%s'", download->database.name);
    r = progress_bar_start(download->session->console, what, &bar, err);
    if (r < 0)
        return r;
    r = fetch(download, progress_bar_progress(bar), err);
    progress_bar_stop(bar);
    if (r < 0 || download->path == NULL)
        return r;
    return print_result(download, false, err);
}

static int run(struct download *download, struct err *err)
{
    const struct choice choice = { .backup = download->session->args->positionals[1] };
    int r;

    r = session_open_store(download->session, &download->store, err);
    if (r < 0)
        return r;
    r = catalog_load(download->store, download->database.name, false, &download->manifest, err);
    if (r < 0)
        return r;
    r = choice_find(&choice, &download->manifest, clock_now_ms(download->session->clock),
                    &download->backup, err);
    if (r < 0)
        return r;
    r = choose_path(download, err);
    if (r == 0 && download->path != NULL)
        r = check_absent(download, err);
    return r < 0 ? r : write_database(download, err);
}

int cmd_download(struct session *session, struct err *err)
{
    struct download download = { .session = session, .manifest = MANIFEST_INIT };
    int r;

    r = session_find_database(session, DATABASE_NEED_NAME, &download.database, err);
    if (r < 0)
        return r;
    r = store_choice_use_first(session, err);
    if (r == 0)
        r = run(&download, err);
    if (r < 0)
        r = err_wrap(err, r, "download '%s'", download.database.name);
    free(download.path);
    manifest_dispose(&download.manifest);
    object_store_free(download.store);
    database_dispose(&download.database);
    return r;
}
