#include "agent/command.h"

#include "agent/database_set.h"
#include "agent/doctor.h"
#include "agent/doctor_report.h"
#include "agent/session.h"
#include "agent/store_choice.h"
#include "base/cancel.h"
#include "base/err.h"
#include "store/object_store.h"
#include "store/s3_store.h"

#include <stdlib.h>
#include <string.h>

#define NO_DATABASE "holdfast-doctor" /* whose probes are made where no database is named */
#define ATTEMPTS    "2"               /* for each request, so that the answer comes soon */

struct visit {
    struct session *session;
    struct doctor_report report;
    char **stores; /* that have been looked at */
    size_t store_count;
    unsigned long long size_max; /* bytes, of a database */
};

/* Several databases mostly share one store. */
static bool is_new_store(struct visit *visit, const char *url)
{
    char **grown;

    for (size_t i = 0; i < visit->store_count; i++) {
        if (strcmp(visit->stores[i], url) == 0)
            return false;
    }
    grown = realloc((void *)visit->stores, (visit->store_count + 1) * sizeof(*grown));
    if (grown == NULL)
        return true;
    visit->stores = grown;
    visit->stores[visit->store_count] = strdup(url);
    visit->store_count += visit->stores[visit->store_count] != NULL;
    return true;
}

static void check_open_store(struct visit *visit, const struct session *session,
                             struct object_store *store, const char *name)
{
    struct doctor_report *report = &visit->report;
    struct s3_client *client = s3_store_client(store);

    if (client != NULL && !doctor_check_server(report, client)) {
        doctor_skip_rights(report, "the server cannot be reached");
        doctor_skip(report, "backups", "the server cannot be reached");
        doctor_skip_lock(report, "the server cannot be reached");
    } else {
        doctor_check_rights(report, store, client, name);
        doctor_check_backups(report, store, name);
        doctor_check_lock(report, session, store, name);
        doctor_check_storage(report, session, store, name);
    }
}

/* Without a key there is still a server to be looked at. */
static void check_way_to(struct visit *visit, const struct session *session)
{
    struct session own = *session;
    struct object_store *store = NULL;
    struct s3_client *client = NULL;

    own.anonymous = true;
    if (session_open_store(&own, &store, NULL) == 0)
        client = s3_store_client(store);
    if (client != NULL) {
        (void)doctor_check_server(&visit->report, client);
    } else {
        doctor_skip_server(&visit->report, "the store cannot be opened");
    }
    object_store_free(store);
}

static void check_store(struct visit *visit, const struct session *session, const char *name)
{
    const char *url = session->store != NULL
                          ? config_store_url(&session->sources->config, session->store)
                          : settings_text(&session->settings, OPTION_URL);
    struct object_store *store = NULL;
    struct err err = { 0 };

    if (session_open_store(session, &store, &err) < 0) {
        if (!is_new_store(visit, url != NULL ? url : ""))
            return;
        doctor_subject(&visit->report, "store%s%s", url != NULL ? " " : "", url != NULL ? url : "");
        doctor_fail(&visit->report, "settings", &err);
        check_way_to(visit, session);
        doctor_skip_rights(&visit->report, "the store cannot be opened");
        doctor_skip_lock(&visit->report, "the store cannot be opened");
        return;
    }
    if (is_new_store(visit, store->url)) {
        doctor_subject(&visit->report, "store %s", store->url);
        check_open_store(visit, session, store, name);
    }
    object_store_free(store);
}

static void check_stores(struct visit *visit, struct session *session, const char *name)
{
    struct store_choice choice;
    struct err err = { 0 };

    if (store_choice_make(session, &choice, &err) < 0) {
        doctor_subject(&visit->report, "stores of %s", name);
        doctor_fail(&visit->report, "settings", &err);
        return;
    }
    for (size_t i = 0; i < choice.count; i++) {
        session_use_store(session, choice.items[i]);
        check_store(visit, session, name);
    }
    session_use_store(session, NULL);
}

