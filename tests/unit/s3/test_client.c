/* Goal: a client is made from sound options only, names the one at fault, and counts what it
 * sends. */
#include "tests/harness/test.h"

#include <string.h>

#include "base/secret.h"
#include "tests/harness/credentials_rig.h"
#include "tests/harness/s3_rig.h"

static int make(const struct s3_options *options, struct err *err)
{
    struct s3_client *client = NULL;
    const int r = s3_client_new(options, &client, err);

    assert_int_equal(client != NULL, r == 0);
    s3_client_free(client);
    return r;
}

static void needs_a_bucket_a_good_endpoint_and_a_whole_key(void **state)
{
    char text[] = "SECRET";
    const struct secret secret = { text, 6 };
    struct s3_options options = { .bucket = "bucket",
                                  .access_key_id = "AKID",
                                  .secret_access_key = &secret };
    struct err err = { 0 };

    (void)state;
    assert_int_equal(make(&options, &err), 0);
    options.bucket = NULL;
    assert_int_equal(make(&options, &err), ERR_CONFIG);
    assert_non_null(strstr(err.msg, "bucket"));
    options.bucket = "bucket";
    options.endpoint = "gopher://x";
    assert_int_equal(make(&options, &err), ERR_CONFIG);
    assert_non_null(strstr(err.msg, "endpoint"));
    options.endpoint = NULL;
    options.region = "Nowhere!";
    assert_int_equal(make(&options, &err), ERR_CONFIG);
    assert_non_null(strstr(err.msg, "region"));
    options.region = NULL;
    options.secret_access_key = NULL;
    assert_int_equal(make(&options, &err), ERR_CONFIG);
    assert_non_null(strstr(err.msg, "secret_access_key"));
    assert_null(strstr(err.msg, "SECRET"));
}

static struct s3_client *make_aws(struct fake_transport *fake, struct fake_clock *clock,
                                  const struct s3_options *more)
{
    struct s3_options options = *more;
    struct s3_client *client = NULL;
    struct err err = { 0 };

    fake_clock_init(clock, S3_RIG_NOW_MS);
    options.bucket = "bucket";
    options.transport = &fake->transport;
    options.clock = &clock->clock;
    if (s3_client_new(&options, &client, &err) < 0)
        fail_msg("%s", err.msg);
    return client;
}

static void check_host(const struct fake_transport *fake, size_t index, const char *host)
{
    assert_true(index < fake->request_count);
    assert_string_equal(fake_request_header(fake, index, "Host"), host);
}

/* Whoever asked for a kind of host gets it in the right region, too. */
static void a_wrong_region_is_mended_on_hosts_of_the_same_kind(void **state)
{
    static const char moved[] = "<Error><Code>AuthorizationHeaderMalformed</Code>"
                                "<Region>us-west-2</Region></Error>";
    static const struct fake_reply replies[] = { FAKE_REPLY(400, NULL, moved),
                                                 FAKE_REPLY(204, NULL, NULL) };
    char text[] = "SECRET";
    const struct secret secret = { text, 6 };
    const struct s3_options options[] = {
        { .access_key_id = "AKID",
          .secret_access_key = &secret,
          .fips = S3_CHOICE_YES,
          .dualstack = S3_CHOICE_YES },
        { .access_key_id = "AKID",
          .secret_access_key = &secret,
          .endpoint = "https://s3-fips.dualstack.us-east-1.amazonaws.com" },
    };
    struct fake_transport fake;
    struct fake_clock clock;

    (void)state;
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        struct s3_client *client;

        fake_transport_init(&fake, replies, 2);
        client = make_aws(&fake, &clock, &options[i]);
        assert_int_equal(s3_delete_object(client, "key", NULL), 0);
        check_host(&fake, 0, "bucket.s3-fips.dualstack.us-east-1.amazonaws.com");
        check_host(&fake, 1, "bucket.s3-fips.dualstack.us-west-2.amazonaws.com");
        assert_non_null(strstr(fake_request_header(&fake, 1, "Authorization"), "/us-west-2/s3/"));
        s3_client_free(client);
        fake_transport_dispose(&fake);
    }
}

#define INSTANCE_KEYS                                                                              \
    FAKE_REPLY(200, NULL, "TOKEN"), FAKE_REPLY(200, NULL, "role"),                                 \
        FAKE_REPLY(200, NULL,                                                                      \
                   "{\"Code\":\"Success\",\"AccessKeyId\":\"ASIA\","                               \
                   "\"SecretAccessKey\":\"S\",\"Token\":\"T\","                                    \
                   "\"Expiration\":\"2026-11-23T19:05:28Z\"}")

