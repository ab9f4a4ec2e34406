#include "agent/options.h"

#include "agent/env.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/parse.h"
#include "base/rate_limit.h"
#include "retention/policy.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_LEN_MAX (64u << 10)
#define MIB           (UINT64_C(1) << 20)
#define GIB           (UINT64_C(1) << 30)
#define HOUR_MS       (UINT64_C(60) * 60 * 1000)
#define YEAR_MS       (UINT64_C(366) * 24 * HOUR_MS)
#define FILE_SUFFIX   "_file"
#define ENV_PREFIX    "HOLDFAST_"

static const struct option_spec specs[OPTION_COUNT] = {
    [OPTION_URL] = { .section = "store",
                     .key = "url",
                     .flag = "store",
                     .argument = "URL",
                     .type = OPTION_TEXT,
                     .per_database = true,
                     .help = "where backups are kept: s3://bucket/prefix or file:///directory" },
    [OPTION_ENDPOINT] = { .section = "store",
                          .key = "endpoint",
                          .argument = "URL",
                          .type = OPTION_TEXT,
                          .per_database = true,
                          .default_text = "AWS, in the region",
                          .help = "the S3 server, such as http://minio:9000" },
    [OPTION_REGION] = { .section = "store",
                        .key = "region",
                        .argument = "NAME",
                        .type = OPTION_TEXT,
                        .per_database = true,
                        .aws_names = { "AWS_REGION", "AWS_DEFAULT_REGION" },
                        .default_text = "the endpoint's, or us-east-1",
                        .help = "the region that requests are signed for" },
    [OPTION_ADDRESSING] = { .section = "store",
                            .key = "addressing",
                            .argument = "HOW",
                            .type = OPTION_CHOICE,
                            .per_database = true,
                            .choices = "auto path virtual",
                            .default_text = "auto",
                            .help = "the bucket's place in a URL: auto, path or virtual" },
    [OPTION_DUALSTACK] = { .section = "store",
                           .key = "dualstack",
                           .argument = "WHETHER",
                           .type = OPTION_CHOICE,
                           .per_database = true,
                           .choices = "no yes",
                           .default_text = "no",
                           .help = "yes: AWS's endpoints that have IPv6 addresses, too" },
    [OPTION_FIPS] = { .section = "store",
                      .key = "fips",
                      .argument = "WHETHER",
                      .type = OPTION_CHOICE,
                      .per_database = true,
                      .choices = "no yes",
                      .default_text = "no",
                      .help = "yes: AWS's endpoints with FIPS 140 validated cryptography" },
    [OPTION_ACCESS_KEY_ID] = { .section = "store",
                               .key = "access_key_id",
                               .argument = "ID",
                               .type = OPTION_TEXT,
                               .per_database = true,
                               .default_text = "that of AWS's variables or files",
                               .help = "the key that requests are signed with" },
    [OPTION_SECRET_ACCESS_KEY] = { .section = "store",
                                   .key = "secret_access_key",
                                   .argument = "SECRET",
                                   .type = OPTION_SECRET,
                                   .per_database = true,
                                   .help = "the secret that belongs to access_key_id" },
    [OPTION_SESSION_TOKEN] = { .section = "store",
                               .key = "session_token",
                               .argument = "TOKEN",
                               .type = OPTION_SECRET,
                               .per_database = true,
                               .help = "goes with a temporary access_key_id" },
    [OPTION_PROFILE] = { .section = "store",
                         .key = "profile",
                         .argument = "NAME",
                         .type = OPTION_TEXT,
                         .per_database = true,
                         .default_text = "default",
                         .help = "the profile of AWS's files whose keys to use" },
    [OPTION_CA_FILE] = { .section = "store",
                         .key = "ca_file",
                         .argument = "FILE",
                         .type = OPTION_PATH,
                         .per_database = true,
                         .default_text = "the system's",
                         .help = "certificates (PEM) of the authorities to trust" },
    [OPTION_CLIENT_CERT] = { .section = "store",
                             .key = "client_cert",
                             .argument = "FILE",
                             .type = OPTION_PATH,
                             .per_database = true,
                             .help = "a certificate (PEM) for a server that asks for one" },
    [OPTION_CLIENT_KEY] = { .section = "store",
                            .key = "client_key",
                            .argument = "FILE",
                            .type = OPTION_PATH,
                            .per_database = true,
                            .default_text = "in client_cert",
                            .help = "the key (PEM) that belongs to client_cert" },
    [OPTION_CLIENT_KEY_PASSWORD] = { .section = "store",
                                     .key = "client_key_password",
                                     .argument = "SECRET",
                                     .type = OPTION_SECRET,
                                     .per_database = true,
                                     .help = "what client_key is encrypted with" },
    [OPTION_PROXY] = { .section = "store",
                       .key = "proxy",
                       .argument = "URL",
                       .type = OPTION_SECRET,
                       .per_database = true,
                       .default_text = "HTTPS_PROXY or HTTP_PROXY",
                       .help = "a proxy on the way to the server; none: without" },
    [OPTION_ATTEMPTS] = { .section = "store",
                          .key = "attempts",
                          .argument = "COUNT",
                          .type = OPTION_NUMBER,
                          .per_database = true,
                          .min = 1,
                          .max = 100,
                          .default_text = "10",
                          .help = "how often a request is tried before it counts as failed" },
    [OPTION_OBJECT_LOCK] = { .section = "store",
                             .key = "object_lock",
                             .argument = "MODE",
                             .type = OPTION_CHOICE,
                             .per_database = true,
                             .choices = "none governance compliance",
                             .default_text = "none",
                             .help = "lock what is written, in a bucket with Object Lock: nobody "
                                     "can delete it before its time" },
    [OPTION_OBJECT_LOCK_DAYS] = { .section = "store",
                                  .key = "object_lock_days",
                                  .argument = "DAYS",
                                  .type = OPTION_NUMBER,
                                  .per_database = true,
                                  .min = 1,
                                  .max = 36500,
                                  .help = "for how long each backup is locked at least, with "
                                          "object_lock" },
    [OPTION_LIMIT_UPLOAD] = { .section = "store",
                              .key = "limit_upload",
                              .argument = "SIZE",
                              .type = OPTION_SIZE,
                              .min = RATE_LIMIT_MIN,
                              .max = RATE_LIMIT_MAX,
                              .default_text = "none",
                              .help = "send no more than this a second, all threads together" },
    [OPTION_LIMIT_DOWNLOAD] = { .section = "store",
                                .key = "limit_download",
                                .argument = "SIZE",
                                .type = OPTION_SIZE,
                                .min = RATE_LIMIT_MIN,
                                .max = RATE_LIMIT_MAX,
                                .default_text = "none",
                                .help = "fetch no more than this a second, all threads together" },
    [OPTION_STATE_DIR] = { .section = "agent",
                           .key = "state_dir",
                           .argument = "DIR",
                           .type = OPTION_PATH,
                           .default_text = "/var/lib/holdfast for root, else "
                                           "$XDG_STATE_HOME/holdfast",
                           .help = "what is remembered between runs, and locks" },
    [OPTION_SPOOL_DIR] = { .section = "agent",
                           .key = "spool_dir",
                           .argument = "DIR",
                           .type = OPTION_PATH,
                           .per_database = true,
                           .default_text = "$TMPDIR, /var/tmp or /tmp",
                           .help = "for what the network cannot take yet" },
    [OPTION_LOG_LEVEL] = { .section = "agent",
                           .key = "log_level",
                           .flag = "log",
                           .argument = "LEVEL",
                           .type = OPTION_CHOICE,
                           .choices = "error warn info debug trace",
                           .default_text = "warn",
                           .help = "what to say: error, warn, info, debug or trace" },
    [OPTION_WORKERS] = { .section = "agent",
                         .key = "workers",
                         .argument = "COUNT",
                         .type = OPTION_NUMBER,
                         .min = 1,
                         .max = 64,
                         .default_text = "2",
                         .help = "databases that the agent backs up at the same time" },
    [OPTION_FINAL_BACKUP] = { .section = "agent",
                              .key = "final_backup",
                              .argument = "WHETHER",
                              .type = OPTION_CHOICE,
                              .choices = "no yes",
                              .default_text = "no",
                              .help = "yes: the agent makes a last backup when told to stop" },
    [OPTION_STOP_TIMEOUT] = { .section = "agent",
                              .key = "stop_timeout",
                              .argument = "TIME",
                              .type = OPTION_DURATION,
                              .max = HOUR_MS,
                              .default_text = "25s",
                              .help = "what the agent may take to stop, before backups are "
                                      "aborted" },
    [OPTION_JITTER] = { .section = "agent",
                        .key = "jitter",
                        .argument = "TIME",
                        .type = OPTION_DURATION,
                        .max = HOUR_MS,
                        .default_text = "30s",
                        .help = "databases are backed up to so much later than scheduled, each "
                                "always as much" },
    [OPTION_WAIT_LOCK] = { .section = "agent",
                           .key = "wait_lock",
                           .argument = "TIME",
                           .type = OPTION_DURATION,
                           .max = 24 * HOUR_MS,
                           .default_text = "0s",
                           .help = "how long run waits for another run on the same databases" },
    [OPTION_LISTEN] = { .section = "agent",
                        .key = "listen",
                        .argument = "ADDRESS",
                        .type = OPTION_TEXT,
                        .default_text = "not at all",
                        .help = "where the agent shows its status page and metrics: 9187, "
                                "127.0.0.1:9187, [::1]:9187" },
    [OPTION_METRICS_FILE] = { .section = "agent",
                              .key = "metrics_file",
                              .argument = "FILE",
                              .type = OPTION_PATH,
                              .default_text = "none",
                              .help = "metrics for the textfile collector of Prometheus's "
                                      "node_exporter" },
    [OPTION_SCHEDULE] = { .section = "backup",
                          .key = "schedule",
                          .argument = "WHEN",
                          .type = OPTION_TEXT,
                          .per_database = true,
                          .default_text = "@hourly",
                          .help = "when to back up: five fields as in cron, @daily, or 15m" },
    [OPTION_TIMEZONE] = { .section = "backup",
                          .key = "timezone",
                          .argument = "ZONE",
                          .type = OPTION_TEXT,
                          .per_database = true,
                          .default_text = "local",
                          .help = "whose clocks schedule means: UTC, Europe/Berlin, local" },
    [OPTION_MAX_AGE] = { .section = "backup",
                         .key = "max_age",
                         .argument = "TIME",
                         .type = OPTION_DURATION,
                         .per_database = true,
                         .min = 1000,
                         .max = YEAR_MS,
                         .default_text = "until a second slot of schedule is missed",
                         .help =
                             "how old the last good backup may be before it counts as too old" },
    [OPTION_THREADS] = { .section = "backup",
                         .key = "threads",
                         .argument = "COUNT",
                         .type = OPTION_NUMBER,
                         .per_database = true,
                         .min = 1,
                         .max = 16,
                         .default_text = "the processor's cores",
                         .help = "threads that compress" },
    [OPTION_COMPRESSION] = { .section = "backup",
                             .key = "compression",
                             .argument = "LEVEL",
                             .type = OPTION_NUMBER,
                             .per_database = true,
                             .min = 1,
                             .max = 19,
                             .default_text = "1",
                             .help = "zstd's level: 1 is fast, 19 is small" },
    [OPTION_PART_SIZE] = { .section = "backup",
                           .key = "part_size",
                           .argument = "SIZE",
                           .type = OPTION_SIZE,
                           .per_database = true,
                           .min = 5 * MIB,
                           .max = 5 * GIB,
                           .default_text = "chosen from the database's size",
                           .help = "the parts a large upload is sent in" },
    [OPTION_BUSY_TIMEOUT] = { .section = "backup",
                              .key = "busy_timeout",
                              .argument = "TIME",
                              .type = OPTION_DURATION,
                              .per_database = true,
                              .min = 1,
                              .max = HOUR_MS,
                              .default_text = "5s, 30s for a restore",
                              .help = "how long to wait for a lock that somebody else holds" },
    [OPTION_FULL_EVERY] = { .section = "backup",
                            .key = "full_every",
                            .argument = "TIME",
                            .type = OPTION_DURATION,
                            .per_database = true,
                            .min = HOUR_MS,
                            .max = UINT64_C(100) * YEAR_MS,
                            .default_text = "30d",
                            .help = "how often to send all pages, and not only what changed" },
    [OPTION_SHRINK_GUARD] = { .section = "backup",
                              .key = "shrink_guard",
                              .argument = "HOW",
                              .type = OPTION_CHOICE,
                              .per_database = true,
                              .choices = "warn fail off",
                              .default_text = "warn",
                              .help =
                                  "a database that lost much: warn, or fail health too, or off" },
    [OPTION_KEEP_LAST] = { .section = "retention",
                           .key = "keep_last",
                           .argument = "COUNT",
                           .type = OPTION_NUMBER,
                           .per_database = true,
                           .max = RETENTION_COUNT_MAX,
                           .default_text = "0",
                           .help = "keep the newest backups of all" },
    [OPTION_KEEP_HOURLY] = { .section = "retention",
                             .key = "keep_hourly",
                             .argument = "COUNT",
                             .type = OPTION_NUMBER,
                             .per_database = true,
                             .max = RETENTION_COUNT_MAX,
                             .default_text = "24",
                             .help = "keep the newest of each of so many hours" },
    [OPTION_KEEP_DAILY] = { .section = "retention",
                            .key = "keep_daily",
                            .argument = "COUNT",
                            .type = OPTION_NUMBER,
                            .per_database = true,
                            .max = RETENTION_COUNT_MAX,
                            .default_text = "7",
                            .help = "keep the newest of each of so many days" },
    [OPTION_KEEP_WEEKLY] = { .section = "retention",
                             .key = "keep_weekly",
                             .argument = "COUNT",
                             .type = OPTION_NUMBER,
                             .per_database = true,
                             .max = RETENTION_COUNT_MAX,
                             .default_text = "4",
                             .help = "keep the newest of each of so many weeks" },
    [OPTION_KEEP_MONTHLY] = { .section = "retention",
                              .key = "keep_monthly",
                              .argument = "COUNT",
                              .type = OPTION_NUMBER,
                              .per_database = true,
                              .max = RETENTION_COUNT_MAX,
                              .default_text = "12",
                              .help = "keep the newest of each of so many months" },
    [OPTION_KEEP_YEARLY] = { .section = "retention",
                             .key = "keep_yearly",
                             .argument = "COUNT",
                             .type = OPTION_NUMBER,
                             .per_database = true,
                             .max = RETENTION_COUNT_MAX,
                             .default_text = "0",
                             .help = "keep the newest of each of so many years" },
    [OPTION_KEEP_WITHIN] = { .section = "retention",
                             .key = "keep_within",
                             .argument = "TIME",
                             .type = OPTION_TEXT,
                             .per_database = true,
                             .help = "keep all that are not older than the newest by more, as in "
                                     "1y6m14d12h" },
    [OPTION_PRUNE_GRACE] = { .section = "retention",
                             .key = "prune_grace",
                             .argument = "TIME",
                             .type = OPTION_DURATION,
                             .per_database = true,
                             .max = YEAR_MS,
                             .default_text = "24h",
                             .help = "how long data that no backup needs any more is left alone" },
    [OPTION_MAX_UNUSED] = { .section = "retention",
                            .key = "max_unused",
                            .argument = "PERCENT",
                            .type = OPTION_NUMBER,
                            .per_database = true,
                            .max = 100,
                            .default_text = "5",
                            .help = "how much of what is stored may be of no use before it is "
                                    "written anew; 100: nothing is downloaded for that" },
    [OPTION_BEFORE] = { .section = "hooks",
                        .key = "before",
                        .flag = "hook-before",
                        .argument = "COMMAND",
                        .type = OPTION_TEXT,
                        .per_database = true,
                        .help = "run by /bin/sh before each backup, which it can call off" },
    [OPTION_AFTER] = { .section = "hooks",
                       .key = "after",
                       .flag = "hook-after",
                       .argument = "COMMAND",
                       .type = OPTION_TEXT,
                       .per_database = true,
                       .help = "run by /bin/sh after each backup, also one that failed" },
    [OPTION_HOOK_TIMEOUT] = { .section = "hooks",
                              .key = "hook_timeout",
                              .argument = "TIME",
                              .type = OPTION_DURATION,
                              .per_database = true,
                              .min = 100,
                              .max = HOUR_MS,
                              .default_text = "1m",
                              .help = "how long each of these may take" },
    [OPTION_PING_URL] = { .section = "notify",
                          .key = "ping_url",
                          .argument = "URL",
                          .type = OPTION_SECRET,
                          .per_database = true,
                          .help = "told of each backup's start, success and failure, as "
                                  "Healthchecks.io is" },
    [OPTION_WEBHOOK_URL] = { .section = "notify",
                             .key = "webhook_url",
                             .argument = "URL",
                             .type = OPTION_SECRET,
                             .per_database = true,
                             .help = "told of failures and recoveries, in JSON" },
    [OPTION_WEBHOOK_ON] = { .section = "notify",
                            .key = "webhook_on",
                            .argument = "WHEN",
                            .type = OPTION_CHOICE,
                            .per_database = true,
                            .choices = "failure always",
                            .default_text = "failure",
                            .help = "always: of each success, too" },
    [OPTION_NOTIFY_CA_FILE] = { .section = "notify",
                                .key = "ca_file",
                                .database_key = "notify_ca_file",
                                .flag = "notify-ca-file",
                                .argument = "FILE",
                                .type = OPTION_PATH,
                                .per_database = true,
                                .default_text = "the system's",
                                .help = "certificates (PEM) of the authorities to trust there" },
    [OPTION_VERIFY_CRON] = { .section = "verify",
                             .key = "cron",
                             .database_key = "verify_cron",
                             .flag = "verify-cron",
                             .argument = "WHEN",
                             .type = OPTION_TEXT,
                             .per_database = true,
                             .default_text = "never",
                             .help = "when to restore the newest backup for a trial, as schedule "
                                     "is written" },
    [OPTION_VERIFY_DIR] = { .section = "verify",
                            .key = "dir",
                            .database_key = "verify_dir",
                            .flag = "verify-dir",
                            .argument = "DIR",
                            .type = OPTION_PATH,
                            .per_database = true,
                            .default_text = "spool_dir",
                            .help = "where to; as large as the database" },
};

