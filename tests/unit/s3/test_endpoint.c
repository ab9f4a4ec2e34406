/* Goal: whatever people write as an endpoint leads to the right scheme, host, path and region, or
 * to a message that says what is wrong with it. */
#include "tests/harness/test.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "s3/endpoint.h"

struct good {
    const char *bucket, *endpoint, *region;
    enum s3_addressing addressing;
    const char *url; /* scheme://host + path */
    const char *said_region;
    bool is_aws;
};

static const struct good good[] = {
    /* AWS */
    { "bucket", NULL, NULL, S3_ADDRESSING_AUTO, "https://bucket.s3.us-east-1.amazonaws.com",
      "us-east-1", true },
    { "bucket", "", "eu-west-1", S3_ADDRESSING_AUTO, "https://bucket.s3.eu-west-1.amazonaws.com",
      "eu-west-1", true },
    { "bucket", NULL, "eu-west-1", S3_ADDRESSING_PATH, "https://s3.eu-west-1.amazonaws.com/bucket",
      "eu-west-1", true },
    { "my.bucket", NULL, "eu-west-1", S3_ADDRESSING_AUTO,
      "https://s3.eu-west-1.amazonaws.com/my.bucket", "eu-west-1", true },
    { "Bucket_1", NULL, NULL, S3_ADDRESSING_AUTO, "https://s3.us-east-1.amazonaws.com/Bucket_1",
      "us-east-1", true },
    { "bucket", NULL, "cn-north-1", S3_ADDRESSING_AUTO,
      "https://bucket.s3.cn-north-1.amazonaws.com.cn", "cn-north-1", true },
    { "bucket", NULL, "eusc-de-east-1", S3_ADDRESSING_PATH,
      "https://s3.eusc-de-east-1.amazonaws.eu/bucket", "eusc-de-east-1", true },
    { "bucket", "https://s3.amazonaws.com", NULL, S3_ADDRESSING_AUTO,
      "https://bucket.s3.amazonaws.com", "us-east-1", true },
    { "bucket", "s3.eu-west-1.amazonaws.com", NULL, S3_ADDRESSING_AUTO,
      "https://bucket.s3.eu-west-1.amazonaws.com", "eu-west-1", true },
    { "bucket", "https://s3.dualstack.eu-west-1.amazonaws.com", NULL, S3_ADDRESSING_PATH,
      "https://s3.dualstack.eu-west-1.amazonaws.com/bucket", "eu-west-1", true },
    { "bucket", "https://s3-fips.us-gov-west-1.amazonaws.com", NULL, S3_ADDRESSING_PATH,
      "https://s3-fips.us-gov-west-1.amazonaws.com/bucket", "us-gov-west-1", true },
    { "bucket", "https://bucket.s3.eu-west-1.amazonaws.com/", NULL, S3_ADDRESSING_AUTO,
      "https://bucket.s3.eu-west-1.amazonaws.com", "eu-west-1", true },
    /* others */
    { "bucket", "http://minio:9000", NULL, S3_ADDRESSING_AUTO, "http://minio:9000/bucket",
      "us-east-1", false },
    { "bucket", "http://minio:9000/", "garage", S3_ADDRESSING_AUTO, "http://minio:9000/bucket",
      "garage", false },
    { "bucket", "HTTP://Minio.Local:80", NULL, S3_ADDRESSING_AUTO, "http://minio.local/bucket",
      "us-east-1", false },
    { "bucket", "https://minio.local:443", NULL, S3_ADDRESSING_AUTO, "https://minio.local/bucket",
      "us-east-1", false },
    { "bucket", "https://minio.local:80", NULL, S3_ADDRESSING_AUTO, "https://minio.local:80/bucket",
      "us-east-1", false },
    { "bucket", "https://minio.local", NULL, S3_ADDRESSING_VIRTUAL_HOST,
      "https://bucket.minio.local", "us-east-1", false },
    { "bucket", "minio.local:9000", NULL, S3_ADDRESSING_AUTO, "https://minio.local:9000/bucket",
      "us-east-1", false },
    { "bucket", "localhost:9000", NULL, S3_ADDRESSING_AUTO, "http://localhost:9000/bucket",
      "us-east-1", false },
    { "bucket", "127.0.0.1:9000", NULL, S3_ADDRESSING_AUTO, "http://127.0.0.1:9000/bucket",
      "us-east-1", false },
    { "bucket", "http://[::1]:9000", NULL, S3_ADDRESSING_AUTO, "http://[::1]:9000/bucket",
      "us-east-1", false },
    { "bucket", "[FD00::2]", NULL, S3_ADDRESSING_AUTO, "http://[fd00::2]/bucket", "us-east-1",
      false },
    { "bucket", "https://ref.supabase.co/storage/v1/s3/", NULL, S3_ADDRESSING_AUTO,
      "https://ref.supabase.co/storage/v1/s3/bucket", "us-east-1", false },
    { "bucket", "https://host/a b%20c/(d)", NULL, S3_ADDRESSING_AUTO,
      "https://host/a%20b%20c/%28d%29/bucket", "us-east-1", false },
    { "bucket", "https://acct.r2.cloudflarestorage.com", NULL, S3_ADDRESSING_AUTO,
      "https://acct.r2.cloudflarestorage.com/bucket", "auto", false },
    { "bucket", "https://acct.r2.cloudflarestorage.com/bucket", NULL, S3_ADDRESSING_AUTO,
      "https://acct.r2.cloudflarestorage.com/bucket", "auto", false },
    { "bucket", "https://s3.us-west-004.backblazeb2.com", NULL, S3_ADDRESSING_AUTO,
      "https://s3.us-west-004.backblazeb2.com/bucket", "us-west-004", false },
    { "bucket", "https://bucket.fra1.digitaloceanspaces.com", NULL, S3_ADDRESSING_AUTO,
      "https://fra1.digitaloceanspaces.com/bucket", "fra1", false },
    { "bucket", "https://s3.fr-par.scw.cloud", NULL, S3_ADDRESSING_AUTO,
      "https://s3.fr-par.scw.cloud/bucket", "fr-par", false },
    { "bucket", "https://s3.gra.io.cloud.ovh.net", NULL, S3_ADDRESSING_AUTO,
      "https://s3.gra.io.cloud.ovh.net/bucket", "gra", false },
    { "bucket", "https://s3.wasabisys.com", NULL, S3_ADDRESSING_AUTO,
      "https://s3.wasabisys.com/bucket", "us-east-1", false },
    { "bucket", "https://s3.eu-central-1.wasabisys.com", NULL, S3_ADDRESSING_AUTO,
      "https://s3.eu-central-1.wasabisys.com/bucket", "eu-central-1", false },
    { "bucket", "https://fsn1.your-objectstorage.com", NULL, S3_ADDRESSING_AUTO,
      "https://fsn1.your-objectstorage.com/bucket", "fsn1", false },
    { "bucket", "https://storage.googleapis.com", NULL, S3_ADDRESSING_AUTO,
      "https://storage.googleapis.com/bucket", "auto", false },
    { "bucket", "https://s3.fr-par.scw.cloud", "nl-ams", S3_ADDRESSING_AUTO,
      "https://s3.fr-par.scw.cloud/bucket", "nl-ams", false }, /* said beats guessed */
    { "bucket", "https://s3.evil.amazonaws.com.example", NULL, S3_ADDRESSING_AUTO,
      "https://s3.evil.amazonaws.com.example/bucket", "us-east-1", false },
};

