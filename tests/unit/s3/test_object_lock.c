/* Goal: with a lock everything that is put is locked, with the checksums that servers ask for then;
 * without one nothing is sent that another server might not know. */
#include "s3/object_lock.h"

#include <string.h>

#include "base/io.h"
#include "base/secret.h"
#include "tests/harness/s3_rig.h"
#include "tests/harness/test.h"

#define DAY_MS   INT64_C(86400000)
#define UNTIL    "2026-12-03T07:05:28Z" /* ten days after S3_RIG_NOW_MS */
#define UNTIL_MS (S3_RIG_NOW_MS + 10 * DAY_MS)
#define ETAG     "ETag: \"e\"\n"
#define NO_LOCK  S3_ERROR("NoSuchObjectLockConfiguration")
#define INITIATE                                                                                   \
    "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"

/* The rig's client, but with a lock. */
static void lock_rig_init(struct s3_rig *rig, const struct fake_reply *replies, size_t count,
                          enum s3_lock_mode mode)
{
    struct secret secret = SECRET_INIT;
    struct s3_options options = { .bucket = "bucket",
                                  .endpoint = "http://s3.test",
                                  .access_key_id = "AKID",
                                  .secret_access_key = &secret,
                                  .lock = { mode, 10 * DAY_MS } };

    s3_rig_init(rig, replies, count);
    s3_client_free(rig->client);
    options.transport = &rig->fake.transport;
    options.clock = &rig->clock.clock;
    options.cancel = &rig->cancel;
    assert_int_equal(secret_set(&secret, "secret", 6, NULL), 0);
    assert_int_equal(s3_client_new(&options, &rig->client, NULL), 0);
    secret_dispose(&secret);
}

#define LOCK_RIG_INIT(rig, replies, mode)                                                          \
    lock_rig_init(rig, replies, sizeof(replies) / sizeof((replies)[0]), mode)

static int put(struct s3_rig *rig)
{
    struct io_source *body = NULL;
    int r;

    assert_int_equal(memory_source_new("abc", 3, &body, NULL), 0);
    r = s3_put_object(rig->client, "k", body, false, &rig->err);
    io_source_free(body);
    return r;
}

static void a_put_is_locked_and_checked(void **state)
{
    static const struct fake_reply replies[] = { FAKE_REPLY(200, ETAG, NULL),
                                                 FAKE_REPLY(200, ETAG, NULL) };
    struct s3_rig rig;

    (void)state;
    for (int mode = S3_LOCK_GOVERNANCE; mode <= S3_LOCK_COMPLIANCE; mode++) {
        lock_rig_init(&rig, replies, 1, (enum s3_lock_mode)mode);
        assert_int_equal(put(&rig), 0);
        assert_string_equal(fake_request_header(&rig.fake, 0, "x-amz-object-lock-mode"),
                            mode == S3_LOCK_GOVERNANCE ? "GOVERNANCE" : "COMPLIANCE");
        assert_string_equal(
            fake_request_header(&rig.fake, 0, "x-amz-object-lock-retain-until-date"), UNTIL);
        assert_string_equal(fake_request_header(&rig.fake, 0, "Content-MD5"),
                            "kAFQmDzST7DWlj99KOF/cg==");
        assert_non_null(
            strstr(fake_request_header(&rig.fake, 0, "Authorization"), "x-amz-object-lock-mode"));
        assert_string_equal(rig.fake.requests[0].body.ptr, "abc");
        s3_rig_dispose(&rig);
    }
    LOCK_RIG_INIT(&rig, replies, S3_LOCK_NONE);
    assert_int_equal(put(&rig), 0);
    assert_null(fake_request_header(&rig.fake, 0, "x-amz-object-lock-mode"));
    assert_null(fake_request_header(&rig.fake, 0, "x-amz-object-lock-retain-until-date"));
    assert_null(fake_request_header(&rig.fake, 0, "Content-MD5"));
    s3_rig_dispose_early(&rig);
}

