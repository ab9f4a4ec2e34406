#include "agent/session.h"

#include "agent/console.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/rate_limit.h"
#include "store/object_store.h"
#include "store/store_url.h"
#include "store/version_store.h"

#include <stdlib.h>
#include <string.h>

#define DAY_MS (INT64_C(24) * 60 * 60 * 1000)
/* What a storage class is for: manifests are small, and replaced each hour. */
#define PACK_SUFFIX ".zst"
/* No database's name begins so. */
#define STORES_DIR ".stores"

void session_dispose(struct session *session)
{
    if (session->sources != NULL) {
        option_set_dispose(&session->sources->env);
        option_set_dispose(&session->sources->aws_env);
        config_dispose(&session->sources->config);
    }
    free(session->sources);
    session->sources = NULL;
    rate_limit_free(session->upload_limit);
    rate_limit_free(session->download_limit);
    session->upload_limit = session->download_limit = NULL;
    session->settings = (struct settings){ 0 };
}

static int make_limit(const struct session *session, enum option_id id,
                      struct rate_limit **ret_limit, struct err *err)
{
    const uint64_t rate = settings_number(&session->settings, id, 0);

    return rate > 0 ? rate_limit_new(rate, session->clock, ret_limit, err) : 0;
}

int session_load(struct session *session, struct err *err)
{
    const struct option_set *args = &session->args->options;
    struct session_sources *sources = calloc(1, sizeof(*sources));
    int r;

    if (sources == NULL)
        return err_nomem(err);
    session->sources = sources;
    session->settings.layers[SETTINGS_ARGS] = args;
    session->settings.layers[SETTINGS_ENV] = &sources->env;
    session->settings.layers[SETTINGS_FILE] = &sources->config.options;
    session->settings.layers[SETTINGS_AWS_ENV] = &sources->aws_env;
    r = option_set_load_env(&sources->env, err);
    if (r < 0)
        return r;
    r = option_set_load_aws_env(&session->sources->aws_env, err);
    if (r < 0)
        return r;
    r = config_load(session->args->flags[FLAG_CONFIG], &session->sources->config, err);
    if (r < 0)
        return r;
    /* The choices of log_level are the levels, in their order. */
    log_set_sink(
        console_log, session->console,
        (enum log_level)settings_number(&session->settings, OPTION_LOG_LEVEL, LOG_LEVEL_WARN));
    r = make_limit(session, OPTION_LIMIT_UPLOAD, &session->upload_limit, err);
    if (r == 0)
        r = make_limit(session, OPTION_LIMIT_DOWNLOAD, &session->download_limit, err);
    return r;
}

struct session session_for(const struct session *session, const struct option_set *section,
                           struct cancel *cancel)
{
    struct session own = *session;

    own.settings.layers[SETTINGS_DATABASE] = section;
    own.cancel = cancel;
    return own;
}

int session_find_database(struct session *session, enum database_need need,
                          struct database *ret_database, struct err *err)
{
    const struct args *args = session->args;
    int r;

    r = database_resolve(&session->sources->config, args->positionals[0], args->flags[FLAG_NAME],
                         need, ret_database, err);
    if (r == 0)
        session->settings.layers[SETTINGS_DATABASE] = ret_database->options;
    return r;
}

void session_use_options(struct session *session, const struct option_set *options)
{
    session->settings.layers[SETTINGS_DATABASE] = options;
}

void session_use_store(struct session *session, const struct config_store *store)
{
    session->store = store;
    session->settings.layers[SETTINGS_STORE] =
        store != NULL && !store->is_default ? &store->options : NULL;
}

const char *session_store_name(const struct session *session)
{
    return session->store != NULL ? session->store->name : NULL;
}

json_t *store_json(const struct session *session)
{
    return session->store != NULL ? json_string(session->store->name) : json_null();
}

static enum s3_choice choice_of(const struct settings *settings, enum option_id id)
{
    if (settings_get(settings, id) == NULL)
        return S3_CHOICE_UNSET;
    return settings_number(settings, id, 0) != 0 ? S3_CHOICE_YES : S3_CHOICE_NO;
}

static int read_lock(const struct settings *settings, struct s3_lock *ret_lock, struct err *err)
{
    const struct option_value *days = settings_get(settings, OPTION_OBJECT_LOCK_DAYS);

    /* The choices of object_lock are the modes, in their order. */
    ret_lock->mode = (enum s3_lock_mode)settings_number(settings, OPTION_OBJECT_LOCK, S3_LOCK_NONE);
    ret_lock->duration_ms = days != NULL ? (int64_t)days->number * DAY_MS : 0;
    if (ret_lock->mode != S3_LOCK_NONE && days == NULL) {
        (void)err_set(err, ERR_CONFIG, "object_lock is set, and object_lock_days is not");
        err_hint(err, "for how many days is each backup to be locked?");
        return ERR_CONFIG;
    }
    if (ret_lock->mode == S3_LOCK_NONE && days != NULL &&
        settings_get(settings, OPTION_OBJECT_LOCK) == NULL) {
        (void)err_set(err, ERR_CONFIG, "object_lock_days is set, and object_lock is not");
        err_hint(err, "object_lock = governance, compliance or none");
        return ERR_CONFIG;
    }
    return 0;
}