static void check_good(const struct good *g)
{
    const struct s3_endpoint_options options = { .bucket = g->bucket,
                                                 .endpoint = g->endpoint,
                                                 .region = g->region,
                                                 .addressing = g->addressing };
    struct s3_endpoint endpoint = S3_ENDPOINT_INIT;
    struct err err = { 0 };
    char url[512];
    int r;

    r = s3_endpoint_resolve(&options, &endpoint, &err);
    if (r < 0)
        fail_msg("'%s': %s", g->endpoint != NULL ? g->endpoint : "AWS", err.msg);
    (void)snprintf(url, sizeof(url), "%s://%s%s", endpoint.scheme, endpoint.host, endpoint.path);
    assert_string_equal(url, g->url);
    assert_string_equal(endpoint.region, g->said_region);
    assert_int_equal(endpoint.is_aws, g->is_aws);
    s3_endpoint_dispose(&endpoint);
}

static void resolves_what_people_write(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        check_good(&good[i]);
}

static const struct {
    const char *region;
    bool dualstack, fips;
    const char *host; /* NULL: there is none */
} variants[] = {
    { "eu-west-1", true, false, "s3.dualstack.eu-west-1.amazonaws.com" },
    { "us-east-2", false, true, "s3-fips.us-east-2.amazonaws.com" },
    { "us-gov-west-1", true, true, "s3-fips.dualstack.us-gov-west-1.amazonaws.com" },
    { "cn-north-1", true, false, "s3.dualstack.cn-north-1.amazonaws.com.cn" },
    { "cn-north-1", false, true, NULL },
    { "eusc-de-east-1", true, true, "s3-fips.dualstack.eusc-de-east-1.amazonaws.eu" },
    { "us-iso-east-1", false, true, "s3-fips.us-iso-east-1.c2s.ic.gov" },
    { "us-isob-east-1", true, false, "s3.dualstack.us-isob-east-1.sc2s.sgov.gov" },
};