static void an_instance_s_own_keys_are_used_in_its_own_region(void **state)
{
    static const struct fake_reply replies[] = { INSTANCE_KEYS, FAKE_REPLY(200, NULL, "TOKEN"),
                                                 FAKE_REPLY(200, NULL, "eu-north-1\n"),
                                                 FAKE_REPLY(204, NULL, NULL) };
    static const struct fake_reply silent[] = { INSTANCE_KEYS, FAKE_REPLY(200, NULL, "TOKEN"),
                                                FAKE_REPLY(404, NULL, NULL),
                                                FAKE_REPLY(204, NULL, NULL) };
    static const struct fake_reply unasked[] = { INSTANCE_KEYS, FAKE_REPLY(204, NULL, NULL) };
    static const struct {
        const struct fake_reply *replies;
        size_t count;
        struct s3_options options;
        const char *host;
    } cases[] = {
        { replies, 6, { .bucket = "" }, "bucket.s3.eu-north-1.amazonaws.com" },
        { silent, 6, { .bucket = "" }, "bucket.s3.us-east-1.amazonaws.com" },
        { unasked, 4, { .region = "us-west-1" }, "bucket.s3.us-west-1.amazonaws.com" },
        { unasked, 4, { .endpoint = "https://minio" }, "minio" },
    };
    struct fake_transport fake;
    struct fake_clock clock;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct s3_client *client;

        fake_transport_init(&fake, cases[i].replies, cases[i].count);
        client = make_aws(&fake, &clock, &cases[i].options);
        assert_int_equal(s3_delete_object(client, "key", NULL), 0);
        assert_int_equal(fake.request_count, cases[i].count);
        check_host(&fake, cases[i].count - 1, cases[i].host);
        for (size_t asked = 0; asked + 1 < fake.request_count; asked++)
            assert_true(fake.requests[asked].is_local);
        s3_client_free(client);
        fake_transport_dispose(&fake);
    }
}

static void says_who_is_at_fault_for_an_endpoint(void **state)
{
    char text[] = "ftp://me:hunter2@proxy";
    const struct secret proxy = { text, sizeof(text) - 1 };
    struct s3_options options = { .bucket = "bucket", .anonymous = true };
    struct err err = { 0 };

    (void)state;
    credentials_rig_set("AWS_ENDPOINT_URL_S3", "gopher://x");
    assert_int_equal(make(&options, &err), ERR_CONFIG);
    assert_non_null(strstr(err.msg, "AWS_ENDPOINT_URL_S3: "));
    options.endpoint = "https://minio";
    assert_int_equal(make(&options, NULL), 0);
    options.proxy = &proxy;
    err_clear(&err);
    assert_int_equal(make(&options, &err), ERR_CONFIG);
    assert_non_null(strstr(err.msg, "proxy"));
    assert_null(strstr(err.msg, "hunter2"));
    options.proxy = NULL;
    options.client_cert = "/nonexistent.pem";
    err_clear(&err);
    assert_int_equal(make(&options, &err), ERR_CONFIG);
    assert_non_null(strstr(err.msg, "client_cert"));
}

static void counts_requests_by_method(void **state)
{
    static const char created[] = "<InitiateMultipartUploadResult><UploadId>u</UploadId>"
                                  "</InitiateMultipartUploadResult>";
    static const struct fake_reply replies[] = {
        FAKE_REPLY(200, "Content-Length: 1", NULL),
        FAKE_REPLY(500, NULL, "down"),
        FAKE_REPLY(204, NULL, NULL),
        FAKE_REPLY(200, NULL, created),
    };
    struct s3_upload *upload = NULL;
    struct s3_counters counters;
    struct s3_object_info info;
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(s3_head_object(rig.client, "k", &info, &rig.err), 0);
    assert_int_equal(s3_delete_object(rig.client, "k", &rig.err), 0);
    assert_int_equal(s3_create_multipart_upload(rig.client, "k", &upload, &rig.err), 0);
    s3_client_counters(rig.client, &counters);
    assert_int_equal(counters.head, 1);
    assert_int_equal(counters.delete_, 2);
    assert_int_equal(counters.post, 1);
    assert_int_equal(counters.get, 0);
    assert_int_equal(counters.put, 0);
    assert_int_equal(counters.retries, 1);
    assert_int_equal(counters.requests[S3_OPERATION_HEAD_OBJECT][s3_status_index(200)], 1);
    assert_int_equal(counters.requests[S3_OPERATION_DELETE_OBJECT][s3_status_index(500)], 1);
    assert_int_equal(counters.requests[S3_OPERATION_DELETE_OBJECT][s3_status_index(204)], 1);
    assert_int_equal(counters.requests[S3_OPERATION_CREATE_UPLOAD][s3_status_index(200)], 1);
    assert_int_equal(counters.received_bytes, strlen("down") + strlen(created));
    s3_upload_free(upload);
    s3_rig_dispose(&rig);
}

static void freeing_nothing_is_fine(void **state)
{
    (void)state;
    s3_client_free(NULL);
    s3_upload_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(needs_a_bucket_a_good_endpoint_and_a_whole_key),
        cmocka_unit_test_setup(a_wrong_region_is_mended_on_hosts_of_the_same_kind,
                               credentials_rig_no_environment),
        cmocka_unit_test_setup(an_instance_s_own_keys_are_used_in_its_own_region,
                               credentials_rig_no_environment),
        cmocka_unit_test_setup(says_who_is_at_fault_for_an_endpoint,
                               credentials_rig_no_environment),
        cmocka_unit_test(counts_requests_by_method),
        cmocka_unit_test(freeing_nothing_is_fine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