const struct option_spec *option_spec(enum option_id id)
{
    return &specs[id];
}

void option_flag_name(enum option_id id, char out[OPTION_NAME_SIZE])
{
    const struct option_spec *spec = &specs[id];
    const char *name = spec->flag != NULL ? spec->flag : spec->key;
    size_t len = 0;

    for (; name[len] != '\0' && len + 1 < OPTION_NAME_SIZE; len++) {
        out[len] = name[len];
        if (name[len] == '_')
            out[len] = '-';
    }
    out[len] = '\0';
}

static char env_char(char c)
{
    if (c == '-')
        return '_';
    if (c >= 'a' && c <= 'z')
        return (char)(c - 'a' + 'A');
    return c;
}

void option_env_name(enum option_id id, char out[OPTION_NAME_SIZE])
{
    char flag[OPTION_NAME_SIZE];
    size_t len = sizeof(ENV_PREFIX) - 1;

    option_flag_name(id, flag);
    memcpy(out, ENV_PREFIX, len);
    for (const char *at = flag; *at != '\0' && len + 1 < OPTION_NAME_SIZE; at++)
        out[len++] = env_char(*at);
    out[len] = '\0';
}

/* Whether given is name, or name with the suffix that makes it the name of a file. */
static bool name_matches(const char *given, const char *name, const char *suffix, bool *ret_is_file)
{
    const size_t len = strlen(name);

    if (strncmp(given, name, len) != 0)
        return false;
    *ret_is_file = given[len] != '\0';
    return given[len] == '\0' || strcmp(given + len, suffix) == 0;
}

