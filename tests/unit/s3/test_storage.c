/* Goal: encryption, class, tags and payer are asked for on the requests that need them, on no
 * others, and signed; settings that contradict each other, or would give a key away, are refused.
 */
#include "s3/storage.h"

#include <string.h>

#include "base/io.h"
#include "tests/harness/s3_rig.h"
#include "tests/harness/test.h"

/* Of 32 bytes 'k'; the MD5 is by: printf %032d 0 | tr 0 k | openssl md5 -binary | base64 */
#define KEY      "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="
#define KEY_MD5  "mT2HRsMGJ5IX5C+0rreZ8Q=="
#define ETAG     "ETag: \"e\"\n"
#define WITH_KMS SSE ": aws:kms\n"
#define WITH_KEY SSE "-customer-algorithm: AES256\n"
#define SSE      "x-amz-server-side-encryption"
#define INITIATE                                                                                   \
    "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"

static int new_client(struct s3_rig *rig, const char *endpoint,
                      const struct s3_storage_options *storage)
{
    struct secret secret = SECRET_INIT;
    struct s3_options options = { .bucket = "bucket",
                                  .endpoint = endpoint,
                                  .access_key_id = "AKID",
                                  .secret_access_key = &secret,
                                  .storage = *storage };
    int r;

    s3_client_free(rig->client);
    rig->client = NULL;
    options.transport = &rig->fake.transport;
    options.clock = &rig->clock.clock;
    options.cancel = &rig->cancel;
    err_clear(&rig->err);
    assert_int_equal(secret_set(&secret, "secret", 6, NULL), 0);
    r = s3_client_new(&options, &rig->client, &rig->err);
    secret_dispose(&secret);
    return r;
}

static int put(struct s3_rig *rig, const char *key)
{
    struct io_source *body = NULL;
    int r;

    assert_int_equal(memory_source_new("abc", 3, &body, NULL), 0);
    r = s3_put_object(rig->client, key, body, false, &rig->err);
    io_source_free(body);
    return r;
}

static void expect(struct s3_rig *rig, size_t request, const char *name, const char *value)
{
    const char *sent = fake_request_header(&rig->fake, request, name);

    if (value == NULL) {
        assert_null(sent);
        return;
    }
    assert_non_null(sent);
    assert_string_equal(sent, value);
    assert_non_null(strstr(fake_request_header(&rig->fake, request, "Authorization"), ";x-amz-"));
}

static void nothing_is_sent_unless_asked_for(void **state)
{
    static const struct fake_reply replies[] = { FAKE_REPLY(200, ETAG, NULL) };
    const struct s3_storage_options none = { .tags = " ", .storage_class = "" };
    struct s3_rig rig;

    (void)state;
    s3_rig_init(&rig, replies, 1);
    assert_int_equal(new_client(&rig, "http://s3.test", &none), 0);
    assert_int_equal(put(&rig, "k"), 0);
    expect(&rig, 0, SSE, NULL);
    expect(&rig, 0, SSE "-customer-key", NULL);
    expect(&rig, 0, "x-amz-storage-class", NULL);
    expect(&rig, 0, "x-amz-tagging", NULL);
    expect(&rig, 0, "x-amz-request-payer", NULL);
    s3_rig_dispose(&rig);
}

