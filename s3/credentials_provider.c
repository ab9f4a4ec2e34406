#include "s3/credentials_provider.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/random.h"
#include "s3/credentials.h"
#include "s3/credentials_source.h"

#define EARLY_MS  INT64_C(300000) /* AWS's own clients refresh 5 minutes early */
#define JITTER_MS UINT64_C(60000)
#define AGAIN_MS  INT64_C(60000) /* after a fetch that failed, and for what is over already */

struct s3_credentials_provider {
    struct s3_credentials_source *source;
    pthread_mutex_t lock; /* over all that follows */
    pthread_cond_t fetched;
    struct s3_credentials current;
    int64_t refresh_ms, end_ms; /* when to ask for others; until when current can be used */
    uint64_t generation;        /* of current; 0: there is none yet */
    uint64_t attempt_count;     /* fetches that have ended */
    bool is_refused, is_fetching;
    struct err last; /* of the last fetch, for those who waited for it */
};

int s3_credentials_provider_new(struct s3_credentials_source *source,
                                struct s3_credentials_provider **ret_provider, struct err *err)
{
    struct s3_credentials_provider *provider = calloc(1, sizeof(*provider));

    if (provider == NULL) {
        s3_credentials_source_free(source);
        return err_nomem(err);
    }
    provider->source = source;
    (void)pthread_mutex_init(&provider->lock, NULL);
    (void)pthread_cond_init(&provider->fetched, NULL);
    *ret_provider = provider;
    return 0;
}

void s3_credentials_provider_free(struct s3_credentials_provider *provider)
{
    if (provider == NULL)
        return;
    s3_credentials_source_free(provider->source);
    s3_credentials_dispose(&provider->current);
    (void)pthread_cond_destroy(&provider->fetched);
    (void)pthread_mutex_destroy(&provider->lock);
    free(provider);
}

/* When to ask again.  What lives for less than ten minutes is replaced at half its life. */
static void plan(struct s3_credentials_provider *provider, int64_t now_ms)
{
    const int64_t left_ms = provider->current.expires_ms - now_ms;
    int64_t early_ms = EARLY_MS + (int64_t)(random_u64() % JITTER_MS);

    if (provider->current.expires_ms == 0) {
        provider->refresh_ms = provider->end_ms = INT64_MAX;
    } else if (left_ms <= 0) {
        log_warn("the credentials of %s have ended already, by this machine's clock: used all the "
                 "same",
                 provider->source->name);
        provider->refresh_ms = provider->end_ms = now_ms + AGAIN_MS;
    } else {
        if (early_ms > left_ms / 2)
            early_ms = left_ms / 2;
        provider->refresh_ms = provider->current.expires_ms - early_ms;
        provider->end_ms = provider->current.expires_ms;
    }
}

static void say_source(const struct s3_credentials_provider *provider)
{
    char until[FORMAT_TIME_SIZE] = "further notice";

    if (provider->current.expires_ms != 0)
        format_time_utc(provider->current.expires_ms, false, until);
    log_debug("credentials: those of %s, until %s", provider->source->name, until);
}

/* With the lock held, which is let go of meanwhile. */
static void fetch(struct s3_credentials_provider *provider, int64_t now_ms)
{
    struct s3_credentials found = S3_CREDENTIALS_INIT;
    struct err err;
    int r;

    err_clear(&err);
    provider->is_fetching = true;
    (void)pthread_mutex_unlock(&provider->lock);
    r = provider->source->ops->fetch(provider->source, &found, &err);
    (void)pthread_mutex_lock(&provider->lock);
    provider->is_fetching = false;
    provider->attempt_count++;
    provider->last = err;
    if (r == 0) {
        s3_credentials_dispose(&provider->current);
        provider->current = found;
        provider->generation++;
        provider->is_refused = false;
        plan(provider, now_ms);
        say_source(provider);
    } else {
        s3_credentials_dispose(&found);
        provider->last.code = r;
        if (provider->generation != 0 && now_ms < provider->end_ms && !provider->is_refused) {
            log_warn("no new credentials yet, the old ones are still valid: %s", err.msg);
            provider->refresh_ms = now_ms + AGAIN_MS;
        }
    }
    (void)pthread_cond_broadcast(&provider->fetched);
}

int s3_credentials_provider_get(struct s3_credentials_provider *provider, int64_t now_ms,
                                struct s3_credentials *ret_credentials, uint64_t *ret_generation,
                                struct err *err)
{
    bool has_tried = false;
    int r = 0;

    (void)pthread_mutex_lock(&provider->lock);
    for (;;) {
        const bool usable =
            provider->generation != 0 && !provider->is_refused && now_ms < provider->end_ms;
        const bool due = !usable || now_ms >= provider->refresh_ms;
        const uint64_t attempt = provider->attempt_count;

        if (usable && (!due || provider->is_fetching || has_tried)) {
            r = s3_credentials_copy(ret_credentials, &provider->current, err);
            *ret_generation = provider->generation;
            break;
        }
        if (has_tried) { /* and failed, by us or by whom we waited for */
            r = provider->last.code < 0 ? provider->last.code : ERR_DENIED;
            if (err != NULL)
                *err = provider->last;
            break;
        }
        if (!provider->is_fetching) {
            fetch(provider, now_ms);
        } else {
            while (provider->attempt_count == attempt)
                (void)pthread_cond_wait(&provider->fetched, &provider->lock);
        }
        has_tried = true;
    }
    (void)pthread_mutex_unlock(&provider->lock);
    return r;
}

bool s3_credentials_provider_is_instance(const struct s3_credentials_provider *provider)
{
    return provider->source->is_instance;
}

bool s3_credentials_provider_expire(struct s3_credentials_provider *provider, uint64_t generation)
{
    (void)pthread_mutex_lock(&provider->lock);
    if (generation == provider->generation)
        provider->is_refused = !provider->source->is_fixed;
    (void)pthread_mutex_unlock(&provider->lock);
    return !provider->source->is_fixed;
}
