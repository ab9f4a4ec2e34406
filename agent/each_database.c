#include "agent/each_database.h"

#include "agent/console.h"
#include "agent/database_set.h"
#include "agent/hints.h"
#include "agent/output.h"
#include "agent/session.h"
#include "agent/store_choice.h"
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

/* Which one the lines below are about; JSON says so itself. */
static int print_heading(const struct round *round, const char *name, struct err *err)
{
    const char *store = session_store_name(round->session);
    struct buf text = BUF_INIT(HEADING_LEN_MAX);
    int r;

    if (round->session->json)
        return 0;
    buf_addf(&text, "%s%s%s%s:\n", round->count > 0 ? "\n" : "", name, store != NULL ? " in " : "",
             store != NULL ? store : "");
    r = output_text(round->session->out, &text, err);
    buf_dispose(&text);
    return r;
}

/* store: NULL when it is to be opened first.  Fails only with what concerns them all. */
static int take_turn(struct round *round, struct object_store *store,
                     const struct database *database, struct err *err)
{
    const char *store_name = session_store_name(round->session);
    struct object_store *own = NULL;
    struct err why = { 0 };
    int r;

    r = cancel_check(round->session->cancel, err);
    if (r == 0)
        r = print_heading(round, database->name, err);
    if (r < 0)
        return r;
    if (store == NULL)
        r = session_open_store(round->session, &own, &why);
    if (r == 0)
        r = run_one(round, store != NULL ? store : own, database, &why);
    object_store_free(own);
    round->count++;
    if (r == ERR_CANCELED || r == ERR_NOMEM) {
        if (err != NULL)
            *err = why;
        return r;
    }
    if (r < 0) {
        round->failed_count++;
        if (store_name != NULL)
            (void)err_wrap(&why, r, "in '%s'", store_name);
        hints_add(&why);
        console_error(round->session->console, &why);
    }
    return 0;
}

/* In each of its stores. */
static int take_turns(struct round *round, const struct database *database,
                      const struct store_choice *choice, struct err *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < choice->count; i++) {
        session_use_store(round->session, choice->items[i]);
        r = take_turn(round, NULL, database, err);
    }
    session_use_store(round->session, NULL);
    return r;
}

static int run_in_one(const struct round *round, const struct database *database, struct err *err)
{
    struct object_store *store = NULL;
    int r;

    r = session_open_store(round->session, &store, err);
    if (r < 0)
        r = err_wrap(err, r, "%s '%s'", round->verb, database->name);
    if (r == 0)
        r = run_one(round, store, database, err);
    object_store_free(store);
    return r;
}

/* A backup that is named as well is in one store only. */
static int run_given(struct round *round, struct err *err)
{
    struct session *session = round->session;
    struct database database = { 0 };
    struct store_choice choice;
    int r;

    r = session_find_database(session, DATABASE_NEED_NAME, &database, err);
    if (r < 0)
        return r;
    r = store_choice_make(session, &choice, err);
    if (r == 0 && choice.count > 1 && session->args->positional_count == 1) {
        r = take_turns(round, &database, &choice, err);
    } else {
        if (r == 0)
            r = store_choice_use_first(session, err);
        if (r == 0)
            r = run_in_one(round, &database, err);
    }
    database_dispose(&database);
    return r;
}

static int run_configured(struct round *round, struct err *err)
{
    struct database_set set = DATABASE_SET_INIT;
    struct store_choice choice;
    int r;

    r = database_set_load(&round->session->sources->config, NULL, 0, &set, err);
    for (size_t i = 0; r == 0 && i < set.count; i++) {
        session_use_options(round->session, set.items[i].options);
        r = store_choice_make(round->session, &choice, err);
        if (r == 0)
            r = take_turns(round, &set.items[i], &choice, err);
        session_use_options(round->session, NULL);
    }
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

static int run_found_in_one(struct round *round, struct err *err)
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

static int run_found(struct round *round, struct err *err)
{
    struct store_choice choice;
    int r;

    r = store_choice_make(round->session, &choice, err);
    for (size_t i = 0; r == 0 && i < choice.count; i++) {
        session_use_store(round->session, choice.items[i]);
        r = run_found_in_one(round, err);
    }
    return r;
}

int each_database(struct session *session, const char *verb, each_database_fn run, struct err *err)
{
    struct round round = { .session = session, .verb = verb, .run = run };
    int r;

    if (session->args->positional_count == 0 && args_has(session->args, FLAG_NAME)) {
        (void)err_set(err, ERR_CONFIG, "--name is that of one database, and none is given");
        err_hint(err, "'holdfast %s NAME' needs no --name", verb);
        return ERR_CONFIG;
    }
    if (session->args->positional_count > 0) {
        r = run_given(&round, err);
    } else if (session->sources->config.database_count > 0) {
        r = run_configured(&round, err);
    } else {
        r = run_found(&round, err);
    }
    if (r == 0 && round.failed_count > 0) {
        r = err_set(err, ERR_PARTIAL, "%s: %zu of %zu databases failed", verb, round.failed_count,
                    round.count);
    }
    return r;
}
