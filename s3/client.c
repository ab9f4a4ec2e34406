#include "s3/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "s3/client_certificate.h"
#include "s3/configured.h"
#include "s3/credentials.h"
#include "s3/credentials_chain.h"
#include "s3/credentials_provider.h"
#include "s3/profile.h"
#include "s3/proxy.h"
#include "s3/request.h"
#include "s3/survey.h"

#define CONNECT_TIMEOUT_MS 10000
#define STALL_TIMEOUT_MS   60000
#define ATTEMPTS_MAX       10
#define DEADLINE_MS        INT64_C(900000)

static int64_t or_default(int64_t value, int64_t fallback)
{
    return value > 0 ? value : fallback;
}

static int resolve(const struct s3_options *options, const struct s3_configured *configured,
                   struct s3_client *client, struct err *err)
{
    const struct s3_endpoint_options endpoint = { .bucket = options->bucket,
                                                  .endpoint = configured->endpoint,
                                                  .region = configured->region,
                                                  .addressing = options->addressing,
                                                  .dualstack = configured->dualstack,
                                                  .fips = configured->fips };
    struct s3_endpoint found = S3_ENDPOINT_INIT;
    int r;

    r = s3_endpoint_resolve(&endpoint, &found, err);
    if (r < 0) {
        return configured->endpoint_from[0] != '\0' && endpoint.endpoint != options->endpoint
                   ? err_wrap(err, r, "%s", configured->endpoint_from)
                   : r;
    }
    s3_endpoint_dispose(&client->endpoint);
    client->endpoint = found;
    (void)snprintf(client->endpoint_from, sizeof(client->endpoint_from), "%s",
                   configured->endpoint_from);
    (void)snprintf(client->region_from, sizeof(client->region_from), "%s", configured->region_from);
    return 0;
}

/* What is said of the proxy: never what it is reached with. */
static int note_proxy(const struct s3_options *options, struct s3_client *client, struct err *err)
{
    const char *setting = options->proxy != NULL ? options->proxy->ptr : NULL;
    struct http_proxy proxy;
    char url[S3_SURVEY_TEXT_SIZE];
    int r;

    if (setting != NULL && strcmp(setting, HTTP_PROXY_NONE) != 0) {
        r = http_proxy_check(setting, err);
        if (r < 0)
            return r;
    }
    (void)snprintf(url, sizeof(url), "%s://%s", client->endpoint.scheme, client->endpoint.host);
    proxy = http_proxy_choose(setting, url);
    client->proxy_from = proxy.from;
    if (proxy.url != NULL)
        http_proxy_show(proxy.url, client->proxy);
    return 0;
}

static int choose_transport(const struct s3_options *options,
                            const struct s3_configured *configured, struct s3_client *client,
                            struct err *err)
{
    const struct client_certificate files = { options->client_cert, options->client_key,
                                              options->client_key_password };
    const struct http_curl_options curl = { .ca_file = configured->ca_file,
                                            .client_cert = options->client_cert,
                                            .client_key = options->client_key,
                                            .client_key_password = options->client_key_password,
                                            .proxy = options->proxy };
    int r;

    r = note_proxy(options, client, err);
    if (r == 0) {
        r = client_certificate_check(&files, clock_now_ms(client->clock),
                                     &client->client_certificate_ends_ms, err);
    }
    if (r < 0)
        return r;
    if (options->transport != NULL) {
        client->transport = options->transport;
        return 0;
    }
    client->owns_transport = true;
    return http_curl_new(&curl, &client->transport, err);
}

/* Fetch them at once: whoever has none should hear of it before anything else is begun. */
static int load_credentials(const struct s3_options *options, const struct s3_profiles *profiles,
                            const struct s3_configured *configured, struct s3_client *client,
                            struct err *err)
{
    const struct s3_credentials_options wanted = {
        .access_key_id = options->access_key_id,
        .secret_access_key = options->secret_access_key,
        .session_token = options->session_token,
        .profile = options->profile,
        .region = configured->region,
        .fips = configured->fips,
    };
    struct s3_credentials_source *source = NULL;
    struct s3_credentials first = S3_CREDENTIALS_INIT;
    uint64_t generation;
    int r;

    client->context =
        (struct s3_source_context){ client->transport, client->clock, client->cancel };
    r = s3_credentials_choose(&wanted, profiles, &client->context, &source, err);
    if (r == 0)
        r = s3_credentials_provider_new(source, &client->credentials, err);
    if (r == 0) {
        r = s3_credentials_provider_get(client->credentials, clock_now_ms(client->clock), &first,
                                        &generation, err);
    }
    if (r == ERR_NOT_FOUND)
        r = s3_credentials_none(err);
    s3_credentials_dispose(&first);
    return r;
}

