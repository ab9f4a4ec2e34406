#include "agent/config.h"

#include "agent/env.h"
#include "agent/text.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "snapshot/manifest.h"

#include <ctype.h>
#include <ini.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define DATABASE_PREFIX "database:"
#define STORE_PREFIX    "store:"
/* What inih keeps of a section's name before it cuts the rest off without a word. */
#define SECTION_LEN_MAX 49

/* One file on its way through inih, which counts no lines for its handler: the reader that feeds it
 * does, and it sees to the sections too, so that those without a key are checked as well. */
struct parser {
    struct config *config;
    const char *file;
    const char *next; /* of the text, the first line not yet given */
    const char *end;
    unsigned line;
    const char *section;              /* of the options; NULL before the first one */
    struct config_database *database; /* that the section is of; NULL for the others */
    struct config_store *store;       /* the same */
    int r;                            /* the first failure, after which nothing is read */
    struct err *err;
};

static void config_database_dispose(struct config_database *database)
{
    free(database->name);
    free(database->path);
    option_set_dispose(&database->options);
}

static void config_store_dispose(struct config_store *store)
{
    free(store->name);
    option_set_dispose(&store->options);
}

void config_dispose(struct config *config)
{
    for (size_t i = 0; i < config->store_count; i++)
        config_store_dispose(&config->stores[i]);
    free(config->stores);
    for (size_t i = 0; i < config->database_count; i++)
        config_database_dispose(&config->databases[i]);
    free(config->databases);
    free(config->file);
    option_set_dispose(&config->options);
    *config = (struct config)CONFIG_INIT;
}

const struct config_database *config_find_database(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->database_count; i++) {
        if (strcmp(config->databases[i].name, name) == 0)
            return &config->databases[i];
    }
    return NULL;
}

const struct config_store *config_find_store(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->store_count; i++) {
        if (strcmp(config->stores[i].name, name) == 0)
            return &config->stores[i];
    }
    return NULL;
}

const char *config_store_url(const struct config *config, const struct config_store *store)
{
    const struct option_set *set = store->is_default ? &config->options : &store->options;

    return set->values[OPTION_URL].text;
}

/* Whether the section is of one database or store, and has the keys that such a one may have. */
static bool is_of_one(const struct parser *parser)
{
    return parser->database != NULL || parser->store != NULL;
}

static const char *name_of_one(const struct parser *parser)
{
    if (parser->store != NULL)
        return parser->store->name;
    return parser->database != NULL ? parser->database->name : "";
}

static int fail_at(struct parser *parser, int r)
{
    return err_wrap(parser->err, r, "%s:%u", parser->file, parser->line);
}

static void hint_nearest(struct parser *parser, const struct nearest *nearest)
{
    if (nearest->best != NULL)
        err_hint(parser->err, "did you mean '%s'?", nearest->best);
}

/* The options' own name of a section, which outlives the parser's; NULL when there is none. */
static const char *known_section(const char *name, struct nearest *nearest)
{
    for (size_t id = 0; id < OPTION_COUNT; id++) {
        const char *section = option_spec((enum option_id)id)->section;

        if (strcmp(section, name) == 0)
            return section;
        nearest_offer(nearest, section);
    }
    return NULL;
}

static int begin_database(struct parser *parser, const char *name)
{
    struct config *config = parser->config;
    struct config_database *databases;
    int r;

    r = database_name_check(name, parser->err);
    if (r < 0)
        return r;
    if (config_find_database(config, name) != NULL)
        return err_set(parser->err, ERR_CONFIG, "database '%s' has a section already", name);
    databases = reallocarray(config->databases, config->database_count + 1, sizeof(*databases));
    if (databases == NULL)
        return err_nomem(parser->err);
    config->databases = databases;
    parser->database = &databases[config->database_count];
    *parser->database = (struct config_database){ .line = parser->line };
    parser->database->name = strdup(name);
    if (parser->database->name == NULL)
        return err_nomem(parser->err);
    parser->section = DATABASE_PREFIX;
    config->database_count++;
    return 0;
}

/* Another store at the end; where one stands may change. */
static int add_store(struct config *config, const char *name, unsigned line,
                     struct config_store **ret_store, struct err *err)
{
    struct config_store *stores, *store;

