/*
 * options.h - every setting, once: its name as a flag, in the environment and in the configuration
 * file, its type, its default, what it is for.
 *
 * One table drives the three parsers, the help and the check that the manual pages are complete.
 * A value is checked when it is set, so that the error names the place it came from.  Each can also
 * be given as the name of a file that holds it: key_file, HOLDFAST_KEY_FILE, --key-file.
 *
 * Flag over environment over the named store's section over the database's section over the
 * file's other sections over the variables of AWS's own tools.  For a named store what [store] and
 * a database's section say of another store does not count: no key is sent where it does not
 * belong.
 */
#ifndef AGENT_OPTIONS_H
#define AGENT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/secret.h"

struct err;

enum option_id {
    OPTION_URL,
    OPTION_ENDPOINT,
    OPTION_REGION,
    OPTION_ADDRESSING,
    OPTION_DUALSTACK,
    OPTION_FIPS,
    OPTION_ACCESS_KEY_ID,
    OPTION_SECRET_ACCESS_KEY,
    OPTION_SESSION_TOKEN,
    OPTION_PROFILE,
    OPTION_CA_FILE,
    OPTION_CLIENT_CERT,
    OPTION_CLIENT_KEY,
    OPTION_CLIENT_KEY_PASSWORD,
    OPTION_PROXY,
    OPTION_ATTEMPTS,
    OPTION_OBJECT_LOCK,
    OPTION_OBJECT_LOCK_DAYS,
    OPTION_SSE,
    OPTION_SSE_KMS_KEY_ID,
    OPTION_SSE_CUSTOMER_KEY,
    OPTION_STORAGE_CLASS,
    OPTION_TAGS,
    OPTION_REQUESTER_PAYS,
    OPTION_STALL_TIMEOUT,
    OPTION_DEADLINE,
    OPTION_UPLOAD_CONCURRENCY,
    OPTION_DOWNLOAD_CONCURRENCY,
    OPTION_LIMIT_UPLOAD,
    OPTION_LIMIT_DOWNLOAD,
    OPTION_STATE_DIR,
    OPTION_SPOOL_DIR,
    OPTION_LOG_LEVEL,
    OPTION_WORKERS,
    OPTION_FINAL_BACKUP,
    OPTION_STOP_TIMEOUT,
    OPTION_JITTER,
    OPTION_WAIT_LOCK,
    OPTION_LISTEN,
    OPTION_METRICS_FILE,
    OPTION_SCHEDULE,
    OPTION_TIMEZONE,
    OPTION_MAX_AGE,
    OPTION_THREADS,
    OPTION_COMPRESSION,
    OPTION_PART_SIZE,
    OPTION_BUSY_TIMEOUT,
    OPTION_FULL_EVERY,
    OPTION_STORES,
    OPTION_SHRINK_GUARD,
    OPTION_KEEP_LAST,
    OPTION_KEEP_HOURLY,
    OPTION_KEEP_DAILY,
    OPTION_KEEP_WEEKLY,
    OPTION_KEEP_MONTHLY,
    OPTION_KEEP_YEARLY,
    OPTION_KEEP_WITHIN,
    OPTION_PRUNE_GRACE,
    OPTION_MAX_UNUSED,
    OPTION_BEFORE,
    OPTION_AFTER,
    OPTION_HOOK_TIMEOUT,
    OPTION_PING_URL,
    OPTION_WEBHOOK_URL,
    OPTION_WEBHOOK_ON,
    OPTION_NOTIFY_CA_FILE,
    OPTION_VERIFY_CRON,
    OPTION_VERIFY_DIR,
    OPTION_COUNT
};

enum option_type {
    OPTION_TEXT,
    OPTION_PATH,
    OPTION_SECRET,   /* not as a flag, which every user of the machine could read */
    OPTION_NUMBER,   /* min .. max */
    OPTION_SIZE,     /* bytes, min .. max; "16MiB" */
    OPTION_DURATION, /* ms, min .. max; "30s" */
    OPTION_CHOICE    /* one of choices; the number is its index */
};

#define OPTION_NAME_SIZE 64
#define OPTION_AWS_COUNT 2

struct option_spec {
    const char *section;
    const char *key;
    const char *database_key; /* in [database:NAME]; NULL: the same */
    const char *flag; /* without "--"; NULL: the key with hyphens.  The environment's name is
                         HOLDFAST_ and this in capitals */
    const char *argument;
    enum option_type type;
    bool per_database; /* may stand in [database:NAME] and [store:NAME] */
    uint64_t min, max;
    const char *choices;                     /* separated by spaces */
    const char *aws_names[OPTION_AWS_COUNT]; /* variables that are looked at last */
    const char *default_text;                /* for the help; NULL: none */
    const char *help;
};

const struct option_spec *option_spec(enum option_id id);
void option_flag_name(enum option_id id, char out[OPTION_NAME_SIZE]); /* "state-dir" */
void option_env_name(enum option_id id, char out[OPTION_NAME_SIZE]);  /* "HOLDFAST_STATE_DIR" */

/* As it is written in a section of that kind. */
const char *option_key(const struct option_spec *spec, bool in_database);

struct option_name {
    enum option_id id;
    bool is_file; /* what was given is the name of a file that holds the value */
};
/* What says which store it is, and how to get in: all of [store]. */
bool option_is_of_store(enum option_id id);
/* By key in a section of the file; in_database: those that [database:NAME] may have. */
bool option_find_key(const char *section, bool in_database, const char *key,
                     struct option_name *ret_name);
bool option_find_flag(const char *flag, struct option_name *ret_name);

struct option_value {
    char *text;           /* NULL when unset, and for secrets */
    struct secret secret; /* of those */
    uint64_t number;      /* of the types that have one */
    char *file;           /* that a secret was read from; else NULL */
    bool is_set;
};

struct option_set {
    struct option_value values[OPTION_COUNT];
};

#define OPTION_SET_INIT                                                                            \
    {                                                                                              \
        {                                                                                          \
            {                                                                                      \
                0                                                                                  \
            }                                                                                      \
        }                                                                                          \
    }

void option_set_dispose(struct option_set *set); /* wipes secrets; may be repeated */

/* Check and keep a value.  where begins the message of an error: "x.ini:7: threads".  ERR_CONFIG
 * when the text is no such value, or the set has one already. */
int option_set_put(struct option_set *set, struct option_name name, const char *text,
                   const char *where, struct err *err);
/* All HOLDFAST_... variables that there are; an empty one counts as unset. */
int option_set_load_env(struct option_set *set, struct err *err);
/* The variables of AWS's own tools that have an option. */
int option_set_load_aws_env(struct option_set *set, struct err *err);

enum settings_layer {
    SETTINGS_ARGS,
    SETTINGS_ENV,
    SETTINGS_STORE, /* [store:NAME] */
    SETTINGS_DATABASE,
    SETTINGS_FILE,
    SETTINGS_AWS_ENV,
    SETTINGS_LAYER_COUNT
};

/* The sets that count, the strongest first; NULL ones are skipped.  Borrowed. */
struct settings {
    const struct option_set *layers[SETTINGS_LAYER_COUNT];
};

/* NULL when no layer has it. */
const struct option_value *settings_get(const struct settings *settings, enum option_id id);
const char *settings_text(const struct settings *settings, enum option_id id); /* or NULL */
const struct secret *settings_secret(const struct settings *settings, enum option_id id);
uint64_t settings_number(const struct settings *settings, enum option_id id, uint64_t otherwise);

#endif
