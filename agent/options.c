#include "agent/options.h"

#include "base/rate_limit.h"
#include "retention/policy.h"
#include "store/object_store.h"

#include <limits.h>
#include <string.h>

#define MIB         (UINT64_C(1) << 20)
#define GIB         (UINT64_C(1) << 30)
#define HOUR_MS     (UINT64_C(60) * 60 * 1000)
#define DAY_MS      (24 * HOUR_MS)
#define YEAR_MS     (366 * DAY_MS)
#define FILE_SUFFIX "_file"
#define ENV_PREFIX  "HOLDFAST_"

static const struct option_spec specs[OPTION_COUNT] = {
    [OPTION_URL] = { .section = "store",
                     .key = "url",
                     .flag = "store",
                     .argument = "URL",
                     .type = OPTION_TEXT,
                     .per_database = true,
                     .help = "where backups are kept: s3://bucket/prefix, a directory (/backups, "
                             "file:///backups), or the NAME of a section [store:NAME]" },
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
    [OPTION_SSE] = { .section = "store",
                     .key = "sse",
                     .argument = "HOW",
                     .type = OPTION_CHOICE,
                     .per_database = true,
                     .choices = "none AES256 aws:kms",
                     .default_text = "none: as the bucket does it",
                     .help = "have the server encrypt what is written: AES256 or aws:kms" },
    [OPTION_SSE_KMS_KEY_ID] = { .section = "store",
                                .key = "sse_kms_key_id",
                                .argument = "ID",
                                .type = OPTION_TEXT,
                                .per_database = true,
                                .default_text = "AWS's own key",
                                .help = "the KMS key, or its ARN, with sse = aws:kms" },
    [OPTION_SSE_CUSTOMER_KEY] = { .section = "store",
                                  .key = "sse_customer_key",
                                  .argument = "SECRET",
                                  .type = OPTION_SECRET,
                                  .per_database = true,
                                  .help = "32 bytes in base64 that the server encrypts with, and "
                                          "forgets (SSE-C): without it nothing can be read" },
    [OPTION_STORAGE_CLASS] = { .section = "store",
                               .key = "storage_class",
                               .argument = "CLASS",
                               .type = OPTION_TEXT,
                               .per_database = true,
                               .default_text = "the bucket's",
                               .help = "of packs, such as STANDARD_IA, which is paid for 30 days "
                                       "at least; never of manifests" },
    [OPTION_TAGS] = { .section = "store",
                      .key = "tags",
                      .argument = "LIST",
                      .type = OPTION_TEXT,
                      .per_database = true,
                      .help = "tags of each object that is written: name=value, name=value" },
    [OPTION_REQUESTER_PAYS] = { .section = "store",
                                .key = "requester_pays",
                                .argument = "WHETHER",
                                .type = OPTION_CHOICE,
                                .per_database = true,
                                .choices = "no yes",
                                .default_text = "no",
                                .help = "yes: pay for the requests to a bucket of somebody "
                                        "else's, as it demands" },
    [OPTION_STALL_TIMEOUT] = { .section = "store",
                               .key = "stall_timeout",
                               .argument = "TIME",
                               .type = OPTION_DURATION,
                               .per_database = true,
                               .min = 1000,
                               .max = HOUR_MS,
                               .default_text = "1m",
                               .help = "how long a transfer may stand still" },
    [OPTION_DEADLINE] = { .section = "store",
                          .key = "deadline",
                          .argument = "TIME",
                          .type = OPTION_DURATION,
                          .per_database = true,
                          .min = 1000,
                          .max = DAY_MS,
                          .default_text = "15m",
                          .help = "how long a request is tried, all attempts together" },
    [OPTION_UPLOAD_CONCURRENCY] = { .section = "store",
                                    .key = "upload_concurrency",
                                    .argument = "COUNT",
                                    .type = OPTION_NUMBER,
                                    .per_database = true,
                                    .min = 1,
                                    .max = STORE_CONCURRENCY_MAX,
                                    .default_text = "4",
                                    .help = "parts of a large upload sent at the same time" },
    [OPTION_DOWNLOAD_CONCURRENCY] = { .section = "store",
                                      .key = "download_concurrency",
                                      .argument = "COUNT",
                                      .type = OPTION_NUMBER,
                                      .per_database = true,
                                      .min = 1,
                                      .max = STORE_CONCURRENCY_MAX,
                                      .default_text = "4",
                                      .help = "ranges fetched at the same time" },
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
                           .max = DAY_MS,
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
                           .default_text = "5MiB, more above 32 GiB",
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
    [OPTION_STORES] = { .section = "backup",
                        .key = "stores",
                        .argument = "NAMES",
                        .type = OPTION_TEXT,
                        .per_database = true,
                        .default_text = "all",
                        .help = "which of the stores [store:NAME] to back up to: names, separated "
                                "by commas" },
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

bool option_is_of_store(enum option_id id)
{
    return strcmp(specs[id].section, "store") == 0;
}
