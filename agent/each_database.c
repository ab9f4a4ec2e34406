#include "agent/each_database.h"

#include "agent/console.h"
#include "agent/database_set.h"
#include "agent/hints.h"
#include "agent/output.h"
#include "agent/session.h"
#include "base/buf.h"
#include "base/cancel.h"
#include "base/err.h"
#include "snapshot/manifest.h"
#include "store/object_store.h"

#include <stdlib.h>
#include <string.h>

#define HEADING_LEN_MAX 256

struct round {
    struct session *session;
    const char *verb;
    each_database_fn run;
    size_t count, failed_count;
};

static int run_one(const struct round *round, struct object_store *store,
                   const struct database *database, struct err *err)
{
    int r = round->run(round->session, store, database, err);

    return r < 0 && r != ERR_CANCELED ? err_wrap(err, r, "%s '%s'", round->verb, database->name)
                                      : r;
}

static int run_given(const struct round *round, struct err *err)
{
    struct object_store *store = NULL;
    struct database database = { 0 };
    int r;

    r = session_find_database(round->session, DATABASE_NEED_NAME, &database, err);
    if (r < 0)
        return r;
    r = session_open_store(round->session, &store, err);
    if (r < 0)
        r = err_wrap(err, r, "%s '%s'", round->verb, database.name);
    if (r == 0)
        r = run_one(round, store, &database, err);
    object_store_free(store);
    database_dispose(&database);
    return r;
}

/* Which one the lines below are about; JSON says so itself. */
static int print_heading(const struct round *round, const char *name, struct err *err)
{
    struct buf text = BUF_INIT(HEADING_LEN_MAX);
    int r;

    if (round->session->json)
        return 0;
    buf_addf(&text, "%s%s:\n", round->count > 0 ? "\n" : "", name);
    r = output_text(round->session->out, &text, err);
    buf_dispose(&text);
    return r;
}

/* Fails only with what concerns them all. */
static int take_turn(struct round *round, struct object_store *store,
                     const struct database *database, struct err *err)
{
    struct object_store *own = NULL;
    struct err why = { 0 };
    int r;

    r = cancel_check(round->session->cancel, err);
    if (r == 0)
        r = print_heading(round, database->name, err);
    if (r < 0)
        return r;
    session_use_options(round->session, database->options);
    if (store == NULL)
        r = session_open_store(round->session, &own, &why);
    if (r == 0)
        r = run_one(round, store != NULL ? store : own, database, &why);
    object_store_free(own);
    session_use_options(round->session, NULL);
    round->count++;
    if (r == ERR_CANCELED || r == ERR_NOMEM) {
        if (err != NULL)
            *err = why;
        return r;
    }
    if (r < 0) {
        round->failed_count++;
        hints_add(&why);
        console_error(round->session->console, &why);
    }
    return 0;
}

static int run_configured(struct round *round, struct err *err)
{
    struct database_set set = DATABASE_SET_INIT;
    int r;

    r = database_set_load(&round->session->config, NULL, 0, &set, err);
    for (size_t i = 0; r == 0 && i < set.count; i++)
        r = take_turn(round, NULL, &set.items[i], err);
    database_set_dispose(&set);
    return r;
}

struct names {
    char **items;
    size_t count;
};

/* What cannot be a database's folder is somebody else's. */
static int see_folder(void *context, const char *key, const struct object_info *info,
                      struct err *err)
{
    struct names *names = context;
    const size_t len = strlen(key);
    char *name, **grown;

    (void)info;
    if (len < 2 || key[len - 1] != '/')
        return 0;
    name = str_dup((struct str){ key, len - 1 });
    if (name == NULL)
        return err_nomem(err);
    if (database_name_check(name, NULL) < 0) {
        free(name);
        return 0;
    }
    grown = realloc((void *)names->items, (names->count + 1) * sizeof(*grown));
    if (grown == NULL) {
        free(name);
        return err_nomem(err);
    }
    names->items = grown;
    names->items[names->count++] = name;
    return 0;
}

static int run_found(struct round *round, struct err *err)
{
    struct object_store *store = NULL;
    struct names names = { NULL, 0 };
    int r;

    r = session_open_store(round->session, &store, err);
    if (r < 0)
        return r;
    r = object_list_prefixes(store, "", see_folder, &names, err);
    if (r < 0) {
        r = err_wrap(err, r, "%s: list the databases in '%s'", round->verb, store->url);
    } else if (names.count == 0) {
        r = err_set(err, ERR_NOT_FOUND, "%s: no database in '%s'", round->verb, store->url);
    }
    for (size_t i = 0; r == 0 && i < names.count; i++) {
        const struct database database = { .name = names.items[i] };

        r = take_turn(round, store, &database, err);
    }
    for (size_t i = 0; i < names.count; i++)
        free(names.items[i]);
    free((void *)names.items);
    object_store_free(store);
    return r;
}

int each_database(struct session *session, const char *verb, each_database_fn run, struct err *err)
{
    struct round round = { .session = session, .verb = verb, .run = run };
    int r;

    if (session->args->positional_count > 0)
        return run_given(&round, err);
    if (args_has(session->args, FLAG_NAME)) {
        (void)err_set(err, ERR_CONFIG, "--name is that of one database, and none is given");
        err_hint(err, "'holdfast %s NAME' needs no --name", verb);
        return ERR_CONFIG;
    }
    r = session->config.database_count > 0 ? run_configured(&round, err) : run_found(&round, err);
    if (r == 0 && round.failed_count > 0) {
        r = err_set(err, ERR_PARTIAL, "%s: %zu of %zu databases failed", verb, round.failed_count,
                    round.count);
    }
    return r;
}