/* Ceph 16 loses the lock that an upload was begun with. */
static void an_upload_is_locked_at_its_beginning_and_at_its_end(void **state)
{
    static const struct fake_reply replies[] = {
        FAKE_REPLY(200, NULL, INITIATE), FAKE_REPLY(200, ETAG, NULL),
        FAKE_REPLY(200, NULL, "<CompleteMultipartUploadResult/>"), FAKE_REPLY(404, NULL, NO_LOCK),
        FAKE_REPLY(200, NULL, NULL)
    };
    struct io_source *body = NULL;
    struct s3_upload *upload = NULL;
    struct s3_rig rig;

    (void)state;
    LOCK_RIG_INIT(&rig, replies, S3_LOCK_COMPLIANCE);
    assert_int_equal(s3_create_multipart_upload(rig.client, "k", &upload, &rig.err), 0);
    assert_int_equal(memory_source_new("abc", 3, &body, NULL), 0);
    assert_int_equal(s3_upload_part(upload, 1, body, &rig.err), 0);
    assert_int_equal(s3_complete_multipart_upload(upload, 1, &rig.err), 0);
    assert_string_equal(fake_request_header(&rig.fake, 0, "x-amz-object-lock-mode"), "COMPLIANCE");
    assert_null(fake_request_header(&rig.fake, 1, "x-amz-object-lock-mode"));
    assert_string_equal(fake_request_header(&rig.fake, 1, "Content-MD5"),
                        "kAFQmDzST7DWlj99KOF/cg==");
    s3_rig_check(&rig, 3, HTTP_GET, "/k?retention=");
    s3_rig_check(&rig, 4, HTTP_PUT, "/k?retention=");
    io_source_free(body);
    s3_upload_free(upload);
    s3_rig_dispose(&rig);
}

static void a_bucket_that_takes_no_locks_is_the_configurations_fault(void **state)
{
    static const struct fake_reply replies[] = {
        FAKE_REPLY(400, NULL, S3_ERROR("InvalidRequest")),
        FAKE_REPLY(501, NULL, S3_ERROR("NotImplemented")),
        FAKE_REPLY(400, NULL, S3_ERROR("InvalidRequest")),
        FAKE_REPLY(403, NULL, S3_ERROR("AccessDenied")),
        FAKE_REPLY(400, NULL, S3_ERROR("EntityTooSmall")),
    };
    struct s3_upload *upload = NULL;
    struct s3_rig rig;

    (void)state;
    LOCK_RIG_INIT(&rig, replies, S3_LOCK_GOVERNANCE);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(put(&rig), ERR_CONFIG);
        assert_int_equal(rig.err.code, ERR_CONFIG);
        assert_non_null(strstr(rig.err.hint, "made with Object Lock"));
        err_clear(&rig.err);
    }
    assert_int_equal(s3_create_multipart_upload(rig.client, "k", &upload, &rig.err), ERR_CONFIG);
    assert_int_equal(put(&rig), ERR_DENIED);
    assert_non_null(strstr(rig.err.hint, "s3:PutObjectRetention"));
    assert_int_equal(put(&rig), ERR_PROTOCOL); /* which has nothing to do with locks */
    s3_rig_dispose(&rig);
    LOCK_RIG_INIT(&rig, replies, S3_LOCK_NONE);
    assert_int_equal(put(&rig), ERR_PROTOCOL);
    s3_rig_dispose_early(&rig);
}

static void a_lock_is_renewed(void **state)
{
    static const struct fake_reply replies[] = { FAKE_REPLY(404, NULL, NO_LOCK),
                                                 FAKE_REPLY(503, NULL, S3_ERROR("SlowDown")),
                                                 FAKE_REPLY(200, NULL, NULL),
                                                 FAKE_REPLY(404, NULL, S3_ERROR("NoSuchKey")) };
    struct s3_rig rig;
    int64_t until_ms = 0;

    (void)state;
    LOCK_RIG_INIT(&rig, replies, S3_LOCK_COMPLIANCE);
    assert_int_equal(s3_put_object_retention(rig.client, "a/b", &until_ms, &rig.err), 0);
    assert_int_equal(until_ms, UNTIL_MS);
    s3_rig_check(&rig, 2, HTTP_PUT, "/a/b?retention=");
    assert_non_null(strstr(rig.fake.requests[2].body.ptr,
                           "<Mode>COMPLIANCE</Mode><RetainUntilDate>" UNTIL "</RetainUntilDate>"));
    assert_non_null(fake_request_header(&rig.fake, 2, "Content-MD5"));
    until_ms = 7;
    assert_int_equal(s3_put_object_retention(rig.client, "k", &until_ms, &rig.err), ERR_NOT_FOUND);
    assert_int_equal(until_ms, 7);
    s3_rig_dispose(&rig);
}