const char *option_key(const struct option_spec *spec, bool in_database)
{
    return in_database && spec->database_key != NULL ? spec->database_key : spec->key;
}

bool option_find_key(const char *section, bool in_database, const char *key,
                     struct option_name *ret_name)
{
    for (size_t id = 0; id < OPTION_COUNT; id++) {
        const struct option_spec *spec = &specs[id];
        bool is_file;

        if (in_database ? !spec->per_database : strcmp(spec->section, section) != 0)
            continue;
        if (!name_matches(key, option_key(spec, in_database), FILE_SUFFIX, &is_file))
            continue;
        *ret_name = (struct option_name){ (enum option_id)id, is_file };
        return true;
    }
    return false;
}

bool option_find_flag(const char *flag, struct option_name *ret_name)
{
    for (size_t id = 0; id < OPTION_COUNT; id++) {
        char name[OPTION_NAME_SIZE];
        bool is_file;

        option_flag_name((enum option_id)id, name);
        if (!name_matches(flag, name, "-file", &is_file))
            continue;
        *ret_name = (struct option_name){ (enum option_id)id, is_file };
        return true;
    }
    return false;
}

static void option_value_dispose(struct option_value *value)
{
    free(value->text);
    free(value->file);
    secret_dispose(&value->secret);
    *value = (struct option_value){ 0 };
}