    stores = reallocarray(config->stores, config->store_count + 1, sizeof(*stores));
    if (stores == NULL)
        return err_nomem(err);
    config->stores = stores;
    store = &stores[config->store_count];
    *store = (struct config_store){ .line = line, .name = strdup(name) };
    if (store->name == NULL)
        return err_nomem(err);
    config->store_count++;
    *ret_store = store;
    return 0;
}

/* The name is that of a directory in the state directory, too. */
static int begin_store(struct parser *parser, const char *name)
{
    if (database_name_check(name, NULL) < 0) {
        (void)err_set(parser->err, ERR_CONFIG, "'%s' cannot be the name of a store", name);
        err_hint(parser->err, "letters, digits, '.', '_' and '-', not beginning with '.' or '-'");
        return ERR_CONFIG;
    }
    if (strcmp(name, CONFIG_STORE_DEFAULT) == 0) {
        (void)err_set(parser->err, ERR_CONFIG, "'%s' is the name of the store in [store]", name);
        return ERR_CONFIG;
    }
    if (config_find_store(parser->config, name) != NULL)
        return err_set(parser->err, ERR_CONFIG, "store '%s' has a section already", name);
    if (parser->config->store_count + 1 == CONFIG_STORES_MAX)
        return err_set(parser->err, ERR_CONFIG, "more than %d stores", CONFIG_STORES_MAX - 1);
    parser->section = STORE_PREFIX;
    return add_store(parser->config, name, parser->line, &parser->store, parser->err);
}

static int begin_section(struct parser *parser, const char *name)
{
    struct nearest nearest;
    int r;

    parser->database = NULL;
    parser->store = NULL;
    if (strlen(name) > SECTION_LEN_MAX) {
        return err_set(parser->err, ERR_CONFIG, "a section's name has at most %d characters",
                       SECTION_LEN_MAX);
    }
    if (strncmp(name, DATABASE_PREFIX, strlen(DATABASE_PREFIX)) == 0)
        return begin_database(parser, name + strlen(DATABASE_PREFIX));
    if (strncmp(name, STORE_PREFIX, strlen(STORE_PREFIX)) == 0)
        return begin_store(parser, name + strlen(STORE_PREFIX));
    nearest_init(&nearest, name);
    parser->section = known_section(name, &nearest);
    if (parser->section != NULL)
        return 0;
    r = err_set(parser->err, ERR_CONFIG, "no section [%s]", name);
    if (strncmp(name, "database", strlen("database")) == 0)
        err_hint(parser->err, "a database's section is written [database:NAME]");
    hint_nearest(parser, &nearest);
    err_hint(parser->err, "there are [store], [store:NAME], [agent], [backup], [retention], "
                          "[hooks], [notify], [verify] and [database:NAME]");
    return r;
}

/* "[name]", as inih reads it: up to the first bracket. */
static int read_section(struct parser *parser, const char *line)
{
    const char *end = strchr(line, ']');
    char *name;
    int r;

    if (end == NULL)
        return 0; /* which inih reports */
    name = str_dup((struct str){ line + 1, (size_t)(end - line) - 1 });
    if (name == NULL)
        return err_nomem(parser->err);
    r = begin_section(parser, name);
    free(name);
    return r;
}

static bool is_blank(char c)
{
    return isspace((unsigned char)c) != 0;
}

/* Takes the next line off the text, without what it has of blanks at its ends: an indented line
 * would be read by inih as the last value's continuation. */
static struct str take_line(struct parser *parser)
{
    const char *begin = parser->next;
    const char *end = memchr(begin, '\n', (size_t)(parser->end - begin));

    if (end == NULL)
        end = parser->end;
    parser->next = end < parser->end ? end + 1 : end;
    parser->line++;
    while (begin < end && is_blank(*begin))
        begin++;
    while (end > begin && is_blank(end[-1]))
        end--;
    return (struct str){ begin, (size_t)(end - begin) };
}