/* It would take the request for a PUT of the object, and there would be no pack any more. */
static void a_server_that_knows_no_locks_is_never_told_to_change_one(void **state)
{
    static const struct {
        struct fake_reply reply;
        int code;
    } rows[] = {
        { FAKE_REPLY(200, "Content-Length: 3", "abc"), ERR_UNSUPPORTED },
        { FAKE_REPLY(501, NULL, S3_ERROR("NotImplemented")), ERR_UNSUPPORTED },
        { FAKE_REPLY(404, NULL, S3_ERROR("NoSuchKey")), ERR_NOT_FOUND },
    };
    static const struct fake_reply denied[] = { FAKE_REPLY(403, NULL, S3_ERROR("AccessDenied")),
                                                FAKE_REPLY(200, NULL, NULL),
                                                FAKE_REPLY(200, NULL, NULL) };
    struct s3_rig rig;
    int64_t until_ms;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        lock_rig_init(&rig, &rows[i].reply, 1, S3_LOCK_COMPLIANCE);
        assert_int_equal(s3_put_object_retention(rig.client, "k", &until_ms, &rig.err),
                         rows[i].code);
        s3_rig_dispose(&rig);
    }
    LOCK_RIG_INIT(&rig, denied, S3_LOCK_COMPLIANCE); /* it tells a lock from an object */
    assert_int_equal(s3_put_object_retention(rig.client, "k", &until_ms, &rig.err), 0);
    assert_int_equal(s3_put_object_retention(rig.client, "k", &until_ms, &rig.err), 0);
    s3_rig_check(&rig, 2, HTTP_PUT, "/k?retention="); /* asked once */
    s3_rig_dispose(&rig);
}

static void tells_how_an_object_is_locked(void **state)
{
    static const struct fake_reply replies[] = {
        FAKE_REPLY(200, NULL,
                   "<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>" UNTIL
                   "</RetainUntilDate></Retention>"),
        FAKE_REPLY(404, NULL, S3_ERROR("NoSuchObjectLockConfiguration")),
        FAKE_REPLY(400, NULL, S3_ERROR("InvalidRequest")),
        FAKE_REPLY(404, NULL, S3_ERROR("NoSuchKey")),
        FAKE_REPLY(200, NULL, "<html/>"),
    };
    static const int codes[] = { 0, 0, 0, ERR_NOT_FOUND, ERR_UNSUPPORTED };
    struct s3_retention retention = { S3_LOCK_NONE, 0 };
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        assert_int_equal(s3_get_object_retention(rig.client, "k", &retention, &rig.err), codes[i]);
        assert_int_equal(retention.mode, i == 0 ? S3_LOCK_GOVERNANCE : S3_LOCK_NONE);
        assert_int_equal(retention.until_ms, i == 0 ? UNTIL_MS : 0);
    }
    s3_rig_check(&rig, 0, HTTP_GET, "/k?retention=");
    s3_rig_dispose(&rig);
}

static void tells_whether_a_bucket_takes_locks(void **state)
{
    static const struct fake_reply replies[] = {
        FAKE_REPLY(200, NULL,
                   "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>"
                   "</ObjectLockConfiguration>"),
        FAKE_REPLY(404, NULL, S3_ERROR("ObjectLockConfigurationNotFoundError")),
        FAKE_REPLY(404, NULL, S3_ERROR("NoSuchBucket")),
        FAKE_REPLY(501, NULL, S3_ERROR("NotImplemented")),
    };
    static const int codes[] = { 0, 0, ERR_NOT_FOUND, ERR_UNSUPPORTED };
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        bool enabled = i != 0;

        assert_int_equal(s3_get_object_lock_configuration(rig.client, &enabled, &rig.err),
                         codes[i]);
        if (codes[i] == 0)
            assert_int_equal(enabled, i == 0);
    }
    s3_rig_check(&rig, 0, HTTP_GET, "?object-lock=");
    s3_rig_dispose(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_put_is_locked_and_checked),
        cmocka_unit_test(an_upload_is_locked_at_its_beginning_and_at_its_end),
        cmocka_unit_test(a_bucket_that_takes_no_locks_is_the_configurations_fault),
        cmocka_unit_test(a_lock_is_renewed),
        cmocka_unit_test(a_server_that_knows_no_locks_is_never_told_to_change_one),
        cmocka_unit_test(tells_how_an_object_is_locked),
        cmocka_unit_test(tells_whether_a_bucket_takes_locks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
