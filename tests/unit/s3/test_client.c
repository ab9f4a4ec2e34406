/* Goal: a client is made from sound options only, names the one at fault, and counts what it
 * sends. */
#include "tests/harness/test.h"

#include <string.h>

#include "base/secret.h"
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
        cmocka_unit_test(counts_requests_by_method),
        cmocka_unit_test(freeing_nothing_is_fine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