/* An ini_reader: fgets for the text in memory. */
static char *read_line(char *out, int size, void *stream)
{
    struct parser *parser = stream;
    struct str line;

    if (parser->r < 0 || parser->next == parser->end)
        return NULL;
    line = take_line(parser);
    if (memchr(line.ptr, '\0', line.len) != NULL) {
        parser->r = err_set(parser->err, ERR_CONFIG, "this is not text");
    } else if (size < 2 || line.len + 2 > (size_t)size) {
        parser->r = err_set(parser->err, ERR_CONFIG, "longer than %d characters", size - 2);
        err_hint(parser->err, "put a long value into a file of its own and name that: KEY_file");
    } else {
        memcpy(out, line.ptr, line.len);
        memcpy(out + line.len, "\n", 2);
        if (*out == '[')
            parser->r = read_section(parser, out);
    }
    if (parser->r < 0) {
        parser->r = fail_at(parser, parser->r);
        return NULL;
    }
    return out;
}

static int put_path(struct parser *parser, const char *value)
{
    struct config_database *database = parser->database;

    if (database->path != NULL)
        return err_set(parser->err, ERR_CONFIG, "path: given twice");
    if (*value != '/')
        return err_set(parser->err, ERR_CONFIG, "path: '%s' is not absolute", value);
    database->path = strdup(value);
    return database->path != NULL ? 0 : err_nomem(parser->err);
}

static int unknown_key(struct parser *parser, const char *key)
{
    const bool of_one = is_of_one(parser);
    struct nearest nearest;
    struct option_name name;
    int r;

    nearest_init(&nearest, key);
    if (parser->database != NULL)
        nearest_offer(&nearest, "path");
    for (size_t id = 0; id < OPTION_COUNT; id++) {
        const struct option_spec *spec = option_spec((enum option_id)id);

        if (of_one ? spec->per_database : strcmp(spec->section, parser->section) == 0)
            nearest_offer(&nearest, option_key(spec, of_one));
    }
    r = err_set(parser->err, ERR_CONFIG, "no key '%s' in [%s%s]", key, parser->section,
                name_of_one(parser));
    for (size_t id = 0; id < OPTION_COUNT; id++) {
        const struct option_spec *spec = option_spec((enum option_id)id);

        if (!option_find_key(spec->section, false, key, &name))
            continue;
        if (of_one && option_spec(name.id)->database_key != NULL) {
            err_hint(parser->err, "in a %s's section it is called '%s'",
                     parser->store != NULL ? "store" : "database",
                     option_key(option_spec(name.id), true));
        } else {
            err_hint(parser->err, "'%s' belongs to [%s]", key, option_spec(name.id)->section);
        }
    }
    hint_nearest(parser, &nearest);
    err_hint(parser->err, "holdfast.ini(5) names every key");
    return r;
}

static int put_option(struct parser *parser, struct option_name name, const char *key,
                      const char *value)
{
    struct option_set *set = parser->store != NULL      ? &parser->store->options
                             : parser->database != NULL ? &parser->database->options
                                                        : &parser->config->options;

    /* Where a service is started from is nobody's idea of where its files are. */
    if ((name.is_file || option_spec(name.id)->type == OPTION_PATH) && *value != '/' &&
        *value != '\0')
        return err_set(parser->err, ERR_CONFIG, "%s: '%s' is not absolute", key, value);
    return option_set_put(set, name, value, key, parser->err);
}

/* An ini_handler. */
static int take_pair(void *user, const char *section, const char *key, const char *value)
{
    struct parser *parser = user;
    struct option_name name;
    int r;

    (void)section; /* the reader has seen it */
    if (parser->r < 0)
        return 0;
    if (parser->section == NULL) {
        r = err_set(parser->err, ERR_CONFIG, "'%s' stands before the first section", key);
        err_hint(parser->err, "begin with [store]");
    } else if (parser->database != NULL && strcmp(key, "path") == 0) {
        r = put_path(parser, value);
    } else if (option_find_key(parser->section, is_of_one(parser), key, &name) &&
               (parser->store == NULL || name.id != OPTION_STORES)) {
        r = put_option(parser, name, key, value);
    } else {
        r = unknown_key(parser, key);
    }
    if (r < 0)
        parser->r = fail_at(parser, r);
    return r == 0;
}

static int check_databases(struct parser *parser)
{
    const struct config *config = parser->config;

    for (size_t i = 0; i < config->database_count; i++) {
        if (config->databases[i].path != NULL)
            continue;
        parser->line = config->databases[i].line;
        (void)err_set(parser->err, ERR_CONFIG, "database '%s' has no path",
                      config->databases[i].name);
        return fail_at(parser, ERR_CONFIG);
    }
    return 0;
}