void option_set_dispose(struct option_set *set)
{
    for (size_t id = 0; id < OPTION_COUNT; id++)
        option_value_dispose(&set->values[id]);
}

static int check_choice(const struct option_spec *spec, const char *text, uint64_t *ret_number,
                        struct err *err)
{
    const char *choice = spec->choices;

    for (uint64_t index = 0; *choice != '\0'; index++) {
        const size_t len = strcspn(choice, " ");

        if (str_eq((struct str){ choice, len }, str_from(text))) {
            *ret_number = index;
            return 0;
        }
        choice += len + (choice[len] == ' ');
    }
    return err_set(err, ERR_CONFIG, "'%s' is none of: %s", text, spec->choices);
}

static int check_size(const struct option_spec *spec, const char *text, uint64_t *ret_number,
                      struct err *err)
{
    char min[FORMAT_SIZE_SIZE], max[FORMAT_SIZE_SIZE];
    uint64_t size = 0;
    int r;

    r = parse_size(text, &size, err);
    if (r < 0)
        return r;
    if (size < spec->min || size > spec->max) {
        format_size(spec->min, min);
        format_size(spec->max, max);
        return err_set(err, ERR_CONFIG, "'%s' is not between %s and %s", text, min, max);
    }
    *ret_number = size;
    return 0;
}

