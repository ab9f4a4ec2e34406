#include "agent/database_set.h"

#include "agent/config.h"
#include "base/buf.h"
#include "base/err.h"
#include "snapshot/sqlite_db.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void database_set_dispose(struct database_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        database_dispose(&set->items[i]);
    free(set->items);
    *set = (struct database_set)DATABASE_SET_INIT;
}

/* What cannot be read is taken for one: that shall be seen when it cannot be backed up. */
static bool is_database(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && sqlite_db_is_database(path);
}

static int refuse_twin(const struct database_set *set, const struct database *database,
                       struct err *err)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct database *other = &set->items[i];

        if (strcmp(other->name, database->name) != 0)
            continue;
        if (other->path == NULL || database->path == NULL ||
            strcmp(other->path, database->path) == 0)
            return err_set(err, ERR_CONFIG, "'%s' is named twice", database->name);
        (void)err_set(err, ERR_CONFIG, "'%s' and '%s' would both be called '%s' in the store",
                      other->path, database->path, database->name);
        err_hint(err, "give one of them a section [database:NAME] of its own, under another name");
        return ERR_CONFIG;
    }
    return 0;
}

/* Takes over *database, and empties it. */
static int add(struct database_set *set, struct database *database, struct err *err)
{
    struct database *grown;
    int r = refuse_twin(set, database, err);

    if (r == 0 && set->count == DATABASE_SET_COUNT_MAX)
        r = err_set(err, ERR_LIMIT, "more than %d databases", DATABASE_SET_COUNT_MAX);
    grown = r == 0 ? realloc(set->items, (set->count + 1) * sizeof(*grown)) : NULL;
    if (grown == NULL) {
        database_dispose(database);
        return r < 0 ? r : err_nomem(err);
    }
    set->items = grown;
    set->items[set->count++] = *database;
    *database = (struct database){ 0 };
    return 0;
}

/* A file with a section of its own is that one's. */
static bool has_section(const struct config *config, const char *path)
{
    for (size_t i = 0; i < config->database_count; i++) {
        if (strcmp(config->databases[i].path, path) == 0)
            return true;
    }
    return false;
}

static int add_file(struct database_set *set, const char *path, const struct option_set *options,
                    struct err *err)
{
    const struct config none = CONFIG_INIT; /* its name is its own, whatever is configured */
    struct database database = { 0 };
    int r;

    r = database_resolve(&none, path, NULL, DATABASE_NEED_TARGET, &database, err);
    if (r < 0)
        return err_wrap(err, r, "'%s'", path);
    database.options = options;
    return add(set, &database, err);
}

static int add_pattern(struct database_set *set, const struct config *config, const char *pattern,
                       const struct option_set *options, struct err *err)
{
    glob_t found = { 0 };
    const int rc = glob(pattern, 0, NULL, &found); // NOLINT(concurrency-mt-unsafe): no '~' is asked
    int r = 0;

    set->has_patterns = true;
    if (rc == GLOB_NOSPACE)
        r = err_nomem(err);
    for (size_t i = 0; r == 0 && rc == 0 && i < found.gl_pathc; i++) {
        const char *path = found.gl_pathv[i];

        if (!has_section(config, path) && is_database(path))
            r = add_file(set, path, options, err);
    }
    globfree(&found);
    return r;
}

static int add_one(struct database_set *set, const struct config *config, const char *argument,
                   struct err *err)
{
    const struct config_database *configured = config_find_database(config, argument);
    struct database database = { 0 };
    int r;

    if (configured != NULL && database_is_pattern(configured->path))
        return add_pattern(set, config, configured->path, &configured->options, err);
    if (configured == NULL && database_is_pattern(argument)) {
        const struct config empty = CONFIG_INIT; /* who names files wants them all */

        return add_pattern(set, &empty, argument, NULL, err);
    }
    r = database_resolve(config, argument, NULL, DATABASE_NEED_TARGET, &database, err);
    return r < 0 ? r : add(set, &database, err);
}

int database_set_load(const struct config *config, const char *const *arguments,
                      size_t argument_count, struct database_set *ret_set, struct err *err)
{
    const size_t count = argument_count > 0 ? argument_count : config->database_count;
    struct database_set set = DATABASE_SET_INIT;
    int r = 0;

    if (count == 0) {
        r = err_set(err, ERR_CONFIG, "no database is named or configured");
        err_hint(err, "name one, or give the configuration a section [database:NAME]");
    }
    for (size_t i = 0; r == 0 && i < count; i++) {
        r = add_one(&set, config, argument_count > 0 ? arguments[i] : config->databases[i].name,
                    err);
    }
    if (r < 0) {
        database_set_dispose(&set);
        return r;
    }
    *ret_set = set;
    return 0;
}