static void what_begins_an_object_says_how_to_store_it(void **state)
{
    static const struct fake_reply replies[] = {
        FAKE_REPLY(200, ETAG WITH_KMS, NULL), FAKE_REPLY(200, ETAG WITH_KMS, NULL),
        FAKE_REPLY(200, WITH_KMS, INITIATE),  FAKE_REPLY(200, ETAG, NULL),
        FAKE_REPLY(204, NULL, NULL),
    };
    const struct s3_storage_options all = { .sse = S3_SSE_KMS,
                                            .kms_key_id = "arn:aws:kms:us-east-1:1:key/k",
                                            .storage_class = "STANDARD_IA",
                                            .storage_class_suffix = ".zst",
                                            .tags = " team = data base,cost=b/c=d ",
                                            .requester_pays = true };
    struct s3_upload *upload = NULL;
    struct io_source *body = NULL;
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(new_client(&rig, "http://s3.test", &all), 0);
    assert_int_equal(put(&rig, "packs/a.zst"), 0);
    assert_int_equal(put(&rig, "manifest/1.json"), 0);
    assert_int_equal(s3_create_multipart_upload(rig.client, "packs/b.zst", &upload, &rig.err), 0);
    assert_int_equal(memory_source_new("abc", 3, &body, NULL), 0);
    assert_int_equal(s3_upload_part(upload, 1, body, &rig.err), 0);
    assert_int_equal(s3_delete_object(rig.client, "k", &rig.err), 0);
    for (size_t i = 0; i < 5; i++) {
        const bool begins = i < 3;

        expect(&rig, i, "x-amz-request-payer", "requester");
        expect(&rig, i, SSE, begins ? "aws:kms" : NULL);
        expect(&rig, i, SSE "-aws-kms-key-id", begins ? all.kms_key_id : NULL);
        expect(&rig, i, "x-amz-tagging", begins ? "team=data%20base&cost=b%2Fc%3Dd" : NULL);
        expect(&rig, i, "x-amz-storage-class", i == 0 || i == 2 ? "STANDARD_IA" : NULL);
        expect(&rig, i, SSE "-customer-key", NULL);
    }
    io_source_free(body);
    s3_upload_free(upload);
    s3_rig_dispose(&rig);
}

static struct secret key_of(const char *text)
{
    struct secret secret = SECRET_INIT;

    assert_int_equal(secret_set(&secret, text, strlen(text), NULL), 0);
    return secret;
}

static void a_customers_key_goes_with_all_that_touches_content(void **state)
{
    static const struct fake_reply replies[] = {
        FAKE_REPLY(200, ETAG WITH_KEY, NULL), FAKE_REPLY(200, WITH_KEY, INITIATE),
        FAKE_REPLY(200, ETAG, NULL),          FAKE_REPLY(200, "Content-Length: 3\n", NULL),
        FAKE_REPLY(204, NULL, NULL),
    };
    struct secret key = key_of(KEY);
    const struct s3_storage_options own = { .customer_key = &key };
    struct s3_object_info info;
    struct s3_upload *upload = NULL;
    struct io_source *body = NULL;
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(new_client(&rig, "https://s3.test", &own), 0);
    assert_int_equal(put(&rig, "k"), 0);
    assert_int_equal(s3_create_multipart_upload(rig.client, "k", &upload, &rig.err), 0);
    assert_int_equal(memory_source_new("abc", 3, &body, NULL), 0);
    assert_int_equal(s3_upload_part(upload, 1, body, &rig.err), 0);
    assert_int_equal(s3_head_object(rig.client, "k", &info, &rig.err), 0);
    assert_int_equal(s3_delete_object(rig.client, "k", &rig.err), 0);
    for (size_t i = 0; i < 5; i++) {
        expect(&rig, i, SSE "-customer-algorithm", i < 4 ? "AES256" : NULL);
        expect(&rig, i, SSE "-customer-key", i < 4 ? KEY : NULL);
        expect(&rig, i, SSE "-customer-key-MD5", i < 4 ? KEY_MD5 : NULL);
        expect(&rig, i, SSE, NULL);
    }
    io_source_free(body);
    s3_upload_free(upload);
    s3_rig_dispose(&rig);
    secret_dispose(&key);
}