static int check_duration(const struct option_spec *spec, const char *text, uint64_t *ret_number,
                          struct err *err)
{
    char min[FORMAT_TIME_SIZE], max[FORMAT_TIME_SIZE];
    int64_t ms = 0;
    int r;

    r = parse_duration(text, &ms, err);
    if (r < 0)
        return r;
    if (ms < (int64_t)spec->min || ms > (int64_t)spec->max) {
        format_duration((int64_t)spec->min, min);
        format_duration((int64_t)spec->max, max);
        return err_set(err, ERR_CONFIG, "'%s' is not between %s and %s", text, min, max);
    }
    *ret_number = (uint64_t)ms;
    return 0;
}

static int check_value(const struct option_spec *spec, const char *text, uint64_t *ret_number,
                       struct err *err)
{
    if (*text == '\0')
        return err_set(err, ERR_CONFIG, "has no value");
    switch (spec->type) {
    case OPTION_NUMBER:
        return parse_u64(text, spec->min, spec->max, ret_number, err);
    case OPTION_SIZE:
        return check_size(spec, text, ret_number, err);
    case OPTION_DURATION:
        return check_duration(spec, text, ret_number, err);
    case OPTION_CHOICE:
        return check_choice(spec, text, ret_number, err);
    case OPTION_TEXT:
    case OPTION_PATH:
    case OPTION_SECRET:
        return 0;
    }
    return 0;
}

