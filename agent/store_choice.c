#include "agent/store_choice.h"

#include "agent/console.h"
#include "agent/session.h"
#include "agent/text.h"
#include "base/buf.h"
#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOTE_SIZE 256

static int unknown(const struct config *config, const char *name, struct err *err)
{
    struct nearest nearest;

    nearest_init(&nearest, name);
    for (size_t i = 0; i < config->store_count; i++)
        nearest_offer(&nearest, config->stores[i].name);
    (void)err_set(err, ERR_CONFIG, "no store '%s': there is no section [store:%s]", name, name);
    if (nearest.best != NULL)
        err_hint(err, "did you mean '%s'?", nearest.best);
    return ERR_CONFIG;
}

/* Of a flag or a variable; NULL: neither is given. */
static const char *given_store(const struct settings *settings)
{
    const struct settings strong = {
        .layers = { [SETTINGS_ARGS] = settings->layers[SETTINGS_ARGS],
                    [SETTINGS_ENV] = settings->layers[SETTINGS_ENV] },
    };

    return settings_text(&strong, OPTION_URL);
}

static int choose_given(const struct config *config, const char *given, struct store_choice *choice,
                        struct err *err)
{
    const struct config_store *store = config_find_store(config, given);

    /* An address has a colon; without sections the store's own parser says what it should be. */
    if (store == NULL && config->store_count > 0 && strchr(given, ':') == NULL)
        return unknown(config, given, err);
    choice->items[choice->count++] = store;
    return 0;
}

static int choose_one(const struct config *config, struct str name, struct store_choice *choice,
                      struct err *err)
{
    const struct config_store *store;
    char *text = str_dup(name);
    int r = 0;

    if (text == NULL)
        return err_nomem(err);
    store = config_find_store(config, text);
    if (store == NULL)
        r = unknown(config, text, err);
    for (size_t i = 0; r == 0 && i < choice->count; i++) {
        if (choice->items[i] == store)
            r = err_set(err, ERR_CONFIG, "store '%s' is named twice", text);
    }
    if (r == 0)
        choice->items[choice->count++] = store;
    free(text);
    return r;
}

/* "local, cloud". */
static int choose_named(const struct config *config, const char *names, struct store_choice *choice,
                        struct err *err)
{
    while (*names != '\0') {
        size_t len;
        int r;

        names += strspn(names, ", \t");
        len = strcspn(names, ", \t");
        r = len > 0 ? choose_one(config, (struct str){ names, len }, choice, err) : 0;
        if (r < 0)
            return r;
        names += len;
    }
    return choice->count > 0 ? 0 : err_set(err, ERR_CONFIG, "no store is named");
}

/* What a database's section says of its store, nobody would heed. */
static int check_database(const struct settings *settings, const struct store_choice *choice,
                          struct err *err)
{
    const struct option_set *database = settings->layers[SETTINGS_DATABASE];

    for (size_t id = 0; database != NULL && id < OPTION_COUNT; id++) {
        if (!option_is_of_store((enum option_id)id) || !database->values[id].is_set)
            continue;
        for (size_t i = 0; i < choice->count; i++) {
            if (choice->items[i] == NULL || choice->items[i]->is_default)
                continue;
            (void)err_set(err, ERR_CONFIG,
                          "'%s' in the database's section does not count for the store '%s'",
                          option_spec((enum option_id)id)->key, choice->items[i]->name);
            err_hint(err, "put it into [store:%s], or name the database's stores: stores = ...",
                     choice->items[i]->name);
            return ERR_CONFIG;
        }
    }
    return 0;
}

int store_choice_make(const struct session *session, struct store_choice *ret_choice,
                      struct err *err)
{
    const struct settings *settings = &session->settings;
    const struct option_set *database = settings->layers[SETTINGS_DATABASE];
    const struct config *config = &session->sources->config;
    const char *given = given_store(settings);
    const char *names = settings_text(settings, OPTION_STORES);
    struct store_choice choice = { .count = 0 };
    int r = 0;

    if (given != NULL) {
        r = choose_given(config, given, &choice, err);
    } else if (database != NULL && database->values[OPTION_URL].is_set) {
        choice.items[choice.count++] = NULL;
        if (database->values[OPTION_STORES].is_set)
            r = err_set(err, ERR_CONFIG, "a database's section has either url or stores");
    } else if (names != NULL) {
        r = choose_named(config, names, &choice, err);
        if (r < 0)
            r = err_wrap(err, r, "stores");
    } else if (config->store_count == 0) {
        choice.items[choice.count++] = NULL;
    } else {
        for (size_t i = 0; i < config->store_count; i++)
            choice.items[choice.count++] = &config->stores[i];
    }
    if (r == 0 && given == NULL)
        r = check_database(settings, &choice, err);
    if (r == 0)
        *ret_choice = choice;
    return r;
}

int store_choice_use_first(struct session *session, struct err *err)
{
    struct store_choice choice = { .count = 0 };
    char note[NOTE_SIZE];
    int r;

    r = store_choice_make(session, &choice, err);
    if (r < 0)
        return r;
    session_use_store(session, choice.items[0]);
    if (choice.count > 1 && choice.items[0] != NULL) {
        (void)snprintf(note, sizeof(note), "store '%s', the first of %zu (--store NAME: another)",
                       choice.items[0]->name, choice.count);
        console_log(session->console, LOG_LEVEL_INFO, note);
    }
    return 0;
}
