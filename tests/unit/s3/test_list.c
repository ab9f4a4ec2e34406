/* Goal: every page is fetched exactly once, keys are as they were put, and a listing that cannot
 * end does not go on for ever. */
#include "tests/harness/test.h"

#include <string.h>

#include "base/buf.h"
#include "tests/harness/s3_rig.h"

#define PAGE(inner) "<ListBucketResult>" inner "</ListBucketResult>"
#define OBJECT(key) "<Contents><Key>" key "</Key><Size>5</Size></Contents>"
#define MORE(token)                                                                                \
    "<IsTruncated>true</IsTruncated><NextContinuationToken>" token "</NextContinuationToken>"
#define UPLOADS(inner) "<ListMultipartUploadsResult>" inner "</ListMultipartUploadsResult>"
#define UPLOAD(key, id)                                                                            \
    "<Upload><Key>" key "</Key><UploadId>" id                                                      \
    "</UploadId><Initiated>2026-11-23T07:05:28.000Z</Initiated></Upload>"

static int collect(void *context, const char *key, const struct s3_object_info *info,
                   struct err *err)
{
    (void)info;
    (void)err;
    buf_addf(context, "%s;", key);
    return 0;
}

static int collect_upload(void *context, const char *key, const char *upload_id,
                          int64_t initiated_ms, struct err *err)
{
    (void)err;
    assert_int_equal(initiated_ms, S3_RIG_NOW_MS);
    buf_addf(context, "%s=%s;", key, upload_id);
    return 0;
}

static int stop_at_once(void *context, const char *key, const struct s3_object_info *info,
                        struct err *err)
{
    (void)context;
    (void)info;
    return err_set(err, ERR_REFUSED, "enough at '%s'", key);
}

static void follows_pages_by_their_tokens(void **state)
{
    static const struct fake_reply replies[] = {
        FAKE_REPLY(200, NULL, PAGE(OBJECT("p/a") OBJECT("p/b") MORE("p &amp;+%/2"))),
        FAKE_REPLY(500, NULL, NULL),
        FAKE_REPLY(200, NULL, PAGE(OBJECT("p/c") "<IsTruncated>false</IsTruncated>")),
    };
    struct buf keys = BUF_INIT(100);
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(s3_list_objects(rig.client, "p/", NULL, collect, &keys, &rig.err), 0);
    assert_string_equal(keys.ptr, "p/a;p/b;p/c;");
    s3_rig_check(&rig, 0, HTTP_GET, "?encoding-type=url&list-type=2&max-keys=1000&prefix=p%2F");
    /* The token is opaque: not decoded, whatever the encoding of keys. */
    s3_rig_check(&rig, 2, HTTP_GET,
                 "?continuation-token=p%20%26%2B%25%2F2&encoding-type=url&list-type=2"
                 "&max-keys=1000&prefix=p%2F");
    buf_dispose(&keys);
    s3_rig_dispose(&rig);
}

static void a_blank_token_on_the_last_page_is_no_page_more(void **state)
{
    static const struct fake_reply replies[] = {
        FAKE_REPLY(200, NULL,
                   PAGE(OBJECT("a") "<IsTruncated>false</IsTruncated>"
                                    "<NextContinuationToken></NextContinuationToken>")),
    };
    struct buf keys = BUF_INIT(100);
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(s3_list_objects(rig.client, "", NULL, collect, &keys, &rig.err), 0);
    assert_string_equal(keys.ptr, "a;");
    buf_dispose(&keys);
    s3_rig_dispose(&rig);
}

static void truncated_without_a_token_is_an_error(void **state)
{
    static const struct fake_reply replies[] = {
        FAKE_REPLY(200, NULL, PAGE(OBJECT("a") "<IsTruncated>true</IsTruncated>")),
    };
    struct buf keys = BUF_INIT(100);
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(s3_list_objects(rig.client, "", NULL, collect, &keys, &rig.err), ERR_PROTOCOL);
    assert_int_equal(keys.len, 0); /* half a listing is reported as none */
    buf_dispose(&keys);
    s3_rig_dispose(&rig);
}

static void the_same_token_twice_is_an_error(void **state)
{
    static const struct fake_reply replies[] = { FAKE_REPLY(200, NULL, PAGE(MORE("t"))),
                                                 FAKE_REPLY(200, NULL, PAGE(MORE("t"))) };
    struct buf keys = BUF_INIT(100);
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(s3_list_objects(rig.client, "", NULL, collect, &keys, &rig.err), ERR_PROTOCOL);
    buf_dispose(&keys);
    s3_rig_dispose(&rig);
}

static void decodes_keys_only_where_that_is_declared(void **state)
{
    static const struct fake_reply replies[] = {
        FAKE_REPLY(200, NULL, PAGE("<EncodingType>url</EncodingType>" OBJECT("a%2Fb+c%2B%0A"))),
        FAKE_REPLY(200, NULL, PAGE(OBJECT("a%2Fb+c"))),
    };
    struct buf keys = BUF_INIT(100);
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(s3_list_objects(rig.client, "", NULL, collect, &keys, &rig.err), 0);
    assert_int_equal(s3_list_objects(rig.client, "", NULL, collect, &keys, &rig.err), 0);
    assert_string_equal(keys.ptr, "a/b c+\n;a%2Fb+c;");
    buf_dispose(&keys);
    s3_rig_dispose(&rig);
}