static int value_set(const struct option_spec *spec, struct option_value *value, const char *text,
                     struct err *err)
{
    uint64_t number = 0;
    int r;

    r = check_value(spec, text, &number, err);
    if (r < 0)
        return r;
    if (spec->type == OPTION_SECRET) {
        r = secret_set(&value->secret, text, strlen(text), err);
        if (r < 0)
            return r;
    } else {
        value->text = strdup(text);
        if (value->text == NULL)
            return err_nomem(err);
    }
    value->number = number;
    value->is_set = true;
    return 0;
}

/* The content of a file without the line end that editors put there. */
static int value_set_from_file(const struct option_spec *spec, struct option_value *value,
                               const char *path, struct err *err)
{
    struct buf content = BUF_INIT(VALUE_LEN_MAX);
    int r;

    r = file_read(path, &content, err);
    if (r < 0) {
        r = err_wrap(err, ERR_CONFIG, "read the value from '%s'", path);
        goto out;
    }
    if (strlen(content.ptr) != content.len) {
        r = err_set(err, ERR_CONFIG, "'%s' holds a NUL character", path);
        goto out;
    }
    while (content.len > 0 && strchr("\r\n", content.ptr[content.len - 1]) != NULL)
        content.ptr[--content.len] = '\0';
    r = value_set(spec, value, content.ptr, err);
    if (r < 0)
        r = err_wrap(err, r, "'%s'", path);
    if (r == 0 && spec->type == OPTION_SECRET && (value->file = strdup(path)) == NULL)
        r = err_nomem(err);
out:
    buf_wipe(&content);
    return r;
}