static void check_database(struct visit *visit, const struct database *database)
{
    struct session own = session_for(visit->session, database->options, visit->session->cancel);
    unsigned long long size;

    size =
        doctor_check_database(&visit->report, &own, database, args_has(own.args, FLAG_QUICK_CHECK));
    if (size > visit->size_max)
        visit->size_max = size;
    check_stores(visit, &own, database->name);
}

/* A pattern that matches nothing is fine for an agent, which waits, and mostly a slip. */
static void check_pattern(struct doctor_report *report, const struct config *config,
                          const char *argument, size_t count)
{
    const struct config_database *configured = config_find_database(config, argument);
    const char *pattern = configured != NULL ? configured->path : argument;

    doctor_subject(report, "databases %s", pattern);
    if (count == 0) {
        doctor_warn(report, "pattern", "check the path; an agent waits for files that match",
                    "no SQLite database matches");
    } else {
        doctor_ok(report, "pattern", "%zu database%s match%s", count, count == 1 ? "" : "s",
                  count == 1 ? "es" : "");
    }
}

/* @return whether it means anything, be it nothing yet. */
static bool check_named(struct visit *visit, const char *argument)
{
    const struct config *config = &visit->session->sources->config;
    struct database_set set = DATABASE_SET_INIT;
    struct err err = { 0 };

    if (database_set_load(config, &argument, 1, &set, &err) < 0) {
        doctor_subject(&visit->report, "database %s", argument);
        doctor_fail(&visit->report, "name", &err);
        return false;
    }
    if (set.has_patterns)
        check_pattern(&visit->report, config, argument, set.count);
    for (size_t i = 0; i < set.count; i++)
        check_database(visit, &set.items[i]);
    database_set_dispose(&set);
    return true;
}

/* Each may be fine, and two of them have one name. */
static void check_together(struct visit *visit)
{
    const struct args *args = visit->session->args;
    struct database_set set = DATABASE_SET_INIT;
    struct err err = { 0 };

    if (database_set_load(&visit->session->sources->config, args->positionals,
                          args->positional_count, &set, &err) < 0) {
        doctor_subject(&visit->report, "all databases");
        doctor_fail(&visit->report, "name", &err);
    }
    database_set_dispose(&set);
}

static void check_all(struct visit *visit)
{
    const struct args *args = visit->session->args;
    const struct config *config = &visit->session->sources->config;
    const size_t named = args->positional_count;
    const size_t count = named > 0 ? named : config->database_count;
    bool named_well = true;

    for (size_t i = 0; i < count && !cancel_is_set(visit->session->cancel); i++) {
        const char *argument = named > 0 ? args->positionals[i] : config->databases[i].name;

        named_well = check_named(visit, argument) && named_well;
    }
    if (count > 1 && named_well)
        check_together(visit);
    if (visit->store_count == 0) /* of no database's */
        check_stores(visit, visit->session, NO_DATABASE);
    doctor_check_directories(&visit->report, visit->session, visit->size_max);
}

/* In the weakest layer: whoever asks for another number of attempts gets it. */
static void set_attempts(struct session *session)
{
    const struct option_name name = { OPTION_ATTEMPTS, false };

    (void)option_set_put(&session->sources->aws_env, name, ATTEMPTS, "attempts", NULL);
}

int cmd_doctor(struct session *session, struct err *err)
{
    struct visit visit = { .session = session };
    struct err why = { 0 };
    int r;

    doctor_report_init(&visit.report, session->out, session->json);
    r = session_load(session, &why);
    if (session->sources == NULL) {
        doctor_report_dispose(&visit.report);
        return err_nomem(err);
    }
    doctor_check_config(&visit.report, session, r < 0 ? &why : NULL);
    set_attempts(session);
    check_all(&visit);
    r = cancel_check(session->cancel, err);
    if (r == 0)
        r = doctor_report_end(&visit.report, err);
    doctor_report_dispose(&visit.report);
    for (size_t i = 0; i < visit.store_count; i++)
        free(visit.stores[i]);
    free((void *)visit.stores);
    return r;
}