/* Where nobody names a region, and the keys are those of an instance: the one that it is in. */
static int use_instance_region(const struct s3_options *options, const struct s3_profiles *profiles,
                               struct s3_configured *configured, struct s3_client *client,
                               struct err *err)
{
    const char *imds = s3_profiles_get(profiles, s3_profile_name(options->profile),
                                       "ec2_metadata_service_endpoint");
    struct err why = { 0 };
    char *region = NULL;
    int r;

    if (configured->region != NULL || configured->endpoint != NULL || client->credentials == NULL ||
        !s3_credentials_provider_is_instance(client->credentials))
        return 0;
    if (s3_imds_region(&client->context, imds, &region, &why) < 0) {
        log_debug("the instance does not say its region: %s", why.msg);
        return 0;
    }
    configured->region = region;
    (void)snprintf(configured->region_from, sizeof(configured->region_from),
                   "the instance metadata service");
    r = resolve(options, configured, client, err);
    configured->region = NULL;
    free(region);
    return r;
}

int s3_client_new(const struct s3_options *options, struct s3_client **ret_client, struct err *err)
{
    struct s3_client *client = calloc(1, sizeof(*client));
    struct s3_configured configured = { 0 };
    struct s3_profiles *profiles = NULL;
    int r;

    if (client == NULL)
        return err_nomem(err);
    (void)pthread_mutex_init(&client->lock, NULL);
    client->clock = options->clock != NULL ? options->clock : clock_system();
    client->cancel = options->cancel;
    client->upload_limit = options->upload_limit;
    client->download_limit = options->download_limit;
    client->addressing = options->addressing;
    client->lock_mode = options->lock.mode;
    client->lock_duration_ms = options->lock.duration_ms;
    client->connect_timeout_ms = or_default(options->connect_timeout_ms, CONNECT_TIMEOUT_MS);
    client->stall_timeout_ms = or_default(options->stall_timeout_ms, STALL_TIMEOUT_MS);
    client->policy.deadline_ms = or_default(options->deadline_ms, DEADLINE_MS);
    client->policy.attempts_max = options->attempts_max > 0 ? options->attempts_max : ATTEMPTS_MAX;
    r = s3_profiles_load(&profiles, err);
    if (r == 0) {
        r = s3_configured_find(options, profiles, s3_profile_name(options->profile), &configured,
                               err);
    }
    if (r == 0)
        r = resolve(options, &configured, client, err);
    if (r < 0)
        goto out;
    r = s3_storage_init(&client->storage, &options->storage, err);
    if (r == 0)
        r = s3_storage_check_endpoint(&client->storage, &client->endpoint, err);
    if (r < 0)
        goto out;
    client->bucket = strdup(options->bucket);
    if (client->bucket == NULL) {
        r = err_nomem(err);
        goto out;
    }
    r = choose_transport(options, &configured, client, err);
    if (r == 0 && !options->anonymous)
        r = load_credentials(options, profiles, &configured, client, err);
    if (r == 0)
        r = use_instance_region(options, profiles, &configured, client, err);
    if (r < 0)
        goto out;
    *ret_client = client;
    client = NULL;
out:
    s3_profiles_free(profiles);
    s3_client_free(client);
    return r;
}

void s3_client_free(struct s3_client *client)
{
    if (client == NULL)
        return;
    s3_credentials_provider_free(client->credentials);
    if (client->owns_transport)
        http_transport_free(client->transport);
    s3_endpoint_dispose(&client->endpoint);
    s3_storage_dispose(&client->storage);
    free(client->bucket);
    (void)pthread_mutex_destroy(&client->lock);
    free(client);
}

int64_t s3_client_now_ms(const struct s3_client *client)
{
    return clock_now_ms(client->clock) + atomic_load(&client->clock_offset_ms);
}

void s3_client_counters(const struct s3_client *client, struct s3_counters *ret_counters)
{
    *ret_counters = (struct s3_counters){
        .put = atomic_load(&client->counts[HTTP_PUT]),
        .get = atomic_load(&client->counts[HTTP_GET]),
        .head = atomic_load(&client->counts[HTTP_HEAD]),
        .post = atomic_load(&client->counts[HTTP_POST]),
        .delete_ = atomic_load(&client->counts[HTTP_DELETE]),
        .retries = atomic_load(&client->retry_count),
        .sent_bytes = atomic_load(&client->sent_bytes),
        .received_bytes = atomic_load(&client->received_bytes),
    };
    for (size_t operation = 0; operation < S3_OPERATION_COUNT; operation++) {
        for (size_t status = 0; status < S3_STATUS_COUNT; status++) {
            ret_counters->requests[operation][status] =
                atomic_load(&client->requests[operation][status]);
        }
    }
}
