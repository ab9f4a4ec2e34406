#include "agent/database.h"

#include "agent/config.h"
#include "agent/text.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "snapshot/manifest.h"

#include <fnmatch.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void database_dispose(struct database *database)
{
    free(database->name);
    free(database->path);
    *database = (struct database){ 0 };
}

int database_copy(const struct database *database, struct database *ret_copy, struct err *err)
{
    struct database copy = { .options = database->options };

    copy.name = strdup(database->name);
    copy.path = database->path != NULL ? strdup(database->path) : NULL;
    if (copy.name == NULL || (copy.path == NULL && database->path != NULL)) {
        database_dispose(&copy);
        return err_nomem(err);
    }
    *ret_copy = copy;
    return 0;
}

static bool has_database_ending(const char *text)
{
    static const char *const endings[] = { ".db", ".db3", ".sqlite", ".sqlite3", ".s3db" };

    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        if (str_ends_with(str_from(text), str_from(endings[i])))
            return true;
    }
    return false;
}

/* A file that was lost is still meant by its path. */
static bool is_path(const char *argument)
{
    struct stat st;

    return strchr(argument, '/') != NULL || has_database_ending(argument) ||
           stat(argument, &st) == 0;
}

bool database_is_pattern(const char *path)
{
    struct stat st;

    return strpbrk(path, "*?[") != NULL && lstat(path, &st) < 0;
}

/* The first section whose pattern the file matches. */
static const struct config_database *find_by_pattern(const struct config *config, const char *path)
{
    const struct config_database *found = NULL;
    char *real = realpath(path, NULL);

    for (size_t i = 0; i < config->database_count && found == NULL; i++) {
        const struct config_database *candidate = &config->databases[i];

        if (database_is_pattern(candidate->path) &&
            (fnmatch(candidate->path, path, FNM_PATHNAME | FNM_PERIOD) == 0 ||
             (real != NULL && fnmatch(candidate->path, real, FNM_PATHNAME | FNM_PERIOD) == 0)))
            found = candidate;
    }
    free(real);
    return found;
}

/* The section whose path is the same, however it is written. */
static const struct config_database *find_by_path(const struct config *config, const char *path)
{
    const struct config_database *found = NULL;
    char *wanted = realpath(path, NULL);

    for (size_t i = 0; i < config->database_count && found == NULL; i++) {
        const struct config_database *candidate = &config->databases[i];
        char *real = wanted != NULL ? realpath(candidate->path, NULL) : NULL;

        if (database_is_pattern(candidate->path))
            continue;
        if (strcmp(candidate->path, path) == 0 ||
            (real != NULL && wanted != NULL && strcmp(real, wanted) == 0))
            found = candidate;
        free(real);
    }
    free(wanted);
    return found;
}

static char *name_of_path(const char *path)
{
    const char *base = path_base(path);
    const char *dot = strrchr(base, '.');
    size_t len = strlen(base);

    if (dot != NULL && dot > base)
        len = (size_t)(dot - base);
    return str_dup((struct str){ base, len });
}

static int unknown(const struct config *config, const char *argument, enum database_need need,
                   struct err *err)
{
    struct nearest nearest;

    nearest_init(&nearest, argument);
    for (size_t i = 0; i < config->database_count; i++)
        nearest_offer(&nearest, config->databases[i].name);
    (void)err_set(err, ERR_NOT_FOUND, "no database '%s': %s, and no file is called so", argument,
                  config->file != NULL ? "the configuration has none of that name"
                                       : "there is no configuration");
    if (nearest.best != NULL)
        err_hint(err, "did you mean '%s'?", nearest.best);
    if (need == DATABASE_NEED_TARGET) {
        err_hint(err, "give the path of the file to restore, or --output FILE for a new one");
    } else {
        err_hint(err, "give the path of a SQLite file, or add a section [database:NAME]");
    }
    return ERR_NOT_FOUND;
}

static int find_name(const struct config_database *configured, const char *argument,
                     const char *name, bool path_given, char **ret_name, struct err *err)
{
    if (name != NULL) {
        *ret_name = strdup(name);
    } else if (configured != NULL) {
        *ret_name = strdup(configured->name);
    } else {
        *ret_name = path_given ? name_of_path(argument) : strdup(argument);
    }
    if (*ret_name == NULL)
        return err_nomem(err);
    return database_name_check(*ret_name, err);
}

int database_resolve(const struct config *config, const char *argument, const char *name,
                     enum database_need need, struct database *ret_database, struct err *err)
{
    const struct config_database *configured = config_find_database(config, argument);
    const bool path_given = configured == NULL && is_path(argument);
    struct database database = { 0 };
    int r;

    if (*argument == '\0')
        return err_set(err, ERR_CONFIG, "the database's name is empty");
    if (str_ends_with(str_from(argument), STR_LIT("/"))) {
        (void)err_set(err, ERR_REFUSED, "'%s' is a directory", argument);
        err_hint(err, "give the path of the SQLite file in it");
        return ERR_REFUSED;
    }
    if (path_given)
        configured = find_by_path(config, argument);
    if (path_given && configured == NULL) {
        const struct config_database *pattern = find_by_pattern(config, argument);

        if (pattern != NULL)
            database.options = &pattern->options; /* the file has a name of its own */
    }
    if (configured == NULL && !path_given && need != DATABASE_NEED_NAME)
        return unknown(config, argument, need, err);
    if (configured != NULL)
        database.options = &configured->options;
    if (configured != NULL || path_given) {
        database.path = strdup(path_given ? argument : configured->path);
        if (database.path == NULL)
            return err_nomem(err);
    }
    r = find_name(configured, argument, name, path_given, &database.name, err);
    if (r < 0) {
        database_dispose(&database);
        return r;
    }
    *ret_database = database;
    return 0;
}