/* With --as-of, the store as it was then; *store is given up when that cannot be. */
static int go_back(const struct session *session, struct object_store **store, struct err *err)
{
    const char *text = session->args->flags[FLAG_AS_OF];
    struct object_store *present = *store;
    int64_t as_of_ms = 0;
    int r;

    if (text == NULL)
        return 0;
    *store = NULL;
    r = parse_time(text, clock_now_ms(session->clock), &as_of_ms, err);
    if (r < 0) {
        object_store_free(present);
    } else {
        r = version_store_new(present, as_of_ms, store, err);
    }
    return r < 0 ? err_wrap(err, r, "--as-of") : 0;
}

int session_open_store(const struct session *session, struct object_store **ret_store,
                       struct err *err)
{
    const struct settings *settings = &session->settings;
    const char *url = session->store != NULL
                          ? config_store_url(&session->sources->config, session->store)
                          : settings_text(settings, OPTION_URL);
    struct s3_options defaults = {
        .endpoint = settings_text(settings, OPTION_ENDPOINT),
        .region = settings_text(settings, OPTION_REGION),
        .addressing =
            (enum s3_addressing)settings_number(settings, OPTION_ADDRESSING, S3_ADDRESSING_AUTO),
        .access_key_id = settings_text(settings, OPTION_ACCESS_KEY_ID),
        .secret_access_key = settings_secret(settings, OPTION_SECRET_ACCESS_KEY),
        .session_token = settings_secret(settings, OPTION_SESSION_TOKEN),
        .profile = settings_text(settings, OPTION_PROFILE),
        .dualstack = choice_of(settings, OPTION_DUALSTACK),
        .fips = choice_of(settings, OPTION_FIPS),
        .ca_file = settings_text(settings, OPTION_CA_FILE),
        .client_cert = settings_text(settings, OPTION_CLIENT_CERT),
        .client_key = settings_text(settings, OPTION_CLIENT_KEY),
        .client_key_password = settings_secret(settings, OPTION_CLIENT_KEY_PASSWORD),
        .proxy = settings_secret(settings, OPTION_PROXY),
        .attempts_max = (unsigned)settings_number(settings, OPTION_ATTEMPTS, 0),
        .stall_timeout_ms = (int64_t)settings_number(settings, OPTION_STALL_TIMEOUT, 0),
        .deadline_ms = (int64_t)settings_number(settings, OPTION_DEADLINE, 0),
        .storage = {
            /* The choices of sse are these, in their order. */
            .sse = (enum s3_sse)settings_number(settings, OPTION_SSE, S3_SSE_NONE),
            .kms_key_id = settings_text(settings, OPTION_SSE_KMS_KEY_ID),
            .customer_key = settings_secret(settings, OPTION_SSE_CUSTOMER_KEY),
            .storage_class = settings_text(settings, OPTION_STORAGE_CLASS),
            .storage_class_suffix = PACK_SUFFIX,
            .tags = settings_text(settings, OPTION_TAGS),
            .requester_pays = settings_number(settings, OPTION_REQUESTER_PAYS, 0) != 0,
        },
        .anonymous = session->anonymous,
        .upload_limit = session->upload_limit,
        .download_limit = session->download_limit,
        .cancel = session->cancel,
        .clock = session->clock,
    };
    struct object_store *store = NULL;
    int r;

    if (url == NULL) {
        (void)err_set(err, ERR_CONFIG, "no store is named: where are the backups kept?");
        err_hint(err, "--store file:///directory or --store s3://bucket/prefix; or HOLDFAST_STORE; "
                      "or url in [store] of the configuration");
        return ERR_CONFIG;
    }
    r = read_lock(settings, &defaults.lock, err);
    if (r == 0)
        r = store_open(url, &defaults, &store, err);
    if (r == 0)
        r = go_back(session, &store, err);
    if (r < 0)
        return r;
    store->upload_concurrency = (unsigned)settings_number(settings, OPTION_UPLOAD_CONCURRENCY, 0);
    store->download_concurrency =
        (unsigned)settings_number(settings, OPTION_DOWNLOAD_CONCURRENCY, 0);
    *ret_store = store;
    return 0;
}

char *session_state_dir(const struct session *session)
{
    const char *configured = settings_text(&session->settings, OPTION_STATE_DIR);
    char *dir = configured != NULL ? strdup(configured) : state_dir_default();
    char *stores, *own;

    if (dir == NULL || session->store == NULL || session->store->is_default)
        return dir;
    stores = path_join(dir, STORES_DIR);
    own = stores != NULL ? path_join(stores, session->store->name) : NULL;
    free(stores);
    free(dir);
    return own;
}

int session_lock(const struct session *session, const char *database, int64_t timeout_ms,
                 struct lock *ret_lock, struct err *err)
{
    const struct settings *settings = &session->settings;
    char *state_dir = session_state_dir(session);
    struct lock_options options = {
        .state_dir = state_dir,
        .database = database,
        .timeout_ms = (int64_t)settings_number(settings, OPTION_BUSY_TIMEOUT, (uint64_t)timeout_ms),
        .cancel = session->cancel,
        .clock = session->clock,
    };
    int r;

    r = lock_acquire(&options, ret_lock, err);
    free(state_dir);
    return r;
}
