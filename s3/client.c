#include "s3/client.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "s3/credentials.h"
#include "s3/credentials_chain.h"
#include "s3/credentials_provider.h"
#include "s3/profile.h"
#include "s3/request.h"

#define CONNECT_TIMEOUT_MS 10000
#define STALL_TIMEOUT_MS   60000
#define ATTEMPTS_MAX       10
#define DEADLINE_MS        INT64_C(900000)

static int64_t or_default(int64_t value, int64_t fallback)
{
    return value > 0 ? value : fallback;
}

static int resolve(const struct s3_options *options, struct s3_client *client, struct err *err)
{
    const struct s3_endpoint_options endpoint = { .bucket = options->bucket,
                                                  .endpoint = options->endpoint,
                                                  .region = options->region,
                                                  .addressing = options->addressing };

    return s3_endpoint_resolve(&endpoint, &client->endpoint, err);
}

/* The authorities to trust: ours, else what the AWS tools and OpenSSL's programs are told. */
static const char *find_ca_file(const struct s3_options *options)
{
    static const char *const names[] = { "AWS_CA_BUNDLE", "SSL_CERT_FILE" };

    if (options->ca_file != NULL && options->ca_file[0] != '\0')
        return options->ca_file;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *path = getenv(names[i]); /* NOLINT(concurrency-mt-unsafe): nothing sets it */

        if (path != NULL && path[0] != '\0')
            return path;
    }
    return NULL;
}

static int choose_transport(const struct s3_options *options, struct s3_client *client,
                            struct err *err)
{
    if (options->transport != NULL) {
        client->transport = options->transport;
        return 0;
    }
    client->owns_transport = true;
    return http_curl_new(find_ca_file(options), &client->transport, err);
}

/* Fetch them at once: whoever has none should hear of it before anything else is begun. */
static int load_credentials(const struct s3_options *options, const struct s3_profiles *profiles,
                            struct s3_client *client, struct err *err)
{
    const struct s3_credentials_options wanted = {
        .access_key_id = options->access_key_id,
        .secret_access_key = options->secret_access_key,
        .session_token = options->session_token,
        .profile = options->profile,
        .region = options->region,
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

int s3_client_new(const struct s3_options *options, struct s3_client **ret_client, struct err *err)
{
    struct s3_client *client = calloc(1, sizeof(*client));
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
    client->connect_timeout_ms = or_default(options->connect_timeout_ms, CONNECT_TIMEOUT_MS);
    client->stall_timeout_ms = or_default(options->stall_timeout_ms, STALL_TIMEOUT_MS);
    client->policy.deadline_ms = or_default(options->deadline_ms, DEADLINE_MS);
    client->policy.attempts_max = options->attempts_max > 0 ? options->attempts_max : ATTEMPTS_MAX;
    r = resolve(options, client, err);
    if (r == 0)
        r = s3_profiles_load(&profiles, err);
    if (r < 0)
        goto out;
    client->bucket = strdup(options->bucket);
    if (client->bucket == NULL) {
        r = err_nomem(err);
        goto out;
    }
    r = choose_transport(options, client, err);
    if (r == 0 && !options->anonymous)
        r = load_credentials(options, profiles, client, err);
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