static void a_server_that_passes_over_it_has_not_encrypted(void **state)
{
    static const struct fake_reply put_replies[] = { FAKE_REPLY(200, ETAG WITH_KMS, NULL),
                                                     FAKE_REPLY(200, ETAG, NULL) };
    static const struct fake_reply upload_replies[] = { FAKE_REPLY(200, NULL, INITIATE) };
    struct secret key = key_of(KEY);
    const struct s3_storage_options own = { .customer_key = &key };
    const struct s3_storage_options theirs = { .sse = S3_SSE_AES256 };
    struct s3_upload *upload = NULL;
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, put_replies);
    assert_int_equal(new_client(&rig, "https://s3.test", &own), 0);
    assert_int_equal(put(&rig, "k"), ERR_CONFIG); /* with a key of the server's own */
    assert_non_null(strstr(rig.err.hint, "sse_customer_key"));
    assert_int_equal(new_client(&rig, "https://s3.test", &theirs), 0);
    assert_int_equal(put(&rig, "k"), ERR_CONFIG);
    assert_non_null(strstr(rig.err.hint, "sse"));
    s3_rig_dispose(&rig);
    S3_RIG_INIT(&rig, upload_replies);
    assert_int_equal(new_client(&rig, "https://s3.test", &theirs), 0);
    assert_int_equal(s3_create_multipart_upload(rig.client, "k", &upload, &rig.err), ERR_CONFIG);
    assert_null(upload);
    s3_rig_dispose(&rig);
    secret_dispose(&key);
}

static void a_customers_key_goes_over_no_wire_in_the_clear(void **state)
{
    static const struct {
        const char *endpoint;
        int expected;
    } cases[] = {
        { "https://s3.test", 0 },
        { "http://s3.test", ERR_CONFIG },
        { "http://localhost.s3.test", ERR_CONFIG },
        { "http://127.0.0.1.s3.test", ERR_CONFIG },
        { "http://mylocalhost:9000", ERR_CONFIG },
        { "http://127.0.0.1:9000", 0 },
        { "http://127.8.8.8", 0 },
        { "http://localhost:9000", 0 },
        { "http://[::1]:9000", 0 },
        { "http://[::2]:9000", ERR_CONFIG },
    };
    struct secret key = key_of(KEY);
    const struct s3_storage_options own = { .customer_key = &key };
    struct s3_rig rig;

    (void)state;
    s3_rig_init(&rig, NULL, 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(new_client(&rig, cases[i].endpoint, &own), cases[i].expected);
        if (cases[i].expected < 0) {
            assert_non_null(strstr(rig.err.msg, "in the clear"));
            assert_null(strstr(rig.err.msg, KEY));
        }
    }
    s3_rig_dispose(&rig);
    secret_dispose(&key);
}

static void settings_that_cannot_be_are_refused(void **state)
{
    static const struct {
        struct s3_storage_options options;
        const char *said;
    } cases[] = {
        { { .kms_key_id = "k" }, "sse is not aws:kms" },
        { { .sse = S3_SSE_AES256, .kms_key_id = "k" }, "sse is not aws:kms" },
        { { .storage_class = "standard_ia" }, "is none" },
        { { .storage_class = "A\nB" }, "is none" },
        { { .storage_class = "GLACIER" }, "cannot be read at once" },
        { { .storage_class = "DEEP_ARCHIVE" }, "cannot be read at once" },
        { { .tags = "team" }, "'team' has no value" },
        { { .tags = "team=a," }, "has no value" },
        { { .tags = "=a" }, "no name" },
        { { .tags = "a=1, a=2" }, "'a' is there twice" },
        { { .tags = "a=x&b" }, "other characters" },
        { { .tags = "a=1,b=1,c=1,d=1,e=1,f=1,g=1,h=1,i=1,j=1,k=1" }, "at most 10" },
        { { .tags = "a="
                    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" },
          "at most 256" },
    };
    static const char *const keys[] = {
        "k", "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2t=", /* not what encoding it again gives */
        "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tr",
        "!2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="
    };
    struct s3_storage storage = { 0 };
    struct secret key;
    struct err err;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        err_clear(&err);
        assert_int_equal(s3_storage_init(&storage, &cases[i].options, &err), ERR_CONFIG);
        assert_non_null(strstr(err.msg, cases[i].said));
        s3_storage_dispose(&storage);
    }
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        key = key_of(keys[i]);
        err_clear(&err);
        assert_int_equal(
            s3_storage_init(&storage, &(struct s3_storage_options){ .customer_key = &key }, &err),
            ERR_CONFIG);
        assert_non_null(strstr(err.msg, "32 bytes"));
        s3_storage_dispose(&storage);
        secret_dispose(&key);
    }
    key = key_of(KEY);
    err_clear(&err);
    assert_int_equal(
        s3_storage_init(&storage,
                        &(struct s3_storage_options){ .sse = S3_SSE_AES256, .customer_key = &key },
                        &err),
        ERR_CONFIG);
    assert_non_null(strstr(err.msg, "both set"));
    s3_storage_dispose(&storage);
    secret_dispose(&key);
}

