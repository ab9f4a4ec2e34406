#include "agent/command.h"

#include "agent/choice.h"
#include "agent/diff_output.h"
#include "agent/output.h"
#include "agent/progress_bar.h"
#include "agent/session.h"
#include "agent/store_choice.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/parse.h"
#include "snapshot/catalog.h"
#include "snapshot/diff.h"
#include "store/object_store.h"

#include <stdio.h>

#define TEXT_LEN_MAX      (64u << 20)
#define PROGRESS_WHAT_LEN 160
#define ROWS_DEFAULT      100u
#define ROWS_MAX          1000000u

/* One comparison: of what. */
struct diff {
    struct session *session;
    struct object_store *store;
    struct database database;
    struct manifest manifest;
    struct diff_options options;
};

/* Without --rows, none is listed. */
static int read_row_limit(const struct args *args, size_t *ret_limit, struct err *err)
{
    const char *limit = args->flags[FLAG_LIMIT];
    uint64_t count = ROWS_DEFAULT;
    int r = 0;

    if (args_has(args, FLAG_PAGES) && (args_has(args, FLAG_ROWS) || limit != NULL)) {
        (void)err_set(err, ERR_CONFIG, "--pages stops before the rows that --rows lists");
        err_hint(err, "give one of them");
        return ERR_CONFIG;
    }
    if (limit != NULL) {
        r = parse_u64(limit, 1, ROWS_MAX, &count, err);
        if (r < 0)
            return err_wrap(err, r, "--limit");
    }
    *ret_limit = limit != NULL || args_has(args, FLAG_ROWS) ? (size_t)count : 0;
    return 0;
}

static int find_backups(struct diff *diff, struct err *err)
{
    const struct args *args = diff->session->args;
    const int64_t now_ms = clock_now_ms(diff->session->clock);
    const struct choice from = { .backup = args->positionals[1] };
    const struct choice to = {
        .backup = args->positional_count > 2 ? args->positionals[2] : "latest",
    };
    int r;

    r = choice_find(&from, &diff->manifest, now_ms, &diff->options.from, err);
    return r < 0 ? r : choice_find(&to, &diff->manifest, now_ms, &diff->options.to, err);
}

static int print_result(const struct diff *diff, const struct diff_result *result, struct err *err)
{
    struct session *session = diff->session;
    struct buf text = BUF_INIT(TEXT_LEN_MAX);
    int r;

    if (session->json) {
        json_t *document = diff_json(&diff->options, result);

        if (document != NULL) {
            (void)json_object_set_new(document, "database", json_string(diff->database.name));
            (void)json_object_set_new(document, "store", text_json(diff->store->url));
        }
        return output_json(session->out, document, err);
    }
    diff_format(&text, &diff->options, result, clock_now_ms(session->clock));
    r = output_text(session->out, &text, err);
    buf_dispose(&text);
    return r;
}

static int compare(struct diff *diff, struct err *err)
{
    struct diff_result result = { 0 };
    struct progress_bar *bar = NULL;
    char what[PROGRESS_WHAT_LEN];
    int r;

    (void)snprintf(what, sizeof(what), "diff '%s'", diff->database.name);
    r = progress_bar_start(diff->session->console, what, &bar, err);
    if (r < 0)
        return r;
    diff->options.fetch.progress = progress_bar_progress(bar);
    r = diff_backups(diff->store, &diff->options, &result, err);
    progress_bar_stop(bar);
    if (r < 0)
        return r;
    r = print_result(diff, &result, err);
    diff_result_dispose(&result);
    return r;
}

static int run(struct diff *diff, struct err *err)
{
    struct session *session = diff->session;
    int r;

    diff->options = (struct diff_options){
        .manifest = &diff->manifest,
        .pages_only = args_has(session->args, FLAG_PAGES),
        .fetch = { .spool_dir = settings_text(&session->settings, OPTION_SPOOL_DIR),
                   .cancel = session->cancel },
    };
    r = read_row_limit(session->args, &diff->options.row_keys_max, err);
    if (r < 0)
        return r;
    r = session_open_store(session, &diff->store, err);
    if (r == 0)
        r = catalog_load(diff->store, diff->database.name, false, &diff->manifest, err);
    if (r == 0)
        r = find_backups(diff, err);
    return r < 0 ? r : compare(diff, err);
}

int cmd_diff(struct session *session, struct err *err)
{
    struct diff diff = { .session = session, .manifest = MANIFEST_INIT };
    int r;

    r = session_find_database(session, DATABASE_NEED_NAME, &diff.database, err);
    if (r < 0)
        return r;
    r = store_choice_use_first(session, err);
    if (r == 0)
        r = run(&diff, err);
    if (r < 0)
        r = err_wrap(err, r, "diff '%s'", diff.database.name);
    manifest_dispose(&diff.manifest);
    object_store_free(diff.store);
    database_dispose(&diff.database);
    return r;
}