static void aws_has_hosts_with_ipv6_and_with_fips(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++) {
        struct s3_endpoint_options options = { .bucket = "my.bucket",
                                               .region = variants[i].region,
                                               .dualstack = variants[i].dualstack,
                                               .fips = variants[i].fips };
        struct s3_endpoint endpoint = S3_ENDPOINT_INIT, again = S3_ENDPOINT_INIT;
        char url[256];
        const int r = s3_endpoint_resolve(&options, &endpoint, NULL);

        assert_int_equal(r, variants[i].host != NULL ? 0 : ERR_CONFIG);
        if (r < 0)
            continue;
        assert_string_equal(endpoint.host, variants[i].host);
        assert_int_equal(endpoint.dualstack, variants[i].dualstack);
        assert_int_equal(endpoint.fips, variants[i].fips);
        /* The same host, named as an endpoint, is known for what it is. */
        (void)snprintf(url, sizeof(url), "https://%s", endpoint.host);
        options = (struct s3_endpoint_options){ .bucket = "my.bucket", .endpoint = url };
        assert_int_equal(s3_endpoint_resolve(&options, &again, NULL), 0);
        if (strstr(options.endpoint, "-iso") == NULL) {
            assert_true(again.is_aws);
            assert_string_equal(again.region, variants[i].region);
            assert_int_equal(again.dualstack, variants[i].dualstack);
            assert_int_equal(again.fips, variants[i].fips);
        }
        s3_endpoint_dispose(&endpoint);
        s3_endpoint_dispose(&again);
    }
}

static void an_endpoint_leaves_nothing_to_choose(void **state)
{
    struct s3_endpoint_options options = { .bucket = "bucket",
                                           .endpoint = "https://minio",
                                           .fips = true };
    struct s3_endpoint endpoint = S3_ENDPOINT_INIT;
    struct err err = { 0 };

    (void)state;
    assert_int_equal(s3_endpoint_resolve(&options, &endpoint, &err), ERR_CONFIG);
    assert_non_null(strstr(err.msg, "fips"));
    assert_non_null(strstr(err.hint, "fips = no"));
    options.fips = false;
    options.dualstack = true;
    err_clear(&err);
    assert_int_equal(s3_endpoint_resolve(&options, &endpoint, &err), ERR_CONFIG);
    assert_non_null(strstr(err.msg, "dualstack"));
}