static void a_refusal_says_which_setting_may_be_why(void **state)
{
    static const struct fake_reply replies[] = {
        FAKE_REPLY(403, NULL, S3_ERROR("AccessDenied")),
        FAKE_REPLY(400, NULL, S3_ERROR("InvalidStorageClass")),
        FAKE_REPLY(501, NULL, S3_ERROR("NotImplemented")),
        FAKE_REPLY(400, NULL, S3_ERROR("EntityTooSmall")),
    };
    static const char *const hints[] = { "kms:GenerateDataKey", "no storage_class STANDARD_IA",
                                         "know sse storage_class STANDARD_IA?" };
    const struct s3_storage_options all = { .sse = S3_SSE_KMS, .storage_class = "STANDARD_IA" };
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(new_client(&rig, "http://s3.test", &all), 0);
    for (size_t i = 0; i < 3; i++) {
        err_clear(&rig.err);
        assert_true(put(&rig, "k") < 0);
        assert_non_null(strstr(rig.err.hint, hints[i]));
    }
    err_clear(&rig.err);
    assert_true(put(&rig, "k") < 0);
    assert_null(strstr(rig.err.hint, "sse"));
    s3_rig_dispose(&rig);
}

static void another_key_is_the_first_suspect_of_what_cannot_be_read(void **state)
{
    static const struct fake_reply replies[] = { FAKE_REPLY(400, NULL, S3_ERROR("InvalidRequest")),
                                                 FAKE_REPLY(403, NULL, S3_ERROR("AccessDenied")) };
    struct secret key = key_of(KEY);
    const struct s3_storage_options none = { 0 }, own = { .customer_key = &key };
    struct buf got = BUF_INIT(64);
    struct io_sink *sink = NULL;
    struct s3_rig rig;

    (void)state;
    assert_int_equal(buf_sink_new(&got, &sink, NULL), 0);
    S3_RIG_INIT(&rig, replies);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(new_client(&rig, "https://s3.test", i == 0 ? &none : &own), 0);
        assert_true(s3_get_object(rig.client, "k", 0, S3_TO_END, sink, NULL, &rig.err) < 0);
        assert_non_null(strstr(rig.err.hint, "sse_customer_key"));
    }
    s3_rig_dispose(&rig);
    io_sink_free(sink);
    buf_dispose(&got);
    secret_dispose(&key);
}

static void classes_that_are_paid_by_the_month_are_known(void **state)
{
    (void)state;
    assert_int_equal(s3_storage_class_days("STANDARD_IA"), 30);
    assert_int_equal(s3_storage_class_days("GLACIER_IR"), 90);
    assert_int_equal(s3_storage_class_days("STANDARD"), 0);
    assert_int_equal(s3_storage_class_days(NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_sent_unless_asked_for),
        cmocka_unit_test(what_begins_an_object_says_how_to_store_it),
        cmocka_unit_test(a_customers_key_goes_with_all_that_touches_content),
        cmocka_unit_test(a_server_that_passes_over_it_has_not_encrypted),
        cmocka_unit_test(a_customers_key_goes_over_no_wire_in_the_clear),
        cmocka_unit_test(settings_that_cannot_be_are_refused),
        cmocka_unit_test(a_refusal_says_which_setting_may_be_why),
        cmocka_unit_test(another_key_is_the_first_suspect_of_what_cannot_be_read),
        cmocka_unit_test(classes_that_are_paid_by_the_month_are_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