int option_set_put(struct option_set *set, struct option_name name, const char *text,
                   const char *where, struct err *err)
{
    const struct option_spec *spec = &specs[name.id];
    struct option_value *value = &set->values[name.id];
    int r;

    if (value->is_set) {
        r = err_set(err, ERR_CONFIG, "given twice");
        err_hint(err, "give it once: as itself, or as the name of a file that holds it");
    } else if (name.is_file) {
        r = value_set_from_file(spec, value, text, err);
    } else {
        r = value_set(spec, value, text, err);
    }
    return r < 0 ? err_wrap(err, r, "%s", where) : 0;
}

static int load_env(struct option_set *set, struct option_name name, const char *variable,
                    struct err *err)
{
    const char *text = env_get(variable);

    if (text == NULL)
        return 0;
    return option_set_put(set, name, text, variable, err);
}

int option_set_load_env(struct option_set *set, struct err *err)
{
    for (size_t id = 0; id < OPTION_COUNT; id++) {
        char variable[OPTION_NAME_SIZE];
        char file_variable[OPTION_NAME_SIZE + sizeof("_FILE")];
        int r;

        option_env_name((enum option_id)id, variable);
        r = load_env(set, (struct option_name){ (enum option_id)id, false }, variable, err);
        if (r < 0)
            return r;
        (void)snprintf(file_variable, sizeof(file_variable), "%s_FILE", variable);
        r = load_env(set, (struct option_name){ (enum option_id)id, true }, file_variable, err);
        if (r < 0)
            return r;
    }
    return 0;
}

int option_set_load_aws_env(struct option_set *set, struct err *err)
{
    for (size_t id = 0; id < OPTION_COUNT; id++) {
        for (size_t i = 0; i < OPTION_AWS_COUNT; i++) {
            const char *variable = specs[id].aws_names[i];
            int r;

            if (variable == NULL || set->values[id].is_set)
                continue;
            r = load_env(set, (struct option_name){ (enum option_id)id, false }, variable, err);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

const struct option_value *settings_get(const struct settings *settings, enum option_id id)
{
    for (size_t i = 0; i < SETTINGS_LAYER_COUNT; i++) {
        const struct option_set *set = settings->layers[i];

        if (set != NULL && set->values[id].is_set)
            return &set->values[id];
    }
    return NULL;
}

const char *settings_text(const struct settings *settings, enum option_id id)
{
    const struct option_value *value = settings_get(settings, id);

    return value != NULL ? value->text : NULL;
}

const struct secret *settings_secret(const struct settings *settings, enum option_id id)
{
    const struct option_value *value = settings_get(settings, id);

    return value != NULL ? &value->secret : NULL;
}

uint64_t settings_number(const struct settings *settings, enum option_id id, uint64_t otherwise)
{
    const struct option_value *value = settings_get(settings, id);

    return value != NULL ? value->number : otherwise;
}