static const struct {
    const char *bucket, *endpoint, *region;
    enum s3_addressing addressing;
    const char *says; /* part of the message */
} bad[] = {
    { NULL, NULL, NULL, S3_ADDRESSING_AUTO, "no bucket" },
    { "", NULL, NULL, S3_ADDRESSING_AUTO, "no bucket" },
    { "ab", NULL, NULL, S3_ADDRESSING_AUTO, "'ab'" },
    { "a/b", NULL, NULL, S3_ADDRESSING_AUTO, "'a/b'" },
    { "..a", NULL, NULL, S3_ADDRESSING_AUTO, "'..a'" },
    { "buck et", NULL, NULL, S3_ADDRESSING_AUTO, "'buck et'" },
    { "arn:aws:s3::1:accesspoint/x.mrap", NULL, NULL, S3_ADDRESSING_AUTO, "access points" },
    { "b--use1-az4--x-s3", NULL, NULL, S3_ADDRESSING_AUTO, "directory buckets" },
    { "bucket", NULL, "EU West", S3_ADDRESSING_AUTO, "'EU West'" },
    { "bucket", NULL, "a.b", S3_ADDRESSING_AUTO, "'a.b'" },
    { "bucket", "ftp://host", NULL, S3_ADDRESSING_AUTO, "scheme" },
    { "bucket", "http://", NULL, S3_ADDRESSING_AUTO, "not a host" },
    { "bucket", "http:///path", NULL, S3_ADDRESSING_AUTO, "not a host" },
    { "bucket", "http://ho st", NULL, S3_ADDRESSING_AUTO, "not a host" },
    { "bucket", "http://[::1", NULL, S3_ADDRESSING_AUTO, "']'" },
    { "bucket", "http://[::1]9000", NULL, S3_ADDRESSING_AUTO, "port" },
    { "bucket", "http://[host]", NULL, S3_ADDRESSING_AUTO, "not a host" },
    { "bucket", "http://host:0", NULL, S3_ADDRESSING_AUTO, "port" },
    { "bucket", "http://host:65536", NULL, S3_ADDRESSING_AUTO, "port" },
    { "bucket", "http://host:", NULL, S3_ADDRESSING_AUTO, "port" },
    { "bucket", "http://host:9x", NULL, S3_ADDRESSING_AUTO, "port" },
    { "bucket", "http://host?x=1", NULL, S3_ADDRESSING_AUTO, "'?'" },
    { "bucket", "http://host/%zz", NULL, S3_ADDRESSING_AUTO, "percent" },
    { "bucket", "http://host/%0d%0aX:", NULL, S3_ADDRESSING_AUTO, "control" },
    { "bucket", "http://host\r\nX: y", NULL, S3_ADDRESSING_AUTO, "not a host" },
    { "bucket", "http://127.0.0.1:9000", NULL, S3_ADDRESSING_VIRTUAL_HOST, "address" },
    { "my.bucket", NULL, NULL, S3_ADDRESSING_VIRTUAL_HOST, "host name" },
};

static void refuses_the_rest_and_says_why(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const struct s3_endpoint_options options = { .bucket = bad[i].bucket,
                                                     .endpoint = bad[i].endpoint,
                                                     .region = bad[i].region,
                                                     .addressing = bad[i].addressing };
        struct s3_endpoint endpoint = S3_ENDPOINT_INIT;
        struct err err = { 0 };

        assert_int_equal(s3_endpoint_resolve(&options, &endpoint, &err), ERR_CONFIG);
        if (strstr(err.msg, bad[i].says) == NULL)
            fail_msg("'%s' does not say %s", err.msg, bad[i].says);
        assert_null(endpoint.host);
    }
}

static void never_repeats_credentials_in_a_url(void **state)
{
    const struct s3_endpoint_options options = { .bucket = "bucket",
                                                 .endpoint = "http://me:hunter2@host" };
    struct s3_endpoint endpoint = S3_ENDPOINT_INIT;
    struct err err = { 0 };

    (void)state;
    assert_int_equal(s3_endpoint_resolve(&options, &endpoint, &err), ERR_CONFIG);
    assert_null(strstr(err.msg, "hunter2"));
    assert_non_null(strstr(err.hint, "access_key_id"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resolves_what_people_write),
        cmocka_unit_test(aws_has_hosts_with_ipv6_and_with_fips),
        cmocka_unit_test(an_endpoint_leaves_nothing_to_choose),
        cmocka_unit_test(refuses_the_rest_and_says_why),
        cmocka_unit_test(never_repeats_credentials_in_a_url),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
