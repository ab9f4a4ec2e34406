/*
 * config.h - the configuration file: INI, each mistake named with file, line and what was meant.
 *
 *   [store], [agent], [backup]   the options of options.h
 *   [database:NAME]              path, and any option of its own that a database may have
 *   [store:NAME]                 one of several stores: url, and any such option
 *
 * Indentation means nothing and a value ends with its line.  A comment begins with ';' or '#' at
 * the start of a line, or with a ';' after a space.
 */
#ifndef AGENT_CONFIG_H
#define AGENT_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/options.h"

struct err;

#define CONFIG_LEN_MAX       (1u << 20) /* bytes of a file */
#define CONFIG_STORES_MAX    16
#define CONFIG_STORE_DEFAULT "default"
#define CONFIG_DEFAULT_PATH  "/etc/holdfast/holdfast.ini"

struct config_database {
    char *name;
    char *path;    /* absolute */
    unsigned line; /* of its section */
    struct option_set options;
};

struct config_store {
    char *name;
    unsigned line;
    bool is_default; /* the url of [store], where there are others: then it is called so */
    struct option_set options;
};

struct config {
    char *file; /* its name; NULL when there is none */
    struct option_set options;
    struct config_database *databases; /* in the file's order */
    size_t database_count;
    struct config_store *stores; /* the default one, if it is there, and those of [store:NAME] */
    size_t store_count;
};

#define CONFIG_INIT                                                                                \
    {                                                                                              \
        NULL, OPTION_SET_INIT, NULL, 0, NULL, 0                                                    \
    }

void config_dispose(struct config *config); /* may be repeated */

/* Read text, which came from file (a name for messages).  Reads no file but those named by *_file
 * keys.  ERR_CONFIG: "x.ini:7: no key 'ulr' in [store]", with the nearest name as the hint. */
int config_parse(const char *text, size_t len, const char *file, struct config *ret_config,
                 struct err *err);

/* path when not NULL, else $HOLDFAST_CONFIG, else CONFIG_DEFAULT_PATH if it is there, else nothing.
 * Warns when others can read a file that holds a secret. */
int config_load(const char *path, struct config *ret_config, struct err *err);

const struct config_database *config_find_database(const struct config *config, const char *name);
const struct config_store *config_find_store(const struct config *config, const char *name);
/* NULL when it has none, which only that of [store] may. */
const char *config_store_url(const struct config *config, const struct config_store *store);

#endif