static void starts_after_a_key_even_where_the_server_does_not(void **state)
{
    static const struct fake_reply replies[] = {
        FAKE_REPLY(200, NULL, PAGE(OBJECT("a") OBJECT("b") OBJECT("c"))),
    };
    struct buf keys = BUF_INIT(100);
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(s3_list_objects(rig.client, "", "b", collect, &keys, &rig.err), 0);
    assert_string_equal(keys.ptr, "c;");
    s3_rig_check(&rig, 0, HTTP_GET,
                 "?encoding-type=url&list-type=2&max-keys=1000&prefix=&start-after=b");
    buf_dispose(&keys);
    s3_rig_dispose(&rig);
}

static void lists_common_prefixes(void **state)
{
    static const struct fake_reply replies[] = {
        FAKE_REPLY(200, NULL,
                   PAGE("<EncodingType>url</EncodingType>" OBJECT(
                       "x%2Ffile") "<CommonPrefixes><Prefix>x%2Fa%2F</Prefix></CommonPrefixes>"
                                   "<CommonPrefixes><Prefix>x/b/</Prefix></CommonPrefixes>")),
    };
    struct buf keys = BUF_INIT(100);
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(s3_list_prefixes(rig.client, "x/", collect, &keys, &rig.err), 0);
    assert_string_equal(keys.ptr, "x/a/;x/b/;");
    s3_rig_check(&rig, 0, HTTP_GET,
                 "?delimiter=%2F&encoding-type=url&list-type=2&max-keys=1000&prefix=x%2F");
    buf_dispose(&keys);
    s3_rig_dispose(&rig);
}

static void a_callback_ends_the_listing_with_its_own_error(void **state)
{
    static const struct fake_reply replies[] = {
        FAKE_REPLY(200, NULL, PAGE(OBJECT("a") OBJECT("b") MORE("t"))),
    };
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(s3_list_objects(rig.client, "", NULL, stop_at_once, NULL, &rig.err),
                     ERR_REFUSED);
    assert_string_equal(rig.err.msg, "enough at 'a'");
    s3_rig_dispose(&rig);
}

static void an_answer_that_is_no_listing_is_an_error(void **state)
{
    static const struct fake_reply replies[] = { FAKE_REPLY(200, NULL, "<html></html>"),
                                                 FAKE_REPLY(200, NULL, NULL) };
    struct buf keys = BUF_INIT(100);
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(s3_list_objects(rig.client, "p", NULL, collect, &keys, &rig.err),
                         ERR_PROTOCOL);
    }
    assert_string_equal(rig.err.msg, "list 'p': the answer is not a ListBucketResult document");
    buf_dispose(&keys);
    s3_rig_dispose(&rig);
}

static void lists_unfinished_uploads_page_by_page(void **state)
{
    static const struct fake_reply replies[] = {
        FAKE_REPLY(200, NULL,
                   UPLOADS(UPLOAD("a", "1") "<IsTruncated>true</IsTruncated>"
                                            "<NextKeyMarker>a</NextKeyMarker>"
                                            "<NextUploadIdMarker>1</NextUploadIdMarker>")),
        FAKE_REPLY(200, NULL,
                   UPLOADS(UPLOAD("a", "2") UPLOAD("b", "3") "<IsTruncated>false</IsTruncated>")),
    };
    struct buf keys = BUF_INIT(100);
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(s3_list_multipart_uploads(rig.client, "p", collect_upload, &keys, &rig.err),
                     0);
    assert_string_equal(keys.ptr, "a=1;a=2;b=3;");
    s3_rig_check(&rig, 1, HTTP_GET,
                 "?key-marker=a&max-uploads=1000&prefix=p&upload-id-marker=1&uploads=");
    buf_dispose(&keys);
    s3_rig_dispose(&rig);
}

static void the_same_marker_twice_is_an_error(void **state)
{
#define STUCK                                                                                      \
    UPLOADS("<IsTruncated>true</IsTruncated><NextKeyMarker>a</NextKeyMarker>"                      \
            "<NextUploadIdMarker>1</NextUploadIdMarker>")
    static const struct fake_reply replies[] = { FAKE_REPLY(200, NULL, STUCK),
                                                 FAKE_REPLY(200, NULL, STUCK) };
    struct buf keys = BUF_INIT(100);
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(s3_list_multipart_uploads(rig.client, "", collect_upload, &keys, &rig.err),
                     ERR_PROTOCOL);
    buf_dispose(&keys);
    s3_rig_dispose(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_pages_by_their_tokens),
        cmocka_unit_test(a_blank_token_on_the_last_page_is_no_page_more),
        cmocka_unit_test(truncated_without_a_token_is_an_error),
        cmocka_unit_test(the_same_token_twice_is_an_error),
        cmocka_unit_test(decodes_keys_only_where_that_is_declared),
        cmocka_unit_test(starts_after_a_key_even_where_the_server_does_not),
        cmocka_unit_test(lists_common_prefixes),
        cmocka_unit_test(a_callback_ends_the_listing_with_its_own_error),
        cmocka_unit_test(an_answer_that_is_no_listing_is_an_error),
        cmocka_unit_test(lists_unfinished_uploads_page_by_page),
        cmocka_unit_test(the_same_marker_twice_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