static int check_stores(struct parser *parser)
{
    struct config *config = parser->config;
    struct config_store *store, first;
    int r;

    for (size_t i = 0; i < config->store_count; i++) {
        if (config_store_url(config, &config->stores[i]) != NULL)
            continue;
        parser->line = config->stores[i].line;
        (void)err_set(parser->err, ERR_CONFIG, "store '%s' has no url", config->stores[i].name);
        return fail_at(parser, ERR_CONFIG);
    }
    if (config->store_count == 0 || config->options.values[OPTION_URL].text == NULL)
        return 0;
    r = add_store(config, CONFIG_STORE_DEFAULT, 0, &store, parser->err);
    if (r < 0)
        return r;
    store->is_default = true;
    first = *store;
    memmove(&config->stores[1], config->stores, (config->store_count - 1) * sizeof(first));
    config->stores[0] = first;
    return 0;
}

static int parse(struct parser *parser)
{
    static const char mark[] = "\xef\xbb\xbf"; /* of UTF-8, by editors that think it needs one */
    int line;

    if (parser->end - parser->next >= 3 && memcmp(parser->next, mark, 3) == 0)
        parser->next += 3;
    line = ini_parse_stream(read_line, parser, take_pair, parser);
    if (line == -2)
        return err_nomem(parser->err);
    /* inih goes on after a line that it cannot read; the first mistake is the one to report. */
    if (line > 0 && (parser->r == 0 || (unsigned)line < parser->line)) {
        parser->line = (unsigned)line;
        (void)err_set(parser->err, ERR_CONFIG, "neither '[section]' nor 'key = value'");
        return fail_at(parser, ERR_CONFIG);
    }
    if (parser->r == 0)
        parser->r = check_databases(parser);
    return parser->r < 0 ? parser->r : check_stores(parser);
}

int config_parse(const char *text, size_t len, const char *file, struct config *ret_config,
                 struct err *err)
{
    struct config config = CONFIG_INIT;
    struct err unused; /* so that a hint can be asked for before it is given */
    struct parser parser = {
        .config = &config,
        .file = file,
        .next = text,
        .end = text + len,
        .err = err != NULL ? err : &unused,
    };
    int r = 0;

    err_clear(parser.err);
    config.file = strdup(file);
    if (config.file == NULL)
        r = err_nomem(parser.err);
    if (r == 0)
        r = parse(&parser);
    if (r < 0) {
        config_dispose(&config);
        return r;
    }
    *ret_config = config;
    return 0;
}

static bool holds_secret(const struct option_set *set)
{
    for (size_t id = 0; id < OPTION_COUNT; id++) {
        if (option_spec((enum option_id)id)->type == OPTION_SECRET && set->values[id].is_set)
            return true;
    }
    return false;
}

static void warn_if_readable(const struct config *config)
{
    bool secret = holds_secret(&config->options);
    struct stat st;

    for (size_t i = 0; i < config->database_count; i++)
        secret = secret || holds_secret(&config->databases[i].options);
    for (size_t i = 0; i < config->store_count; i++)
        secret = secret || holds_secret(&config->stores[i].options);
    if (secret && stat(config->file, &st) == 0 && (st.st_mode & S_IROTH) != 0)
        log_warn("'%s' holds a secret and every user can read it: chmod o-r it", config->file);
}

int config_load(const char *path, struct config *ret_config, struct err *err)
{
    struct buf text = BUF_INIT(CONFIG_LEN_MAX);
    bool optional = false;
    int r;

    if (path == NULL)
        path = env_get("HOLDFAST_CONFIG");
    if (path == NULL) {
        path = CONFIG_DEFAULT_PATH;
        optional = true;
    }
    r = file_read(path, &text, err);
    if (r == ERR_NOT_FOUND && optional) {
        err_clear(err);
        r = 0;
        goto out;
    }
    if (r < 0) {
        r = err_wrap(err, r == ERR_NOT_FOUND ? ERR_CONFIG : r, "configuration");
        goto out;
    }
    r = config_parse(text.ptr, text.len, path, ret_config, err);
    if (r == 0)
        warn_if_readable(ret_config);
out:
    buf_wipe(&text); /* may hold a secret */
    return r;
}
